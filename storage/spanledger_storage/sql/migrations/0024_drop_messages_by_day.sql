-- Its rows are in messages now.
DROP TABLE IF EXISTS messages_by_day SYNC
