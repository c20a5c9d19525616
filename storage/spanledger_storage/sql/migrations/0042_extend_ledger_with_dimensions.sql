-- Whom an entry is for, and which tool was paid.
ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS dimensions Map(LowCardinality(String), String) COMMENT 'team, customer … by name' CODEC(ZSTD(3)) AFTER task_id,
    ADD COLUMN IF NOT EXISTS tool_name LowCardinality(String) COMMENT 'of entries of kind tool' AFTER request_model
