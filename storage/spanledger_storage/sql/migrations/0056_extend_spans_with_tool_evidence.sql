-- How the error of a tool call is known, judged before content is taken out: docs/findings.md, "Silent failures".
ALTER TABLE spans
    ADD COLUMN IF NOT EXISTS tool_evidence LowCardinality(String) COMMENT 'of an error of a tool call: declared by the span, payload: its result says so, suspected: it reads like one; empty: none' AFTER result_sig
