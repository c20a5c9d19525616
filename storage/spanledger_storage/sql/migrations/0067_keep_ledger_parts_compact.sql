-- As for spans: what one insert brings stays one file.
ALTER TABLE ledger MODIFY SETTING min_bytes_for_wide_part = 33554432
