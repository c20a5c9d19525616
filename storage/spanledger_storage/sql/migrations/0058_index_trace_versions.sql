-- "Which traces changed since?" reads the versions of all traces without this. Parts stored before
-- are read in full until a merge brings them in.
ALTER TABLE traces
    ADD INDEX IF NOT EXISTS version_range version TYPE minmax GRANULARITY 1
