"""Keys for tests: a state database with a ring that reads it, and senders with headers."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import sqlalchemy as sa
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from spanledger_collector.access.keys import KeyRing
from spanledger_storage.api_keys import Scope
from spanledger_storage.projects import Keys, Projects
from spanledger_storage.state import migrate_state, open_state, open_state_reader
from tests.otlp import GRPC_METHOD, request, span
from tests.running import RunningCollector

STATIC = "a-key-from-the-environment"
BODY = request(span()).SerializeToString()
PROTOBUF = {"content-type": "application/x-protobuf"}


@dataclass
class State:
    """A state database, a ring that reads it, and a clock."""

    file: Path
    engine: sa.Engine
    reader: sa.Engine
    ring: KeyRing
    now_ns: int = 1_000

    def key(self, *scopes: Scope, project: str = "default", **terms: Any) -> str:
        made = Keys(self.engine).create(project, scopes, "ann", self.now_ns, **terms)[1]
        self.ring.load()
        return made.text

    def revoke(self, key: str) -> None:
        Keys(self.engine).revoke(key.split("_")[1], "ann", self.now_ns)


@contextlib.contextmanager
def key_state(folder: Path) -> Iterator[State]:
    """A migrated state database with the projects `default` and `shop`; ``STATIC`` is a key too."""
    file = folder / "state.db"
    engine = open_state(f"sqlite:///{file}")
    migrate_state(engine)
    reader = open_state_reader(f"sqlite:///{file}")
    ring = KeyRing(
        Projects(reader),
        Keys(reader),
        static_key=STATIC,
        refresh_s=0.02,
        now_ns=lambda: made.now_ns,
    )
    made = State(file, engine, reader, ring)
    made.ring.load()
    Projects(engine).create("shop", "ann", 1)
    try:
        yield made
    finally:
        ring.stop()
        reader.dispose()
        engine.dispose()


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def export(exporter: SpanExporter, name: str) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("test").start_span(name).end()
    provider.shutdown()


def send_grpc(running: RunningCollector, headers: dict[str, str], timeout_s: float = 10) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel:
        method = channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        return method(BODY, metadata=tuple(headers.items()), timeout=timeout_s)
