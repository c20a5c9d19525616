-- What do these traces' spans of tools say that the price of a tool may depend on?
-- Parameters: project; attributes: names of attributes that hold quantities.
-- Table: asked (hour UInt32, trace_id String): hours in which traces have spans, UTC start hours
--   in UNIX seconds.
-- Result: one row per stored version of a span, the newest last; server: the MCP server as it was
--   named, else its address; raw_name: the tool's name as it was sent; quantities: texts in the
--   order of attributes, empty where there is none.
-- Relies on the sort key of spans (project, start hour, trace_id, ...).
SELECT
    trace_id,
    span_id,
    multiIf(
        attributes['mcp.server.name'] != '', attributes['mcp.server.name'],
        attributes['mcp.method.name'] != '', attributes['server.address'],
        ''
    ) AS server,
    if(attributes['gen_ai.tool.name'] != '', attributes['gen_ai.tool.name'], attributes['tool_name']) AS raw_name,
    arrayMap(name -> attributes[name], {attributes:Array(String)}) AS quantities
FROM spans
PREWHERE project = {project:String}
    AND (toStartOfHour(start_time), trace_id) IN (SELECT toDateTime(hour, 'UTC'), trace_id FROM asked)
    AND role = 'tool'
ORDER BY version
