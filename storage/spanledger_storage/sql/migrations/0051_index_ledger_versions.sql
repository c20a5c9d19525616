-- "Which entries changed since?" reads the versions of the whole ledger without this. Parts stored
-- before are read in full until a merge brings them in.
ALTER TABLE ledger
    ADD INDEX IF NOT EXISTS version_range version TYPE minmax GRANULARITY 1
