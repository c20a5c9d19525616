"""The collector's figures about itself, in the names of Prometheus and OpenMetrics.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_ACK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STORE_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LAG_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600)


class Telemetry:
    """Counters, gauges and histograms of one collector process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.received_requests = Counter(
            "spanledger_collector_received_requests",
            "Requests that arrived, whatever became of them.",
            ["transport", "signal"],
            registry=registry,
        )
        self.received_bytes = Counter(
            "spanledger_collector_received_bytes",
            "Bytes of request bodies as they came over the wire.",
            ["transport", "signal"],
            unit="bytes",
            registry=registry,
        )
        self.accepted_items = Counter(
            "spanledger_collector_accepted_items",
            "Spans, log records and data points on disk and acknowledged.",
            ["signal", "project"],
            registry=registry,
        )
        self.rejected_items = Counter(
            "spanledger_collector_rejected_items",
            "Items left out of requests that were otherwise accepted, by reason.",
            ["signal", "reason"],
            registry=registry,
        )
        self.redacted_values = Counter(
            "spanledger_collector_redacted_values",
            "Values taken out before a disk saw them: by key (dropped, hashed), by pattern, "
            "items without their content (content), items without any text (redaction_failed).",
            ["project", "kind"],
            registry=registry,
        )
        self.refused_requests = Counter(
            "spanledger_collector_refused_requests",
            "Requests answered with an error, by reason.",
            ["transport", "signal", "reason"],
            registry=registry,
        )
        self.ack_seconds = Histogram(
            "spanledger_collector_ack_seconds",
            "From the first byte of a request to its answer.",
            ["transport", "signal"],
            unit="seconds",
            buckets=_ACK_S,
            registry=registry,
        )
        self.inflight_bytes = Gauge(
            "spanledger_collector_inflight_bytes",
            "Bytes of requests in memory.",
            unit="bytes",
            registry=registry,
        )
        self.spool_requests = Gauge(
            "spanledger_collector_spool_requests",
            "Requests waiting in the spool.",
            registry=registry,
        )
        self.spool_items = Gauge(
            "spanledger_collector_spool_items", "Items waiting in the spool.", registry=registry
        )
        self.spool_bytes = Gauge(
            "spanledger_collector_spool_bytes",
            "Bytes waiting in the spool.",
            unit="bytes",
            registry=registry,
        )
        self.spool_limit_bytes = Gauge(
            "spanledger_collector_spool_limit_bytes",
            "Disk budget of the spool.",
            unit="bytes",
            registry=registry,
        )
        self.spool_oldest_seconds = Gauge(
            "spanledger_collector_spool_oldest_seconds",
            "Age of the oldest request waiting in the spool.",
            unit="seconds",
            registry=registry,
        )
        self.spool_used_ratio = Gauge(
            "spanledger_collector_spool_used_ratio",
            "Share of the spool's disk budget in use, of 1; requests are refused from 0.95 on.",
            registry=registry,
        )
        self.spool_free_bytes = Gauge(
            "spanledger_collector_spool_free_bytes",
            "Bytes free on the volume of the spool.",
            unit="bytes",
            registry=registry,
        )
        self.spool_dead_letters = Gauge(
            "spanledger_collector_spool_dead_letters",
            "Requests set aside that the store has not taken into its dead letters yet.",
            registry=registry,
        )
        self.salvaged_requests = Counter(
            "spanledger_collector_salvaged_requests",
            "Requests recovered from a damaged spool file.",
            registry=registry,
        )
        self.damaged_requests = Counter(
            "spanledger_collector_damaged_requests",
            "Requests of a damaged spool file that could not be read.",
            registry=registry,
        )
        self.dead_letters = Counter(
            "spanledger_collector_dead_letters",
            "Requests set aside because they cannot be stored.",
            ["signal"],
            registry=registry,
        )
        self.stored_items = Counter(
            "spanledger_collector_stored_items", "Items stored.", registry=registry
        )
        self.store_seconds = Histogram(
            "spanledger_collector_store_seconds",
            "From a batch taken to its rows stored.",
            unit="seconds",
            buckets=_STORE_S,
            registry=registry,
        )
        self.store_failures = Counter(
            "spanledger_collector_store_failures",
            "Attempts to store a batch that failed.",
            ["kind"],
            registry=registry,
        )
        self.queryable_lag_seconds = Histogram(
            "spanledger_collector_queryable_lag_seconds",
            "From a request received to its items in the store.",
            unit="seconds",
            buckets=_LAG_S,
            registry=registry,
        )


class Reception:
    """The figures of one transport and signal, looked up once: they change with every request."""

    def __init__(self, telemetry: Telemetry, transport: str, signal: str) -> None:
        self._telemetry = telemetry
        self._labels = (transport, signal)
        self._requests = telemetry.received_requests.labels(transport, signal)
        self._bytes = telemetry.received_bytes.labels(transport, signal)
        self._seconds = telemetry.ack_seconds.labels(transport, signal)

    def arrived(self) -> None:
        """Count a request, whatever becomes of it."""
        self._requests.inc()

    def read(self, size_bytes: int) -> None:
        """Count the bytes of a body, as it came over the wire."""
        self._bytes.inc(size_bytes)

    def answered(self, seconds: float) -> None:
        """Count how long a request took from its first byte to its answer."""
        self._seconds.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count a request that was answered with an error."""
        self._telemetry.refused_requests.labels(*self._labels, reason).inc()
