"""Real exporters behind a faulty network: what they sent is stored, once."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from spanledger_storage.engine import Engine
from tests.conftest import fresh_store
from tests.fault_proxy import Fault, fault_proxy
from tests.instance import wait_until
from tests.running import RunningCollector, running_collector
from tests.variants import first

NODE = Path(__file__).parents[1] / "node"
_BATCHES = 3
_SPANS = 5


@pytest.fixture(scope="module")
def receiver(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningCollector]:
    directory = tmp_path_factory.mktemp("faults")
    with fresh_store(engine) as store, running_collector(store, directory) as running:
        yield running


def _grpc(port: int, compression: grpc.Compression | None = None) -> SpanExporter:
    return GrpcExporter(
        endpoint=f"http://127.0.0.1:{port}", insecure=True, compression=compression, timeout=20
    )


def _http(port: int, compression: Compression) -> SpanExporter:
    return HttpExporter(
        endpoint=f"http://127.0.0.1:{port}/v1/traces", compression=compression, timeout=20
    )


PYTHON: dict[str, Callable[[int], SpanExporter]] = {
    "python grpc": _grpc,
    "python grpc gzip": lambda port: _grpc(port, grpc.Compression.Gzip),
    "python http": lambda port: _http(port, Compression.NoCompression),
    "python http gzip": lambda port: _http(port, Compression.Gzip),
    "python http deflate": lambda port: _http(port, Compression.Deflate),
}


def _spans(name: str) -> tuple[ReadableSpan, ...]:
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("faults")
    for n in range(_SPANS):
        # Random text, so that compression leaves enough bytes to interrupt.
        with tracer.start_as_current_span(name) as span:
            span.set_attributes({"n": n, "padding": secrets.token_urlsafe(700)})
    provider.shutdown()
    return memory.get_finished_spans()


def _export(client: str, name: str, port: int) -> int:
    """Export some batches of spans of a name; return how many were acknowledged."""
    exporter = PYTHON[client](port)
    acknowledged = 0
    try:
        for _ in range(_BATCHES):
            batch = _spans(name)
            if exporter.export(batch) is SpanExportResult.SUCCESS:
                acknowledged += len(batch)
    finally:
        exporter.shutdown()
    return acknowledged


def _assert_each_is_stored_once(receiver: RunningCollector, names: list[str]) -> None:
    # What an earlier fault made exporters send twice may arrive late: names tell them apart.
    def counts() -> dict[str, int]:
        rows = receiver.store.sql_rows("SELECT name, count() AS n FROM spans FINAL GROUP BY name")
        return {str(row["name"]): int(str(row["n"])) for row in rows if row["name"] in names}

    wait_until(lambda: sum(counts().values()) >= len(names) * _BATCHES * _SPANS)
    assert counts() == dict.fromkeys(names, _BATCHES * _SPANS)


def _port(receiver: RunningCollector, name: str) -> int:
    return receiver.grpc_port if "grpc" in name else receiver.http_port


@pytest.mark.parametrize("fault", first(Fault, 2))
def test_python_exporters_lose_and_double_nothing(receiver: RunningCollector, fault: Fault) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(len(PYTHON)) as pool:
        ports = [
            stack.enter_context(fault_proxy(_port(receiver, client), [fault])) for client in PYTHON
        ]
        names = [f"{client}, {fault}" for client in PYTHON]
        acknowledged = list(pool.map(_export, PYTHON, names, ports))
    assert acknowledged == [_BATCHES * _SPANS] * len(PYTHON)
    _assert_each_is_stored_once(receiver, names)


@pytest.fixture(scope="module")
def node_clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the script and the exporters that its lock file names."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are needed to run OpenTelemetry's exporters for Node")
    directory = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "spanledger-node"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one installs, the others wait
        wanted = (NODE / "package-lock.json").read_bytes()
        mark = directory / "installed.json"
        if not mark.exists() or mark.read_bytes() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(NODE / name, directory)
            done = subprocess.run(
                ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                cwd=directory, capture_output=True, text=True, timeout=150, check=False,
            )  # fmt: skip
            if done.returncode:
                pytest.skip(f"npm cannot install the exporters: {done.stderr[-300:]}")
            mark.write_bytes(wanted)
        shutil.copy(NODE / "send.mjs", directory)
    return directory


@pytest.mark.parametrize("fault", first(Fault, 2))
def test_node_exporters_lose_and_double_nothing(
    receiver: RunningCollector, node_clients: Path, fault: Fault
) -> None:
    kinds = [(kind, gzip) for kind in ("grpc", "http", "proto") for gzip in (False, True)]
    with ExitStack() as stack:
        clients = list[dict[str, object]]()
        names = [f"{kind} {'gzip' if gzip else 'plain'}, {fault}" for kind, gzip in kinds]
        for (kind, gzip), name in zip(kinds, names, strict=True):
            port = stack.enter_context(fault_proxy(_port(receiver, kind), [fault]))
            path = "" if kind == "grpc" else "/v1/traces"
            url = f"http://127.0.0.1:{port}{path}"
            clients.append(
                {"kind": kind, "url": url, "gzip": gzip, "name": name, "batches": _BATCHES}
            )
        done = subprocess.run(
            ["node", "send.mjs", json.dumps(clients)],
            cwd=node_clients, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [_BATCHES * _SPANS] * len(kinds), done.stderr
    _assert_each_is_stored_once(receiver, names)
