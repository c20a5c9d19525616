-- What one insert brings stays one file: of each column and its parts the engine would make files of
-- their own, hundreds an insert, which took more time than writing what is in them. Merges still
-- write columns apart.
ALTER TABLE spans MODIFY SETTING min_bytes_for_wide_part = 33554432
