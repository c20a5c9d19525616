"""OTLP/JSON says the same as OTLP/protobuf."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import sys
from pathlib import Path

import orjson
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.edge.json_otlp import request_from_json, traces_from_json
from spanledger_collector.edge.left_out import LeftOut, Reason
from spanledger_collector.signals import Signal
from spanledger_collector.store.letter_text import describe

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "otlp"
Json = dict[str, object]


def _request(**span: object) -> bytes:
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def _span(**fields: object) -> Span:
    return traces_from_json(_request(**fields)).resource_spans[0].scope_spans[0].spans[0]


def _value(**value: object) -> AnyValue:
    return _span(attributes=[{"key": "k", "value": value}]).attributes[0].value


def _shape(request: ExportTraceServiceRequest) -> list[tuple[object, ...]]:
    """Return what does not differ between two runs of one recorded program."""
    spans = [
        span for group in request.resource_spans for scope in group.scope_spans
        for span in scope.spans
    ]  # fmt: skip
    volatile = ("server.port", "gen_ai.response.time_to_first_chunk")
    return sorted(
        (
            span.name,
            span.kind,
            span.status.code,
            len(span.trace_id),
            len(span.parent_span_id),
            tuple(
                sorted(
                    (pair.key, str(pair.value)) for pair in span.attributes
                    if pair.key not in volatile
                )
            ),
        )
        for span in spans
    )  # fmt: skip


def test_a_recording_in_json_says_what_the_one_in_protobuf_says() -> None:
    [as_json] = (RECORDINGS / "otel-genai-openai-json").glob("*.traces.bin")
    [as_protobuf] = (RECORDINGS / "otel-genai-openai").glob("*.traces.bin")
    read = traces_from_json(as_json.read_bytes())
    assert _shape(read) == _shape(ExportTraceServiceRequest.FromString(as_protobuf.read_bytes()))


def test_ids_are_hexadecimal_in_either_case() -> None:
    span = _span(traceId="0AF7651916CD43DD8448EB211C80319C", spanId="b7ad6b7169203331")
    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.span_id.hex() == "b7ad6b7169203331"


@pytest.mark.parametrize("written", ["no-trace", "W47/95gDgQPSabYzgT/GDA==", "abc", "a b c ", 7])
def test_what_needs_no_trace_is_kept_without_an_id_that_is_none(written: object) -> None:
    """LogRecord.trace_id: "assume that the log record is not associated with a trace"."""
    left_out, logs = LeftOut(), ExportLogsServiceRequest()
    record = {"traceId": written, "spanId": written, "body": {"stringValue": "told"}}
    body = orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    request_from_json(body, logs, left_out)
    [kept] = logs.resource_logs[0].scope_logs[0].log_records
    assert (kept.trace_id, kept.span_id, kept.body.string_value) == (b"", b"", "told")
    point = {"asInt": 1, "exemplars": [{"traceId": written, "spanId": written}]}
    assert not _left_out_of({"name": "m", "gauge": {"dataPoints": [point]}})
    [link] = _span(links=[{"traceId": written, "spanId": written, "flags": 1}]).links
    assert (link.trace_id, link.span_id, link.flags) == (b"", b"", 1)


@pytest.mark.parametrize("number", ["9223372036854775807", 2**63 - 1])
def test_integers_are_strings_or_numbers(number: object) -> None:
    assert _value(intValue=number).int_value == 2**63 - 1
    assert _value(intValue="-1").int_value == -1
    assert _value(intValue=3.0).int_value == 3
    assert _span(startTimeUnixNano=number).start_time_unix_nano == 2**63 - 1


# https://protobuf.dev/programming-guides/json/ of int64: "Exponent notation and fractional zeros
# are accepted, quoted or unquoted."
@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1e2", 100),
        ("5.0", 5),
        ("-5.00E+0", -5),
        ("1200e-2", 12),
        ("-0.0e5", 0),
        ("0e999999999", 0),
        ("9223372036854775807.0", 2**63 - 1),
        ("9.223372036854775807e18", 2**63 - 1),
        ("-922337203685477580.8e1", -(2**63)),
        (1e2, 100),
        (5.0, 5),
    ],
)
def test_integers_with_exponents_and_fractions_are_read_exactly(
    written: object, number: int
) -> None:
    assert _value(intValue=written).int_value == number


def test_unsigned_integers_with_exponents_fill_their_range() -> None:
    assert _span(startTimeUnixNano="1.8446744073709551615e19").start_time_unix_nano == 2**64 - 1


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("9.223372036854775808e18", "out of the range"),
        ("1e999999999", "out of the range"),
        ("-1e999999999", "out of the range"),
        ("1e-999999999", "not an integer"),
        ("1e9999999999999999999999", "not an integer"),
        ("5.5", "not an integer"),
        ("5.", "not an integer"),
        (".5e1", "not an integer"),
        (" 5.0", "not an integer"),
        ("1_0.0", "not an integer"),
        ("Infinity", "not an integer"),
        (5.5, "not an integer"),
    ],
)
def test_integers_out_of_range_or_between_two_are_refused(written: object, problem: str) -> None:
    with pytest.raises(ValueError, match=f"intValue: {problem}"):
        _value(intValue=written)


@pytest.mark.parametrize("number", [2.0**63, 2**63, 1e21, -1e21, sys.float_info.max])
def test_attributes_beyond_integers_are_doubles(number: float) -> None:
    """JavaScript's exporter: ``Number.isInteger(1e21)`` holds."""
    value = _value(intValue=number)
    assert (value.WhichOneof("value"), value.double_value) == ("double_value", float(number))


def test_doubles_may_be_named() -> None:
    assert math.isnan(_value(doubleValue="NaN").double_value)
    assert _value(doubleValue="-Infinity").double_value == -math.inf
    assert _value(doubleValue=1).double_value == 1.0


@pytest.mark.parametrize("encoded", ["+/8=", "-_8=", "-_8"])
def test_bytes_are_base64_of_either_alphabet(encoded: str) -> None:
    assert _value(bytesValue=encoded).bytes_value == b"\xfb\xff"


@pytest.mark.parametrize(
    "written", [[251, 255], {"0": 251, "1": 255}, {"type": "Buffer", "data": [251, 255]}]
)
def test_bytes_are_lists_to_older_exporters(written: object) -> None:
    assert _value(bytesValue=written).bytes_value == b"\xfb\xff"


@pytest.mark.parametrize("written", [[256], [-1], ["a"], [None], {"data": "x"}, {"a": []}, 5, "é"])
def test_other_values_are_no_bytes(written: object) -> None:
    with pytest.raises(ValueError, match="bytesValue: "):
        _value(bytesValue=written)


@pytest.mark.parametrize("kind", [3, "3", "SPAN_KIND_CLIENT", "client"])
def test_enums_are_numbers_or_names(kind: object) -> None:
    assert _span(kind=kind).kind == Span.SPAN_KIND_CLIENT


def test_unknown_enum_names_and_numbers_do_no_harm() -> None:
    assert _span(kind="SPAN_KIND_NOVEL").kind == Span.SPAN_KIND_UNSPECIFIED
    assert _span(kind=77).kind == 77


def test_snake_case_nulls_and_unknown_keys_are_accepted() -> None:
    body = {"resource_spans": [{"novel": {"a": [1]}, "scope_spans": [
        {"schemaUrl": None, "spans": [{"trace_id": "ab", "end_time_unix_nano": 5}]}]}]}  # fmt: skip
    span = traces_from_json(orjson.dumps(body)).resource_spans[0].scope_spans[0].spans[0]
    assert (span.trace_id, span.end_time_unix_nano) == (b"\xab", 5)


def test_an_empty_value_holds_nothing() -> None:
    assert _value().WhichOneof("value") is None
    assert _value(stringValue="").WhichOneof("value") == "string_value"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "the body is not a JSON object"),
        (b'{"resourceSpans": {}}', "resourceSpans: not a list"),
        (b'{"resourceSpans": [7]}', "resourceSpans[0]: not an object"),
        (_request(traceId="zz"), "resourceSpans[0].scopeSpans[0].spans[0].traceId: not hex"),
        (_request(traceId=5), "spans[0].traceId: not hex"),
        (_request(name=5), "spans[0].name: not a string"),
        (_request(startTimeUnixNano=-1), "spans[0].startTimeUnixNano: "),
        (_request(startTimeUnixNano="15e-1"), "spans[0].startTimeUnixNano: not an integer"),
        (_request(traceId="ab cd"), "spans[0].traceId: not hexadecimal: it has blanks"),
        (_request(spanId="abcd\n"), "spans[0].spanId: not hexadecimal: it has blanks"),
        (_request(kind=True), "spans[0].kind: not an integer"),
        (
            _request(attributes=[{"key": "a"}, {"value": {"bytesValue": "%"}}]),
            "spans[0].attributes[1].value.bytesValue: not base64",
        ),
        (_request(attributes=[{"value": {"boolValue": 1}}]), "boolValue: not true or false"),
        (_request(attributes=[{"value": {"doubleValue": "x"}}]), "doubleValue: not a number"),
        (_request(attributes=[{"value": {"doubleValue": "1_000"}}]), "doubleValue: not a number"),
        (_request(attributes=[{"value": {"intValue": "1_000"}}]), "intValue: not an integer"),
    ],
)
def test_errors_name_the_place(body: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        traces_from_json(body)
    assert problem in str(caught.value)


def _nested(levels: int, key: str) -> bytes:
    value: Json = {"stringValue": "x"}
    for _ in range(levels):
        inner = value if key == "arrayValue" else {"key": "k", "value": value}
        value = {key: {"values": [inner]}}
    return _request(attributes=[{"key": "k", "value": value}])


@pytest.mark.parametrize(("key", "levels"), [("arrayValue", 47), ("kvlistValue", 31)])
def test_nesting_ends_where_protobuf_ends_it(key: str, levels: int) -> None:
    request = traces_from_json(_nested(levels, key))
    assert ExportTraceServiceRequest.FromString(request.SerializeToString()) == request
    with pytest.raises(ValueError, match="nested deeper than 100"):
        traces_from_json(_nested(levels + 1, key))
    with pytest.raises(ValueError, match=r"nested deeper|not JSON"):
        traces_from_json(_nested(60, key))


def test_depth_that_no_parser_takes_does_no_harm_where_nobody_looks() -> None:
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    assert traces_from_json(deep) == ExportTraceServiceRequest()
    with pytest.raises(ValueError, match="not JSON"):
        traces_from_json(deep[:-1])


def test_what_senders_write_beside_json_is_read() -> None:
    body = _request(name="@", attributes=[{"key": "k", "value": {"doubleValue": "@"}}])
    python = body.replace(b'{"doubleValue":"@"}', b'{"doubleValue":NaN}')
    value = traces_from_json(python).resource_spans[0].scope_spans[0].spans[0].attributes[0].value
    assert math.isnan(value.double_value)
    javascript = _request(name="@").replace(b"@", rb"cut \ud83d")
    span = traces_from_json(javascript).resource_spans[0]
    assert span.scope_spans[0].spans[0].name == "cut ?"


def test_a_number_of_thousands_of_digits_costs_nothing_else() -> None:
    body = _request(name="kept", attributes=[{"key": "k", "value": {"intValue": "@"}}])
    long = body.replace(b'{"intValue":"@"}', b'{"intValue":%s}' % (b"9" * 5_000))
    [span] = traces_from_json(long).resource_spans[0].scope_spans[0].spans
    assert (span.name, span.attributes[0].value.double_value) == ("kept", math.inf)


@pytest.mark.parametrize(("raw", "read"), [(b"\xff", "\ufffd"), (b"caf\xe9", "caf\ufffd")])
def test_a_text_that_is_no_utf8_costs_its_place_alone(raw: bytes, read: str) -> None:
    latin = traces_from_json(_request(name="@").replace(b"@", raw)).resource_spans[0]
    assert latin.scope_spans[0].spans[0].name == read


def test_items_at_fault_are_left_out_when_asked() -> None:
    good = {"traceId": "ab" * 16, "spanId": "cd" * 8}
    body = orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [
        good, {**good, "traceId": 5}, good, {"attributes": {}}, 7]}]}]})  # fmt: skip
    left_out, request = LeftOut(), ExportTraceServiceRequest()
    request_from_json(body, request, left_out)
    assert len(request.resource_spans[0].scope_spans[0].spans) == 2
    assert left_out.by_reason == {Reason.UNREADABLE: 3}
    assert left_out.summary == (
        "1 × resourceSpans[0].scopeSpans[0].spans[1].traceId: not hexadecimal; "
        "1 × resourceSpans[0].scopeSpans[0].spans[3].attributes: not a list; "
        "1 × resourceSpans[0].scopeSpans[0].spans[4]: not an object"
    )


def _left_out_of(*metrics: Json) -> LeftOut:
    body = orjson.dumps({"resourceMetrics": [{"scopeMetrics": [{}, {"metrics": metrics}]}]})
    left_out = LeftOut()
    request_from_json(body, ExportMetricsServiceRequest(), left_out)
    return left_out


def test_what_differs_is_told_apart_with_its_place_and_counted() -> None:
    point = {"asInt": 1}
    left_out = _left_out_of(
        {"name": "a", "sum": {"dataPoints": [point, {"asInt": "x"}, {"asInt": "y"}]}},
        {"name": "b", "gauge": {"data_points": [{"asDouble": "1_0"}, {"asInt": 2**63}]}},
        {"name": 3, "sum": {"dataPoints": [point, point, point]}},
        {"name": "d", "histogram": {"dataPoints": [{"count": -1}]}},
        {"name": "e", "histogram": {"dataPoints": [{"count": -2}]}},
        {"name": "f", "histogram": {"dataPoints": [{"bucketCounts": {}}]}},
    )
    metrics = "resourceMetrics[0].scopeMetrics[1].metrics"
    assert left_out.summary == (
        f"3 × {metrics}[2].name: not a string; "
        f"2 × {metrics}[0].sum.dataPoints[1].asInt: not an integer; "
        f"2 × {metrics}[3].histogram.dataPoints[0].count: out of the range of its field; "
        "3 more for other reasons"
    )
    assert left_out.place == f"{metrics}[2].name"
    assert left_out.by_reason == {Reason.UNREADABLE: 10}


@pytest.mark.parametrize("broken", [1, 2])
def test_points_of_a_metric_that_is_left_out_count_once(broken: int) -> None:
    points = [{"asInt": "x"}] * broken + [{"asInt": "1"}] * (2 - broken)
    left_out = _left_out_of({"sum": {"dataPoints": points}, "name": 7})
    assert left_out.by_reason == {Reason.UNREADABLE: 2}
    assert "0 × " not in left_out.summary


@pytest.mark.parametrize("is_first", [True, False])
def test_a_resource_or_scope_at_fault_costs_what_is_below_it(is_first: bool) -> None:
    bad: Json = {"attributes": [{"key": 5}]}
    spans: list[Json] = [{"name": "a"}, {"name": 7}, {"name": "c"}]

    def group(part: str, below: str, items: list[Json], own: Json) -> Json:
        pairs = [(part, own), (below, items)]
        return dict(pairs if is_first else reversed(pairs))

    fine = group("scope", "spans", spans, {"name": "s"})
    body = {"resourceSpans": [
        group("resource", "scopeSpans", [fine, fine], bad),
        group("resource", "scopeSpans", [group("scope", "spans", spans, bad), fine], {}),
    ]}  # fmt: skip
    left_out, request = LeftOut(), ExportTraceServiceRequest()
    request_from_json(orjson.dumps(body), request, left_out)
    [kept] = request.resource_spans
    assert [span.name for scope in kept.scope_spans for span in scope.spans] == ["a", "c"]
    assert left_out.by_reason == {Reason.UNREADABLE: 10}
    assert left_out.summary == (
        "6 × resourceSpans[0].resource.attributes[0].key: not a string; "
        "3 × resourceSpans[1].scopeSpans[0].scope.attributes[0].key: not a string; "
        "1 × resourceSpans[1].scopeSpans[1].spans[1].name: not a string"
    )


def test_groups_nested_below_a_resource_at_fault_are_no_items() -> None:
    nested = '[{"scopeSpans":' * 500 + "[]" + "}]" * 500
    body = '{"resourceSpans":[{"resource":5,"scopeSpans":' + nested + "}]}"
    left_out = LeftOut()
    request_from_json(body.encode(), ExportTraceServiceRequest(), left_out)
    assert len(left_out) == 1


def test_points_below_a_resource_at_fault_are_counted() -> None:
    point = {"asInt": 1}
    metrics = [{"gauge": {"dataPoints": [point] * 4}}, {"sum": {"dataPoints": [point] * 3}}]
    body = orjson.dumps(
        {"resourceMetrics": [{"resource": 5, "scopeMetrics": [{"metrics": metrics}]}]}
    )
    left_out = LeftOut()
    request_from_json(body, ExportMetricsServiceRequest(), left_out)
    assert len(left_out) == 7


def test_one_reason_is_told_once_however_many_groups_it_occurs_in() -> None:
    metric: Json = {"sum": {"dataPoints": [{"asInt": "x"}]}}
    left_out = _left_out_of(*[metric] * 1000)
    place = "resourceMetrics[0].scopeMetrics[1].metrics[0].sum.dataPoints[0].asInt"
    assert (len(left_out), left_out.summary) == (1000, f"{place}: not an integer")


def test_keys_are_named_as_the_sender_wrote_them() -> None:
    assert ".metrics[0].gauge.data_points[0].as_int: " in _left_out_of(
        {"gauge": {"data_points": [{"as_int": "x"}]}}
    ).summary  # fmt: skip


def test_endless_reasons_take_little_and_are_all_counted() -> None:
    left_out = LeftOut()
    for n in range(5_000):
        left_out.add(Reason.UNREADABLE, "x" * n)
    assert len(left_out) == 5_000
    assert len(left_out.summary) < 700
    assert left_out.summary.endswith("; 4997 more for other reasons")


@pytest.mark.parametrize("key", ["resourceLogs", "resource_logs"])
def test_lists_of_other_signals_are_named_with_their_path(key: str) -> None:
    left_out = LeftOut()
    body = orjson.dumps({key: [{}], "resourceMetrics": []})
    request_from_json(body, ExportTraceServiceRequest(), left_out)
    assert left_out.notice == f"nothing of {key} was read: send it to /v1/logs"
    left_out = LeftOut()
    request_from_json(body, ExportLogsServiceRequest(), left_out)
    assert (len(left_out), left_out.notice) == (0, "")


def test_a_body_without_anything_to_read_is_told_of() -> None:
    for body, notice in (
        (b'{"spans": [{}]}', "nothing was read: the body has no resourceSpans"),
        (b"{}", ""),
        (b'{"resourceSpans": null}', ""),
    ):
        left_out = LeftOut()
        request_from_json(body, ExportTraceServiceRequest(), left_out)
        assert (len(left_out), left_out.notice) == (0, notice)


def test_points_of_a_metric_at_fault_are_counted() -> None:
    point = {"timeUnixNano": "1", "asInt": "2"}
    metrics = [
        {"name": "one bad point", "sum": {"dataPoints": [point, {"asInt": "x"}, point]}},
        {"name": 3, "gauge": {"dataPoints": [point, point, point]}},
    ]
    body = orjson.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
    left_out, request = LeftOut(), ExportMetricsServiceRequest()
    request_from_json(body, request, left_out)
    [kept] = request.resource_metrics[0].scope_metrics[0].metrics
    assert len(kept.sum.data_points) == 2
    assert len(left_out) == 4


@pytest.mark.parametrize("fields", [{"count": -1}, {"bucketCounts": [-1, 2]}])
@pytest.mark.parametrize("is_huge", [False, True])
def test_figures_out_of_range_cost_their_point_alone_or_in_a_list(
    fields: Json, is_huge: bool
) -> None:
    points: list[Json] = [{"timeUnixNano": "1", "count": 2, "bucketCounts": [1, 1]}, fields]
    metrics: list[Json] = [{"name": "m", "histogram": {"dataPoints": points}}]
    body = orjson.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
    if is_huge:
        body = body.replace(b"-1", b"1" * 401)
    left_out, request = LeftOut(), ExportMetricsServiceRequest()
    request_from_json(body, request, left_out)
    [kept] = request.resource_metrics[0].scope_metrics[0].metrics
    assert len(kept.histogram.data_points) == 1
    assert left_out.by_reason == {Reason.UNREADABLE: 1}
    place = "bucketCounts[0]" if "bucketCounts" in fields else "count"
    above = "resourceMetrics[0].scopeMetrics[0].metrics[0].histogram"
    assert left_out.summary.startswith(f"{above}.dataPoints[1].{place}: ")


def test_the_reason_stays_where_the_path_is_long() -> None:
    left_out, request = LeftOut(), ExportTraceServiceRequest()
    request_from_json(_nested(48, "arrayValue"), request, left_out)
    above = "resourceSpans[0].scopeSpans[0].spans[0]"
    assert left_out.summary.startswith(f"{above}.attributes[0].value.arrayValue.values[0]")
    assert left_out.summary.endswith("nested deeper than 100 messages")
    assert len(left_out.summary) == 200


@pytest.mark.parametrize("sign", [1, -1])
def test_an_integer_beyond_doubles_is_infinite(sign: int) -> None:
    spoilt = {"attributes": [{"key": "k", "value": {"doubleValue": "@"}}]}
    body = orjson.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [spoilt, {"name": "good"}]}]}]}
    )
    number = str(sign * int("1" * 401)).encode()
    left_out, request = LeftOut(), ExportTraceServiceRequest()
    request_from_json(body.replace(b'"@"', number), request, left_out)
    infinite, good = request.resource_spans[0].scope_spans[0].spans
    assert infinite.attributes[0].value.double_value == sign * math.inf
    assert good.name == "good"
    assert not left_out


def test_what_is_shown_of_a_dead_letter_is_otlp_json() -> None:
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8, kind=Span.SPAN_KIND_CLIENT)
    span.status.code = Status.STATUS_CODE_ERROR
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.append(span)
    shown = describe(request.SerializeToString(), "traces")
    assert '"kind": 3' in shown
    assert '"code": 2' in shown
    assert traces_from_json(shown.encode()) == request


# A random request, written as a sender would write it, is read back unchanged.

_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_scalars = st.one_of(
    _words.map(lambda word: AnyValue(string_value=word)),
    st.booleans().map(lambda flag: AnyValue(bool_value=flag)),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: AnyValue(int_value=number)),
    st.floats(allow_nan=False).map(lambda number: AnyValue(double_value=number)),
    st.binary(max_size=8).map(lambda data: AnyValue(bytes_value=data)),
    st.just(AnyValue()),
)


def _containers(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    def array(items: list[AnyValue]) -> AnyValue:
        made = AnyValue()
        made.array_value.SetInParent()
        made.array_value.values.extend(items)
        return made

    def mapping(items: list[KeyValue]) -> AnyValue:
        made = AnyValue()
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(items)
        return made

    return st.lists(values, max_size=3).map(array) | st.lists(
        st.builds(KeyValue, key=_words, value=values), max_size=3
    ).map(mapping)


_pairs = st.lists(
    st.builds(KeyValue, key=_words, value=st.recursive(_scalars, _containers, max_leaves=5)),
    max_size=4,
)
_times = st.integers(0, 2**64 - 1)
_spans = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    parent_span_id=st.binary(min_size=0, max_size=8),
    name=_words,
    kind=st.integers(0, 5),
    start_time_unix_nano=_times,
    end_time_unix_nano=_times,
    attributes=_pairs,
    events=st.lists(
        st.builds(Span.Event, time_unix_nano=_times, name=_words, attributes=_pairs), max_size=2
    ),
    links=st.lists(st.builds(Span.Link, trace_id=st.binary(max_size=16)), max_size=2),
    dropped_events_count=st.integers(0, 2**32 - 1),
)


def _write_value(value: AnyValue) -> Json:
    match value.WhichOneof("value"):
        case "int_value":
            return {"intValue": str(value.int_value)}
        case "double_value":
            number = value.double_value
            return {"doubleValue": number if math.isfinite(number) else
                    "Infinity" if number > 0 else "-Infinity"}  # fmt: skip
        case "bool_value":
            return {"boolValue": value.bool_value}
        case "string_value":
            return {"stringValue": value.string_value}
        case "bytes_value":
            return {"bytesValue": base64.b64encode(value.bytes_value).decode()}
        case "array_value":
            return {"arrayValue": {"values": [_write_value(v) for v in value.array_value.values]}}
        case "kvlist_value":
            return {"kvlistValue": {"values": _write_pairs(list(value.kvlist_value.values))}}
        case _:
            return {}


def _write_pairs(pairs: list[KeyValue]) -> list[Json]:
    return [{"key": pair.key, "value": _write_value(pair.value)} for pair in pairs]


def _write_span(span: Span) -> Json:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex().upper(),
        "parentSpanId": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_time_unix_nano),
        "endTimeUnixNano": str(span.end_time_unix_nano),
        "attributes": _write_pairs(list(span.attributes)),
        "events": [
            {
                "timeUnixNano": str(event.time_unix_nano),
                "name": event.name,
                "attributes": _write_pairs(list(event.attributes)),
            }
            for event in span.events
        ],
        "links": [{"traceId": link.trace_id.hex()} for link in span.links],
        "droppedEventsCount": span.dropped_events_count,
    }


@given(st.lists(_spans, max_size=3))
@settings(max_examples=100, deadline=None)
def test_a_request_written_as_json_is_read_back_unchanged(spans: list[Span]) -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    written = json.dumps({"resourceSpans": [{"scopeSpans": [
        {"spans": [_write_span(span) for span in spans]}]}]})  # fmt: skip
    assert traces_from_json(written.encode()) == request


@given(st.binary(max_size=60) | _words.map(str.encode))
@settings(max_examples=100, deadline=None)
def test_no_bytes_crash_it(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        traces_from_json(data)


_json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["resourceSpans", "scopeSpans", "spans", "attributes", "value", "key",
                         "traceId", "intValue", "arrayValue", "values", "kind", "resource"]),
        inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["resourceSpans", "resource_spans"]), _json_values))
@settings(max_examples=200, deadline=None)
def test_wrong_types_anywhere_are_a_value_error(body: Json) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(traces_from_json(orjson.dumps(body)), ExportTraceServiceRequest)


# The same requests in both encodings become the same rows.

_ids = st.sampled_from([b"", b"t" * 16, bytes(range(16)), b"short"])
_records = st.builds(
    LogRecord,
    time_unix_nano=_times,
    severity_number=st.integers(0, 24),
    severity_text=_words,
    event_name=_words,
    trace_id=_ids,
    span_id=st.sampled_from([b"", b"s" * 8]),
    body=st.recursive(_scalars, _containers, max_leaves=4),
    attributes=_pairs,
)
_points = st.builds(
    NumberDataPoint,
    time_unix_nano=_times,
    as_int=st.integers(-(2**63), 2**63 - 1),
    attributes=_pairs,
)
_histograms = st.builds(
    HistogramDataPoint,
    time_unix_nano=_times,
    count=st.integers(0, 2**64 - 1),
    sum=st.floats(allow_nan=False),
    bucket_counts=st.lists(st.integers(0, 2**64 - 1), max_size=3),
    explicit_bounds=st.lists(st.floats(allow_nan=False), max_size=3),
)
_metrics = st.builds(
    Metric, name=_words, sum=st.builds(Sum, data_points=st.lists(_points, max_size=2))
) | st.builds(
    Metric, name=_words, histogram=st.builds(Histogram, data_points=st.lists(_histograms))
)


def _as_json(request: Message) -> bytes:
    """Write a request as protobuf's own JSON, then its ids as OTLP writes them."""

    def walk(value: object) -> object:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: base64.b64decode(item).hex() if key in ("traceId", "spanId") else walk(item)
            for key, item in value.items()
        }

    return json.dumps(walk(MessageToDict(request, use_integers_for_enums=True))).encode()


def _rows(signal: Signal, request: Message) -> list[list[dict[str, object]]]:
    body = Body("default", request.SerializeToString(), 1, signal)
    return [table.to_pylist() for _, table in decode_batch([body], "flush", 1)]


@given(st.lists(_records, max_size=2), st.lists(_metrics, max_size=2))
@settings(max_examples=25, deadline=None)
def test_both_encodings_become_the_same_rows(
    records: list[LogRecord], metrics: list[Metric]
) -> None:
    logs, points = ExportLogsServiceRequest(), ExportMetricsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.extend(records)
    points.resource_metrics.add().scope_metrics.add().metrics.extend(metrics)
    for signal, request in ((Signal.LOGS, logs), (Signal.METRICS, points)):
        read = type(request)()
        request_from_json(_as_json(request), read)
        assert read == request
        assert str(_rows(signal, read)) == str(_rows(signal, request))  # NaN equals NaN in text
