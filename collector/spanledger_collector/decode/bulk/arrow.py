"""The few operations on arrays this package needs, with types: pyarrow's stubs know few of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spanledger_collector.decode.columns import Array

Indexes: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Numbers: TypeAlias = npt.NDArray[np.generic]

_pa: Any = pa
_pc: Any = pc


def array(values: Sequence[object] | Numbers, kind: pa.DataType | None = None) -> Array:
    """Return values as an array."""
    return cast("Array", _pa.array(values, kind))


def take(values: Array, indexes: Indexes) -> Array:
    """Return the values at some places."""
    return cast("Array", _pc.take(values, _pa.array(indexes), boundscheck=False))


def pieces(lists: Array) -> tuple[Indexes, Array]:
    """Return where the lists of an array start, one more at the end, and all their elements."""
    made: Any = lists
    return made.offsets.to_numpy().astype(np.int64), made.values


def child(struct: Array, name: str) -> Array:
    """Return a field of a struct array."""
    made: Any = struct
    return cast("Array", made.field(name))


def numbers(values: Array) -> Numbers:
    """Return numbers without nulls as numpy's, not copied."""
    return cast("Numbers", values.to_numpy())


def counts(values: Array) -> Indexes:
    """Return counts, which are below 2^53; 0 for null."""
    return cast("Indexes", _pc.fill_null(values, 0).to_numpy().astype(np.int64))


def mask(values: Array) -> Mask:
    """Return booleans without nulls as numpy's."""
    return cast("Mask", values.to_numpy(zero_copy_only=False))


def is_valid(values: Array) -> Mask:
    """Tell which values are not null."""
    return mask(cast("Array", values.is_valid()))


def is_word(values: Array, word: str) -> Mask:
    """Tell which texts are this word."""
    return mask(_pc.equal(values, word))


def sizes(values: Array) -> Indexes:
    """Return the length of each text or id in bytes."""
    return cast("Indexes", _pc.binary_length(values).to_numpy())


def characters(values: Array) -> Indexes:
    """Return the length of each text in characters."""
    return cast("Indexes", _pc.utf8_length(values).to_numpy())


def choose(where: Mask, yes: Array | object, no: Array | object) -> Array:
    """Return ``yes`` where a mask is set, else ``no``: arrays or single values."""
    return cast("Array", _pc.if_else(_pa.array(where), yes, no))


def repeat(value: object, kind: pa.DataType, size: int) -> Array:
    """Return an array of one value."""
    return cast("Array", _pa.repeat(_pa.scalar(value, kind), size))


def words(codes: npt.NDArray[np.signedinteger[Any]], names: Sequence[str]) -> Array:
    """Return the names with these numbers."""
    return take(array(list(names), pa.string()), codes.astype(np.int64))


def join(arrays: Sequence[Array]) -> Array:
    """Return arrays of one type after each other."""
    return cast("Array", _pa.concat_arrays(arrays))


def masked(values: Numbers, missing: Mask) -> Array:
    """Return numbers, null where ``missing``."""
    return cast("Array", _pa.array(values, mask=missing))


def nothing_if(values: Array, missing: Mask) -> Array:
    """Return values, null where ``missing``."""
    return choose(missing, None, values) if missing.any() else values


def distinct(values: Array) -> tuple[Array, Array]:
    """Return the distinct values, and of each value its place among them."""
    encoded: Any = _pc.dictionary_encode(values)
    return encoded.dictionary, encoded.indices


def bits(values: Array) -> Array:
    """Return doubles as the integers with the same bits."""
    made: Any = values
    return cast("Array", made.view(pa.int64()))


def data(values: Array) -> memoryview:
    """Return the bytes of all texts or ids one after another, as far as the offsets say."""
    return memoryview(values.buffers()[2] or b"")


def offsets(values: Array) -> npt.NDArray[np.int32]:
    """Return where each text or id starts in ``data``, one more at the end."""
    buffer: Any = values.buffers()[1]
    every = np.frombuffer(buffer, np.int32) if buffer else np.zeros(1, np.int32)
    return every[values.offset : values.offset + len(values) + 1]


def strings(size: int, width: int, text: Numbers) -> Array:
    """Return ``size`` strings of ``width`` bytes each, given one after another."""
    made: Any = np.arange(0, width * size + 1, width, dtype=np.int32)
    held: Any = text
    return cast("Array", _pa.StringArray.from_buffers(size, pa.py_buffer(made), pa.py_buffer(held)))


def lists(lengths: Indexes, elements: Array) -> Array:
    """Return lists of these lengths."""
    return cast("Array", _pa.ListArray.from_arrays(_ends(lengths), elements))


def maps(lengths: Indexes, keys: Array, values: Array) -> Array:
    """Return maps of these lengths."""
    return cast("Array", _pa.MapArray.from_arrays(_ends(lengths), keys, values))


def _ends(lengths: Indexes) -> Array:
    return array(np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths))).astype(np.int32))
