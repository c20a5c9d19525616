-- Signatures by which loops are found, also where no content is kept: docs/privacy.md says how they are made.
ALTER TABLE spans
    ADD COLUMN IF NOT EXISTS call_sig UInt64 COMMENT 'of a tool call: equal for the same tool with the same arguments; 0: not known' AFTER tool_result,
    ADD COLUMN IF NOT EXISTS result_sig UInt64 COMMENT 'of its outcome and result, without what differs every time; 0: not known' AFTER call_sig
