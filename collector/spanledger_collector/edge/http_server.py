"""OTLP/HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp.

The paths of OTLP are served without a framework, whose routing would cost as much as everything
else that is done for a request. The few other paths are Starlette's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from google.protobuf.message import Message
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from spanledger_collector.edge.admission import Ticket
from spanledger_collector.edge.edge import Edge
from spanledger_collector.edge.failure import unexpected
from spanledger_collector.edge.http_answer import (
    Answer,
    MediaType,
    Send,
    answer_type,
    media_type_of,
    refusal,
    rendered,
)
from spanledger_collector.edge.http_body import Body, Disconnected, Receive
from spanledger_collector.errors import IntakeError, NotAllowed, NotServed, Unavailable
from spanledger_collector.signals import Signal
from spanledger_collector.telemetry import Reception

Scope: TypeAlias = MutableMapping[str, Any]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_PREFIXES = ("", "/api/public/otel")  # the second is where the Langfuse SDK posts
_PREFLIGHT_S = 7200


def create_app(
    edge: Edge,
    readiness: Callable[[], list[str]],
    status_page: Callable[[], str],
    cors_origins: Sequence[str] = (),
) -> App:
    """Return the ASGI application of the OTLP port.

    Args:
        edge: takes the requests.
        readiness: what is not ready yet, one phrase each; empty: ready.
        status_page: the page for people, in HTML.
        cors_origins: origins of web pages that may send.
    """
    exports: dict[str, App] = {}
    for signal in Signal:
        export = _for_browsers(_Export(edge, signal), cors_origins)
        exports |= {f"{prefix}/v1/{signal}": export for prefix in _PREFIXES}
    others = _other_paths(edge, readiness, status_page)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await exports.get(scope["path"], others)(scope, receive, send)

    return app


def _for_browsers(app: App, origins: Sequence[str]) -> App:
    """Let pages of some origins send (https://fetch.spec.whatwg.org/#http-cors-protocol).

    ``sendBeacon`` sends with credentials, which demands that the origin is named.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("POST",),
        allow_headers=("*",),
        allow_credentials=True,
        allow_private_network=True,  # Chromium until 2025 asked for it, from public pages to us
        expose_headers=("Retry-After",),
        max_age=_PREFLIGHT_S,
    )


class _Export:
    """The endpoint of one signal."""

    def __init__(self, edge: Edge, signal: Signal) -> None:
        self._edge = edge
        self._signal = signal
        self._figures = Reception(edge.telemetry, "http", signal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        # From the last to the first: of several of one name the first counts, as on all paths.
        headers = {
            name.decode("latin-1"): text.decode("latin-1")
            for name, text in reversed(scope["headers"])
        }
        media_type = answer_type(scope["method"], headers)
        self._figures.arrived()
        try:
            if scope["method"] != "POST":
                raise NotAllowed(f"Send telemetry with POST, not with {scope['method'][:20]}.")
            message = await self._take(headers, receive)
            answer = Answer(200, media_type, rendered(message, media_type))
        except Disconnected:
            self._figures.refused("disconnected")
            return
        except asyncio.CancelledError:  # the server ends and cannot wait any longer
            ending = Unavailable("The collector is shutting down; send again.")
            answer = self._refuse(ending, media_type, headers)
        except IntakeError as error:
            answer = self._refuse(error, media_type, headers)
        except Exception as error:  # clients drop what is answered with 500
            answer = self._refuse(unexpected(error), media_type, headers)
        self._figures.answered(time.perf_counter() - started)
        await answer.send(send)

    async def _take(self, headers: dict[str, str], receive: Receive) -> Message:
        edge = self._edge
        edge.access.ingest(headers)
        is_json = media_type_of(headers) is MediaType.JSON
        body = Body(headers, edge.max_bytes)
        edge.admission.check(body.announced_bytes)
        with Ticket(edge.admission) as ticket:
            try:
                data = await body.read(receive, ticket)
            finally:
                self._figures.read(body.wire_bytes)
            project = edge.access.ingest(headers)  # as it is now: a body may take half a minute
            if is_json:
                return await edge.intake.export_json(self._signal, data, project)
            return await edge.intake.export_protobuf(self._signal, data, project)

    def _refuse(self, error: IntakeError, media_type: MediaType, headers: dict[str, str]) -> Answer:
        self._figures.refused(error.reason)
        # Who waits for leave to send a body and gets none may not send it: what follows on the
        # connection could be the body or the next request (RFC 9110, section 10.1.1).
        return refusal(error, media_type, allow="POST", close="expect" in headers)


def _other_paths(
    edge: Edge, readiness: Callable[[], list[str]], status_page: Callable[[], str]
) -> Starlette:
    async def healthz(_: Request) -> Response:  # needs no thread: others may hold them all
        return PlainTextResponse("ok\n")

    def readyz(_: Request) -> Response:
        missing = readiness()
        return PlainTextResponse("\n".join(missing or ["ready"]) + "\n", 503 if missing else 200)

    def metrics(request: Request) -> Response:
        edge.access.read(request.headers)
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(edge.telemetry.registry), headers={"content-type": content_type})

    def status(request: Request) -> Response:
        edge.access.read(request.headers)
        return HTMLResponse(status_page())

    def profiles(_: Request) -> Response:
        raise NotServed("This collector takes traces, logs and metrics; send no profiles here.")

    pages = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics, "/status": status}
    return Starlette(
        routes=[
            *(Route(path, page, methods=["GET"]) for path, page in pages.items()),
            Route("/v1development/profiles", profiles, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _explain, IntakeError: _explain, Exception: _explain},
    )


def _explain(request: Request, error: Exception) -> Response:
    """Return any failure in the form of OTLP's own."""
    allow = ""
    if isinstance(error, HTTPException):
        allow = (error.headers or {}).get("Allow", "")
        error = _in_our_words(request, error)
    elif not isinstance(error, IntakeError):
        error = unexpected(error)
    answer = refusal(error, answer_type(request.method, request.headers), allow=allow)
    headers = {name.decode(): text.decode() for name, text in answer.headers}
    return Response(answer.body, answer.status, headers, media_type=answer.media_type)


def _in_our_words(request: Request, error: HTTPException) -> IntakeError:
    if error.status_code == 405:
        return NotAllowed(f"{request.url.path[:100]} does not take {request.method[:20]}.")
    return NotServed(
        f"There is nothing at {request.url.path[:100]}; send telemetry to /v1/traces, /v1/logs or "
        "/v1/metrics, and look at /status."
    )
