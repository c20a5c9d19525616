"""Small pieces of OTLP protobuf, shared by the dialects."""

from collections.abc import Iterable, Sequence

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger_server.demo.plan import Failure, Message

Value = str | bool | int | float | Sequence[str] | None


def put(span: Span, attributes: Iterable[tuple[str, Value]]) -> None:
    """Add attributes to a span; those whose value is None are left out."""
    span.attributes.extend(key_value(k, v) for k, v in attributes if v is not None)


def key_value(key: str, value: Value) -> KeyValue:
    """Return one attribute in its wire form."""
    return KeyValue(key=key, value=_any_value(value))


def fail(span: Span, failure: Failure, status_message: str) -> None:
    """Mark a span as failed and attach the exception event."""
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = status_message
    event = span.events.add(time_unix_nano=span.end_time_unix_nano, name="exception")
    event.attributes.extend(
        (
            key_value("exception.type", failure.error_type),
            key_value("exception.message", failure.message),
            key_value("exception.escaped", "False"),
        )
    )


def genai_messages(messages: Iterable[Message]) -> str:
    """Return messages as the JSON array that ``gen_ai.input.messages`` holds."""
    return "[" + ",".join(message.genai_json for message in messages) + "]"


def _any_value(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    items = [AnyValue(string_value=item) for item in value or ()]
    return AnyValue(array_value=ArrayValue(values=items))
