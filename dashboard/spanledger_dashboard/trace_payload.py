"""Packs a trace for the tree component: one block of bytes, no object per span.

Layout: u32 length of the header, the header (JSON, padded to eight bytes with spaces), then the
columns one after the other, each padded to eight bytes. The header lists them in that order as
``[name, type, count]``. Token counts and costs are NaN where unknown. Costs are whole
picodollars, so that the sums the component makes stay exact up to nine thousand dollars.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from spanledger_dashboard.trace_data import Row, Trace, is_unpriced

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLAG_ERROR = 1
FLAG_UNPRICED = 2
FLAG_MERGED = 4
FLAG_NO_USAGE = 8

PICO_PER_USD = 10**12
_TYPES = {"float64": "f8", "int32": "i4", "uint8": "u1"}
_ALIGNMENT = 8


def pack(trace: Trace, *, selected: str = "") -> bytes:
    """Return the bytes the tree component draws a trace from.

    Args:
        trace: at least one span.
        selected: span selected at first, 16 hex digits; empty: the first root.
    """
    table = trace.spans
    ids = cast("list[str]", table["span_id"].to_pylist())
    index = {span_id: i for i, span_id in enumerate(ids)}
    starts = table["start_ns"].to_numpy()
    columns: dict[str, NDArray[np.generic]] = {
        "start": (starts - starts.min()).astype("f8"),
        "duration": table["duration_ns"].to_numpy().astype("f8"),
        "id": np.frombuffer(bytes.fromhex("".join(i.rjust(16, "0") for i in ids)), "u1"),
        "parent": _parents(cast("list[str]", table["parent_span_id"].to_pylist()), index),
    }
    dictionaries: dict[str, list[str]] = {}
    for name in ("name", "role", "model", "agent_name"):
        columns[name], dictionaries[name] = _encoded(table[name])
    costs = _Costs.of(trace, index)
    columns |= {"cost": costs.cost, "input": costs.input, "output": costs.output}
    columns["flags"] = costs.flags | _error_flags(table)
    header = {
        "trace": trace.key.trace_id,
        "start_ns": str(starts.min()),
        "selected": selected,
        "dictionaries": dictionaries,
    }
    return _packed(header, columns)


@dataclass(frozen=True, slots=True)
class _Costs:
    """Per span: cost in picodollars, tokens, flags."""

    cost: NDArray[np.float64]
    input: NDArray[np.float64]
    output: NDArray[np.float64]
    flags: NDArray[np.uint8]

    @classmethod
    def of(cls, trace: Trace, index: Mapping[str, int]) -> _Costs:
        """Spread the ledger entries over the spans, each to its primary span alone."""
        made = cls(
            cost=np.full(len(index), np.nan),
            input=_floats(trace.spans["input_tokens"]),
            output=_floats(trace.spans["output_tokens"]),
            flags=np.zeros(len(index), "u1"),
        )
        for entry in trace.entries:
            made._charge(entry, index)
        return made

    def _charge(self, entry: Row, index: Mapping[str, int]) -> None:
        for other in cast("list[str]", entry["merged_span_ids"]):
            if other in index:
                self._set_merged(index[other])
        at = index.get(str(entry["span_id"]))
        if at is None:
            return
        cost = cast("Decimal | None", entry["total_cost_usd"])
        if cost is not None:
            pico = int(cost * PICO_PER_USD)
            self.cost[at] = pico if np.isnan(self.cost[at]) else self.cost[at] + pico
        elif is_unpriced(entry):
            self.flags[at] |= FLAG_UNPRICED
        else:
            self.flags[at] |= FLAG_NO_USAGE
        for column, name in ((self.input, "input_tokens"), (self.output, "output_tokens")):
            if entry[name] is not None:
                column[at] = cast("int", entry[name])

    def _set_merged(self, at: int) -> None:
        """A call seen twice counts once: the tokens show where its cost shows."""
        self.flags[at] |= FLAG_MERGED
        self.input[at] = self.output[at] = np.nan


def _parents(parent_ids: list[str], index: Mapping[str, int]) -> NDArray[np.int32]:
    """Return the row of each span's parent; -1: a root, -2: the parent has not arrived."""
    rows = (index.get(p, -2) if p else -1 for p in parent_ids)
    return np.fromiter(rows, "i4", len(parent_ids))


def _encoded(column: pa.ChunkedArray[Any]) -> tuple[NDArray[np.int32], list[str]]:
    encoded = column.combine_chunks().cast(pa.string()).dictionary_encode()
    return encoded.indices.to_numpy(), cast("list[str]", encoded.dictionary.to_pylist())


def _floats(column: pa.ChunkedArray[Any]) -> NDArray[np.float64]:
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).copy()


def _error_flags(table: pa.Table) -> NDArray[np.uint8]:
    is_error = (s == "error" for s in table["status"].to_pylist())
    return np.fromiter(is_error, "u1", table.num_rows) * np.uint8(FLAG_ERROR)


def _packed(header: Mapping[str, object], columns: Mapping[str, NDArray[np.generic]]) -> bytes:
    listed = [[n, _TYPES[str(c.dtype)], len(c)] for n, c in columns.items()]
    text = json.dumps({**header, "columns": listed}, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % _ALIGNMENT)
    parts = [struct.pack("<I", len(text)), text]
    for column in columns.values():
        block = column.tobytes()
        parts += [block, b"\0" * (-len(block) % _ALIGNMENT)]
    return b"".join(parts)
