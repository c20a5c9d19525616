"""The telemetry store (ClickHouse), the local engine that can run it, and the state database."""
