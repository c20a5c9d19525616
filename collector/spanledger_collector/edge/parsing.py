"""Request bodies to export requests: whole where possible, else without the items at fault."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from spanledger_collector.edge.json_otlp import request_from_json
from spanledger_collector.edge.json_values import Misfit
from spanledger_collector.edge.left_out import LeftOut, Reason
from spanledger_collector.edge.wire import (
    BrokenFraming,
    fields,
    length_delimited,
    with_valid_texts,
)
from spanledger_collector.errors import InvalidRequest, RequestTooLarge
from spanledger_collector.signals import REQUESTS, Request, Signal

_MOST_PARSED_BYTES = 256 << 20
"""Memory that one request may take once parsed. Small messages take up to 50 times their size."""
_SMALL_JSON_BYTES = 1 << 20
_SMALL_PROTOBUF_BYTES = 4 << 20
_MOST_MENDED_BYTES = 16 << 20
"""Of items of a request with texts that are no UTF-8: each such byte may become three, and mending
goes through every field."""
_BLOCK_BYTES = 1 << 20
_KINDS_OF_METRICS = frozenset(
    field.number for field in Metric.DESCRIPTOR.oneofs_by_name["data"].fields
)
"""Fields of a metric, each with its data points in field 1."""


class TakesLong(Exception):
    """Something in a body cannot be read, and to tell what takes longer than the caller allows."""


def parse_protobuf(
    signal: Signal, body: bytes, left_out: LeftOut, most_salvaged_bytes: int | None = None
) -> Request:
    """Return the request in a protobuf body.

    Items that cannot be read go to ``left_out``, as do those of a resource or scope that cannot be
    read. What is no UTF-8 in a text costs its place alone.

    Args:
        signal: what it carries.
        body: serialised.
        left_out: takes the items that cannot be read.
        most_salvaged_bytes: of a body that is read item by item; None: any number.

    Raises:
        InvalidRequest: not a request of this signal.
        RequestTooLarge: it would take too much memory.
        TakesLong: it would have to be read item by item, and is longer than that.
    """
    kind = REQUESTS[signal]
    if len(body) > _SMALL_PROTOBUF_BYTES:
        _check_cost(_protobuf_cost_bytes(body))
    try:
        return kind.FromString(body)
    except DecodeError as error:
        reason = str(error)
    if most_salvaged_bytes is not None and len(body) > most_salvaged_bytes:
        raise TakesLong
    request = kind()
    with contextlib.suppress(BrokenFraming):
        _salvage(body, request, left_out)
        # Else no item was at fault, and something is lost that nobody knows of.
        if left_out or left_out.is_mended:
            return request
    raise InvalidRequest(f"The body is not an {kind.DESCRIPTOR.name} in protobuf: {reason}")


def parse_json(signal: Signal, body: bytes, left_out: LeftOut) -> Request:
    """Return the request in an OTLP/JSON body; raises and leaves out like ``parse_protobuf``."""
    if len(body) > _SMALL_JSON_BYTES:
        _check_cost(_json_cost_bytes(body))
    request = REQUESTS[signal]()
    try:
        request_from_json(body, request, left_out)
    except Misfit as error:
        raise InvalidRequest(f"The body is not OTLP/JSON: {error}", field=error.place) from None
    except ValueError as error:
        raise InvalidRequest(f"The body is not OTLP/JSON: {error}") from None
    return request


def _check_cost(cost_bytes: int) -> None:
    if cost_bytes > _MOST_PARSED_BYTES:
        raise RequestTooLarge(
            f"The request is of so many small parts that it would take about "
            f"{cost_bytes >> 20} MiB of memory; send it in several requests."
        )


def _protobuf_cost_bytes(body: bytes) -> int:
    """Return about how much memory a body takes when parsed, never much less.

    A message of less than 32 bytes begins with a tag and a length below 32. Those are counted, as
    are the texts of this form; longer messages cost about as much as their bytes.
    """
    data = np.frombuffer(body, dtype=np.uint8)
    small = 0
    for first in range(0, len(data), _BLOCK_BYTES):
        block = data[first : first + _BLOCK_BYTES + 1]
        tags = (block[:-1] & 0x87) == 2  # length-delimited
        small += int(np.count_nonzero(tags & (block[1:] < 32)))
    return 2 * len(body) + 100 * small


def _json_cost_bytes(body: bytes) -> int:
    """Return about how much memory a body takes as Python objects and as messages together."""
    other = body.count(b"[") + body.count(b",")
    return len(body) + 300 * body.count(b"{") + 100 * other


def _salvage(body: bytes, request: Request, left_out: LeftOut) -> None:
    """Read a body item by item and leave out those that cannot be read.

    Resource groups are field 1 of a request, scope groups field 2 of those, and items field 2 of
    those, for all signals
    (https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto). With a
    resource or scope that cannot be read go the items below it: nobody knows whose they are.

    Raises:
        BrokenFraming: the items cannot be told apart.
    """
    for number, group_bytes in fields(memoryview(body)):
        if number != 1:
            continue
        shell, scopes = _split(group_bytes)
        divided = [_split(scope_bytes) for scope_bytes in scopes]
        group = _read_inside(request, shell, left_out)
        if group is None:
            lost = [item for _, items in divided for item in items]
            _leave_out(lost, "their resource is not valid protobuf", request, left_out)
        else:
            _salvage_scopes(_appended(request, 1, group), divided, request, left_out)


def _salvage_scopes(
    group: Message,
    divided: list[tuple[memoryview, list[memoryview]]],
    request: Request,
    left_out: LeftOut,
) -> None:
    """Add to a resource group the scope groups that can be read, without the items that cannot."""
    for shell, found in divided:
        read = _read_inside(request, shell, left_out, 2)
        if read is None:
            _leave_out(found, "their scope is not valid protobuf", request, left_out)
            continue
        scope = _appended(group, 2, read)
        for index, item_bytes in enumerate(found):
            item = _read_inside(request, item_bytes, left_out, 2, 2)
            if item is None:
                reason = f"number {index} of its scope is not valid protobuf"
                _leave_out([item_bytes], reason, request, left_out)
            else:
                _appended(scope, 2, item)


def _leave_out(items: list[memoryview], reason: str, request: Request, left_out: LeftOut) -> None:
    has_points = isinstance(request, ExportMetricsServiceRequest)
    count = sum(map(_points_in, items)) if has_points else len(items)
    left_out.add(Reason.UNREADABLE, reason, max(1, count))


def _points_in(metric: memoryview) -> int:
    """Return how many data points a metric has, 1 if nobody can say."""
    points = 0
    try:
        for number, kind in fields(metric):
            if number in _KINDS_OF_METRICS:
                points += sum(field == 1 for field, _ in fields(kind))
    except BrokenFraming:
        return 1
    return max(1, points)


def _read_inside(
    request: Request, data: memoryview, left_out: LeftOut, *numbers: int
) -> Message | None:
    """Return a part of a request, with what is no UTF-8 in it mended; ``None``: it is not valid.

    Args:
        request: tells the kind of request.
        data: the part.
        left_out: is told that it was mended.
        numbers: fields that lead from a resource group to it.
    """
    path = (1, *numbers)
    message = _read_at(request, data, path)
    if message is None and left_out.mending_bytes + len(data) <= _MOST_MENDED_BYTES:
        left_out.mending_bytes += len(data)
        with contextlib.suppress(BrokenFraming):
            message = _read_at(request, with_valid_texts(data, _kind_at(request, path)), path)
            left_out.is_mended |= message is not None
    return message


def _read_at(request: Request, data: bytes | memoryview, path: tuple[int, ...]) -> Message | None:
    """Return a part read as deep as it is in its request: by itself, it could be deeper."""
    *above, own = path
    whole = length_delimited(own, data)
    for number in reversed(above):
        whole = length_delimited(number, whole)
    try:
        message: Message = type(request).FromString(whole)
    except DecodeError:
        return None
    for number in path:
        message = _repeated(message, number)[0]
    return message


def _kind_at(request: Request, path: tuple[int, ...]) -> Descriptor:
    kind = request.DESCRIPTOR
    for number in path:
        inside = kind.fields_by_number[number].message_type
        assert inside
        kind = inside
    return kind


def _repeated(message: Message, number: int) -> Any:
    return getattr(message, message.DESCRIPTOR.fields_by_number[number].name)


def _appended(message: Message, number: int, entry: Message) -> Message:
    """Append a copy to a repeated field and return it."""
    entries = _repeated(message, number)
    entries.append(entry)
    last: Message = entries[-1]
    return last


def _split(data: memoryview) -> tuple[memoryview, list[memoryview]]:
    """Return a message without its field 2, and the entries of that."""
    entries = list[memoryview]()
    rest = bytearray()
    for number, value in fields(data):
        if number == 2:
            entries.append(value)
        else:
            rest += length_delimited(number, value)
    return memoryview(rest), entries
