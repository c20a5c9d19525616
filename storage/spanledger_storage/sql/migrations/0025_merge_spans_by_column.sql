-- Merges of this many columns row by row took half as long again as column by column; parts that
-- are kept in one file (below 10 MB) are merged row by row all the same.
ALTER TABLE spans MODIFY SETTING vertical_merge_algorithm_min_rows_to_activate = 1
