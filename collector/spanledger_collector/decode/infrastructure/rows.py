"""Collects the points of a batch that tell of GPUs and inference, and becomes their tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import pyarrow as pa

from spanledger_collector.decode.columns import Array
from spanledger_collector.decode.infrastructure import gpus, workers
from spanledger_collector.decode.infrastructure.rules import Attributes, Place, Rule

Row: TypeAlias = dict[str, object]
Key: TypeAlias = tuple[str, int, tuple[str, ...]]

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_LAST_S = 2**32 - 1
_RULES: dict[str, tuple[Rule, ...]] = {**gpus.RULES, **workers.RULES}
# What the DCGM exporter writes for "not there": DCGM_INT32_BLANK, _INT64_BLANK, _FP64_BLANK and
# the few numbers after each (https://github.com/NVIDIA/DCGM/blob/master/dcgmlib/dcgm_structs.h).
_BLANKS = ((0x7FFFFFF0, 0x7FFFFFF8), (0x7FFFFFFFFFFFFFF0, 2**63 + 1), (2**47, 2**47 + 8))
_NAMES = {
    gpus.SAMPLES: ("gpu", "mig"),
    gpus.PROCESSES: ("gpu", "mig", "pid"),
    workers.SAMPLES: ("worker", "model", "rank"),
}
_SAID = {
    gpus.SAMPLES: (
        "source", "gpu_index", "model", "mig_profile", "host", "namespace", "pod", "container",
    ),
    gpus.PROCESSES: ("host", "executable", "container_id", "container", "pod", "namespace"),
    workers.SAMPLES: ("engine", "service_name", "host", "pod", "namespace"),
}  # fmt: skip
_MEASURES = {
    gpus.SAMPLES: (
        "is_lost", "utilization_ratio", "engine_active_ratio", "sm_active_ratio",
        "tensor_active_ratio", "memory_active_ratio", "dram_active_ratio", "encoder_ratio",
        "decoder_ratio", "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes",
        "memory_total_bytes", "memory_used_ratio", "power_watts", "power_limit_watts",
        "energy_joules", "temperature_celsius", "memory_temperature_celsius", "fan_ratio",
        "graphics_clock_hz", "sm_clock_hz", "memory_clock_hz", "clock_events", "xid", "xid_errors",
        "ecc_corrected_errors", "ecc_uncorrected_errors", "pcie_sent_bytes",
        "pcie_received_bytes", "nvlink_sent_bytes", "nvlink_received_bytes",
        "pcie_sent_bytes_per_s", "pcie_received_bytes_per_s",
    ),
    gpus.PROCESSES: ("memory_bytes", "utilization_ratio", "memory_active_ratio"),
    workers.SAMPLES: (
        "is_up", "requests_running", "requests_waiting", "kv_cache_ratio", "cache_hit_ratio",
        "requests", "preemptions", "input_tokens", "output_tokens", "cache_queried_tokens",
        "cache_hit_tokens", "busy_seconds", "prefill_seconds", "decode_seconds",
    ),
}  # fmt: skip
_HISTOGRAMS = ("ttft", "tpot", "itl", "latency", "queue")
_KINDS = {"count": pa.uint64(), "code": pa.uint32(), "bool": pa.bool_()}


class Figures(Protocol):
    """What a data point measured."""

    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def sum(self) -> float | None: ...  # noqa: D102
    @property
    def bounds(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def bucket_counts(self) -> Sequence[int]: ...  # noqa: D102


@dataclass(slots=True)
class _Sum:
    """Adds up the series of one cell; a series that is told twice counts once."""

    is_older: bool = False
    parts: dict[str, float] = field(default_factory=dict[str, float])
    buckets: dict[str, tuple[tuple[float, ...], Sequence[int]]] = field(
        default_factory=dict[str, "tuple[tuple[float, ...], Sequence[int]]"]
    )


class InfrastructureRows:
    """Rows of gpu_samples, gpu_processes and inference_samples.

    One row per thing and second; what one second holds twice, the later point says.
    """

    def __init__(self) -> None:
        self._rows: dict[Key, Row] = {}
        self._by_table: dict[str, list[Key]] = {table: [] for table in _NAMES}

    @staticmethod
    def rules(metric: str) -> tuple[Rule, ...]:
        """Return what to do with the points of a metric; mostly nothing."""
        return _RULES.get(metric) or _RULES.get(metric.removesuffix("_total"), ())

    def add(
        self, rule: Rule, project: str, series: str, attributes: Attributes, resource: Attributes,
        figures: Figures, start_ns: int, time_ns: int,
    ) -> None:  # fmt: skip
        """Put a point into its row; one that names no GPU or says no number is left out."""
        column = rule.choose(attributes) if rule.choose else rule.column
        place = rule.place(attributes, resource) if column else None
        if place is None:
            return
        if rule.needs == "buckets":
            if not figures.bucket_counts:
                return
            row = self._row(rule, project, place, time_ns)
            bounds = tuple(bound * rule.scale for bound in figures.bounds)
            _summed(row, column, rule).buckets[series] = (bounds, figures.bucket_counts)
        else:
            value = figures.value
            if value is None and rule.needs == "sum_or_value":
                value = figures.sum
            if value is None or not math.isfinite(value) or (rule.has_blanks and _is_blank(value)):
                return
            row = self._row(rule, project, place, time_ns)
            if column == "is_lost":
                if value:
                    row[column] = attributes.get("hw.state") == "failed"
            elif rule.is_sum or rule.needs:
                _summed(row, column, rule).parts[series] = value * rule.scale
            else:
                row[column] = value * rule.scale
        if start_ns and rule.table == workers.SAMPLES:
            known = row.get("started")
            row["started"] = min(start_ns, known) if isinstance(known, int) else start_ns

    def tables(self) -> list[tuple[str, pa.Table]]:
        """Return the rows of each table, in the order the points came."""
        return [(table, self._table(table, keys)) for table, keys in self._by_table.items()]

    def _row(self, rule: Rule, project: str, place: Place, time_ns: int) -> Row:
        second = min(time_ns // _NS_PER_S, _LAST_S)
        key = (project, second, (rule.table, *place.key))
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = dict(place.said)
            self._by_table[rule.table].append(key)
        return row

    def _table(self, table: str, keys: Sequence[Key]) -> pa.Table:
        rows = [self._rows[key] for key in keys]
        columns: dict[str, Array] = {
            "project": pa.array([key[0] for key in keys], pa.string()),
            "time": pa.array([key[1] for key in keys], pa.int64()).cast(pa.timestamp("s", "UTC")),
        }
        for number, name in enumerate(_NAMES[table], 1):
            columns[name] = pa.array([key[2][number] for key in keys], pa.string())
        if table == gpus.PROCESSES:
            columns["pid"] = columns["pid"].cast(pa.uint32())
        for name in _SAID[table]:
            columns[name] = pa.array([row.get(name, "") for row in rows], pa.string())
        for name in _MEASURES[table]:
            columns[name] = _measure(name, rows)
        if table == workers.SAMPLES:
            columns |= _histograms(rows)
            columns["started"] = _started(rows)
        return pa.table(columns)


def _summed(row: Row, column: str, rule: Rule) -> _Sum:
    """Return the cell to add to; what an older name told gives way to the newer one."""
    found = row.get(column)
    if not isinstance(found, _Sum) or found.is_older > rule.is_older:
        found = row[column] = _Sum(rule.is_older)
    return found if found.is_older == rule.is_older else _Sum()


def _measure(name: str, rows: Sequence[Mapping[str, object]]) -> Array:
    kind = gpus.KINDS.get(name, "bool" if name == "is_up" else "float")
    values = [_number(row.get(name)) for row in rows]
    if kind == "float":
        return pa.array(values, pa.float64())
    if kind == "bool":
        return pa.array([None if v is None else bool(v) for v in values], pa.bool_())
    most = 2**32 if kind == "code" else 2**64
    whole = [None if v is None else round(v) for v in values]
    return pa.array([v if v is not None and 0 <= v < most else None for v in whole], _KINDS[kind])


def _number(value: object) -> float | None:
    if isinstance(value, _Sum):
        return sum(value.parts.values())
    return value if isinstance(value, (int, float)) else None


def _histograms(rows: Sequence[Mapping[str, object]]) -> dict[str, Array]:
    columns: dict[str, Array] = {}
    for name in _HISTOGRAMS:
        found = [_merged(row.get(name)) for row in rows]
        columns[f"{name}_bounds"] = pa.array([f[0] for f in found], pa.list_(pa.float64()))
        columns[f"{name}_counts"] = pa.array([f[1] for f in found], pa.list_(pa.uint64()))
    return columns


def _merged(value: object) -> tuple[list[float], list[int]]:
    """Add up histograms of the same bounds; others are left out."""
    if not isinstance(value, _Sum) or not value.buckets:
        return [], []
    parts = list(value.buckets.values())
    bounds, width = parts[0][0], len(parts[0][1])
    same = [counts for b, counts in parts if b == bounds and len(counts) == width]
    return list(bounds), [sum(column) for column in zip(*same, strict=True)]


def _started(rows: Sequence[Mapping[str, object]]) -> Array:
    values = [row.get("started") for row in rows]
    ms = [value // _NS_PER_MS if isinstance(value, int) else None for value in values]
    return pa.array(ms, pa.int64()).cast(pa.timestamp("ms", "UTC"))


def _is_blank(value: float) -> bool:
    return any(low <= value < end for low, end in _BLANKS)
