-- Everything a price depends on, the parts of a cost, and what an entry was first priced with.
ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS image_tokens Nullable(UInt64) COMMENT 'image input' AFTER audio_output_tokens,
    ADD COLUMN IF NOT EXISTS image_output_tokens Nullable(UInt64) AFTER image_tokens,
    ADD COLUMN IF NOT EXISTS cache_read_audio_tokens Nullable(UInt64) AFTER image_output_tokens,
    ADD COLUMN IF NOT EXISTS web_searches Nullable(UInt64) AFTER cache_read_audio_tokens,
    ADD COLUMN IF NOT EXISTS contract_id String COMMENT 'the contract that changed the list price; empty: none' AFTER price_id,
    ADD COLUMN IF NOT EXISTS fees_cost_usd Nullable(Decimal(38, 12)) COMMENT 'per request and per web search' AFTER output_cost_usd,
    ADD COLUMN IF NOT EXISTS list_cost_usd Nullable(Decimal(38, 12)) COMMENT 'before the contract; NULL: unknown' AFTER total_cost_usd,
    ADD COLUMN IF NOT EXISTS billed_price_id String COMMENT 'what the entry was first priced with; no repricing changes it' AFTER list_cost_usd,
    ADD COLUMN IF NOT EXISTS billed_cost_usd Nullable(Decimal(38, 12)) COMMENT 'the total as first priced' AFTER billed_price_id,
    ADD COLUMN IF NOT EXISTS flags Array(LowCardinality(String)) COMMENT 'what is odd about this entry: names in docs/ledger.md' AFTER dialects
