"""Data points become rows, whatever they measure; a resend has the same key."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    DataPointFlags,
    ExponentialHistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.decode.exponential import explicit_buckets
from spanledger_collector.signals import Signal
from spanledger_storage.store import Store
from tests.otlp import attributes
from tests.signals import CUMULATIVE, DELTA, counter, histogram, metrics

T0 = 1_795_227_458_521_000_000
HOUR_S = T0 // 10**9 // 3600 * 3600


def decode(request: ExportMetricsServiceRequest) -> dict[str, list[Any]]:
    body = Body("p", request.SerializeToString(), T0, Signal.METRICS)
    return {name: rows.to_pylist() for name, rows in decode_batch([body], "flush", T0)}


def points(*found: Metric, **where: str) -> list[dict[str, Any]]:
    return decode(metrics(*found, **where))["metric_points"]


def gauge(*made: NumberDataPoint) -> Metric:
    metric = Metric(name="g", unit="C")
    metric.gauge.data_points.extend(made)
    return metric


def test_a_counter_keeps_exact_whole_numbers() -> None:
    [row] = points(counter("calls", 2**53 + 1, T0, T0 + 1, {"a": 1}, DELTA))
    assert (row["kind"], row["temporality"], row["is_monotonic"]) == ("sum", "delta", True)
    assert row["integer_value"] == 2**53 + 1
    assert (row["start_time"].value, row["time"].value) == (T0, T0 + 1)
    assert dict(row["attributes"]) == {"a": "1"}
    assert row["service_name"] == "svc"


def test_a_histogram_keeps_its_buckets() -> None:
    metric = histogram("t", 12.5, T0, T0 + 1, {})
    point = metric.histogram.data_points[0]
    del point.bucket_counts[:]
    point.explicit_bounds.extend([1, 10])
    point.bucket_counts.extend([0, 1, 0])
    point.min, point.max = 12.5, 12.5
    [row] = points(metric)
    assert (row["kind"], row["unit"], row["temporality"]) == ("histogram", "{token}", "cumulative")
    assert (row["count"], row["sum"], row["min"], row["max"]) == (1, 12.5, 12.5, 12.5)
    assert (row["bounds"], row["bucket_counts"]) == ([1.0, 10.0], [0, 1, 0])
    assert row["value"] is None


@pytest.mark.parametrize(
    "point",
    [
        NumberDataPoint(time_unix_nano=T0, as_double=math.nan),
        NumberDataPoint(time_unix_nano=T0),
        NumberDataPoint(
            time_unix_nano=T0,
            as_int=7,
            flags=DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK,
        ),
    ],
    ids=["not a number", "empty", "not recorded"],
)
def test_a_point_without_a_value_is_kept_and_is_not_zero(point: NumberDataPoint) -> None:
    [row] = points(gauge(point))
    assert (row["value"], row["integer_value"], row["kind"]) == (None, None, "gauge")


def test_a_point_without_a_time_gets_that_of_its_receipt() -> None:
    [row] = points(gauge(NumberDataPoint(as_int=1)))
    assert row["time"].value == T0


def test_a_summary_keeps_its_quantiles() -> None:
    metric = Metric(name="s")
    point = SummaryDataPoint(time_unix_nano=T0, count=3, sum=6)
    for quantile, value in ((0.0, 1.0), (0.5, 2.0), (1.0, 3.0)):
        point.quantile_values.add(quantile=quantile, value=value)
    metric.summary.data_points.append(point)
    [row] = points(metric)
    assert (row["kind"], row["count"], row["sum"]) == ("summary", 3, 6.0)
    assert (row["bounds"], row["quantile_values"]) == ([0.0, 0.5, 1.0], [1.0, 2.0, 3.0])
    assert (row["min"], row["max"]) == (1.0, 3.0)


def test_an_exponential_histogram_has_its_boundaries_written_out() -> None:
    point = ExponentialHistogramDataPoint(time_unix_nano=T0, count=10, sum=1, zero_count=4)
    point.positive.offset = 1  # scale 0: buckets (2, 4] and (4, 8]
    point.positive.bucket_counts.extend([1, 2])
    point.negative.offset = 0  # [-2, -1)
    point.negative.bucket_counts.extend([3])
    metric = Metric(name="e")
    metric.exponential_histogram.aggregation_temporality = CUMULATIVE
    metric.exponential_histogram.data_points.append(point)
    [row] = points(metric)
    assert row["kind"] == "exponential_histogram"
    assert row["bounds"] == [-2.0, -1.0, 2.0, 4.0, 8.0]
    assert row["bucket_counts"] == [0, 3, 4, 1, 2, 0]


@given(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 5),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(0, 5),
)
def test_boundaries_never_fall_and_counts_fit_them(
    scale: int, offset: int, above: int, negative_offset: int, below: int
) -> None:
    point = ExponentialHistogramDataPoint(scale=scale, zero_count=1)
    point.positive.offset, point.negative.offset = offset, negative_offset
    point.positive.bucket_counts.extend([1] * above)
    point.negative.bucket_counts.extend([1] * below)
    bounds, counts = explicit_buckets(point)
    assert bounds == sorted(bounds)
    assert len(counts) == len(bounds) + 1
    assert sum(counts) == 1 + above + below


@pytest.mark.parametrize("scope", ["app", "strands.telemetry.metrics"])
@pytest.mark.parametrize("key", ["tool_use_id", "event_loop_cycle_id"])
def test_points_that_only_an_id_of_a_call_tells_apart_stay_as_many(key: str, scope: str) -> None:
    said = [{key: f"t{n}", "k": "v"} for n in range(3)]
    found = points(*(counter("calls", 1, T0, T0 + 1, one, DELTA) for one in said), scope=scope)
    assert len({row["series_id"] for row in found}) == 3
    assert [dict(row["attributes"]) for row in found] == said


def test_a_series_is_resource_scope_metric_and_attributes() -> None:
    same = [points(counter("m", 1, T0, T0 + n, {"a": 1, "b": 2}))[0] for n in range(2)]
    same += points(counter("m", 1, T0, T0, {"b": 2, "a": 1}))
    assert len({row["series_id"] for row in same}) == 1
    others = [
        *points(counter("n", 1, T0, T0, {"a": 1, "b": 2})),
        *points(counter("m", 1, T0, T0, {"a": 1})),
        *points(counter("m", 1, T0, T0, {"a": 1, "b": 2}), service="other"),
        *points(counter("m", 1, T0, T0, {"a": 1, "b": 2}), scope="other"),
        *points(counter("m", 1, T0, T0, {"a": 1, "b": 2}), instance="other"),
    ]
    assert len({row["series_id"] for row in (*same, *others)}) == 6


def test_scopes_of_one_name_are_told_apart_by_version_and_attributes() -> None:
    request = metrics(counter("m", 1, T0, T0, {}))
    scoped = request.resource_metrics[0].scope_metrics
    for version, said in (
        ("1", {}),
        ("2", {}),
        ("", {"a": "1"}),
        ("", {"a": "2"}),
        ("1", {"a": 1}),
    ):
        other = scoped.add()
        other.CopyFrom(scoped[0])
        other.scope.version = version
        other.scope.attributes.extend(attributes(said))
    assert len({row["series_id"] for row in decode(request)["metric_points"]}) == 6


def test_a_series_of_a_scope_with_only_a_name_keeps_its_id() -> None:
    [row] = points(counter("m", 1, T0, T0, {"a": 1}))
    assert row["series_id"] == "b650fd06791db0572e71bc6d290ba0fa"


def test_the_jobs_are_told_of_the_hours_of_points_and_of_no_trace() -> None:
    later = T0 + 3_600 * 10**9
    found = decode(metrics(counter("m", 1, T0, T0, {}), counter("m", 2, T0, later, {})))
    told = {(t["project"], t["trace_id"], int(t["hour"].timestamp())) for t in found["touches"]}
    assert told == {("p", "", HOUR_S), ("p", "", HOUR_S + 3600)}


def test_metrics_without_points_or_data_are_nothing() -> None:
    found = decode(metrics(Metric(name="empty"), gauge()))
    assert (found["metric_points"], found["touches"]) == ([], [])


def test_the_engine_takes_every_kind_of_point_and_a_resend_replaces(store: Store) -> None:
    summary = Metric(name="s")
    summary.summary.data_points.append(SummaryDataPoint(time_unix_nano=T0, count=1))
    request = metrics(
        counter("c", 1, T0, T0 + 1, {}),
        counter("d", 0.5, T0, T0 + 1, {}, DELTA),
        histogram("h", math.inf, T0, T0 + 1, {"x": "y"}),
        gauge(NumberDataPoint(time_unix_nano=2**64 - 1, as_double=-1.5)),
        summary,
    )
    body = Body("p", request.SerializeToString(), T0, Signal.METRICS)
    for flush in ("a", "b"):
        for table, rows in decode_batch([body], flush, T0):
            store.insert(table, rows, token=f"{flush}/{table}")
    [held] = store.sql_rows("SELECT count() AS n FROM metric_points FINAL")
    assert held["n"] == 5
