"""The health of alerts as metrics of Prometheus and OpenMetrics. Names are in docs/alerts.md."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from spanledger_alerts.engine import LEASE, LEASE_NS
from spanledger_collector.access.keys import Grant
from spanledger_server.api.autoscaling import METRICS
from spanledger_server.api.listings import make_router
from spanledger_storage.alert_figures import AlertFigures, Figures
from spanledger_storage.api_keys import Scope
from spanledger_storage.price_state import StateEngine

_NS_PER_S = 10**9
_RULE = ["project", "rule"]
_RULE_COUNTERS = {
    "evaluations": "Evaluations of a rule.",
    "evaluation_failures": "Those of them that failed.",
    "evaluation_seconds": "Time that evaluations took.",
}
_RULE_GAUGES = {
    "last_evaluation_seconds": "Time that the last evaluation took.",
    "last_evaluation_timestamp_seconds": "The time that the last evaluation stood for.",
    "instances_left_out": "Instances beyond the limit of the rule.",
}
PREFIX = "spanledger_alerts_"


class AlertsCollector(Collector):
    """The figures of one moment.

    Args:
        figures: as they were read.
        now_ns: UTC nanoseconds.
        sees_all: whether figures of the installation are told, beside those of a project.
    """

    def __init__(self, figures: Figures, now_ns: int, *, sees_all: bool) -> None:
        self._figures = figures
        self._now_ns = now_ns
        self._sees_all = sees_all

    def collect(self) -> Iterator[Metric]:
        """Return the families of metrics."""
        yield from self._of_rules()
        instances = _gauge("instances", "Instances that are not inactive.", [*_RULE, "state"])
        for key, count in sorted(self._figures.instances.items()):
            instances.add_metric(key, count)
        yield instances
        if self._sees_all:
            yield from self._of_delivery()
            yield from self._of_engine()

    def _of_rules(self) -> Iterator[Metric]:
        counters = {name: _counter(name, text, _RULE) for name, text in _RULE_COUNTERS.items()}
        gauges = {name: _gauge(name, text, _RULE) for name, text in _RULE_GAUGES.items()}
        for row in self._figures.rules:
            key = (row.project, row.rule)
            counters["evaluations"].add_metric(key, row.evaluations)
            counters["evaluation_failures"].add_metric(key, row.failures)
            counters["evaluation_seconds"].add_metric(key, row.spent_ns / _NS_PER_S)
            gauges["last_evaluation_seconds"].add_metric(key, row.duration_ns / _NS_PER_S)
            slot_s = row.slot_ns / _NS_PER_S
            gauges["last_evaluation_timestamp_seconds"].add_metric(key, slot_s)
            gauges["instances_left_out"].add_metric(key, row.left_out)
        yield from counters.values()
        yield from gauges.values()

    def _of_delivery(self) -> Iterator[Metric]:
        depth = _gauge("outbox_notifications", "Notifications that wait.", ["channel"])
        age = _gauge("outbox_oldest_seconds", "Age of the oldest that waits.", ["channel"])
        letters = _gauge("dead_letters", "Dead letters that nobody was told of since.", ["channel"])
        known = {channel for channel, _ in self._figures.deliveries}
        for channel in sorted(known | self._figures.waiting.keys()):
            waiting = self._figures.waiting.get(channel)
            depth.add_metric([channel], waiting.notifications if waiting else 0)
            letters.add_metric([channel], self._figures.letters.get(channel, 0))
            oldest_ns = waiting.oldest_ns if waiting else self._now_ns
            age.add_metric([channel], max(0.0, (self._now_ns - oldest_ns) / _NS_PER_S))
        yield depth
        yield age
        yield letters
        said = "Notifications by how they fared; one that failed is tried again."
        results = _counter("deliveries", said, ["channel", "result"])
        for key, count in sorted(self._figures.deliveries.items()):
            results.add_metric(key, count)
        yield results

    def _of_engine(self) -> Iterator[Metric]:
        leads = _gauge("leader", "1: this one evaluates; 0: it did last.", ["holder"])
        last = _gauge("last_run_timestamp_seconds", "When the engine was at work last.", [])
        if leader := self._figures.leaders.get(LEASE):
            leads.add_metric([leader.holder], float(leader.expires_at_ns > self._now_ns))
            if leader.expires_at_ns:  # 0: it was given back
                last.add_metric([], (leader.expires_at_ns - LEASE_NS) / _NS_PER_S)
        yield leads
        yield last
        said = "When the dead man's switch was told last: it heard, or that failed."
        beats = _gauge("heartbeat_timestamp_seconds", said, ["result"])
        for result, at_ns in sorted(self._figures.heartbeats.items()):
            beats.add_metric([result], at_ns / _NS_PER_S)
        yield beats


def alert_metrics_router(state: StateEngine) -> APIRouter:
    """Return the route; ``state`` is the state database."""
    router = make_router("alerts")
    kept = AlertFigures(state)

    @router.get("/alerts/metrics", response_class=Response, responses=METRICS)
    def metrics(request: Request) -> Response:
        """How alerts fare, in the text format of Prometheus or, where accepted, OpenMetrics.

        A key of one project is told of its rules and instances alone.
        """
        grant: Grant | None = request.state.grant
        sees_all = grant is None or Scope.ADMIN in grant.scopes
        figures = kept.read()
        if grant is not None and not sees_all:
            figures = _of_project(figures, grant.project.name)
        registry = CollectorRegistry()
        registry.register(AlertsCollector(figures, time.time_ns(), sees_all=sees_all))
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"content-type": content_type})

    return router


def _of_project(figures: Figures, project: str) -> Figures:
    instances = {key: count for key, count in figures.instances.items() if key[0] == project}
    rules = [row for row in figures.rules if row.project == project]
    return replace(figures, rules=rules, instances=instances)


def _gauge(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", text, labels=labels)


def _counter(name: str, text: str, labels: list[str]) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}{name}", text, labels=labels)
