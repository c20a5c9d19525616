-- Clear what was said from the log records of these projects and days.
-- Parameters: partitions: of the table, as YYYYMMDD numbers; projects and days, two lists of one
--   length: the first UTC day (YYYYMMDD) that stays of each project; content_keys: regular
--   expression of attribute keys that hold content; longest: bytes, a longer value is taken for
--   text whatever its key.
-- Result: none. Values become empty, keys stay. Only the columns named are rewritten.
-- Relies on the partitions of logs (day of time).
ALTER TABLE logs UPDATE
    body = '',
    attributes = mapApply(
        (k, v) -> (k, if(length(v) > {longest:UInt32} OR match(k, {content_keys:String}), '', v)),
        attributes
    )
WHERE toYYYYMMDD(time) IN {partitions:Array(UInt32)}
    AND project IN {projects:Array(String)}
    AND toYYYYMMDD(time) < transform(
        toString(project), {projects:Array(String)}, {days:Array(UInt32)}, toUInt32(0)
    )
SETTINGS mutations_sync = 1
