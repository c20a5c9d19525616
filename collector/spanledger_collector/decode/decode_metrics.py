"""OTLP metric requests to the Arrow table ``metric_points``: bytes in, columns out; pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

import pyarrow as pa
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from spanledger_collector.decode.carried import RECORD_HASH
from spanledger_collector.decode.columns import Lists, Maps
from spanledger_collector.decode.decode import HOUR_NS, Body
from spanledger_collector.decode.exponential import explicit_buckets
from spanledger_collector.decode.infrastructure.rows import InfrastructureRows
from spanledger_collector.decode.infrastructure.rules import Rule
from spanledger_collector.decode.origin import Origin
from spanledger_collector.decode.values import (
    LAST_HOUR_S,
    dump_json,
    read_attributes,
    render_all,
    time_ns,
)
from spanledger_collector.signals import Signal

Point: TypeAlias = (
    NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
)
Touches: TypeAlias = Counter[tuple[str, str, int]]

_TIME = pa.timestamp("ns", "UTC")
_SCHEMA: dict[str, pa.DataType] = {
    "metric": pa.string(),
    "unit": pa.string(),
    "kind": pa.string(),
    "temporality": pa.string(),
    "is_monotonic": pa.bool_(),
    "series_id": pa.string(),
    "start_time": _TIME,
    "time": _TIME,
    "value": pa.float64(),
    "integer_value": pa.int64(),
    "count": pa.uint64(),
    "sum": pa.float64(),
    "min": pa.float64(),
    "max": pa.float64(),
}
_TEMPORALITIES = ("", "delta", "cumulative")
_NO_VALUE = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK


def decode_metrics(
    bodies: Sequence[Body], ingested_at_ns: int
) -> tuple[pa.Table, Touches, list[tuple[str, pa.Table]]]:
    """Return one row per data point, points by project and hour, and further tables.

    Those tables are what the points tell of GPUs and inference workers (``infrastructure/``).

    Other signals are passed over. A point without a value (not recorded, NaN) is kept with NULLs,
    one without a time gets that of its receipt. Exemplars are dropped: they repeat spans. The
    touches are keyed by project, '' for the trace, and start hour in seconds.

    Raises:
        ValueError: a payload is not a metric request; the message names its index.
    """
    rows = _Rows()
    for index, body in enumerate(bodies):
        if body.signal != Signal.METRICS:
            continue
        try:
            request = ExportMetricsServiceRequest.FromString(body.payload)
        except DecodeError as error:
            raise ValueError(f"body {index} is not a metric request: {error}") from error
        for group in request.resource_metrics:
            for scoped in group.scope_metrics:
                origin = Origin.of(body, ingested_at_ns, group.resource, scoped.scope)
                for metric in scoped.metrics:
                    rows.add(metric, origin)
    return rows.table(), rows.touches, rows.infrastructure.tables()


@dataclass(slots=True)
class _Figures:
    """What one point measured; None: not said."""

    value: float | None = None
    integer_value: int | None = None
    count: int | None = None
    sum: float | None = None
    min: float | None = None
    max: float | None = None
    quantile_values: Sequence[float] = ()
    bounds: Sequence[float] = ()
    bucket_counts: Sequence[int] = ()


class _Rows:
    """Collects points and becomes the Arrow table."""

    def __init__(self) -> None:
        self.touches: Touches = Counter()
        self.infrastructure = InfrastructureRows()
        self._values: list[tuple[object, ...]] = []
        self._origins: list[Origin] = []
        self._attributes = Maps()
        self._bounds = Lists()
        self._quantile_values = Lists()
        self._bucket_counts = Lists()

    def add(self, metric: Metric, origin: Origin) -> None:
        """Add the points of a metric; one without any data has none."""
        kind = metric.WhichOneof("data")
        if kind is None:
            return
        data = getattr(metric, kind)
        temporality = getattr(data, "aggregation_temporality", 0)
        about = (
            metric.name,
            metric.unit,
            kind,
            _TEMPORALITIES[temporality] if 0 <= temporality < len(_TEMPORALITIES) else "",
            data.is_monotonic if kind == "sum" else None,
        )
        stream = [origin.resource_attributes, origin.scope_name, *about, *origin.scope_details]
        stem = dump_json(stream)
        rules = self.infrastructure.rules(metric.name)
        for point in data.data_points:
            self._add_point(point, about, stem, origin, rules)

    def _add_point(
        self, point: Point, about: tuple[object, ...], stem: bytes, origin: Origin,
        rules: Sequence[Rule],
    ) -> None:  # fmt: skip
        attributes = read_attributes(point.attributes)
        series = blake2b(stem + dump_json(dict(attributes)), digest_size=16).hexdigest()
        attributes.pop(RECORD_HASH, None)
        figures = _Figures() if point.flags & _NO_VALUE else _figures(point)
        at_ns = time_ns(point.time_unix_nano) or origin.received_ns
        start_ns = time_ns(point.start_time_unix_nano)
        for rule in rules:
            self.infrastructure.add(
                rule, origin.project, series, attributes, origin.resource_attributes, figures,
                start_ns, at_ns,
            )  # fmt: skip
        self._values.append(
            (
                *about,
                series,
                start_ns,
                at_ns,
                _real(figures.value),
                figures.integer_value,
                figures.count,
                _real(figures.sum),
                _real(figures.min),
                _real(figures.max),
            )
        )
        self._bounds.append(figures.bounds)
        self._quantile_values.append(figures.quantile_values)
        self._bucket_counts.append(figures.bucket_counts)
        self._attributes.append(render_all(attributes))
        self._origins.append(origin)
        self.touches[origin.project, "", min(at_ns // HOUR_NS * 3_600, LAST_HOUR_S)] += 1

    def table(self) -> pa.Table:
        columns = list(zip(*self._values, strict=True)) or [()] * len(_SCHEMA)
        arrays = {
            name: pa.array(column, pa.int64()).cast(kind)
            if kind == _TIME
            else pa.array(column, kind)
            for (name, kind), column in zip(_SCHEMA.items(), columns, strict=True)
        }
        arrays |= Origin.arrays(self._origins)
        arrays["bounds"] = self._bounds.array(pa.float64())
        arrays["quantile_values"] = self._quantile_values.array(pa.float64())
        arrays["bucket_counts"] = self._bucket_counts.array(pa.uint64())
        arrays["attributes"] = self._attributes.array()
        return pa.table(arrays)


def _figures(point: Point) -> _Figures:
    if isinstance(point, NumberDataPoint):
        if point.WhichOneof("value") == "as_int":
            return _Figures(value=float(point.as_int), integer_value=point.as_int)
        return _Figures(value=point.as_double if point.HasField("as_double") else None)
    if isinstance(point, SummaryDataPoint):
        quantiles = {q.quantile: q.value for q in point.quantile_values}
        return _Figures(
            count=point.count,
            sum=point.sum,
            min=quantiles.get(0.0),
            max=quantiles.get(1.0),
            bounds=list(quantiles),
            quantile_values=list(quantiles.values()),
        )
    figures = _Figures(
        count=point.count,
        sum=point.sum if point.HasField("sum") else None,
        min=point.min if point.HasField("min") else None,
        max=point.max if point.HasField("max") else None,
    )
    if isinstance(point, ExponentialHistogramDataPoint):
        figures.bounds, figures.bucket_counts = explicit_buckets(point)
    else:
        figures.bounds, figures.bucket_counts = point.explicit_bounds, point.bucket_counts
    return figures


def _real(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
