-- Clear what was said from the spans of these projects and days; counts, ids and hashes stay.
-- Parameters: partitions: of the table, as YYYYMMDD numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project; content_keys: regular
--   expression of attribute keys that hold content; longest: bytes, a longer value is taken for
--   text whatever its key.
-- Result: none. Values become empty, keys stay. Only the columns named are rewritten.
-- Relies on the partitions of spans (day of start_time).
ALTER TABLE spans UPDATE
    tool_arguments = '',
    tool_result = '',
    status_message = if(length(status_message) > {longest:UInt32}, '', status_message),
    attributes = mapApply(
        (k, v) -> (k, if(length(v) > {longest:UInt32} OR match(k, {content_keys:String}), '', v)),
        attributes
    ),
    `events.attributes` = arrayMap(
        m -> mapApply(
            (k, v) -> (k, if(length(v) > {longest:UInt32} OR match(k, {content_keys:String}), '', v)),
            m
        ),
        `events.attributes`
    ),
    `links.attributes` = arrayMap(
        m -> mapApply(
            (k, v) -> (k, if(length(v) > {longest:UInt32} OR match(k, {content_keys:String}), '', v)),
            m
        ),
        `links.attributes`
    )
WHERE toYYYYMMDD(start_time) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(start_time) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
SETTINGS mutations_sync = 1
