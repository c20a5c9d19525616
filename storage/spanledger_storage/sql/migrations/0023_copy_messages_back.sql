-- blocking: yes
-- Running it again changes nothing that a reader sees.
INSERT INTO messages (project, hash, role, content, stored_at)
SELECT project, hash, role, content, stored_at
FROM messages_by_day
SETTINGS max_partitions_per_insert_block = 0
