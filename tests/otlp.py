"""Small OTLP requests for tests, written with the protocol's own classes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

GRPC_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

Value = str | int | float | bool


def attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=k, value=any_value(v)) for k, v in values.items()]


def any_value(value: Value) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)


def request(*spans: Span, service: str = "test", scope: str = "test") -> ExportTraceServiceRequest:
    result = ExportTraceServiceRequest()
    resource_spans = result.resource_spans.add()
    resource_spans.resource.attributes.extend(attributes({"service.name": service}))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    scope_spans.spans.extend(spans)
    return result


def span(name: str = "work", *, trace_id: bytes | None = None, parent: bytes = b"",
         start_ns: int | None = None, **values: Value) -> Span:  # fmt: skip
    start_ns = start_ns or time.time_ns() - 1_000_000_000
    return Span(
        trace_id=trace_id or secrets.token_bytes(16),
        span_id=secrets.token_bytes(8),
        parent_span_id=parent,
        name=name,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + 500_000_000,
        attributes=attributes({k.replace("__", "."): v for k, v in values.items()}),
    )


def llm_span(
    model: str = "gpt-4o-mini", input_tokens: int = 100, output_tokens: int = 10,
    *, trace_id: bytes | None = None, parent: bytes = b"", start_ns: int | None = None,
) -> Span:  # fmt: skip
    """A chat call as the OTel GenAI conventions describe it."""
    made = span(f"chat {model}", trace_id=trace_id, parent=parent, start_ns=start_ns)
    made.kind = Span.SPAN_KIND_CLIENT
    made.attributes.extend(
        attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": model,
                "gen_ai.response.model": model,
                "gen_ai.usage.input_tokens": input_tokens,
                "gen_ai.usage.output_tokens": output_tokens,
            }
        )
    )
    return made


def export_grpc(port: int, body: bytes, timeout: float = 10) -> bytes:
    """Send a serialised request over gRPC; return the serialised answer. Timeout: in seconds.

    Raises:
        grpc.RpcError: the server refused.
    """
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        return export(body, timeout=timeout)
