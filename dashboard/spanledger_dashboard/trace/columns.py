"""Columns of Arrow as arrays of NumPy and lists, in one typed place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = pa.ChunkedArray[Any]
    AnyColumn = Column | pa.Array[Any]


def is_any(column: Column, *values: str) -> NDArray[np.bool_]:
    """Return where a column of texts holds one of some values."""
    found = pc.is_in(column, value_set=pa.array(values, pa.string()))
    return np.asarray(found.to_numpy(), "?")


def is_known(column: Column) -> NDArray[np.bool_]:
    """Return where a column is not NULL."""
    return np.asarray(column.is_valid().to_numpy(), "?")


def floats(column: Column) -> NDArray[np.float64]:
    """Return numbers as floats, NaN where unknown, in memory of their own."""
    converted = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.array(converted, "f8")


def whole(column: Column) -> NDArray[np.int64]:
    """Return whole numbers, 0 where unknown."""
    filled: Column = cast("Any", pc).fill_null(column, 0)
    return np.asarray(filled.to_numpy(), "i8")


def texts(column: AnyColumn) -> list[str]:
    """Return a column of texts as a list."""
    return cast("list[str]", column.to_pylist())


def codes(column: Column) -> tuple[NDArray[np.int32], list[str]]:
    """Return a number for each text of a column, and the text of each number."""
    encoded = pa.array(column.combine_chunks(), pa.string()).dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(), "i4"), texts(encoded.dictionary)


def rows_of(wanted: AnyColumn, ids: Column) -> NDArray[np.int32]:
    """Return at which row of ``ids`` each of some ids lies, -1 where it does not."""
    found: Any = pc.index_in(wanted, value_set=ids.combine_chunks())
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), "i4")


def lists(column: Column) -> tuple[NDArray[np.int64], pa.Array[Any]]:
    """Return the elements of a column of lists, one behind the other, and the row of each."""
    whole_column: Any = column.combine_chunks()
    if isinstance(whole_column, pa.ChunkedArray):  # without rows there is no chunk
        whole_column = pa.array([], column.type)
    rows: Any = pc.list_parent_indices(whole_column)
    return np.asarray(rows.to_numpy(), "i8"), pc.list_flatten(whole_column)
