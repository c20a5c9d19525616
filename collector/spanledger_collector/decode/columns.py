"""The Arrow tables a decoded batch becomes: names, types and defaults of the stored columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Array: TypeAlias = "pa.Array[Any]"
Row: TypeAlias = dict[str, object]
"""One span: a copy of ``TEMPLATE`` with values filled in, no key added or removed."""

_TIME = pa.timestamp("ns", "UTC")

_TEXT = pa.string()
_COUNT = pa.uint64()
_NUMBER = pa.float64()

TYPES: dict[str, pa.DataType] = {
    "project": _TEXT,
    "trace_id": _TEXT,
    "span_id": _TEXT,
    "parent_span_id": _TEXT,
    "name": _TEXT,
    "kind": _TEXT,
    "status": _TEXT,
    "status_message": _TEXT,
    "error_type": _TEXT,
    "start_time": _TIME,
    "end_time": _TIME,
    "service_name": _TEXT,
    "service_version": _TEXT,
    "environment": _TEXT,
    "scope_name": _TEXT,
    "scope_version": _TEXT,
    "dialect": _TEXT,
    "role": _TEXT,
    "agent_name": _TEXT,
    "agent_id": _TEXT,
    "agent_version": _TEXT,
    "workflow_name": _TEXT,
    "task_id": _TEXT,
    "task_outcome": _TEXT,
    "session_id": _TEXT,
    "user_id": _TEXT,
    "provider": _TEXT,
    "request_model": _TEXT,
    "response_model": _TEXT,
    "service_tier": _TEXT,
    "region": _TEXT,
    "input_tokens": _COUNT,
    "cache_read_tokens": _COUNT,
    "cache_write_tokens": _COUNT,
    "cache_write_5m_tokens": _COUNT,
    "cache_write_1h_tokens": _COUNT,
    "output_tokens": _COUNT,
    "reasoning_tokens": _COUNT,
    "audio_input_tokens": _COUNT,
    "audio_output_tokens": _COUNT,
    "image_tokens": _COUNT,
    "image_output_tokens": _COUNT,
    "cache_read_audio_tokens": _COUNT,
    "web_searches": _COUNT,
    "usage_source": _TEXT,
    "reported_cost_usd": pa.decimal128(38, 12),
    "ttft_ns": _COUNT,
    "time_in_queue_ns": _COUNT,
    "prefill_ns": _COUNT,
    "decode_ns": _COUNT,
    "stream": pa.bool_(),
    "response_id": _TEXT,
    "request_id": _TEXT,
    "finish_reason": _TEXT,
    "attempts": pa.uint32(),
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "top_k": _NUMBER,
    "max_tokens": _COUNT,
    "seed": pa.int64(),
    "frequency_penalty": _NUMBER,
    "presence_penalty": _NUMBER,
    "reasoning_level": _TEXT,
    "tool_name": _TEXT,
    "tool_call_id": _TEXT,
    "tool_outcome": _TEXT,
    "tool_arguments": _TEXT,
    "tool_result": _TEXT,
    "call_sig": _COUNT,
    "result_sig": _COUNT,
    "tool_evidence": _TEXT,
    "trace_state": _TEXT,
    "ingested_at": pa.timestamp("ms", "UTC"),
    "version": _COUNT,
}

TEMPLATE: Row = {
    **{name: "" if kind is _TEXT else None for name, kind in TYPES.items()},
    "role": "other",
    "usage_source": "none",
    "call_sig": 0,
    "result_sig": 0,
}

REPEATED = frozenset(
    (
        *("project", "name", "kind", "status", "error_type", "service_name", "service_version"),
        *("environment", "scope_name", "scope_version", "dialect", "role", "agent_name"),
        *("agent_version", "workflow_name", "task_outcome", "provider", "request_model"),
        *("response_model", "service_tier", "region", "usage_source", "finish_reason"),
        *("reasoning_level", "tool_name", "tool_outcome", "tool_evidence"),
    )
)
"""Columns of texts that repeat: LowCardinality in the store."""
MAPS = ("attributes", "resource_attributes")
"""Columns of maps whose keys repeat likewise."""

_MESSAGES: dict[str, pa.DataType] = {
    "project": pa.string(),
    "hash": pa.binary(16),
    "role": pa.string(),
    "content": pa.string(),
    "stored_at": pa.timestamp("s", "UTC"),
}
MESSAGE_SCHEMA = pa.schema(_MESSAGES)
_TOUCHES: dict[str, pa.DataType] = {
    "project": pa.string(),
    "trace_id": pa.string(),
    "hour": pa.timestamp("s", "UTC"),
    "flush_id": pa.string(),
    "spans": pa.uint32(),
    "has_root": pa.uint8(),
}
TOUCH_SCHEMA = pa.schema(_TOUCHES)


class Lists:
    """A column of lists, kept flat: all elements in one list, plus where each row ends."""

    __slots__ = ("flat", "offsets")

    def __init__(self) -> None:
        self.flat: list[object] = []
        self.offsets: list[int] = [0]

    def append(self, items: Sequence[object]) -> None:
        """Add one row of any number of elements."""
        self.flat.extend(items)
        self.offsets.append(len(self.flat))

    def array(self, kind: pa.DataType) -> Array:
        """Return the column as ``list<kind>``."""
        return self.wrap(_array(self.flat, kind))

    def wrap(self, elements: Array) -> Array:
        """Return the column around elements that are already an array."""
        return pa.ListArray.from_arrays(pa.array(self.offsets, pa.int32()), elements)


class Maps:
    """A column of string maps, kept flat like ``Lists``."""

    __slots__ = ("keys", "offsets", "values")

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.values: list[str] = []
        self.offsets: list[int] = [0]

    def append(self, items: dict[str, str]) -> None:
        """Add one row."""
        self.keys.extend(items)
        self.values.extend(items.values())
        self.offsets.append(len(self.keys))

    def array(self) -> Array:
        """Return the column as ``map<string, string>``."""
        offsets: Any = pa.array(self.offsets, pa.int32())  # the stubs know 64-bit ones only
        keys, values = pa.array(self.keys, pa.string()), pa.array(self.values, pa.string())
        return cast("Array", pa.MapArray.from_arrays(offsets, keys, values))


class SpanColumns:
    """Collects spans and becomes the Arrow table of ``spans``."""

    __slots__ = (
        "attributes",
        "event_attributes",
        "event_names",
        "event_times",
        "flags",
        "input_messages",
        "link_attributes",
        "link_span_ids",
        "link_trace_ids",
        "output_messages",
        "resource_of_row",
        "resources",
        "rows",
    )

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []  # values in the order of TEMPLATE
        self.attributes = Maps()
        self.resources = Maps()
        self.resource_of_row: list[int] = []
        self.flags = Lists()
        self.input_messages = Lists()
        self.output_messages = Lists()
        self.event_times = Lists()
        self.event_names = Lists()
        self.event_attributes = Maps()
        self.link_trace_ids = Lists()
        self.link_span_ids = Lists()
        self.link_attributes = Maps()

    def add_resource(self, attributes: dict[str, str]) -> int:
        """Keep the attributes of a resource once; return its number."""
        self.resources.append(attributes)
        return len(self.resources.offsets) - 2

    def table(self) -> pa.Table:
        """Return one row per span in the order they were added."""
        values = list(zip(*self.rows, strict=True)) if self.rows else [()] * len(TEMPLATE)
        arrays: dict[str, Array] = {
            name: _array(column, TYPES[name]) for name, column in zip(TEMPLATE, values, strict=True)
        }
        lists = self.lists()
        for name in ("flags", "input_messages", "output_messages"):
            arrays[name] = lists.pop(name)
        arrays["attributes"] = self.attributes.array()
        arrays["resource_attributes"] = self.resources.array().take(
            pa.array(self.resource_of_row, pa.int32())
        )
        return pa.table({**arrays, **lists})

    def lists(self) -> dict[str, Array]:
        """Return the columns that hold lists."""
        arrays: dict[str, Array] = {}
        arrays["flags"] = self.flags.array(pa.string())
        arrays["input_messages"] = self.input_messages.array(pa.binary(16))
        arrays["output_messages"] = self.output_messages.array(pa.binary(16))
        arrays["events.time"] = self.event_times.array(_TIME)
        arrays["events.name"] = self.event_names.array(pa.string())
        arrays["events.attributes"] = self.event_names.wrap(self.event_attributes.array())
        arrays["links.trace_id"] = self.link_trace_ids.array(pa.string())
        arrays["links.span_id"] = self.link_span_ids.array(pa.string())
        arrays["links.attributes"] = self.link_trace_ids.wrap(self.link_attributes.array())
        return arrays


def empty_lists(size: int) -> dict[str, Array]:
    """Return the list columns of rows without flags, messages, events and links."""
    nothing = np.zeros(size + 1, np.int32)
    offsets: Any = pa.array(nothing)
    return {
        name: cast("Array", pa.ListArray.from_arrays(offsets, cast("Any", made).values))
        for name, made in SpanColumns().lists().items()
    }


def without_defaults(spans: pa.Table) -> pa.Table:
    """Return rows of ``spans`` without the columns in which no row says anything.

    Half of the columns of an ordinary batch are such, and the store fills them for less.
    """
    silent = [name for name in spans.column_names if all(map(_is_silent, spans[name].chunks))]
    return spans.drop_columns(silent)


def with_dictionaries(spans: pa.Table) -> pa.Table:
    """Return rows of ``spans`` whose repeated texts are numbers of a dictionary.

    The store keeps them so, and would otherwise look each of them up.
    """
    columns: dict[str, Any] = dict(zip(spans.column_names, spans.columns, strict=True))
    for name in REPEATED & columns.keys():
        columns[name] = columns[name].combine_chunks().dictionary_encode()
    columns.update(_with_numbered_keys({name: columns[name] for name in MAPS}))
    return pa.table(columns)


def _with_numbered_keys(columns: dict[str, Any]) -> dict[str, Any]:
    """Return columns of maps whose keys are numbers of one dictionary.

    One for all: earlier versions of ClickHouse look for it by the name of the field, ``key``.
    """
    maps = {name: column.combine_chunks() for name, column in columns.items()}
    keys: Any = pa.concat_arrays([made.keys for made in maps.values()]).dictionary_encode()
    result: dict[str, Any] = {}
    for name, made in maps.items():
        size = len(made.keys)
        result[name] = pa.MapArray.from_arrays(made.offsets, keys.slice(0, size), made.items)
        keys = keys.slice(size)
    return result


def _is_silent(chunk: Any) -> bool:
    """Tell whether an array holds nothing but nulls, empty texts or empty lists."""
    if chunk.null_count == len(chunk):
        return True
    if pa.types.is_string(chunk.type):
        return bool(pc.max(pc.binary_length(chunk)).as_py() == 0)
    if pa.types.is_list(chunk.type):
        return len(chunk.flatten()) == 0
    return False


def hash_array(hashes: Sequence[bytes]) -> Array:
    """Return hashes of messages, 16 bytes each, as an array."""
    joined = pa.py_buffer(b"".join(hashes))
    made: Any = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(hashes), [None, joined])
    return cast("Array", made)


def text_array(texts: Sequence[bytes]) -> Array:
    """Return texts given in UTF-8 as an array of strings; below 2 GB together."""
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, texts), np.int32, len(texts)), out=offsets[1:])
    ends: Any = offsets  # the stubs do not know that arrays are buffers
    made: Any = pa.StringArray.from_buffers(
        len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(texts))
    )
    return cast("Array", made)


def _array(values: Sequence[object], kind: pa.DataType) -> Array:
    if pa.types.is_timestamp(kind):  # from integers: far faster than from datetime objects
        return _build(values, pa.int64()).cast(kind)
    if values and values.count(values[0]) == len(values):  # most columns of most batches
        value: Any = pa.scalar(values[0], kind)
        return cast("Array", pa.repeat(value, len(values)))
    return _build(values, kind)


def _build(values: Sequence[object], kind: pa.DataType) -> Array:
    return cast("Array", pa.array(cast("Sequence[Any]", values), kind))
