"""How long calls take: percentiles over a window, by model and over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import cast

from spanledger_dashboard.hourly import is_counted_hourly, percentile
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import Only
from spanledger_storage.store import Store


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Nanoseconds, interpolated between calls or within 1.1 %; None: no call tells."""

    p50_ns: int | None = None
    p95_ns: int | None = None
    p99_ns: int | None = None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Percentiles:
        """Return the percentiles of a row's array."""
        return cls(*(None if v is None or isnan(v) else round(v) for v in values))

    @classmethod
    def within(cls, counts: Mapping[int, int]) -> Percentiles:
        """Return the percentiles of a histogram of ``usage_hourly``."""
        return cls.of([percentile(counts, share) for share in (0.5, 0.95, 0.99)])


@dataclass(frozen=True, slots=True)
class Latency:
    """Of calls whose own duration is known.

    Attributes:
        ttft: time to the first token, of the calls that tell it.
        tokens_per_s: median of a call's output tokens over its duration; None: unknown.
    """

    calls: int = 0
    duration: Percentiles = Percentiles()
    streamed_calls: int = 0
    ttft: Percentiles = Percentiles()
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Latencies:
    """Over all calls, by model (most calls first), and by start of a bucket (unix seconds)."""

    total: Latency
    by_model: Mapping[str, Latency]
    by_bucket: Mapping[int, Latency]


NO_LATENCIES = Latencies(Latency(), {}, {})


def load_latencies(
    store: Store, project: str, window: Window, bucket_s: int, only: Only | None = None
) -> Latencies:
    """Read how long the calls of a window took; over days, percentiles are within 1.1 %.

    Raises:
        StoreError: the store does not answer.
    """
    part = only or Only("project", project)
    is_hourly = is_counted_hourly((part.column,), window, bucket_s)
    rows = store.rows(
        "dashboard_latency_hourly" if is_hourly else "dashboard_latency",
        {
            "project": project,
            "from_s": window.start_s,
            "to_s": window.end_s,
            "bucket_s": bucket_s,
            **part.params,
        },
    )
    read = counted_latency if is_hourly else _latency
    found = [(str(row["part"]), row, read(row)) for row in rows]
    return Latencies(
        total=next((latency for part, _, latency in found if part == "all"), Latency()),
        by_model=_most_calls_first(
            {str(row["model"]): latency for part, row, latency in found if part == "model"}
        ),
        by_bucket={
            cast("int", row["bucket_s"]): latency
            for part, row, latency in found
            if part == "bucket"
        },
    )


def _most_calls_first(found: Mapping[str, Latency]) -> dict[str, Latency]:
    return dict(sorted(found.items(), key=lambda item: (-item[1].calls, item[0])))


def counted_latency(row: Mapping[str, object]) -> Latency:
    """Return what the histograms of a row of hourly usage say."""
    duration, ttft, speed = (
        cast("dict[int, int]", row[f"{of}_counts"]) for of in ("duration", "ttft", "speed")
    )
    return Latency(
        calls=sum(duration.values()),
        duration=Percentiles.within(duration),
        streamed_calls=sum(ttft.values()),
        ttft=Percentiles.within(ttft),
        tokens_per_s=percentile(speed, 0.5),
    )


def _latency(row: Mapping[str, object]) -> Latency:
    speed = cast("float", row["tokens_per_s"])
    return Latency(
        calls=cast("int", row["calls"]),
        duration=Percentiles.of(cast("list[float]", row["latency"])),
        streamed_calls=cast("int", row["streamed_calls"]),
        ttft=Percentiles.of(cast("list[float]", row["ttft"])),
        tokens_per_s=None if isnan(speed) else speed,
    )
