"""Cells as rows of ``reconciliation_cells``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spanledger_analytics._rows import STRING, USD, Column
from spanledger_analytics.reconciliation.ledger_side import date_of
from spanledger_analytics.reconciliation.result import (
    MOST_EVIDENCE,
    CallRef,
    Cause,
    CauseShare,
    Cell,
    CellKey,
    Confidence,
)

_FLAG = pa.uint8()
_CAUSE: list[tuple[str, pa.DataType]] = [
    ("cause", STRING),
    ("usd", USD),
    ("confidence", STRING),
    ("explanation", STRING),
    ("evidence_count", pa.uint64()),
]
_CALL: list[tuple[str, pa.DataType]] = [
    (name, STRING)
    for name in ("cause", "trace_id", "span_id", "entry_id", "request_id", "response_id")
]
_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("project", STRING),
    ("day", pa.date32()),
    ("provider", STRING),
    ("cell_id", STRING),
    ("token_class", STRING),
    ("scope", STRING),
    ("api_key", STRING),
    ("model", STRING),
    ("processing", STRING),
    ("service_tier", STRING),
    ("context", STRING),
    ("geo", STRING),
    ("ledger_quantity", USD),
    ("usage_quantity", USD),
    ("billed_quantity", USD),
    ("ledger_usd", USD),
    ("billed_usd", USD),
    ("volume_usd", USD),
    ("price_usd", USD),
    ("is_within_tolerance", _FLAG),
    ("is_final", _FLAG),
    ("causes", pa.list_(pa.struct(_CAUSE))),
    ("evidence", pa.list_(pa.struct(_CALL))),
]
_SCHEMA = pa.schema([*_COLUMNS, ("is_deleted", _FLAG), ("version", pa.uint64())])
_NESTED = ("causes", "evidence")
_FLAT = [
    name for name, _ in _COLUMNS if name not in ("project", "day", "cell_id", *_NESTED)
]  # fmt: skip
_AMOUNTS = ("ledger_quantity", "usage_quantity", "billed_quantity", "ledger_usd", "billed_usd",
            "volume_usd", "price_usd")  # fmt: skip


def table_of(
    project: str, cells: Iterable[Cell], removed: Iterable[Cell], version: int
) -> pa.Table:
    """Return the rows of cells, and tombstones of removed ones."""
    kept, gone = list(cells), list(removed)
    both = [*kept, *gone]
    keys = [cell.key for cell in both]
    columns: dict[str, Sequence[object]] = {
        "project": [project] * len(both),
        **{name: [getattr(key, name) for key in keys] for name in CellKey.__slots__},
        "cell_id": [cell.cell_id for cell in both],
        **{name: [getattr(cell, name) for cell in both] for name in _AMOUNTS},
        "is_within_tolerance": [int(cell.is_within_tolerance) for cell in both],
        "is_final": [int(cell.is_final) for cell in both],
        "causes": [list(map(_cause, cell.causes)) if cell.causes else () for cell in both],
        "evidence": [_evidence(cell) if cell.causes else () for cell in both],
        "is_deleted": [0] * len(kept) + [1] * len(gone),
        "version": [version] * len(both),
    }
    arrays = [pa.array(columns[field.name], field.type) for field in _SCHEMA]
    return pa.Table.from_arrays(arrays, schema=_SCHEMA)


def changed(table: pa.Table, stored: pa.Table) -> pa.BooleanArray:
    """Return which rows of a table are not stored so; both hold cells of one project and day."""
    places = pc.index_in(table.column("cell_id"), value_set=stored.column("cell_id"))
    before = stored.take(places)
    found = np.zeros(table.num_rows, bool)
    for name in _FLAT:
        found |= _differ(table.column(name), before.column(name))
    for name in _NESTED:
        # Few cells have any: a list of structures is compared value by value.
        mine, theirs = table.column(name), before.column(name)
        told = np.flatnonzero(_lengths(mine) + _lengths(theirs))
        for place, one, other in zip(
            told, mine.take(told).to_pylist(), theirs.take(told).to_pylist(), strict=True
        ):
            found[place] |= one != other
    return pa.array(found)


def _differ(mine: Column, theirs: Column) -> NDArray[np.bool_]:
    """Return where columns of plain values differ; NULL and NULL do not."""
    theirs = theirs.cast(mine.type)
    same = np.asarray(pc.equal(mine, theirs).fill_null(False), np.bool_)
    unknown = np.asarray(mine.is_null(), np.bool_) & np.asarray(theirs.is_null(), np.bool_)
    return ~(same | unknown)


def _lengths(lists: Column) -> NDArray[np.int64]:
    return np.asarray(pc.list_value_length(lists).fill_null(0), np.int64)


def _cause(share: CauseShare) -> dict[str, object]:
    return {
        "cause": share.cause.value,
        "usd": share.usd,
        "confidence": share.confidence,
        "explanation": share.explanation,
        "evidence_count": share.evidence_count,
    }


def _evidence(cell: Cell) -> list[dict[str, str]]:
    return [
        {"cause": share.cause.value, **{name: getattr(ref, name) for name in CallRef.__slots__}}
        for share in cell.causes
        for ref in share.evidence[:MOST_EVIDENCE]
    ]


def cells_of(table: pa.Table) -> Iterator[tuple[Cell, int]]:
    """Return stored cells with their versions, as ``reconciliation_stored`` gives them."""
    for batch in table.to_batches(max_chunksize=4_096):
        for row in batch.to_pylist():
            yield _cell(cast("dict[str, object]", row)), int(row["version"])


def _cell(row: Mapping[str, object]) -> Cell:
    calls: dict[str, list[CallRef]] = {}
    for call in cast("list[dict[str, str]]", row["evidence"]):
        refs = calls.setdefault(call["cause"], [])
        refs.append(CallRef(*(call[name] for name in CallRef.__slots__)))
    key = {name: row[name] for name in CellKey.__slots__ if name != "day"}
    day = date_of(int(cast("int", row["day_number"])))
    amounts = {name: cast("Decimal", row[name]) for name in _AMOUNTS}
    return Cell(
        cell_id=str(row["cell_id"]),
        key=CellKey(day=day, **cast("dict[str, str]", key)),
        **amounts,
        is_within_tolerance=bool(row["is_within_tolerance"]),
        causes=tuple(_share(one, calls) for one in cast("list[dict[str, object]]", row["causes"])),
        is_final=bool(row["is_final"]),
    )


def _share(row: Mapping[str, object], calls: Mapping[str, list[CallRef]]) -> CauseShare:
    cause = str(row["cause"])
    return CauseShare(
        Cause(cause),
        cast("Decimal", row["usd"]),
        cast("Confidence", row["confidence"]),
        str(row["explanation"]),
        tuple(calls.get(cause, ())),
        int(cast("int", row["evidence_count"])),
    )
