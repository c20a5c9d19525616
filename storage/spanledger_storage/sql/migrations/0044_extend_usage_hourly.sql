-- What pages over many days need beside sums. Histograms are OpenTelemetry's exponential ones of
-- scale 5: bucket i counts values from 2^(i/32) up to 2^((i+1)/32), so a percentile is within 1.1 %
-- (https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram).
ALTER TABLE usage_hourly
    ADD COLUMN IF NOT EXISTS self_hosted_calls UInt64
        COMMENT 'usage known, on own machines, no price per token'
        AFTER calls_without_usage,
    ADD COLUMN IF NOT EXISTS fees_cost_usd Decimal(38, 12)
        COMMENT 'part of total_cost_usd'
        AFTER total_cost_usd,
    ADD COLUMN IF NOT EXISTS duration_counts Map(Int16, UInt64)
        COMMENT 'histogram of the ns that calls took whose own duration is known'
        AFTER duration_ns,
    ADD COLUMN IF NOT EXISTS ttft_counts Map(Int16, UInt64)
        COMMENT 'histogram of the ns to the first token'
        AFTER duration_counts,
    ADD COLUMN IF NOT EXISTS speed_counts Map(Int16, UInt64)
        COMMENT 'histogram of output tokens per second of a call'
        AFTER ttft_counts,
    ADD COLUMN IF NOT EXISTS first_time DateTime('UTC')
        COMMENT 'of the first entry'
        AFTER speed_counts,
    ADD COLUMN IF NOT EXISTS last_time DateTime('UTC')
        COMMENT 'of the last entry'
        AFTER first_time
