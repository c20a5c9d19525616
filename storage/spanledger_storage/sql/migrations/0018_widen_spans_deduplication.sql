-- A repeated insert is known by its token as long as fewer other blocks (one per insert and
-- partition) followed it: an hour of four busy collectors. Beyond that rows replace themselves by
-- key and version, which costs disk until they are merged; the other tables leave it at that.
ALTER TABLE spans MODIFY SETTING non_replicated_deduplication_window = 100000
