"""OTLP/HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from enum import StrEnum

from fastapi import FastAPI
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from spanledger_collector.access import Access
from spanledger_collector.errors import (
    IntakeError,
    InvalidRequest,
    NotServed,
    RequestTooLarge,
    UnsupportedMedia,
)
from spanledger_collector.intake import Intake
from spanledger_collector.json_otlp import request_from_json
from spanledger_collector.signals import REQUESTS, Signal
from spanledger_collector.signals import Request as OtlpRequest


class MediaType(StrEnum):
    """The two encodings of OTLP/HTTP."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


_WBITS = {"gzip": 31, "deflate": 15}
_PREFIXES = ("", "/api/public/otel")  # the second is where the Langfuse SDK posts


def create_app(
    intake: Intake, access: Access, readiness: Callable[[], list[str]], max_bytes: int
) -> FastAPI:
    """Return the ASGI application of the OTLP port.

    Args:
        intake: takes the requests.
        access: says for which project.
        readiness: what is not ready yet, one phrase each; empty: ready.
        max_bytes: limit of a request, compressed and decompressed.
    """
    app = FastAPI(openapi_url=None)

    def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    def readyz(_: Request) -> Response:
        missing = readiness()
        return PlainTextResponse("\n".join(missing or ["ready"]) + "\n", 503 if missing else 200)

    for signal in Signal:
        export = _exporter(intake, access, signal, max_bytes)
        for prefix in _PREFIXES:
            app.add_route(f"{prefix}/v1/{signal}", export, methods=["POST"])
    app.add_route("/v1development/profiles", _refuse_profiles, methods=["POST"])
    app.add_route("/healthz", healthz, methods=["GET"])
    app.add_route("/readyz", readyz, methods=["GET"])
    return app


def _exporter(
    intake: Intake, access: Access, signal: Signal, max_bytes: int
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of one signal."""

    async def export(request: Request) -> Response:
        media_type: MediaType = MediaType.PROTOBUF
        try:
            media_type = _media_type(request)
            project = access.ingest(request.headers)
            body = await _read_body(request, max_bytes)
            if media_type == MediaType.JSON:
                answer = await intake.export(signal, _parse_json(signal, body), project)
            else:
                answer = await intake.export_protobuf(signal, body, project)
        except IntakeError as error:
            return _error(error, media_type)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        return _render(answer, media_type)

    return export


async def _refuse_profiles(request: Request) -> Response:
    error = NotServed("This collector takes traces, logs and metrics; send no profiles here.")
    return _error(error, _media_type_or_default(request))


def _media_type(request: Request) -> MediaType:
    given = request.headers.get("content-type", "")
    try:
        return MediaType(given.partition(";")[0].strip().lower())
    except ValueError:
        raise UnsupportedMedia(
            f"Content-Type must be {MediaType.PROTOBUF} or {MediaType.JSON}, not {given[:100]!r}."
        ) from None


def _media_type_or_default(request: Request) -> MediaType:
    try:
        return _media_type(request)
    except UnsupportedMedia:
        return MediaType.PROTOBUF


def _parse_json(signal: Signal, body: bytes) -> OtlpRequest:
    request = REQUESTS[signal]()
    try:
        request_from_json(body, request)
    except ValueError as error:
        raise InvalidRequest(f"The body is not OTLP/JSON: {error}") from None
    return request


async def _read_body(request: Request, max_bytes: int) -> bytes:
    """Return the decompressed body, never holding more than ``max_bytes`` of it."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "", *_WBITS):
        raise UnsupportedMedia(f"Content-Encoding must be gzip or deflate, not {encoding[:100]!r}.")
    inflate = _Inflater(encoding) if encoding in _WBITS else None
    parts, size, received = list[bytes](), 0, 0
    async for chunk in request.stream():
        received += len(chunk)
        if inflate and chunk:
            chunk = inflate.feed(chunk, max_bytes - size)
        parts.append(chunk)
        size += len(chunk)
        if size > max_bytes or received > max_bytes:
            raise RequestTooLarge(f"The request is larger than {max_bytes} bytes.")
    if inflate and received and not inflate.is_complete:
        raise InvalidRequest(f"The {encoding} body is truncated.")
    return b"".join(parts)


class _Inflater:
    """Decompresses a body piece by piece and never makes much more than there is room for."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._stream = zlib.decompressobj(_WBITS[encoding])

    @property
    def is_complete(self) -> bool:
        return self._stream.eof

    def feed(self, chunk: bytes, room: int) -> bytes:
        try:
            # One byte over the limit is enough to know that the limit is passed.
            parts = [self._stream.decompress(chunk, room + 1)]
            while self._stream.unused_data and sum(map(len, parts)) <= room:
                # Another member follows; several of them are one body (RFC 1952, section 2.2).
                rest = self._stream.unused_data
                self._stream = zlib.decompressobj(_WBITS[self._encoding])
                parts.append(self._stream.decompress(rest, room + 1))
            return b"".join(parts)
        except zlib.error as error:
            raise InvalidRequest(f"The body is not valid {self._encoding}: {error}") from None


def _render(message: Message, media_type: MediaType, status: int = 200) -> Response:
    if media_type == MediaType.JSON:
        return Response(
            json_format.MessageToJson(message, indent=None), status, media_type=MediaType.JSON
        )
    return Response(message.SerializeToString(), status, media_type=MediaType.PROTOBUF)


def _error(error: IntakeError, media_type: MediaType) -> Response:
    """Return the failure as google.rpc.Status in the request's own encoding."""
    response = _render(Status(code=error.code, message=str(error)), media_type, error.http_status)
    if isinstance(error, RequestTooLarge):
        response.headers["Connection"] = "close"  # do not read on what was refused
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response
