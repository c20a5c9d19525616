"""Packs a trace for the tree component: one block of bytes, no object per span.

Layout: u32 length of the front, the front (JSON, padded to eight bytes with spaces), then the body,
deflated where that pays. The front says which span is selected at first and carries a signature
of the body. The body: u32 length of its header, the header (JSON, padded alike), then the columns
one after the other, each padded to eight bytes. The header lists them in that order as
``[name, type, count, is_shifted]``; a shifted column holds 0 where unknown and each number plus
one. In columns of floats NaN is unknown.

Costs are two columns, whole micro-dollars and the picodollars that remain: sums of each stay whole
numbers that a float holds, so the sums the component makes are exact to the picodollar.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spanledger_dashboard.trace.columns import codes, floats, is_any, is_known, whole
from spanledger_dashboard.trace.data import Trace, are_unpriced
from spanledger_dashboard.trace.marks import GivenMarks, find_marks
from spanledger_dashboard.trace.shape import TraceShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = dict[str, NDArray[np.generic]]

FLAG_ERROR = 1
FLAG_UNPRICED = 2
FLAG_MERGED = 4
FLAG_NO_USAGE = 8
FLAG_CALL = 16

PICO_PER_MICRO = 10**6
_TEXTS = ("name", "role", "model", "agent_name", "tool_name", "error_type")
_TYPES = {"float64": "f8", "int32": "i4", "uint8": "u1", "uint16": "u2", "uint32": "u4"}
_NARROW = (np.uint8, np.uint16, np.uint32)
_ALIGNMENT = 8
_ID_DIGITS = 16
# Below this the reader gains nothing; the fastest level already halves what is above.
_DEFLATED_BYTES = 1 << 16


def pack(trace: Trace, *, selected: str = "", marks: GivenMarks | None = None) -> bytes:
    """Return the bytes the tree component draws a trace from.

    Args:
        trace: at least one span.
        selected: span selected at first, 16 hex digits; empty: the first root.
        marks: by span id, what else is to be pointed out on that span: ``kind`` and ``text``, and
            if wanted a short ``label``. Kinds the tree knows share its symbols; any other text
            is a kind of its own.
    """
    shape = TraceShape.of(trace)
    starts = shape.start_ns
    columns: Columns = {
        "start": _narrowed(starts - starts.min()),
        "duration": _narrowed(shape.duration_ns),
        "id": _ids(trace.spans["span_id"]),
        "parent": shape.parent,
        "ttft": _nullable(floats(trace.spans["ttft_ns"])),
    }
    dictionaries: dict[str, list[str]] = {}
    for name in _TEXTS:
        columns[name], dictionaries[name] = _encoded(trace.spans[name])
    columns |= _Calls.of(trace, shape).columns()
    _add_marks(trace, shape, marks or {}, columns, dictionaries)
    header = {
        "trace": trace.key.trace_id,
        "start_ns": str(starts.min()),
        "dictionaries": dictionaries,
    }
    return _fronted(_packed(header, columns), selected)


@dataclass(frozen=True, slots=True)
class _Calls:
    """Per span: cost in micro-dollars and picodollars, tokens, flags. NaN: unknown."""

    micro: NDArray[np.float64]
    pico: NDArray[np.int64]
    has_cost: NDArray[np.bool_]
    input: NDArray[np.float64]
    output: NDArray[np.float64]
    cached: NDArray[np.float64]
    flags: NDArray[np.uint8]

    @classmethod
    def of(cls, trace: Trace, shape: TraceShape) -> _Calls:
        """Spread the ledger entries over the spans, each to its primary span alone."""
        count = trace.spans.num_rows
        made = cls(
            micro=np.zeros(count),
            pico=np.zeros(count, "i8"),
            has_cost=np.zeros(count, "?"),
            input=floats(trace.spans["input_tokens"]),
            output=floats(trace.spans["output_tokens"]),
            cached=np.full(count, np.nan),
            flags=shape.is_failed * np.uint8(FLAG_ERROR),
        )
        made._charge(trace, shape)
        return made

    def _charge(self, trace: Trace, shape: TraceShape) -> None:
        # A call seen twice counts once: the tokens show where its cost shows.
        self.flags[shape.merged] |= FLAG_MERGED
        self.input[shape.merged] = self.output[shape.merged] = np.nan
        calls = trace.calls.filter(pa.array(shape.call >= 0))
        at = shape.call[shape.call >= 0]
        np.add.at(self.micro, at, np.nan_to_num(floats(calls["cost_micro"])))
        np.add.at(self.pico, at, whole(calls["cost_rest"]))
        is_priced = is_known(calls["total_cost_usd"])
        self.has_cost[at[is_priced]] = True
        is_unpriced = are_unpriced(calls)
        self.flags[at[is_unpriced]] |= FLAG_UNPRICED
        # A paid tool, or a share of a GPU, is money on a span, and no call of a model.
        is_model = is_any(calls["kind"], "llm", "embedding")
        self.flags[at[is_model]] |= FLAG_CALL
        self.flags[at[is_model & ~is_priced & ~is_unpriced]] |= FLAG_NO_USAGE
        for column, name in (
            (self.input, "input_tokens"),
            (self.output, "output_tokens"),
            (self.cached, "cache_read_tokens"),
        ):
            column[at[is_model]] = floats(calls[name])[is_model]

    def columns(self) -> Columns:
        micro = self.micro + self.pico // PICO_PER_MICRO
        return {
            "micro": _nullable(np.where(self.has_cost, micro, np.nan)),
            "pico": _narrowed(self.pico % PICO_PER_MICRO),
            "input": _nullable(self.input),
            "output": _nullable(self.output),
            "cached": _nullable(self.cached),
            "flags": self.flags,
        }


def _add_marks(
    trace: Trace,
    shape: TraceShape,
    given: GivenMarks,
    columns: Columns,
    dictionaries: dict[str, list[str]],
) -> None:
    marks = find_marks(trace, shape, given)
    columns["mark_span"] = _narrowed(np.array([m.row for m in marks], "i8"))
    for name in ("kind", "label", "text", "target"):
        values: list[str] = [getattr(mark, name) for mark in marks]
        key = f"mark_{name}"
        columns[key], dictionaries[key] = _encoded(
            pa.chunked_array([pa.array(values, pa.string())])
        )


def _ids(column: pa.ChunkedArray[Any]) -> NDArray[np.uint8]:
    """Return eight bytes for each span."""
    digits = cast("pa.StringArray", pc.utf8_lpad(column, _ID_DIGITS, "0").combine_chunks())
    text = cast("pa.Buffer", digits.buffers()[2])  # all of one length: one behind the other
    return np.frombuffer(bytes.fromhex(text.to_pybytes().decode()), "u1")


def _encoded(column: pa.ChunkedArray[Any]) -> tuple[NDArray[np.generic], list[str]]:
    numbers, dictionary = codes(column)
    return _narrowed(numbers), dictionary


def _narrowed(numbers: NDArray[Any]) -> NDArray[np.generic]:
    """Return whole numbers in the narrowest type that holds them all."""
    if not len(numbers):
        return numbers.astype("u1")
    if numbers.min() >= 0:
        for kind in _NARROW:
            if numbers.max() <= np.iinfo(kind).max:
                return numbers.astype(kind)
    return numbers.astype("f8")


def _nullable(numbers: NDArray[np.float64]) -> NDArray[np.generic]:
    """Return whole numbers plus one, 0 for unknown; floats with NaN where that does not fit."""
    known = numbers[~np.isnan(numbers)]
    if len(known) and (known.min() < 0 or known.max() >= np.iinfo(np.uint32).max):
        return numbers
    return _narrowed(np.where(np.isnan(numbers), 0, numbers + 1).astype("i8"))


_SHIFTED = frozenset({"ttft", "micro", "input", "output", "cached"})


def _packed(header: Mapping[str, object], columns: Columns) -> bytes:
    listed: list[Sequence[object]] = []
    parts: list[bytes] = []
    for name, column in columns.items():
        kind = _TYPES[str(column.dtype)]
        listed.append([name, kind, len(column), int(name in _SHIFTED and kind != "f8")])
        block = column.tobytes()
        parts += [block, b"\0" * (-len(block) % _ALIGNMENT)]
    return b"".join([*_head({**header, "columns": listed}), *parts])


def _fronted(body: bytes, selected: str) -> bytes:
    is_deflated = len(body) >= _DEFLATED_BYTES
    front = {
        "selected": selected,
        "signature": blake2b(body, digest_size=8).hexdigest(),
        "is_deflated": is_deflated,
    }
    return b"".join([*_head(front), zlib.compress(body, 1) if is_deflated else body])


def _head(content: Mapping[str, object]) -> tuple[bytes, bytes]:
    text = json.dumps(content, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % _ALIGNMENT)
    return struct.pack("<I", len(text)), text
