"""What an OTLP receiver must do: the cases of the Collector's own receiver, and bad input.

The Collector's cases: otlp_test.go of its otlpreceiver
(https://github.com/open-telemetry/opentelemetry-collector/tree/main/receiver/otlpreceiver).
"""

from __future__ import annotations

import gzip
import json
import socket
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint

from spanledger_collector.edge.left_out import LeftOut, Reason
from spanledger_collector.edge.parsing import parse_protobuf
from spanledger_collector.edge.screening import screen
from spanledger_collector.signals import Request, Signal
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.bad_requests import (
    Case,
    as_json,
    bad_requests,
    length_delimited,
    ten_spans,
    with_raw,
)
from tests.conftest import fresh_store
from tests.instance import wait_until
from tests.otlp import attributes, export_grpc, llm_span, request, span
from tests.running import RunningCollector, running_collector
from tests.signals import metrics
from tests.variants import first

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
CASES = list(bad_requests())


@dataclass
class Outcome:
    status: int
    rejected: int
    message: str
    kept: int


@pytest.fixture(scope="module")
def outcomes(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Outcome]]:
    """What became of every bad request, sent to one collector after each other."""
    directory = tmp_path_factory.mktemp("conformance")
    with fresh_store(engine) as store, running_collector(store, directory) as collector:
        with httpx.Client(base_url=collector.url, timeout=60) as client:
            answers = {c.name: client.post("/v1/traces", content=c.body, headers=c.headers)
                       for c in CASES}  # fmt: skip
            last = request(span("last")).SerializeToString()
            assert client.post("/v1/traces", content=last, headers=PROTOBUF).status_code == 200
        wait_until(lambda: store.sql_rows("SELECT 1 FROM spans WHERE name = 'last'"))
        expected = sum(case.kept for case in CASES)
        sql = (
            "SELECT attributes['case'] AS name, count() AS kept FROM spans FINAL"
            " WHERE service_name = 'bad-input' GROUP BY name"
        )
        counts: Counter[str] = Counter()

        def are_there() -> bool:
            counts.clear()
            counts.update({str(r["name"]): int(str(r["kept"])) for r in store.sql_rows(sql)})
            return sum(counts.values()) >= expected

        wait_until(are_there)
        yield {case.name: _outcome(answers[case.name], counts[case.name]) for case in CASES}


def _outcome(answer: httpx.Response, kept: int) -> Outcome:
    is_json = answer.headers["content-type"] == "application/json"
    if answer.status_code != 200:
        read = answer.json()["message"] if is_json else Status.FromString(answer.content).message
        return Outcome(answer.status_code, 0, read, kept)
    if is_json:
        partial = answer.json().get("partialSuccess", {})
        count, message = int(partial.get("rejectedSpans", 0)), partial.get("errorMessage", "")
        return Outcome(200, count, message, kept)
    said = ExportTraceServiceResponse.FromString(answer.content).partial_success
    return Outcome(200, said.rejected_spans, said.error_message, kept)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_costs_no_good_span_and_is_never_our_fault(
    outcomes: dict[str, Outcome], case: Case
) -> None:
    outcome = outcomes[case.name]
    assert (outcome.status, outcome.kept) == (case.status, case.kept)
    rejected = 10 - case.kept if case.kept else 0
    assert outcome.rejected == rejected
    assert bool(outcome.message) == (rejected > 0 or case.status != 200)


def nested_lists(levels: int) -> bytes:
    """An attribute of lists in each other; the library refuses to build it."""
    value = length_delimited(1, b"bottom")
    for _ in range(levels):
        value = length_delimited(5, length_delimited(1, value))
    return length_delimited(9, length_delimited(1, b"deep") + length_delimited(2, value))


@pytest.mark.parametrize(
    ("levels", "rejected"), [(46, 0), (47, 0), (48, 1), (49, 1), (50, 1), (51, 1)]
)
def test_a_span_nested_too_deep_costs_no_other(levels: int, rejected: int) -> None:
    left_out = LeftOut()
    body = with_raw(ten_spans("deep"), nested_lists(levels))
    read = parse_protobuf(Signal.TRACES, body, left_out)
    assert isinstance(read, ExportTraceServiceRequest)
    assert len(read.resource_spans[0].scope_spans[0].spans) == 10 - rejected
    assert len(left_out) == rejected


def spoilt(made: Request) -> bytes:
    """The request with a field in it that no reader takes: the end of a group without beginning."""
    body = made.SerializeToString()
    assert b"\x0a\x06spoilt" in body
    return body.replace(b"\x0a\x06spoilt", b"\x0c\x06spoilt")


@pytest.mark.parametrize("part", ["resource", "scope"])
def test_a_group_that_cannot_be_read_costs_no_other(part: str) -> None:
    made = request(span("a"), span("b"), service="spoilt" if part == "resource" else "x",
                   scope="spoilt" if part == "scope" else "x")  # fmt: skip
    made.MergeFrom(request(span("c"), service="good", scope="good"))
    left_out = LeftOut()
    read = parse_protobuf(Signal.TRACES, spoilt(made), left_out)
    assert isinstance(read, ExportTraceServiceRequest)
    names = [s.name for g in read.resource_spans for sc in g.scope_spans for s in sc.spans]
    assert names == ["c"]
    assert left_out.by_reason == {Reason.UNREADABLE: 2}
    assert left_out.summary == f"their {part} is not valid protobuf"


@pytest.mark.parametrize(
    ("piece", "mended"),
    [
        (b"\xed\xa0\xbd", "?"),
        (b"-\xff-", "-\ufffd-"),
        (b"--\xc3", "--\ufffd"),
        (b"\xed\xa0\xbd\xff\xc3", "?\ufffd\ufffd"),
    ],
)
def test_a_text_that_is_no_utf8_costs_its_place_alone(
    collector: RunningCollector, piece: bytes, mended: str
) -> None:
    """As the protobuf exporters of JavaScript write a text that ends in half of an emoji."""
    spot = "@" * len(piece)
    cut = span(f"cut{spot}", x=f"a{spot}\N{SNOWMAN}", y=spot)
    cut.events.add(name=f"e{spot}").attributes.extend(attributes({f"k{spot}": "v"}))
    cut.trace_id = b"\xed\xa0\xbd\xff" * 4
    made = request(llm_span(input_tokens=7), cut, service=f"s{spot}", scope=f"c{spot}")
    answer = post(collector, made.SerializeToString().replace(spot.encode(), piece))
    assert not ExportTraceServiceResponse.FromString(answer.content).ListFields()
    collector.await_spans(2)
    rows = collector.store.sql_rows(
        "SELECT trace_id, name, service_name, input_tokens, attributes, events.name AS events"
        " FROM spans ORDER BY name"
    )
    assert {row["service_name"] for row in rows} == {f"s{mended}"}
    assert int(str(rows[0]["input_tokens"])) == 7
    assert (rows[1]["name"], rows[1]["trace_id"]) == (f"cut{mended}", cut.trace_id.hex())
    assert rows[1]["attributes"] == {"x": f"a{mended}\N{SNOWMAN}", "y": mended}
    assert rows[1]["events"] == [f"e{mended}"]


def test_texts_of_a_few_items_are_mended_and_more_cost_their_items(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spans = [span(f"@{n}") for n in range(4)]
    most_bytes = 2 * spans[0].ByteSize()
    monkeypatch.setattr("spanledger_collector.edge.parsing._MOST_MENDED_BYTES", most_bytes)
    made = request(*spans)
    left_out = LeftOut()
    raw = made.SerializeToString().replace(b"@", b"\xff")
    read = parse_protobuf(Signal.TRACES, raw, left_out)
    assert (screen(read, left_out), len(left_out)) == (2, 2)


def test_a_request_of_which_nothing_can_be_read_is_refused(collector: RunningCollector) -> None:
    made = request(span("a"), service="spoilt")
    answer = post(collector, spoilt(made))
    assert answer.status_code == 400
    assert "their resource is not valid" in Status.FromString(answer.content).message


@pytest.mark.parametrize("part", ["metadata", "service"])
def test_the_points_of_metrics_that_cannot_be_read_are_counted(part: str) -> None:
    points = [NumberDataPoint(as_int=n) for n in range(7)]
    good = Metric(name="good", gauge=Gauge(data_points=points[:1]))
    bad = Metric(gauge=Gauge(data_points=points), metadata=attributes({"k": "spoilt"}))
    made = metrics(bad, good)
    if part == "service":
        bad.ClearField("metadata")
        made = metrics(bad, service="spoilt")
        made.MergeFrom(metrics(good))
    left_out = LeftOut()
    read = parse_protobuf(Signal.METRICS, spoilt(made), left_out)
    assert screen(read, left_out) == 1
    assert len(left_out) == 7


def post(
    collector: RunningCollector, body: bytes, headers: dict[str, str] = PROTOBUF, path: str = ""
) -> httpx.Response:
    url = f"{collector.url}{path or '/v1/traces'}"
    return httpx.post(url, content=body, headers=headers, timeout=20)


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate without header": lambda data: zlib.compress(data, wbits=-15),
    "zstd": zstd.compress,
    "zstd of two frames": lambda data: zstd.compress(data[:100]) + zstd.compress(data[100:]),
    "gzip of two members": lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
    "GZIP": gzip.compress,
}


@pytest.mark.parametrize("name", COMPRESSIONS)
@pytest.mark.parametrize("size", first([1 << 20, 0]))
def test_every_compression_is_read_to_its_end(
    collector: RunningCollector, name: str, size: int
) -> None:
    body = request(span("packed", padding="x" * (size - 400 if size else 0))).SerializeToString()
    headers = {**PROTOBUF, "content-encoding": name.split()[0]}
    assert post(collector, COMPRESSIONS[name](body), headers).status_code == 200
    collector.await_spans(1)


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize("spoil", [lambda b: b[:-5], lambda b: b"plain" + b, lambda b: b[:1]])
def test_a_body_that_is_not_its_encoding_is_bad_data(
    collector: RunningCollector, name: str, spoil: Callable[[bytes], bytes]
) -> None:
    body = COMPRESSIONS[name](request(span(padding="xyz" * 1000)).SerializeToString())
    answer = post(collector, spoil(body), {**PROTOBUF, "content-encoding": name})
    assert answer.status_code == 400
    assert name in Status.FromString(answer.content).message


def test_members_without_end_are_refused(collector: RunningCollector) -> None:
    body = gzip.compress(b"", 1) * 10_000
    answer = post(collector, body, {**PROTOBUF, "content-encoding": "gzip"})
    assert answer.status_code == 400
    assert "members" in Status.FromString(answer.content).message


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd"])
def test_a_bomb_of_every_kind_is_too_large(collector: RunningCollector, name: str) -> None:
    body = COMPRESSIONS[name](bytes(64 << 20))
    answer = post(collector, body, {**PROTOBUF, "content-encoding": name})
    assert answer.status_code == 413
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/v1/traces", "/api/public/otel/v1/logs"])
def test_other_methods_are_refused_with_those_that_are_not(
    collector: RunningCollector, method: str, path: str
) -> None:
    answer = httpx.request(method, f"{collector.url}{path}", headers=JSON)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or answer.json()["code"] == 12


@pytest.mark.parametrize("headers", [PROTOBUF, JSON])
def test_unknown_paths_answer_in_the_encoding_of_the_request(
    collector: RunningCollector, headers: dict[str, str]
) -> None:
    answer = post(collector, b"", headers, "/v1/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == headers["content-type"]
    text = (
        answer.json()["message"] if headers is JSON else Status.FromString(answer.content).message
    )
    assert "/v1/traces" in text
    assert httpx.put(f"{collector.url}/healthz", headers=JSON).json()["code"] == 12


def test_bad_data_names_its_place_in_the_details(collector: RunningCollector) -> None:
    body = b'{"resourceSpans":[{"scopeSpans":[{"scope":{"name":7},"spans":[]}]}]}'
    [detail] = post(collector, body, JSON).json()["details"]
    assert detail["@type"].endswith("google.rpc.BadRequest")
    [violation] = detail["fieldViolations"]
    assert violation["field"] == "resourceSpans[0].scopeSpans[0].scope.name"
    status = Status.FromString(post(collector, b"\x0a\xff\xff").content)
    found = BadRequest()
    assert status.details[0].Unpack(found)
    assert found.field_violations[0].description


def test_items_of_which_all_are_bad_are_told_with_the_place_of_one(
    collector: RunningCollector,
) -> None:
    points = [{"asInt": "x"}, {"asDouble": {}}, {"asInt": "y"}]
    groups = [{"scopeMetrics": [{"metrics": [{"sum": {"dataPoints": points}}]}]}]
    answer = post(collector, json.dumps({"resourceMetrics": groups}).encode(), JSON, "/v1/metrics")
    assert answer.status_code == 400
    above = "resourceMetrics[0].scopeMetrics[0].metrics[0].sum.dataPoints"
    assert answer.json()["message"] == (
        "Nothing in the request can be read: "
        f"2 × {above}[0].asInt: not an integer; 1 × {above}[1].asDouble: not a number"
    )
    [violation] = answer.json()["details"][0]["fieldViolations"]
    assert violation["field"] == f"{above}[0].asInt"


def test_another_signal_sent_to_a_path_is_told_where_it_belongs(
    collector: RunningCollector,
) -> None:
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}).encode()
    answer = post(collector, body, JSON)
    assert answer.status_code == 200
    notice = "nothing of resourceLogs was read: send it to /v1/logs"
    assert answer.json() == {"partialSuccess": {"errorMessage": notice}}
    assert post(collector, b"{}", JSON).json() == {}
    bad = {"scopeSpans": [{"spans": [{"traceId": "ab"}]}]}
    both = json.dumps({"resourceSpans": [bad], "resourceLogs": [{}]}).encode()
    said = post(collector, both, JSON).json()["partialSuccess"]
    assert said["rejectedSpans"] == "1"
    assert said["errorMessage"].endswith(f"; {notice}")


def test_answers_stay_small_whatever_is_asked(collector: RunningCollector) -> None:
    endless = "ü" * 30_000
    answers = [
        post(collector, b"x", {"content-type": "text/" + "x" * 30_000}),
        post(collector, b"x", {**PROTOBUF, "content-encoding": "x" * 30_000}),
        post(collector, f'{{"resourceSpans":[{{"{endless}":1,"resource":{{"attributes":[{{"key":'
                        f'"{endless}","value":{{"intValue":"{endless}"}}}}]}}}}]}}'.encode(), JSON),
        post(collector, b"", {}, "/" + "x" * 30_000),
    ]  # fmt: skip
    assert [a.status_code for a in answers] == [415, 415, 400, 404]
    assert all(len(a.content) < 4096 for a in answers)
    bad = [span("n" * 10_000) for _ in range(1000)]
    for one in bad:
        one.trace_id = b"x"
    huge = post(collector, gzip.compress(request(*bad[:90]).SerializeToString()),
                {**PROTOBUF, "content-encoding": "gzip"})  # fmt: skip
    assert huge.status_code == 200
    assert len(huge.content) < 4096


def test_several_reasons_are_summed_up(collector: RunningCollector) -> None:
    bad = [span(f"bad {n}") for n in range(4)]
    bad[0].trace_id = b"x"
    bad[1].span_id = bad[2].span_id = b"x"
    bad[3].parent_span_id = b"x"
    body = request(*bad, span("good")).SerializeToString()
    said = ExportTraceServiceResponse.FromString(post(collector, body).content).partial_success
    assert said.rejected_spans == 4
    assert said.error_message.startswith("4 of 5 spans rejected: 2 × span_id must be 8 bytes")
    assert "1 × trace_id" in said.error_message
    assert "1 × parent_span_id" in said.error_message


def test_refusals_are_retryable_within_two_seconds_when_there_is_no_room(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spanledger_collector.edge.admission import Admission

    monkeypatch.setattr(Admission, "check", _refuse_all)
    answer = post(collector, request(span()).SerializeToString())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    info = RetryInfo()
    assert Status.FromString(answer.content).details[0].Unpack(info)
    assert info.retry_delay.seconds == 1


def _refuse_all(*_: object) -> None:
    from spanledger_collector.errors import Overloaded

    raise Overloaded("no room; send again.")


def test_a_fault_of_ours_is_retryable_and_logged_once(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from spanledger_collector import intake

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(intake, "screen", fail)
    for _ in range(3):
        answer = post(collector, request(span()).SerializeToString())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert b"a fault" not in answer.content
    assert len([r for r in caplog.records if "a request failed" in r.message]) == 1


@contextmanager
def _raw(collector: RunningCollector) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=10) as connection:
        yield connection


def test_a_refused_body_is_skipped_and_the_connection_goes_on(collector: RunningCollector) -> None:
    big = b"x" * (3 << 20)
    good = request(span()).SerializeToString()
    head = "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
    with _raw(collector) as connection:
        connection.sendall(f"{head}content-length: {len(big)}\r\n\r\n".encode() + big)
        connection.sendall(f"{head}content-length: {len(good)}\r\n\r\n".encode() + good)
        read = b""
        while b"HTTP/1.1 200" not in read:
            part = connection.recv(65536)
            assert part, read
            read += part
    assert read.startswith(b"HTTP/1.1 413")


def test_who_asks_for_leave_to_send_is_refused_before_the_body(collector: RunningCollector) -> None:
    head = (
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
        "expect: 100-continue\r\n"
    )
    with _raw(collector) as connection:
        connection.sendall(f"{head}content-length: {3 << 20}\r\n\r\n".encode())
        read = b"".join(iter(lambda: connection.recv(65536), b""))  # until it is closed
    assert read.startswith(b"HTTP/1.1 413")
    good = request(span()).SerializeToString()
    with _raw(collector) as connection:
        connection.sendall(f"{head}content-length: {len(good)}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(good)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_what_is_not_http_is_refused_in_our_form(collector: RunningCollector) -> None:
    with _raw(collector) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        read = b"".join(iter(lambda: connection.recv(65536), b""))
    assert read.startswith(b"HTTP/1.1 400")
    assert Status.FromString(read.partition(b"\r\n\r\n")[2]).code == 3


def test_chunked_bodies_are_read_and_limited(collector: RunningCollector) -> None:
    def parts(body: bytes) -> Iterator[bytes]:
        yield from (body[n : n + 1000] for n in range(0, len(body), 1000))

    good = request(span(padding="x" * 5000)).SerializeToString()
    url = f"{collector.url}/v1/traces"
    assert httpx.post(url, content=parts(good), headers=PROTOBUF).status_code == 200
    assert httpx.post(url, content=parts(bytes(2 << 20)), headers=PROTOBUF).status_code == 413
    collector.await_spans(1)


@pytest.mark.parametrize("lines", ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked"])
def test_a_transfer_coding_that_is_not_undone_is_refused(
    collector: RunningCollector, lines: str
) -> None:
    body = request(span()).SerializeToString()
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
        f"Transfer-Encoding: {lines}\r\n\r\n"
    )
    message = head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=10) as connection:
        connection.sendall(message)
        answer = HTTPResponse(connection)
        answer.begin()
        said = Status.FromString(answer.read()).message
    assert answer.status == 501
    assert said.startswith("Transfer-Encoding must be chunked, not 'gzip")
    assert post(collector, body).status_code == 200


def test_what_is_sent_again_is_stored_once_whatever_the_way(collector: RunningCollector) -> None:
    made = request(*(span(f"n{n}") for n in range(10)))
    for _ in range(2):
        assert post(collector, made.SerializeToString()).status_code == 200
        assert post(collector, json.dumps(as_json(made)).encode(), JSON).status_code == 200
        export_grpc(collector.grpc_port, made.SerializeToString())
    post(collector, request(span("last")).SerializeToString())
    wait_until(lambda: collector.store.sql_rows("SELECT 1 FROM spans WHERE name = 'last'"))
    collector.await_spans(11)


def test_an_id_twice_in_a_request_is_one_span(collector: RunningCollector) -> None:
    made = request(span("a"), span("b"), span("c"))
    spans = made.resource_spans[0].scope_spans[0].spans
    again = spans.add()
    again.CopyFrom(spans[1])
    again.name = "b, again"
    answer = post(collector, made.SerializeToString())
    assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    collector.await_spans(3)


def test_a_span_id_in_another_trace_is_another_span(collector: RunningCollector) -> None:
    first, second = request(span("a"), span("b")), request(span("c"), span("d"))
    for one, other in zip(
        first.resource_spans[0].scope_spans[0].spans,
        second.resource_spans[0].scope_spans[0].spans,
        strict=True,
    ):
        other.span_id = one.span_id
    for made in (first, second):
        post(collector, made.SerializeToString())
        wait_until(lambda: collector.span_count() in (2, 4))
    collector.await_spans(4)


def test_an_offer_of_http2_is_declined_and_the_request_taken(collector: RunningCollector) -> None:
    # Java's HttpClient makes this offer unless told otherwise.
    good = request(span()).SerializeToString()
    head = (
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade, HTTP2-Settings\r\n"
        "upgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
        f"content-type: application/x-protobuf\r\ncontent-length: {len(good)}\r\n\r\n"
    )
    with _raw(collector) as connection:
        connection.sendall(head.encode())
        connection.sendall(good)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_request_that_is_still_coming_at_the_end_is_to_be_sent_again(
    store: Store, tmp_path: Path
) -> None:
    head = (
        b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
    )
    with running_collector(store, tmp_path) as collector:
        connection = socket.create_connection(("127.0.0.1", collector.http_port), timeout=10)
        connection.sendall(head + b"content-length: 1000\r\n\r\nhalf of it")
        assert httpx.get(f"{collector.url}/healthz").status_code == 200  # it was read by then
    with connection:
        read = b"".join(iter(lambda: connection.recv(65536), b""))
    assert read.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in read
    assert b"connection: close" in read
