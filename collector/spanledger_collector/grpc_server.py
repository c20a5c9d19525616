"""OTLP/gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc."""

from __future__ import annotations

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from spanledger_collector.access import Access
from spanledger_collector.errors import IntakeError
from spanledger_collector.intake import Intake
from spanledger_collector.signals import GRPC_SERVICES, Signal

_CODES = {code.value[0]: code for code in grpc.StatusCode}


def create_server(intake: Intake, access: Access, max_bytes: int) -> grpc.aio.Server:
    """Return the gRPC server, not yet bound to a port."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.max_concurrent_streams", 100),
            ("grpc.so_reuseport", 0),  # a taken port must be an error, not a shared one
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ]
    )

    server.add_generic_rpc_handlers(
        [_service(intake, access, signal, name) for signal, name in GRPC_SERVICES.items()]
    )
    return server


def _service(intake: Intake, access: Access, signal: Signal, name: str) -> grpc.GenericRpcHandler:
    async def export(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            project = access.ingest(_headers(context))
            answer = await intake.export_protobuf(signal, body, project)
        except IntakeError as error:
            context.set_trailing_metadata(_retry_info(error))
            await context.abort(_CODES[error.code], str(error))
        return answer.SerializeToString()

    return grpc.method_handlers_generic_handler(
        name, {"Export": grpc.unary_unary_rpc_method_handler(export)}
    )


def _headers(context: grpc.aio.ServicerContext[bytes, bytes]) -> dict[str, str]:
    metadata = context.invocation_metadata() or ()
    return {key: value for key, value in metadata if isinstance(value, str)}


async def add_health(server: grpc.aio.Server) -> None:
    """Add the standard health service (https://grpc.io/docs/guides/health-checking/)."""
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for name in ("", *GRPC_SERVICES.values()):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)


def _retry_info(error: IntakeError) -> tuple[tuple[str, bytes], ...]:
    """Return the trailer that tells a client when to send again; without it clients give up."""
    if error.retry_after_s is None:
        return ()
    status = Status(code=error.code, message=str(error))
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=error.retry_after_s)))
    return (("grpc-status-details-bin", status.SerializeToString()),)
