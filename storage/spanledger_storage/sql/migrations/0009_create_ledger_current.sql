-- The entries that hold now: newest version of each, tombstones left out.
CREATE VIEW ledger_current AS
SELECT * EXCEPT (is_deleted, version)
FROM ledger FINAL
WHERE is_deleted = 0
