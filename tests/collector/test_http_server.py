"""OTLP/HTTP as the specification words it, spoken by a plain HTTP client."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from spanledger_collector import intake
from spanledger_collector.access.senders import OpenAccess
from spanledger_collector.edge import parsing
from spanledger_collector.edge.hosts import is_local_name
from spanledger_storage.project_settings import Project
from tests.otlp import attributes, llm_span, request, span
from tests.running import RunningCollector
from tests.variants import first

PROTOBUF = {"content-type": "application/x-protobuf"}


def post(
    collector: RunningCollector, body: bytes, headers: dict[str, str] = PROTOBUF
) -> httpx.Response:
    return httpx.post(f"{collector.url}/v1/traces", content=body, headers=headers, timeout=10)


def test_a_good_request_is_answered_without_partial_success(collector: RunningCollector) -> None:
    answer = post(collector, request(llm_span(), span()).SerializeToString())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    collector.await_spans(2)


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_compressed_bodies_are_read(
    collector: RunningCollector, encoding: str, compress: object
) -> None:
    assert callable(compress)
    body = compress(request(span()).SerializeToString())
    assert post(collector, body, {**PROTOBUF, "content-encoding": encoding}).status_code == 200
    collector.await_spans(1)


def test_every_member_of_a_gzip_body_is_read(collector: RunningCollector) -> None:
    body = b"".join(gzip.compress(request(span()).SerializeToString()) for _ in range(3))
    assert post(collector, body, {**PROTOBUF, "content-encoding": "gzip"}).status_code == 200
    collector.await_spans(3)


@pytest.mark.parametrize(
    "content_type", ["application/x-protobuf; charset=utf-8", "APPLICATION/X-PROTOBUF"]
)
def test_parameters_and_case_of_the_content_type_do_not_matter(
    collector: RunningCollector, content_type: str
) -> None:
    answer = post(collector, request(span()).SerializeToString(), {"content-type": content_type})
    assert answer.status_code == 200


UPGRADE = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB"


@pytest.mark.parametrize(
    "offer", [UPGRADE, "Connection: upgrade\r\nUpgrade: websocket", "Upgrade: h2c"]
)
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("pause_after", first(["half", "head", None]))
def test_whoever_offers_another_protocol_is_read_and_answered_in_this_one(
    collector: RunningCollector, offer: str, is_chunked: bool, pause_after: str | None
) -> None:
    """As the HTTP client of Java does with the first request of a connection."""
    body = request(span(), span()).SerializeToString()
    length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {len(body)}"
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if is_chunked else body
    head = f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{offer}\r\n{length}\r\n"
    message = f"{head}Content-Type: application/x-protobuf\r\n\r\n".encode() + sent
    first = {None: len(message), "head": len(message) - len(sent), "half": len(message) // 3}
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=10) as connection:
        for _ in range(2):  # the connection goes on, and a resend is stored once
            connection.sendall(message[: first[pause_after]])
            if pause_after:
                time.sleep(0.1)
            connection.sendall(message[first[pause_after] :])
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    collector.await_spans(2)


def test_a_protocol_offered_with_nothing_else_is_passed_over(collector: RunningCollector) -> None:
    message = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=10) as connection:
        connection.sendall(message * 9)
        answers = b""
        while answers.count(b"HTTP/1.1 200 ") < 9:
            answers += connection.recv(65536)


def test_json_is_answered_in_json(collector: RunningCollector) -> None:
    body = (
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",'
        b'"spanId":"eee19b7ec3c1b174","name":"json","startTimeUnixNano":"1544712660000000000",'
        b'"endTimeUnixNano":1544712661000000000,"kind":2,"unknownField":1}]}]}]}'
    )
    answer = post(collector, body, {"content-type": "application/json"})
    assert answer.status_code == 200
    assert answer.json() == {}
    collector.await_spans(1)
    [row] = collector.store.sql_rows("SELECT trace_id, name, kind FROM spans")
    assert row == {
        "trace_id": "5b8efff798038103d269b633813fc60c", "name": "json", "kind": "server"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\x0a\xff\xff", PROTOBUF, 400),
        (request(span()).SerializeToString()[:-3], PROTOBUF, 400),
        (b"{", {"content-type": "application/json"}, 400),
        (b"[]", {"content-type": "application/json"}, 400),
        (b"x", {"content-type": "text/plain"}, 415),
        (b"x", {}, 415),
        (b"x", {**PROTOBUF, "content-encoding": "br"}, 415),
        (b"not gzip", {**PROTOBUF, "content-encoding": "gzip"}, 400),
        (gzip.compress(request(span()).SerializeToString())[:-9],
         {**PROTOBUF, "content-encoding": "gzip"}, 400),
        (b"\x0a" * (1 << 20) + b"x", PROTOBUF, 413),
        (gzip.compress(bytes(64 << 20)), {**PROTOBUF, "content-encoding": "gzip"}, 413),
    ],
    ids=[
        "garbage", "truncated protobuf", "truncated JSON", "JSON list", "text", "no content type",
        "brotli", "bad gzip", "truncated gzip", "too large", "gzip bomb",
    ],
)  # fmt: skip
def test_a_bad_request_is_refused_for_good_with_the_reason(
    collector: RunningCollector, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = post(collector, body, headers)
    assert answer.status_code == status
    assert "retry-after" not in answer.headers
    if answer.headers["content-type"] == "application/json":
        assert answer.json()["message"]
    else:
        assert Status.FromString(answer.content).message
    assert post(collector, request(span()).SerializeToString()).status_code == 200


def test_other_methods_and_paths(collector: RunningCollector) -> None:
    refused = httpx.get(f"{collector.url}/v1/traces")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "POST"
    assert httpx.post(f"{collector.url}/v1/nothing").status_code == 404
    profiles = httpx.post(f"{collector.url}/v1development/profiles", content=b"", headers=PROTOBUF)
    assert profiles.status_code == 404
    assert "profiles" in Status.FromString(profiles.content).message


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LocalHost:4318", 200), ("127.0.0.1:4318", 200), ("[::1]:4318", 200),
        ("host.docker.internal:4318", 200), ("evil.example", 403),
        ("127.0.0.1.evil.example:4318", 403), ("", 403),
    ],
)  # fmt: skip
def test_without_keys_only_names_of_this_machine_are_answered(
    collector: RunningCollector, host: str, status: int
) -> None:
    sent = post(collector, b"", {**PROTOBUF, "host": host})
    assert sent.status_code == status
    for path in ("/metrics", "/status"):
        answer = httpx.get(f"{collector.url}{path}", headers={"host": host})
        assert answer.status_code == status


def test_the_address_that_is_listened_on_is_a_name_too() -> None:
    assert is_local_name("10.0.0.7:4318", "10.0.0.7")
    assert not is_local_name("10.0.0.8:4318", "10.0.0.7")
    assert not is_local_name("10.0.0.8", "::1")


@pytest.mark.parametrize("path", ["/v1/traces", "/metrics"])
def test_of_two_keys_the_first_counts(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    seen = list[str]()

    def see(_: object, headers: Mapping[str, str]) -> Project:
        seen.append(headers["x-api-key"])
        return Project("default")

    monkeypatch.setattr(OpenAccess, "ingest", see)
    monkeypatch.setattr(OpenAccess, "read", see)
    method = "GET" if path == "/metrics" else "POST"
    headers = [*PROTOBUF.items(), ("x-api-key", "first"), ("x-api-key", "second")]
    assert httpx.request(method, f"{collector.url}{path}", headers=headers).status_code == 200
    assert set(seen) == {"first"}


def test_a_trailer_is_no_header(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[Mapping[str, str]]()

    def see(_: object, headers: Mapping[str, str]) -> Project:
        seen.append(headers)
        return Project("default")

    monkeypatch.setattr(OpenAccess, "ingest", see)
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=5) as connection:
        connection.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
            b"content-type: application/x-protobuf\r\n\r\n0\r\nx-api-key: late\r\n\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert seen
    assert not any("x-api-key" in headers for headers in seen)


def test_long_json_keeps_nobody_waiting(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*_: object) -> ExportTraceServiceRequest:
        time.sleep(1)
        return ExportTraceServiceRequest()

    monkeypatch.setattr(intake, "parse_json", slowly)
    body = b'{"x":"' + b"y" * (300 << 10) + b'"}'
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, collector, body, {"content-type": "application/json"})
        time.sleep(0.3)
        assert httpx.get(f"{collector.url}/healthz").status_code == 200
        assert not answer.done()
        assert answer.result().status_code == 200


def test_protobuf_that_is_read_piece_by_piece_keeps_nobody_waiting(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    salvage, go_on = parsing._salvage, threading.Event()

    def wait_and_salvage(*arguments: Any) -> None:
        assert go_on.wait(30)
        salvage(*arguments)

    monkeypatch.setattr(parsing, "_salvage", wait_and_salvage)
    spoilt = span("spoilt", x="y" * (64 << 10))
    body = request(span("good"), spoilt).SerializeToString()
    body = body.replace(b"\x0a\x06spoilt", b"\x0c\x06spoilt").replace(
        b"\x2a\x06spoilt", b"\x2c\x06spoilt"
    )
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, collector, body)
        try:
            assert httpx.get(f"{collector.url}/healthz", timeout=5).status_code == 200
            assert not answer.done()
        finally:
            go_on.set()
        said = ExportTraceServiceResponse.FromString(answer.result().content)
    assert said.partial_success.rejected_spans == 1
    collector.await_spans(1)


def test_an_empty_request_is_a_success(collector: RunningCollector) -> None:
    assert post(collector, b"").status_code == 200
    assert post(collector, request().SerializeToString()).status_code == 200
    assert post(collector, b"{}", {"content-type": "application/json"}).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trace_id", b""), ("trace_id", b"x" * 15), ("trace_id", b"x" * 32),
        ("trace_id", bytes(16)),
        ("span_id", b""), ("span_id", b"x" * 4), ("span_id", bytes(8)),
        ("parent_span_id", b"x" * 7),
    ],
)  # fmt: skip
def test_a_span_with_a_bad_id_is_named_and_the_good_ones_are_kept(
    collector: RunningCollector, field: str, value: bytes
) -> None:
    good, bad, also_good = span("good"), span("bad"), span("also good")
    setattr(bad, field, value)
    answer = post(collector, request(good, bad, also_good).SerializeToString())
    assert answer.status_code == 200
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert partial.rejected_spans == 1
    assert field in partial.error_message
    collector.await_spans(2)
    names = collector.store.sql_rows("SELECT name FROM spans ORDER BY name")
    assert [row["name"] for row in names] == ["also good", "good"]


def test_logs_on_the_traces_path_are_recognised(collector: RunningCollector) -> None:
    lost = span()
    lost.trace_id, lost.span_id = b"", b""
    answer = post(collector, request(lost).SerializeToString())
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert "logs or metrics" in partial.error_message


def test_the_same_request_twice_is_stored_once(collector: RunningCollector) -> None:
    body = request(llm_span(), span(), span()).SerializeToString()
    for _ in range(3):
        assert post(collector, body).status_code == 200
    marker = request(span("marker")).SerializeToString()
    post(collector, marker)
    collector.await_spans(4)


def test_one_span_id_in_two_traces_is_two_spans(collector: RunningCollector) -> None:
    one, other = span("one"), span("other")
    other.span_id = one.span_id
    post(collector, request(one, other).SerializeToString())
    collector.await_spans(2)


def test_odd_values_are_kept(collector: RunningCollector) -> None:
    odd = llm_span()
    odd.name = "nul \0 and \N{SNOWMAN}"
    odd.start_time_unix_nano, odd.end_time_unix_nano = 2**64 - 1, 0
    ancient = span("ancient", start_ns=1)
    huge = span("huge", x="y" * 500_000)
    many = span("many")
    many.attributes.extend(attributes({f"key{n}": n for n in range(10_000)}))
    body = ExportTraceServiceRequest()
    body.MergeFrom(request(odd, ancient, huge, many))
    assert post(collector, body.SerializeToString()).status_code == 200
    collector.await_spans(4)
    [row] = collector.store.sql_rows(
        "SELECT length(attributes) AS n FROM spans WHERE name = 'many'"
    )
    assert row["n"] == 10_000
