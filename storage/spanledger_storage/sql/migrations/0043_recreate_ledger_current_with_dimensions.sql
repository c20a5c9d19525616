-- The entries that hold now, with the columns of 0042.
CREATE OR REPLACE VIEW ledger_current AS
SELECT * EXCEPT (is_deleted, version)
FROM ledger FINAL
WHERE is_deleted = 0
