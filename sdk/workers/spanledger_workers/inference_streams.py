"""Prometheus families to OTLP points: what is cumulative stays so, with a start and its resets.

https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from spanledger_workers.points import About, Buckets, Point

Series = tuple[str, tuple[tuple[str, str], ...]]

_SCOPE_LABELS = frozenset({"le", "quantile"})
_PROCESS_START = "process_start_time_seconds"


@dataclass
class _Stream:
    start_ns: int
    total: float


@dataclass
class Streams:
    """Remembers where the counters of one worker stood, to tell when they began anew.

    A counter's start is what the page says (``_created``, ``process_start_time_seconds``), else
    when it was first seen: then nobody knows what came before, and start and time are equal.
    """

    _known: dict[Series, _Stream] = field(default_factory=dict[Series, _Stream])
    _process_start_ns: int = 0
    _last_ns: int = 0

    def points(self, families: Iterable[Family], now_ns: int) -> list[Point]:
        """Return the points of one reading; series with values that are no numbers are left out."""
        families = list(families)
        created = _created(families)
        process = next((f.samples for f in families if f.name == _PROCESS_START), [])
        self._process_start_ns = _ns(process[0].value) if process else 0
        seen: set[Series] = set()
        found: list[Point] = []
        for family in families:
            if family.type == "histogram":
                found += self._histograms(family, created, now_ns, seen)
            else:
                found += self._numbers(family, created, now_ns, seen)
        self._known = {key: value for key, value in self._known.items() if key in seen}
        self._last_ns = now_ns
        return found

    def _numbers(
        self, family: Family, created: dict[Series, int], now_ns: int, seen: set[Series]
    ) -> Iterator[Point]:
        for sample in family.samples:
            if sample.name.endswith("_created") or not math.isfinite(sample.value):
                continue
            is_counter = family.type == "counter" or (
                family.type == "summary" and sample.name != family.name
            )
            about = About(
                sample.name, family.unit, "counter" if is_counter else "gauge",
                family.documentation,
            )  # fmt: skip
            start_ns = 0
            if is_counter:
                key = _key(sample.name, sample)
                seen.add(key)
                said = created.get(_key(family.name, sample), 0)
                start_ns = self._start(key, sample.value, said, now_ns)
            yield Point(about, sample.value, sample.labels, now_ns, start_ns)

    def _histograms(
        self, family: Family, created: dict[Series, int], now_ns: int, seen: set[Series]
    ) -> Iterator[Point]:
        about = About(family.name, family.unit, "histogram", family.documentation)
        for key, (labels, found) in _grouped(family).items():
            if found is None:
                continue
            seen.add(key)
            start_ns = self._start(key, sum(found.counts), created.get(key, 0), now_ns)
            yield Point(about, found, labels, now_ns, start_ns)

    def _start(self, key: Series, total: float, said_ns: int, now_ns: int) -> int:
        """Return when a stream began, noticing that it began anew."""
        known = self._known.get(key)
        told = said_ns or self._process_start_ns
        if known is None:
            # A series that appears later began between two readings; the first ones, nobody knows.
            start_ns = told or self._last_ns or now_ns
        elif total < known.total:
            start_ns = told if told > known.start_ns else self._last_ns
        else:
            start_ns = max(known.start_ns, told) if told > known.start_ns else known.start_ns
        self._known[key] = _Stream(start_ns, total)
        return start_ns


def _created(families: Iterable[Family]) -> dict[Series, int]:
    """Return when series began, where the page says so; the classic format has it as gauges."""
    return {
        _key(sample.name.removesuffix("_created"), sample): _ns(sample.value)
        for family in families
        for sample in family.samples
        if sample.name.endswith("_created")
    }


def _grouped(family: Family) -> dict[Series, tuple[dict[str, str], Buckets | None]]:
    """Return the histograms of a family by series; None: its buckets make no histogram."""
    bounds: dict[Series, list[tuple[float, float]]] = {}
    sums: dict[Series, float] = {}
    labels: dict[Series, dict[str, str]] = {}
    for sample in family.samples:
        key = _key(family.name, sample)
        if sample.name.endswith("_bucket"):
            labels[key] = {k: v for k, v in sample.labels.items() if k != "le"}
            bounds.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[key] = sample.value
    return {
        key: (labels[key], _buckets(sorted(found), sums.get(key, 0.0)))
        for key, found in bounds.items()
    }


def _buckets(cumulative: list[tuple[float, float]], total: float) -> Buckets | None:
    if not cumulative or not math.isinf(cumulative[-1][0]):
        return None
    counts: list[int] = []
    before = 0.0
    for _, so_far in cumulative:
        if not math.isfinite(so_far) or so_far < before:
            return None
        counts.append(int(so_far - before))
        before = so_far
    return Buckets([bound for bound, _ in cumulative[:-1]], counts, total)


def _key(name: str, sample: Sample) -> Series:
    labels = ((k, v) for k, v in sample.labels.items() if k not in _SCOPE_LABELS)
    return name, tuple(sorted(labels))


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000) if math.isfinite(seconds) and seconds > 0 else 0
