-- blocking: yes
-- Rows of the table as it was; running it again changes nothing that a reader sees.
INSERT INTO messages_by_day (project, hash, role, content, stored_at)
SELECT project, hash, role, content, stored_at
FROM messages
SETTINGS max_partitions_per_insert_block = 0
