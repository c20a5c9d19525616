"""Trace requests to Arrow arrays, by a compiled reader instead of an object per value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import ptars
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from spanledger_collector.decode.bulk import arrow
from spanledger_collector.decode.bulk.arrow import Indexes
from spanledger_collector.decode.columns import Array

_SCALARS = {
    "bytes": Field.TYPE_BYTES,
    "string": Field.TYPE_STRING,
    "bool": Field.TYPE_BOOL,
    "int32": Field.TYPE_INT32,
    "int64": Field.TYPE_INT64,
    "double": Field.TYPE_DOUBLE,
    "fixed64": Field.TYPE_FIXED64,
}
KINDS = ("string", "bool", "int", "double", "array", "kvlist", "bytes")
"""The members of an AnyValue, in the order of their numbers."""
# https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
# An Arrow type cannot contain itself, so what may nest is kept as bytes, as is what is rare.
_MESSAGES: dict[str, tuple[str, ...]] = {
    "AnyValue": (
        "string string 1",
        "bool bool 2",
        "int64 int 3",
        "double double 4",
        "bytes array 5",
        "bytes kvlist 6",
        "bytes bytes 7",
    ),
    "KeyValue": ("string key 1", "AnyValue value 2"),
    "Status": ("string message 2", "int32 code 3"),
    "Span": (
        "bytes trace_id 1",
        "bytes span_id 2",
        "string trace_state 3",
        "bytes parent_span_id 4",
        "string name 5",
        "int32 kind 6",
        "fixed64 start_time 7",
        "fixed64 end_time 8",
        "*KeyValue attributes 9",
        "*bytes events 11",
        "*bytes links 13",
        "Status status 15",
    ),
    "ScopeSpans": ("bytes scope 1", "*Span spans 2"),
    "ResourceSpans": ("bytes resource 1", "*ScopeSpans scope_spans 2"),
    "Request": ("*ResourceSpans resource_spans 1",),
}


@dataclass(frozen=True, slots=True)
class Requests:
    """The spans of some requests, flat, and what each belongs to.

    Attributes:
        resource_body: of each resource, the index of its request.
        resources: the serialised resources.
        scope_resource: of each scope, the index of its resource.
        scopes: the serialised scopes.
        span_scope: of each span, the index of its scope.
        spans: a struct array, fields as in ``_MESSAGES``.
        attributes: a struct array of key and value; the attributes of span n are those from
            ``starts[n]`` to ``starts[n + 1]``.
    """

    resource_body: Indexes
    resources: Array
    scope_resource: Indexes
    scopes: Array
    span_scope: Indexes
    spans: Array
    attributes: Array
    starts: Indexes


def read_requests(payloads: Sequence[bytes]) -> Requests:
    """Return the spans of serialised trace requests.

    Raises:
        ValueError: a payload is no protobuf message of this shape.
    """
    try:
        [requests] = _handler().list_to_record_batch(list(payloads)).columns
    except BaseException as error:
        if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
            raise
        # A panic of compiled code, which is not an Exception.
        raise ValueError(f"the requests cannot be read: {error}") from error
    resource_body, resources = _flatten(requests)
    scope_resource, scopes = _flatten(arrow.child(resources, "scope_spans"))
    span_scope, spans = _flatten(arrow.child(scopes, "spans"))
    starts, attributes = arrow.pieces(arrow.child(spans, "attributes"))
    return Requests(
        resource_body,
        arrow.child(resources, "resource"),
        scope_resource,
        arrow.child(scopes, "scope"),
        span_scope,
        spans,
        attributes,
        starts,
    )


def _flatten(lists: Array) -> tuple[Indexes, Array]:
    """Return the elements of a list array, each with the index of its list."""
    starts, elements = arrow.pieces(lists)
    return np.repeat(np.arange(len(lists), dtype=np.int64), np.diff(starts)), elements


@cache
def _handler() -> Any:
    file = FileDescriptorProto(name="bulk.proto", package="bulk", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "AnyValue":
            message.oneof_decl.add(name="value")
        for field in fields:
            kind, label, number = field.split()
            made = message.field.add(name=label, number=int(number))
            made.label = Field.LABEL_REPEATED if kind[0] == "*" else Field.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind in _SCALARS:
                made.type = _SCALARS[kind]
            else:
                made.type, made.type_name = Field.TYPE_MESSAGE, f".bulk.{kind}"
            if name == "AnyValue":
                made.oneof_index = 0
    pool = DescriptorPool()
    pool.Add(file)
    request = pool.FindMessageTypeByName("bulk.Request")
    return ptars.HandlerPool([request.file]).get_for_message(request)
