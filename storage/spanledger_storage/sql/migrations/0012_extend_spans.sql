-- What newer conventions and inference servers report, and what is odd about a span.
ALTER TABLE spans
    ADD COLUMN IF NOT EXISTS image_output_tokens Nullable(UInt64) AFTER image_tokens,
    ADD COLUMN IF NOT EXISTS cache_read_audio_tokens Nullable(UInt64) COMMENT 'the part of the cache reads that is audio' AFTER image_output_tokens,
    ADD COLUMN IF NOT EXISTS web_searches Nullable(UInt64) COMMENT 'searches the provider made and charges per search' AFTER cache_read_audio_tokens,
    ADD COLUMN IF NOT EXISTS time_in_queue_ns Nullable(UInt64) COMMENT 'in the inference server, before the first token was computed' AFTER ttft_ns,
    ADD COLUMN IF NOT EXISTS prefill_ns Nullable(UInt64) AFTER time_in_queue_ns,
    ADD COLUMN IF NOT EXISTS decode_ns Nullable(UInt64) AFTER prefill_ns,
    ADD COLUMN IF NOT EXISTS flags Array(LowCardinality(String)) COMMENT 'what is odd about this span: names in docs/ledger.md' AFTER tool_result
