"""What the data quality page shows."""
