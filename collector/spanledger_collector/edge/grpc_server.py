"""OTLP/gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc.

Clients make unary calls. They are served as calls with a stream of messages, which is the same on
the wire, because then a call can be refused before its message is read into memory.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from spanledger_collector.edge.admission import Ticket
from spanledger_collector.edge.edge import Edge
from spanledger_collector.edge.failure import message_of, retry_info, status_of, unexpected
from spanledger_collector.edge.grpc_reading import WINDOW_BYTES, Reading
from spanledger_collector.errors import IntakeError, NoMessage
from spanledger_collector.signals import GRPC_SERVICES, Signal
from spanledger_collector.telemetry import Reception
from spanledger_storage.project_settings import Project

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_Context = grpc.aio.ServicerContext[bytes, bytes]


def create_server(edge: Edge) -> grpc.aio.Server:
    """Return the gRPC server, not yet bound to a port."""
    reading = Reading(edge.admission, edge.max_bytes)
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", edge.max_bytes),
            ("grpc.max_concurrent_streams", 100),
            ("grpc.so_reuseport", 0),  # a taken port must be an error, not a shared one
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            # So that load balancers spread their connections anew.
            ("grpc.max_connection_age_ms", 600_000),
            ("grpc.max_connection_age_grace_ms", 30_000),
            ("grpc.server_handshake_timeout_ms", 10_000),
            # A window that grew with the bandwidth would take up to 16 MiB of a call unasked.
            ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
            ("grpc.http2.bdp_probe", 0),
        ]
    )
    server.add_generic_rpc_handlers(
        [_service(edge, reading, signal, name) for signal, name in GRPC_SERVICES.items()]
    )
    return server


def _service(edge: Edge, reading: Reading, signal: Signal, name: str) -> grpc.GenericRpcHandler:
    export = _Export(edge, reading, signal)

    async def handle(_: object, context: _Context) -> bytes:
        return await export(context)

    return grpc.method_handlers_generic_handler(
        name, {"Export": grpc.stream_unary_rpc_method_handler(handle)}
    )


class _Export:
    """The method of one signal."""

    def __init__(self, edge: Edge, reading: Reading, signal: Signal) -> None:
        self._edge = edge
        self._reading = reading
        self._signal = signal
        self._figures = Reception(edge.telemetry, "grpc", signal)
        self._taking = set[asyncio.Task[bytes]]()

    async def __call__(self, context: _Context) -> bytes:
        started = time.perf_counter()
        self._figures.arrived()
        try:
            return await self._take(context)
        except IntakeError as error:
            failure = error
        except (grpc.aio.AbortError, grpc.aio.UsageError):
            raise
        except Exception as error:  # clients drop what is answered with UNKNOWN
            failure = unexpected(error)
        finally:
            self._figures.answered(time.perf_counter() - started)
        self._figures.refused(failure.reason)
        await context.abort(_CODES[failure.code], message_of(failure), _trailers(failure))
        raise AssertionError("abort always raises")

    async def _take(self, context: _Context) -> bytes:
        headers = _headers(context)
        self._edge.access.ingest(headers)
        with ExitStack() as stack:
            ticket = stack.enter_context(Ticket(self._edge.admission))
            body = await self._reading.read(context, ticket)
            if body is None:
                raise NoMessage("The call ended without a message.")
            self._figures.read(len(body))
            project = self._edge.access.ingest(headers)  # as it is now: a message may take long
            taking = asyncio.create_task(self._keep(body, project, stack.pop_all()))
        # A call that is given up does not end the thread that reads its message: what that takes
        # stays counted until it is free.
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
        return await asyncio.shield(taking)

    async def _keep(self, body: bytes, project: Project, ticket: ExitStack) -> bytes:
        with ticket:
            answer = await self._edge.intake.export_protobuf(self._signal, body, project)
        return answer.SerializeToString()


def _headers(context: _Context) -> dict[str, str]:
    metadata = context.invocation_metadata() or ()
    # From the last to the first: of several of one name the first counts, as over HTTP.
    return {key: value for key, value in reversed(tuple(metadata)) if isinstance(value, str)}


def _trailers(error: IntakeError) -> tuple[tuple[str, bytes], ...]:
    """Return what tells a client when to send again; without it, clients give up.

    The first is gRPC's own (https://grpc.io/docs/guides/error/#richer-error-model); the second is
    the only one that OpenTelemetry's Python exporter looks at.
    """
    status = ("grpc-status-details-bin", status_of(error).SerializeToString())
    if error.retry_after_s is None:
        return (status,)
    info = retry_info(error.retry_after_s).SerializeToString()
    return (status, ("google.rpc.retryinfo-bin", info))


class Health:
    """The standard health service: https://grpc.io/docs/guides/health-checking/."""

    def __init__(self, server: grpc.aio.Server, problems: Callable[[], list[str]]) -> None:
        """Args: the server to add it to; what keeps it from serving, empty: nothing."""
        self._servicer = health.aio.HealthServicer()
        self._problems = problems
        self._is_serving: bool | None = None
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def update(self) -> None:
        """Say anew whether requests are taken."""
        is_serving = not self._problems()
        if is_serving == self._is_serving:
            return
        self._is_serving = is_serving
        status = health_pb2.HealthCheckResponse
        for name in ("", *GRPC_SERVICES.values()):
            await self._servicer.set(name, status.SERVING if is_serving else status.NOT_SERVING)
