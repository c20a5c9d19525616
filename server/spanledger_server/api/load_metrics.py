"""The load as metrics of Prometheus and OpenMetrics. Names and labels are in docs/api.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from spanledger_server.api.load import AgentLoad, Load, ModelLoad, Pace

_PACE = {
    "calls_per_second": "Calls of models that ended, per second of the window.",
    "failed_calls_per_second": "Those of them that failed.",
    "cost_usd_per_minute": "US dollars of what is priced, per minute of the window.",
}
_AGENT = {
    "active_sessions": "Sessions with a span that ended in the last 15 minutes.",
    "active_traces": "Traces with a span that ended in the last 15 minutes.",
    "open_trajectories": "Trajectories that are open or waiting and not abandoned.",
}
_MODEL = {
    "queue_depth": "Requests that wait in inference workers.",
    "requests_running": "Requests that run in inference workers.",
}
Labelled = tuple[list[str], Pace]


class LoadCollector(Collector):
    """Gauges of one load; what nobody tells has no sample."""

    def __init__(self, load: Load) -> None:
        self._load = load

    def collect(self) -> Iterator[Metric]:
        """Return the families of metrics."""
        load, project = self._load, self._load.project
        total: list[Labelled] = [([project], load.total)]
        agents: list[Labelled] = [([project, name], one) for name, one in load.agents.items()]
        models: list[Labelled] = [([project, name], one) for name, one in load.models.items()]
        yield from _families("project", ["project"], total, {**_PACE, **_AGENT, **_MODEL})
        yield from _families("agent", ["project", "agent"], agents, {**_PACE, **_AGENT})
        yield from _families("model", ["project", "model"], models, {**_PACE, **_MODEL})
        if load.spool is not None:
            yield GaugeMetricFamily(
                "spanledger_spool_requests",
                "Requests accepted and not stored yet, of every project.",
                value=load.spool.requests,
            )
            yield GaugeMetricFamily(
                "spanledger_spool_oldest_seconds",
                "Age of the oldest of them.",
                value=load.spool.oldest_seconds,
            )


def registry_of(load: Load) -> CollectorRegistry:
    """Return a registry with the gauges of a load."""
    registry = CollectorRegistry()
    registry.register(LoadCollector(load))
    return registry


def _families(
    scope: str, labels: list[str], rows: Iterable[Labelled], plain: dict[str, str]
) -> Iterator[Metric]:
    rows = list(rows)
    for name, text in plain.items():
        family = GaugeMetricFamily(f"spanledger_{scope}_{name}", text, labels=labels)
        for values, load in rows:
            if (value := getattr(load, name)) is not None:
                family.add_metric(values, float(value))
        yield family
    tokens = GaugeMetricFamily(
        f"spanledger_{scope}_tokens_per_second",
        "Tokens of calls that ended, per second of the window.",
        labels=[*labels, "direction"],
    )
    latency = GaugeMetricFamily(
        f"spanledger_{scope}_latency_seconds",
        "Duration of calls that ended in the window.",
        labels=[*labels, "quantile"],
    )
    for values, load in rows:
        tokens.add_metric([*values, "input"], load.input_tokens_per_second)
        tokens.add_metric([*values, "output"], load.output_tokens_per_second)
        for quantile, value in _quantiles(load):
            latency.add_metric([*values, quantile], value)
    yield tokens
    yield latency


def _quantiles(load: Pace | AgentLoad | ModelLoad) -> Iterator[tuple[str, float]]:
    for quantile, value in (("0.5", load.p50_latency_seconds), ("0.95", load.p95_latency_seconds)):
        if value is not None:
            yield quantile, value
