"""Ledger entries as Arrow columns: what their prices depend on, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spanledger_analytics import _rows
from spanledger_analytics._bill import PARTS, REASONS, wide
from spanledger_analytics.entry_prices import PART_COLUMNS, SUM_SOURCES, TOKEN_COLUMNS, usd
from spanledger_analytics.price_book.book import PriceKey
from spanledger_analytics.pricing import PRICED, STATUSES, Charges, Usage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spanledger_analytics._bill import Bools, Ints

    # What kind of values a column has is known at run time only.
    Column: TypeAlias = pa.Array[Any]
    Chunked: TypeAlias = pa.ChunkedArray[Any]

PRICE_COLUMNS = (
    "price_status",
    "price_id",
    "contract_id",
    *(f"{part}_cost_usd" for part in PARTS),
    "total_cost_usd",
    "list_cost_usd",
    "billed_price_id",
    "billed_cost_usd",
    "reason",
)
"""What a price consists of; ``reason`` is the flag that says why there is none."""


def usage_of(table: pa.Table) -> Usage:
    """Return what the prices of entries depend on; columns as of ``repricing_entries``."""
    names, keys = _keys(table)
    counts: dict[str, Ints] = {}
    known: dict[str, Bools] = {}
    for field, column in TOKEN_COLUMNS.items():
        values = table.column(column)
        if values.null_count < len(values):
            counts[field] = _counts(values)
            known[field] = _booleans(pc.is_valid(values))
    sums = pa.array(sorted(SUM_SOURCES), _rows.STRING)
    is_sum = _booleans(pc.is_in(table.column("usage_source"), value_set=sums))
    requests = _requests(table, is_sum)
    return Usage(names, keys, times_ns(table), counts, known, is_sum, requests)


def _requests(table: pa.Table, is_sum: Bools) -> Ints:
    """Return of how many requests entries are, as ``requests_of`` says of one."""
    is_metric = is_text(texts(table, "usage_source"), "metric")
    told = np.where(is_metric, _counts(table.column("attempts")), 0)
    return cast("Ints", np.where(is_sum, told, 1))


def times_ns(table: pa.Table) -> NDArray[np.int64]:
    """Return the starts of the calls, UTC nanoseconds."""
    times = table.column("time").cast(_rows.TIME).cast(pa.int64())
    return cast("NDArray[np.int64]", times.to_numpy())


def texts(table: pa.Table, name: str) -> Column:
    """Return a text column in one piece."""
    return cast("Column", table.column(name).cast(_rows.STRING).combine_chunks())


def amounts(table: pa.Table, name: str) -> Column:
    """Return a column of dollars in one piece."""
    return cast("Column", table.column(name).cast(_rows.USD).combine_chunks())


def is_text(column: Column, text: str) -> Bools:
    """Return where a column without NULLs says so."""
    return _booleans(pc.equal(column, cast("pa.Scalar[Any]", pa.scalar(text, _rows.STRING))))


def _keys(table: pa.Table) -> tuple[list[PriceKey], NDArray[np.int64]]:
    """Return the distinct keys and which of them each entry has."""
    columns = [texts(table, name) for name in PriceKey._fields]
    code = np.zeros(table.num_rows, dtype=np.int64)
    for column in columns:
        encoded = column.dictionary_encode()
        code = code * max(1, len(encoded.dictionary)) + encoded.indices.to_numpy()
    keys = pa.array(code).dictionary_encode().indices.to_numpy().astype(np.int64)
    first = np.zeros(int(keys.max(initial=-1)) + 1, dtype=np.int64)
    first[keys[::-1]] = np.arange(len(keys))[::-1]
    names = [cast("list[str]", column.take(first).to_pylist()) for column in columns]
    return [PriceKey(*name) for name in zip(*names, strict=True)], keys


def _counts(column: Chunked) -> Ints:
    zero = cast("pa.Scalar[Any]", pa.scalar(0, _rows.COUNT))
    values = np.asarray(pc.fill_null(column.cast(_rows.COUNT), zero), dtype=np.uint64)
    if int(values.max(initial=0)) >= 2**63:
        return wide(cast("Ints", values))
    return values.astype(np.int64)


def _booleans(column: object) -> Bools:
    """Return a column of booleans without NULLs; both kinds of Arrow columns convert alike."""
    return np.asarray(column, dtype=np.bool_)


def price_columns(table: pa.Table, usage: Usage, charges: Charges) -> dict[str, Column]:
    """Return the new values of ``PRICE_COLUMNS``.

    The ``billed`` columns stay as they are; entries without them were billed at the price they
    had, and entries without any price are billed at the new one.
    """
    is_priced = charges.status == PRICED
    new = {
        "price_status": _named(STATUSES, charges.status),
        "price_id": _named(charges.price_ids, charges.price),
        "contract_id": _named(charges.contract_ids, charges.contract),
        "reason": _named(REASONS, charges.reason),
        "total_cost_usd": _usd(charges.total, is_priced),
        "list_cost_usd": _usd(charges.list_total, is_priced),
    }
    for part in PARTS:
        is_known = is_priced.copy()
        for field, column in TOKEN_COLUMNS.items():
            if column in PART_COLUMNS[part]:
                is_known &= usage.is_known(field)
        new[f"{part}_cost_usd"] = _usd(charges.parts[part], is_known)
    has_no_bill = pa.array(is_text(texts(table, "billed_price_id"), ""))
    was_priced = pa.array(is_text(texts(table, "price_status"), "priced"))
    for billed, present in (("billed_price_id", "price_id"), ("billed_cost_usd", "total_cost_usd")):
        first = pc.if_else(was_priced, _stored(table, present), new[present])
        new[billed] = cast("Column", pc.if_else(has_no_bill, first, _stored(table, billed)))
    return new


def _stored(table: pa.Table, name: str) -> Column:
    return amounts(table, name) if name.endswith("_usd") else texts(table, name)


def _named(names: Sequence[str], codes: NDArray[np.integer[Any]]) -> Column:
    return cast("Column", pa.array(names, _rows.STRING).take(codes))


def _usd(picodollars: Ints, is_known: Bools) -> Column:
    """Return a column of dollars; a Decimal128 is a whole number in two words of 64 bits."""
    if picodollars.dtype == np.object_:
        pairs = zip(picodollars.tolist(), is_known.tolist(), strict=True)
        return pa.array([usd(value) if known else None for value, known in pairs], _rows.USD)
    words = np.stack((picodollars, picodollars >> 63), axis=1)
    validity = np.packbits(is_known, bitorder="little")
    buffers = [pa.py_buffer(validity.tobytes()), pa.py_buffer(words.tobytes())]
    return pa.Array.from_buffers(_rows.USD, len(words), cast("list[pa.Buffer | None]", buffers))


def changed(table: pa.Table, new: Mapping[str, Column], names: Sequence[str]) -> Bools:
    """Return which entries differ from ``new`` in one of these columns."""
    is_changed = np.zeros(table.num_rows, dtype=np.bool_)
    for name in names:
        old = _stored(table, name)
        if not old.equals(new[name]):
            is_changed |= _is_different(old, new[name])
    return is_changed


def _is_different(old: Column, new: Column) -> Bools:
    was_known, is_known = _booleans(old.is_valid()), _booleans(new.is_valid())
    is_other = _booleans(pc.fill_null(pc.not_equal(old, new), pa.scalar(False)))
    return is_other | (was_known ^ is_known)
