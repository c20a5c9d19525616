-- Make the list of what a deletion is about; it is dropped when the deletion ends.
-- Parameters: none.
-- Result: none. Mutations read ids from here, so that none of them keeps one in its own text.
CREATE TABLE IF NOT EXISTS deletion_targets
(
    deletion String COMMENT 'keyed hash of the subject',
    what LowCardinality(String) COMMENT 'trace log series entry letter message; candidate newest hour partner: to go on with; key: of its pseudonyms',
    id String
)
ENGINE = MergeTree
ORDER BY (deletion, what, id)
