-- Which spans tell of requests on inference workers in an hour?
-- Parameters: project; hour (UTC start hour, UNIX seconds); addresses: host names and addresses of
--   workers, by which their clients' spans are known.
-- Result: one row per span that overlaps the hour and began in it or in the hour before: trace_id,
--   span_id, start_ns, end_ns (UTC), role, provider, model, queue_ns, prefill_ns, decode_ns,
--   input_tokens, cache_read_tokens, cache_write_tokens, output_tokens; where it ran: instance,
--   host, pod, service_name; whom it called: server_address, server_port; response_id.
-- Relies on the sort key of spans (project, start hour, ...).
SELECT
    trace_id,
    span_id,
    toUnixTimestamp64Nano(start_time) AS start_ns,
    toUnixTimestamp64Nano(end_time) AS end_ns,
    role,
    provider,
    if(response_model != '', response_model, request_model) AS model,
    time_in_queue_ns AS queue_ns,
    prefill_ns,
    decode_ns,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    resource_attributes['service.instance.id'] AS instance,
    resource_attributes['host.name'] AS host,
    resource_attributes['k8s.pod.name'] AS pod,
    service_name,
    attributes['server.address'] AS server_address,
    attributes['server.port'] AS server_port,
    response_id
FROM spans
PREWHERE project = {project:String}
    AND toStartOfHour(start_time) >= toDateTime({hour:Int64} - 3600, 'UTC')
    AND toStartOfHour(start_time) <= toDateTime({hour:Int64}, 'UTC')
    AND role IN ('server', 'llm', 'embedding', 'other')
WHERE end_time > toDateTime64({hour:Int64}, 9, 'UTC')
    AND (
        role = 'server'
        OR (role = 'other' AND dialect = 'inference_server' AND isNotNull(decode_ns))
        OR (
            role IN ('llm', 'embedding')
            AND notEmpty({addresses:Array(String)})
            AND has({addresses:Array(String)}, attributes['server.address'])
        )
    )
ORDER BY trace_id, span_id, version DESC
LIMIT 1 BY trace_id, span_id
