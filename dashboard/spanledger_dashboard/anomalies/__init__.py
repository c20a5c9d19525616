"""The Anomalies page: what was spent against what was expected, why, and where the month leads."""
