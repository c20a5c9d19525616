"""The fastest peer with the same requests on the same machine: rotel, which writes to ClickHouse.

    pip install rotel; python -m benchmarks.rotel [--spans 300000] [--clients 4] [--per-request 512]

rotel (https://github.com/streamfold/rotel) is a collector in Rust. It runs as it is installed,
before the same server that `spanledger up` starts, with the tables that its own tool makes (those
of the OpenTelemetry Collector's exporter for ClickHouse). Requests, clients, what is counted and
when it ends are those of `benchmarks.ingest --payload repeated`, up to "queryable". Run both in
turns: processor time here depends on what else the machine does. rotel answers before anything is
on a disk, and stores spans as they come: no resend found, no dialect read, no message told apart.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import psutil

from benchmarks.ingest import await_count, reference_loop, report_load, send, tree_cpu
from benchmarks.repeated_payloads import repeated_payloads
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database
from spanledger_storage.store import Store
from tests.instance import wait_until
from tests.ports import free_port

_SETTLING_S = 2
_MAP = "Map(LowCardinality(String), String)"
# https://github.com/streamfold/rotel/blob/main/src/bin/clickhouse-ddl/ddl_traces.rs
_TABLES = (
    "CREATE DATABASE otel",
    f"""
    CREATE TABLE otel.otel_traces (
        Timestamp DateTime64(9) CODEC(Delta, ZSTD(1)),
        TraceId String CODEC(ZSTD(1)),
        SpanId String CODEC(ZSTD(1)),
        ParentSpanId String CODEC(ZSTD(1)),
        TraceState String CODEC(ZSTD(1)),
        SpanName LowCardinality(String) CODEC(ZSTD(1)),
        SpanKind LowCardinality(String) CODEC(ZSTD(1)),
        ServiceName LowCardinality(String) CODEC(ZSTD(1)),
        ResourceAttributes {_MAP} CODEC(ZSTD(1)),
        ScopeName String CODEC(ZSTD(1)),
        ScopeVersion String CODEC(ZSTD(1)),
        SpanAttributes {_MAP} CODEC(ZSTD(1)),
        Duration UInt64 CODEC(ZSTD(1)),
        StatusCode LowCardinality(String) CODEC(ZSTD(1)),
        StatusMessage String CODEC(ZSTD(1)),
        Events Nested (
            Timestamp DateTime64(9), Name LowCardinality(String), Attributes {_MAP}
        ) CODEC(ZSTD(1)),
        Links Nested (
            TraceId String, SpanId String, TraceState String, Attributes {_MAP}
        ) CODEC(ZSTD(1)),
        INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
        INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
        INDEX idx_res_attr_value mapValues(ResourceAttributes)
            TYPE bloom_filter(0.01) GRANULARITY 1,
        INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
        INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
        INDEX idx_duration Duration TYPE minmax GRANULARITY 1
    ) ENGINE = MergeTree PARTITION BY toDate(Timestamp)
    ORDER BY (ServiceName, SpanName, Timestamp)
    SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
    """,
    """
    CREATE TABLE otel.otel_traces_trace_id_ts (
        TraceId String CODEC(ZSTD(1)),
        Start DateTime64(9) CODEC(Delta, ZSTD(1)),
        End DateTime64(9) CODEC(Delta, ZSTD(1)),
        INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
    ) ENGINE = MergeTree PARTITION BY toDate(Start) ORDER BY (TraceId, Start)
    SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1
    """,
    """
    CREATE MATERIALIZED VIEW otel.otel_traces_trace_id_ts_mv TO otel.otel_traces_trace_id_ts
    AS SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End
    FROM otel.otel_traces WHERE TraceId != '' GROUP BY TraceId
    """,
)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--spans", type=int, default=300_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--per-request", type=int, default=512)
    options = parser.parse_args()
    made = list(repeated_payloads(options.spans, options.per_request))
    spans = sum(payload.spans for payload in made)
    loop = reference_loop()
    with tempfile.TemporaryDirectory() as directory, _engine(Path(directory)) as engine:
        create_database(engine.writer)
        store = Store.connect(engine.writer)
        for statement in _TABLES:
            store.execute(statement)
        port = free_port()
        with _rotel(engine, port, Path(directory)) as agent:
            processes = (agent, psutil.Process(engine.pid))
            before = [tree_cpu(process) for process in processes]
            load = send([payload.body for payload in made], options.clients, port)
            at = await_count(store, "SELECT count() AS n FROM otel.otel_traces", spans)
            report_load(load, spans, at)
            time.sleep(_SETTLING_S)
            used = [tree_cpu(p) - b for p, b in zip(processes, before, strict=True)]
        store.close()
    loop = (loop + reference_loop()) / 2
    print(f"reference loop                 {loop:8.3f} CPU-s")
    for name, cpu in (("rotel", used[0]), ("ClickHouse", used[1]), ("together", sum(used))):
        cost = cpu * 100_000 / spans
        print(f"{name:<30} {cost:8.2f} CPU-s per 100k spans = {cost / loop:5.1f} loops")


@contextmanager
def _engine(directory: Path) -> Generator[Engine]:
    """Run the server of the product; it hears others, too, than the product's own users."""
    read = Path.read_text

    def read_open(path: Path, encoding: str | None = None) -> str:
        text = read(path, encoding)
        return re.sub("<http_handlers>.*</http_handlers>", "", text, flags=re.DOTALL)

    engine = Engine(EngineSettings(directory / "engine", free_port()))
    with patch.object(Path, "read_text", read_open):
        engine.start()
    try:
        yield engine
    finally:
        engine.stop()


@contextmanager
def _rotel(engine: Engine, port: int, directory: Path) -> Generator[psutil.Process]:
    found = importlib.util.find_spec("rotel")
    if found is None or found.origin is None:
        raise SystemExit("rotel is not there: pip install rotel")
    writer = engine.writer
    options = {
        "otlp-http-endpoint": f"127.0.0.1:{port}",
        "otlp-grpc-endpoint": f"127.0.0.1:{free_port()}",
        "exporter": "clickhouse",
        "clickhouse-exporter-endpoint": f"http://127.0.0.1:{writer.port}",
        "clickhouse-exporter-user": writer.username,
        "clickhouse-exporter-password": writer.password,
        "pid-file": str(directory / "rotel.pid"),
    }
    given = [text for name, value in options.items() for text in (f"--{name}", value)]
    agent = subprocess.Popen(
        [str(Path(found.origin).with_name("rotel-agent")), "start", *given],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _listens(port))
        yield psutil.Process(agent.pid)
    finally:
        agent.terminate()
        agent.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
