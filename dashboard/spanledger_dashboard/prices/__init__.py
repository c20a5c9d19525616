"""What the prices page shows."""
