"""Records as a table for a file: a column for each field, as exact as the record.

What pages show is rounded and on the reader's clock; a file says what is stored. A field of whole
numbers that ends in ``_ns`` or ``_s`` is a moment, told in UTC, unless it is named as a duration;
any other keeps its name, which says its unit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, cast

import pyarrow as pa
from pydantic import BaseModel

_MOMENTS: Mapping[str, pa.DataType] = {
    "_ns": pa.timestamp("ns", "UTC"),
    "_s": pa.timestamp("s", "UTC"),
}
Row = Mapping[str, object]


def records_table(
    records: Iterable[object], *, without: Collection[str] = (), durations: Collection[str] = ()
) -> pa.Table:
    """Return one row per record.

    Args:
        records: dataclasses, models or mappings, or tuples of them, whose fields lie side by side.
            A record within a record gives its fields; a list or mapping becomes text.
        without: fields to leave out.
        durations: fields that stay numbers, with their unit.
    """
    rows = [_flat(record, without) for record in records]
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table(
        dict(_column(name, [row.get(name) for row in rows], name in durations) for name in names)
    )


def _flat(record: object, without: Collection[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    if isinstance(record, tuple):
        for part in record:
            found |= _flat(part, without)
        return found
    for name, value in _fields(record).items():
        if name in without:
            continue
        if _is_record(value):
            found |= _flat(value, without)
        else:
            found[name] = _cell(value)
    return found


def _fields(record: object) -> Row:
    if isinstance(record, Mapping):
        return {str(name): value for name, value in record.items()}
    if isinstance(record, BaseModel):
        return {name: getattr(record, name) for name in type(record).model_fields}
    assert is_dataclass(record)
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _is_record(value: object) -> bool:
    return is_dataclass(value) or isinstance(value, BaseModel)


def _cell(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return ", ".join(f"{_text(name)}={_text(one)}" for name, one in value.items())
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return ", ".join(_text(one) for one in value)
    return value


def _text(value: object) -> str:
    if _is_record(value):
        return " ".join(_text(one) for one in _fields(value).values() if one not in (None, ""))
    cell = _cell(value)
    return f"{cell:f}" if isinstance(cell, Decimal) else str(cell)


def _column(name: str, values: list[object], is_duration: bool) -> tuple[str, pa.Array[Any]]:
    ending = "" if is_duration else next((e for e in _MOMENTS if name.endswith(e)), "")
    if not ending or not all(value is None or isinstance(value, int) for value in values):
        return name, pa.array(cast("list[Any]", values))
    return name.removesuffix(ending), pa.array(cast("list[Any]", values), _MOMENTS[ending])
