-- Its rows are in messages now.
DROP TABLE IF EXISTS messages_undated SYNC
