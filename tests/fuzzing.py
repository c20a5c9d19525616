"""Requests spoilt at random, sent through everything that reads them."""

from __future__ import annotations

import asyncio
import gzip
import random
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import orjson
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector.access.senders import OpenAccess
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.edge.admission import Admission
from spanledger_collector.edge.edge import Edge
from spanledger_collector.edge.http_server import create_app
from spanledger_collector.intake import Intake
from spanledger_collector.signals import Signal
from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.project_settings import Project
from tests.bad_requests import as_json, ten_spans
from tests.otlp import llm_span, request, span
from tests.signals import claude, counter, histogram, logs, metrics, record

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

RECORDINGS = Path(__file__).parent / "fixtures" / "otlp"
_LARGEST_SEED = 4_000
_TYPES = ("application/x-protobuf", "application/json")
_ODD_TYPES = ("", "text/plain", "application/json; charset=utf-16", "application/grpc", "\x7f;")
_COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda body: gzip.compress(body, mtime=0),
    "deflate": zlib.compress,
    "zstd": zstd.compress,
}
_ODD_BYTES = (b"\x00", b"\xff" * 9 + b"\x01", b"\x80" * 10, b"\x0a\x00", b"\x0a\x7f", b"\xc3\x28")
_ODD_JSON = (
    b"null", b"{}", b"[]", b"-1", b"1e999", b"NaN", b'"\\ud800"', b"18446744073709551616", b'""',
    b'{"stringValue":"x"}', b'{"intValue":"9223372036854775807"}', b'[[[[{"a":[]}]]]]', b'"zz"',
)  # fmt: skip
_JSON_TOKEN = re.compile(rb'"[^"]{0,80}"|-?\d+|true|false|null|[\[\]{}]')


@dataclass(frozen=True)
class Input:
    """One request as it goes over the wire."""

    signal: Signal
    headers: tuple[tuple[bytes, bytes], ...]
    chunks: tuple[bytes, ...]


class Fault(AssertionError):
    """An input that was answered as if we were at fault, or that could not be decoded."""


class _Kept:
    """Takes the place of the spool: keeps what was accepted until it is decoded."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []

    def append(
        self, project: str, body: bytes, _items: int, received_ns: int, signal: Signal
    ) -> Future[None]:
        self.bodies.append(Body(project, body, received_ns, signal))
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Fuzzer:
    """Makes inputs from a seed and runs them; within a process a seed makes the same inputs."""

    def __init__(self, seed: int, decode_every: int = 200) -> None:
        self._random = random.Random(seed)
        self._seeds = _seeds()
        self._decode_every = decode_every
        self._kept = _Kept()
        telemetry = Telemetry()
        intake = Intake(cast(Spool, self._kept), telemetry)
        admission = Admission(256 << 20, telemetry.inflight_bytes)
        access = OpenAccess(Project("default"))
        self._app = create_app(Edge(intake, access, admission, telemetry, 1 << 20), list, str)
        self.statuses = Counter[int]()
        self.decoded_requests = 0

    async def run(self, inputs: int) -> None:
        """Run so many inputs.

        Raises:
            Fault: one of them is answered with 5xx, or is accepted and cannot be decoded.
        """
        for _ in range(inputs):
            made = self._next()
            status = await self._send(made)
            self.statuses[status] += 1
            if status >= 500:
                raise Fault(f"answered with {status}: {made!r}")
            if len(self._kept.bodies) >= self._decode_every:
                self._decode()
        self._decode()

    def _decode(self) -> None:
        bodies, self._kept.bodies = self._kept.bodies, []
        self.decoded_requests += len(bodies)
        try:
            decode_batch(bodies, "fuzz", 1)
        except Exception as error:
            for body in bodies:
                try:
                    decode_batch([body], "fuzz", 1)
                except Exception:
                    raise Fault(f"accepted, but cannot be decoded: {body!r}") from error
            raise

    async def _send(self, made: Input) -> int:
        chunks, statuses = list(made.chunks), list[int]()

        async def receive() -> dict[str, object]:
            chunk = chunks.pop(0) if chunks else b""
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def send(message: object) -> None:
            assert isinstance(message, dict)
            if message["type"] == "http.response.start":
                statuses.append(int(message["status"]))

        scope = {
            "type": "http", "method": "POST", "path": f"/v1/{made.signal}",
            "headers": list(made.headers),
        }  # fmt: skip
        await self._app(scope, receive, send)
        [status] = statuses
        return status

    def _next(self) -> Input:
        pick = self._random
        signal = pick.choice(list(Signal))
        media = pick.choice(_TYPES) if pick.random() < 0.98 else pick.choice(_ODD_TYPES)
        is_json = media == "application/json"
        body = pick.choice(self._seeds[signal, is_json])
        for _ in range(pick.choice((0, 1, 1, 2, 3, 8))):
            if is_json and pick.random() < 0.7:
                body = self._spoil_json(body)
            else:
                body = self._spoil_bytes(body, self._seeds[signal, is_json])
        headers = [(b"content-type", media.encode())]
        if pick.random() < 0.15:
            encoding = pick.choice(list(_COMPRESSIONS))
            body = _COMPRESSIONS[encoding](body)
            if pick.random() < 0.5:
                body = self._spoil_bytes(body, [body])
            headers.append((b"content-encoding", encoding.encode()))
        return Input(signal, tuple(headers), self._chunks(body))

    def _spoil_bytes(self, body: bytes, others: Sequence[bytes]) -> bytes:
        pick = self._random
        at, length = pick.randrange(len(body) + 1), pick.choice((1, 1, 2, 4, 16, 64))
        match pick.randrange(7):
            case 0:  # other bits
                return body[:at] + bytes(
                    b ^ 1 << pick.randrange(8) for b in body[at : at + length]
                ) + body[at + length :]  # fmt: skip
            case 1:  # something missing
                return body[:at] + body[at + length :]
            case 2:  # something more
                return body[:at] + pick.randbytes(length) + body[at:]
            case 3:  # something twice
                return body[: at + length] + body[at:]
            case 4:  # the end of another
                other = pick.choice(others)
                return body[:at] + other[pick.randrange(len(other) + 1) :]
            case 5:  # what parsers stumble over
                odd = pick.choice(_ODD_BYTES)
                return body[:at] + odd + body[at + len(odd) * pick.randrange(2) :]
            case _:  # cut off
                return body[:at]

    def _spoil_json(self, body: bytes) -> bytes:
        tokens = list(_JSON_TOKEN.finditer(body))
        if not tokens:
            return body
        token = self._random.choice(tokens)
        other = self._random.choice((*_ODD_JSON, self._random.choice(tokens)[0]))
        return body[: token.start()] + other + body[token.end() :]

    def _chunks(self, body: bytes) -> tuple[bytes, ...]:
        if self._random.random() < 0.8:
            return (body,)
        cut = self._random.randrange(len(body) + 1)
        return body[:cut], b"", body[cut:]


def fuzz(seed: int, inputs: int) -> Fuzzer:
    """Run inputs made from a seed; return what became of them."""
    fuzzer = Fuzzer(seed)
    asyncio.run(fuzzer.run(inputs))
    return fuzzer


@cache
def _seeds() -> dict[tuple[Signal, bool], list[bytes]]:
    """Good bodies to begin with, of every signal, in protobuf (False) and JSON (True)."""
    found: dict[tuple[Signal, bool], list[bytes]] = {
        (signal, is_json): [] for signal in Signal for is_json in (False, True)
    }
    for file in sorted(RECORDINGS.glob("*/*.bin")):
        signal = file.name.split(".")[-2]
        body = file.read_bytes()
        if 0 < len(body) <= _LARGEST_SEED and signal in list(Signal):
            found[Signal(signal), body[:1] == b"{"].append(body)
    made = request(llm_span(), span("work", parent=b"p" * 8, a=1, b=2.5, c=True))
    for spans in (made, ten_spans("fuzz")):
        found[Signal.TRACES, False].append(spans.SerializeToString())
        found[Signal.TRACES, True].append(_json(spans))
    said = logs(record("e", "text", trace_id=b"t" * 16, span_id=b"s" * 8, said={"k": 1}),
                claude("api_request", 1, model="m", input_tokens=5))  # fmt: skip
    points = metrics(counter("tokens", 5, 1, 2, {"model": "m"}), histogram("h", 2.5, 1, 2, {}))
    for signal, message in ((Signal.LOGS, said), (Signal.METRICS, points)):
        found[signal, False].append(message.SerializeToString())
        found[signal, True].append(
            orjson.dumps(MessageToDict(message, use_integers_for_enums=True))
            .replace(b"dHR0dHR0dHR0dHR0dHR0dA==", b"74" * 16)
            .replace(b"c3Nzc3Nzc3M=", b"73" * 8)
        )
    return found


def _json(spans: ExportTraceServiceRequest) -> bytes:
    return orjson.dumps(as_json(spans))
