-- From here on messages are stored by day. Both names change at once: no insert finds neither.
RENAME TABLE messages TO messages_undated, messages_by_day TO messages
