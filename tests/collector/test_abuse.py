"""Load and malice: memory stays bounded, slow senders are shown the door, everybody is answered."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest

from spanledger_collector.edge import deadline, http_protocol
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.bad_requests import bomb
from tests.conftest import fresh_store
from tests.instance import command, environment, wait_until
from tests.otlp import GRPC_METHOD, export_grpc, request, span
from tests.ports import free_port
from tests.running import RunningCollector

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LIMIT_BYTES = 1 << 30
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Subject:
    """A collector in a process of its own, so that its memory can be measured."""

    process: psutil.Process
    http_port: int
    grpc_port: int
    store: Store


@pytest.fixture(scope="module")
def subject(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    directory, ports = tmp_path_factory.mktemp("abuse"), (free_port(), free_port())
    with fresh_store(engine) as store:
        process = subprocess.Popen(
            [*command("collect"), "--data", str(directory), "--http-port", str(ports[0]),
             "--grpc-port", str(ports[1]), "--store-processes", "1"],
            env={**environment(), "SPANLEDGER_STORE_URL": store.settings.url},
        )  # fmt: skip
        try:
            made = Subject(psutil.Process(process.pid), *ports, store)
            wait_until(lambda: _is_healthy(made), timeout_s=60)
            yield made
        finally:
            process.terminate()
            process.wait(20)


def _is_healthy(subject: Subject) -> bool:
    with contextlib.suppress(OSError):
        url = f"http://127.0.0.1:{subject.http_port}/healthz"
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    return False


@contextlib.contextmanager
def bounded_memory(subject: Subject) -> Iterator[None]:
    """Fail if the collector's process takes more than its limit meanwhile."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], subject.process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(10)
    assert 0 < peak[0] < _LIMIT_BYTES


def post(port: int, body: bytes, content_type: str = PROTOBUF, encoding: str = "") -> int:
    """Send the whole body, then read the answer: as simple clients do."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        headers = {"content-type": content_type, "content-encoding": encoding or "identity"}
        connection.request("POST", "/v1/traces", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def send_by_grpc(port: int, body: bytes) -> object:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        export = channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        try:
            export(body, timeout=60)
        except grpc.RpcError as error:
            return error.code()
        return "ok"


def assert_is_well(subject: Subject) -> None:
    """A good request is taken over both transports."""
    assert post(subject.http_port, request(span()).SerializeToString()) == 200
    assert send_by_grpc(subject.grpc_port, request(span()).SerializeToString()) == "ok"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (PROTOBUF, b"\x0a\x00" * (30 << 20)),
        (PROTOBUF, b"\x12\x02\x0a\x00" * (15 << 20)),
        ("application/json", b'{"resourceSpans":[' + b"{}," * (20 << 20) + b"{}]}"),
        ("application/json", b'{"x":' + b"[" * (60 << 20)),
    ],
    ids=["protobuf", "protobuf nested", "json", "json nested"],
)
def test_requests_of_countless_small_parts_are_too_large(
    subject: Subject, content_type: str, body: bytes
) -> None:
    with bounded_memory(subject), ThreadPoolExecutor(3) as pool:
        found = [pool.submit(post, subject.http_port, body, content_type) for _ in range(3)]
        assert {f.result() for f in found} <= {413, 503}
    assert_is_well(subject)


def test_bombs_cost_little(subject: Subject) -> None:
    bombs = {
        "gzip": bomb(1 << 30),
        "deflate": bomb(1 << 30, window_bits=15),
        "zstd": zstd.compress(bytes(4 << 20)) * 256,
    }
    with bounded_memory(subject), ThreadPoolExecutor(12) as pool:
        found = [
            pool.submit(post, subject.http_port, body, PROTOBUF, encoding)
            for encoding, body in bombs.items()
            for _ in range(4)
        ]
        assert {f.result() for f in found} <= {413, 503}
    assert_is_well(subject)


def test_a_thousand_connections_at_once_are_served(subject: Subject) -> None:
    connections = [
        http.client.HTTPConnection("127.0.0.1", subject.http_port, timeout=30) for _ in range(1000)
    ]
    try:
        with bounded_memory(subject):
            for connection in connections:
                connection.connect()
            for number, connection in enumerate(connections):
                body = request(span("crowd", n=number)).SerializeToString()
                connection.request("POST", "/v1/traces", body, {"content-type": PROTOBUF})
            assert Counter(c.getresponse().status for c in connections) == {200: 1000}
    finally:
        for connection in connections:
            connection.close()
    sql = "SELECT count() AS n FROM spans FINAL WHERE name = 'crowd'"
    wait_until(lambda: subject.store.sql_rows(sql) == [{"n": 1000}])


def test_a_thousand_calls_at_once_are_served(subject: Subject) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]  # connections of their own
    address = f"127.0.0.1:{subject.grpc_port}"
    channels = [grpc.insecure_channel(address, options) for _ in range(10)]
    try:
        exports = [
            c.unary_unary(GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes)
            for c in channels
        ]
        bodies = [request(span("calls", n=n)).SerializeToString() for n in range(1000)]
        with bounded_memory(subject):
            calls = [exports[n % 10].future(body, timeout=30) for n, body in enumerate(bodies)]
            for call in calls:
                call.result(30)
    finally:
        for channel in channels:
            channel.close()
    sql = "SELECT count() AS n FROM spans FINAL WHERE name = 'calls'"
    wait_until(lambda: subject.store.sql_rows(sql) == [{"n": 1000}])


@pytest.mark.endurance
def test_huge_requests_over_both_transports_are_taken_as_memory_allows(subject: Subject) -> None:
    body = request(span("huge", x="y" * (50 << 20))).SerializeToString()
    with bounded_memory(subject), ThreadPoolExecutor(16) as pool:
        over_http = [pool.submit(post, subject.http_port, body) for _ in range(8)]
        over_grpc = [pool.submit(send_by_grpc, subject.grpc_port, body) for _ in range(8)]
        statuses = Counter(f.result() for f in over_http)
        codes = Counter(f.result() for f in over_grpc)
    assert statuses.keys() <= {200, 503}
    assert codes.keys() <= {"ok", grpc.StatusCode.UNAVAILABLE}
    assert statuses[200] + codes["ok"] >= 1
    assert_is_well(subject)


@pytest.fixture
def hasty(collector: RunningCollector, monkeypatch: pytest.MonkeyPatch) -> RunningCollector:
    """A collector that waits for nobody."""
    monkeypatch.setattr(deadline, "RECEIVE_WITHIN_S", 0.5)
    monkeypatch.setattr(http_protocol, "HEADERS_WITHIN_S", 0.5)
    monkeypatch.setattr(http_protocol, "_MORE_S", 0.3)
    return collector


_HEAD = (
    b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\n"
    b"content-length: 1000\r\n"
)


@pytest.mark.parametrize(
    ("first", "answer"),
    [(b"", b""), (_HEAD, b""), (b"\r\n", b""), (_HEAD + b"\r\n", b"HTTP/1.1 503")],
    ids=["nothing", "headers", "empty lines", "body"],
)
def test_slow_senders_are_shown_the_door(
    hasty: RunningCollector, first: bytes, answer: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", hasty.http_port), timeout=5) as connection:
        connection.sendall(first)
        connection.settimeout(0.1)
        read, ended, until = b"", False, time.monotonic() + 4
        while not ended and time.monotonic() < until:
            with contextlib.suppress(TimeoutError, ConnectionError):
                if first:
                    connection.sendall(b"\r\n" if first == b"\r\n" else b"x")
                part = connection.recv(65536)
                read, ended = read + part, not part
        assert read.startswith(answer)
        assert bool(read) == bool(answer)
        assert ended


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"POST /v1/traces HTTP/1.1\r\n", b"a: b\r\n" * 1_000),
        (b"POST /v1/traces HTTP/1.1\r\na: ", b"b" * 6_000),
        (b"POST /", b"v" * 6_000),
        (_HEAD.replace(b"content-length: 1000", b"transfer-encoding: chunked") + b"\r\n0\r\n",
         b"a: b\r\n" * 1_000),
    ],
    ids=["headers", "value", "path", "trailers"],
)  # fmt: skip
def test_headers_without_end_are_not_kept(
    collector: RunningCollector, first: bytes, more: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", collector.http_port), timeout=0.01) as connection:
        connection.sendall(first)
        read, sent_bytes = b"", 0
        while not read and sent_bytes < 1 << 20:
            sent_bytes += len(more)
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection.sendall(more)
            with contextlib.suppress(TimeoutError):
                read = connection.recv(65536)
        assert read.startswith(b"HTTP/1.1 431")
    assert post(collector.http_port, request(span()).SerializeToString()) == 200


def test_a_long_body_may_follow_long_headers_on_one_connection(collector: RunningCollector) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", collector.http_port, timeout=5)
    body = request(span(x="y" * 300_000)).SerializeToString()
    for chunked in (False, True, False):
        headers = {"content-type": PROTOBUF, "x-note": "z" * 50_000}
        sent = iter([body[:7], body[7:]]) if chunked else body
        connection.request("POST", "/v1/traces", sent, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()


def test_slow_senders_keep_nobody_else_out(hasty: RunningCollector) -> None:
    slow = [socket.create_connection(("127.0.0.1", hasty.http_port)) for _ in range(300)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(_HEAD[: 40 + number % 60] if number % 2 else _HEAD + b"\r\nx")
        started = time.monotonic()
        assert post(hasty.http_port, request(span()).SerializeToString()) == 200
        export_grpc(hasty.grpc_port, request(span()).SerializeToString())
        assert time.monotonic() - started < 2
    finally:
        for connection in slow:
            connection.close()
    hasty.await_spans(2)


def test_too_many_connections_are_refused_retryably(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "MOST_CONNECTIONS", 20)
    held = [socket.create_connection(("127.0.0.1", collector.http_port)) for _ in range(30)]
    try:
        with socket.create_connection(("127.0.0.1", collector.http_port), timeout=5) as late:
            assert late.recv(65536).startswith(b"HTTP/1.1 503")
    finally:
        for connection in held:
            connection.close()

    def is_served() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return post(collector.http_port, b"") == 200
        return False

    wait_until(is_served)


def _deep(levels: int) -> bytes:
    return b'{"resourceSpans":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize("make", [lambda: _deep(1_000), lambda: _deep(1_000_000)])
def test_depth_alone_is_bad_data(collector: RunningCollector, make: Callable[[], bytes]) -> None:
    body = make()[: 1 << 20]
    assert post(collector.http_port, body, "application/json") == 400


@pytest.mark.endurance
def test_the_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024));"
        "from spanledger_collector.service import _allow_many_connections as f; f();"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "(1024, 1024)"
