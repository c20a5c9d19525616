-- Which calls lost most for one reason?
-- Parameters: project; from_s and to_s: unix seconds, the second one excluded; agent, segment_kind,
--   cause, detail: as dashboard_cache_causes names them; most: how many.
-- Columns: time_ns, trace_id, span_id, previous_trace_id, previous_span_id, model, input_tokens,
--   read_tokens (NULL: not reported), lost_tokens, lost_usd (NULL: no price), gap_ns, place (segment
--   from 0), segments, position (character, NULL: none), segment_hash, previous_segment_hash.
-- Sort key used: (project, toStartOfHour(time), ...).
SELECT
    toUnixTimestamp64Nano(time) AS time_ns,
    trace_id,
    span_id,
    previous_trace_id,
    previous_span_id,
    model,
    input_tokens,
    cache_read_tokens AS read_tokens,
    lost_tokens,
    lost_usd,
    gap_ns,
    shared_segments AS place,
    segments,
    position,
    segment_hash,
    previous_segment_hash
FROM cache_calls FINAL
WHERE project = {project:String}
    AND toStartOfHour(time) >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC'))
    AND toStartOfHour(time) <= toStartOfHour(toDateTime({to_s:Int64}, 'UTC'))
    AND time >= toDateTime({from_s:Int64}, 'UTC')
    AND time < toDateTime({to_s:Int64}, 'UTC')
    AND agent_name = {agent:String}
    AND segment_kind = {segment_kind:String}
    AND cause = {cause:String}
    AND detail = {detail:String}
    AND lost_tokens > 0
    AND is_deleted = 0
ORDER BY lost_usd DESC NULLS LAST, lost_tokens DESC, time_ns DESC
LIMIT {most:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1
