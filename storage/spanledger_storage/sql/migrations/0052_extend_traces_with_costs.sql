-- What the cost of a trace is made of, and by what tasks are compared. Until a trace is derived again
-- its cost counts as inference: there was nothing else.
ALTER TABLE traces
    ADD COLUMN IF NOT EXISTS inference_cost_usd Decimal(38, 12) DEFAULT ifNull(total_cost_usd, 0) COMMENT 'of kinds llm and embedding, what is priced' AFTER total_cost_usd,
    ADD COLUMN IF NOT EXISTS tool_cost_usd Decimal(38, 12) COMMENT 'of kind tool' AFTER inference_cost_usd,
    ADD COLUMN IF NOT EXISTS gpu_cost_usd Decimal(38, 12) COMMENT 'of kind gpu' AFTER tool_cost_usd,
    ADD COLUMN IF NOT EXISTS infra_cost_usd Decimal(38, 12) COMMENT 'of kind infra' AFTER gpu_cost_usd,
    ADD COLUMN IF NOT EXISTS agent_version LowCardinality(String) COMMENT 'of the outermost agent' AFTER agent_name,
    ADD COLUMN IF NOT EXISTS workflow_name LowCardinality(String) AFTER agent_version,
    ADD COLUMN IF NOT EXISTS main_model LowCardinality(String) COMMENT 'the model that cost most' AFTER models
