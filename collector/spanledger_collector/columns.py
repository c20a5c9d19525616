"""The Arrow tables a decoded batch becomes: names, types and defaults of the stored columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

import pyarrow as pa

Row: TypeAlias = dict[str, object]
"""One span: a copy of ``TEMPLATE`` with values filled in, no key added or removed."""

_TIME = pa.timestamp("ns", "UTC")

_TEXTS = (
    "project trace_id span_id parent_span_id name kind status status_message error_type "
    "service_name service_version environment scope_name scope_version dialect role "
    "agent_name agent_id agent_version workflow_name task_id task_outcome session_id user_id "
    "provider request_model response_model service_tier region usage_source response_id "
    "request_id finish_reason reasoning_level tool_name tool_call_id tool_outcome "
    "tool_arguments tool_result trace_state"
).split()
_COUNTS = (
    "input_tokens cache_read_tokens cache_write_tokens cache_write_5m_tokens "
    "cache_write_1h_tokens output_tokens reasoning_tokens audio_input_tokens "
    "audio_output_tokens image_tokens ttft_ns max_tokens"
).split()
_NUMBERS = "temperature top_p top_k frequency_penalty presence_penalty".split()

_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(_TEXTS, pa.string()),
    **dict.fromkeys(_COUNTS, pa.uint64()),
    **dict.fromkeys(_NUMBERS, pa.float64()),
    "start_time": _TIME,
    "end_time": _TIME,
    "reported_cost_usd": pa.decimal128(38, 12),
    "stream": pa.bool_(),
    "attempts": pa.uint32(),
    "seed": pa.int64(),
    "ingested_at": pa.timestamp("ms", "UTC"),
    "version": pa.uint64(),
}

TEMPLATE: Row = {
    **dict.fromkeys(_TYPES),
    **dict.fromkeys(_TEXTS, ""),
    "role": "other",
    "usage_source": "none",
}

MESSAGE_SCHEMA = pa.schema(
    [
        ("project", pa.string()),
        ("hash", pa.binary(16)),
        ("role", pa.string()),
        ("content", pa.string()),
        ("stored_at", pa.timestamp("s", "UTC")),
    ]
)
TOUCH_SCHEMA = pa.schema(
    [
        ("project", pa.string()),
        ("trace_id", pa.string()),
        ("hour", pa.timestamp("s", "UTC")),
        ("flush_id", pa.string()),
        ("spans", pa.uint32()),
    ]
)


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

    def array(self, kind: pa.DataType) -> pa.Array:
        """Return the column as ``list<kind>``."""
        return self.wrap(_array(self.flat, kind))

    def wrap(self, elements: pa.Array) -> pa.Array:
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

    def array(self) -> pa.Array:
        """Return the column as ``map<string, string>``."""
        return pa.MapArray.from_arrays(
            pa.array(self.offsets, pa.int32()),
            pa.array(self.keys, pa.string()),
            pa.array(self.values, pa.string()),
        )


class SpanColumns:
    """Collects spans and becomes the Arrow table of ``spans``."""

    __slots__ = (
        "attributes",
        "event_attributes",
        "event_names",
        "event_times",
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
        self.rows: list[Row] = []
        self.attributes = Maps()
        self.resources = Maps()
        self.resource_of_row: list[int] = []
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
        cells = zip(*(row.values() for row in self.rows), strict=True)
        values = list(cells) if self.rows else [()] * len(TEMPLATE)
        arrays: dict[str, pa.Array] = {
            name: _array(column, _TYPES[name])
            for name, column in zip(TEMPLATE, values, strict=True)
        }
        arrays["input_messages"] = self.input_messages.array(pa.binary(16))
        arrays["output_messages"] = self.output_messages.array(pa.binary(16))
        arrays["attributes"] = self.attributes.array()
        arrays["resource_attributes"] = self.resources.array().take(
            pa.array(self.resource_of_row, pa.int32())
        )
        arrays["events.time"] = self.event_times.array(_TIME)
        arrays["events.name"] = self.event_names.array(pa.string())
        arrays["events.attributes"] = self.event_names.wrap(self.event_attributes.array())
        arrays["links.trace_id"] = self.link_trace_ids.array(pa.string())
        arrays["links.span_id"] = self.link_span_ids.array(pa.string())
        arrays["links.attributes"] = self.link_trace_ids.wrap(self.link_attributes.array())
        return pa.table(arrays)


def _array(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):  # from integers: far faster than from datetime objects
        return pa.array(values, pa.int64()).cast(kind)
    if None in values and not any(value is not None for value in values):
        return pa.nulls(len(values), kind)
    return cast("pa.Array", pa.array(values, kind))
