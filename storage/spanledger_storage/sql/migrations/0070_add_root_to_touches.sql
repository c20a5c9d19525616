-- Whether a trace's first span came, which most instrumentations send last: without it, the trace goes on.
-- Rows of other writers, and those from before, ask for their traces as they are.
ALTER TABLE touches
    ADD COLUMN IF NOT EXISTS has_root UInt8 DEFAULT 1
    COMMENT '1: a span without a parent is among the spans of this flush; or not told'
    AFTER spans
