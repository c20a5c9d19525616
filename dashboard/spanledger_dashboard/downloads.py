"""Every table as a file: CSV for spreadsheets, Parquet for programs."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import streamlit as st

Read = Callable[[], pa.Table]

# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def show_downloads(name: str, read: Read, *, what: str) -> None:
    """Show one small menu with the formats; the table is read when somebody asks for it.

    Args:
        name: of the file, without its ending; also the key, so unique on a page.
        read: returns the table as the store gave it: exact decimals, UTC times.
        what: says what is in it and how much of it, for the menu's help.
    """
    with st.popover("", icon=":material/download:", help=what, key=f"download-{name}"):
        st.caption(what)
        for label, ending, mime, write in _FORMATS:
            st.download_button(
                label,
                data=lambda write=write: write(read()),  # type: ignore[misc]  # bound now
                file_name=f"spanledger-{name}.{ending}",
                mime=mime,
                on_click="ignore",
                width="stretch",
                key=f"download-{name}-{ending}",
            )


def csv_bytes(table: pa.Table) -> bytes:
    """Return the table as CSV: unknown is empty, and no text is a spreadsheet's formula."""
    out = io.BytesIO()
    columns = [_csv_column(column) for column in table.columns]
    pyarrow.csv.write_csv(pa.table(columns, names=table.column_names), out)
    return out.getvalue()


def parquet_bytes(table: pa.Table) -> bytes:
    """Return the table as Parquet, types as they are."""
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def _csv_column(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _csv_column(column.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return column.cast(pa.string())  # all digits: a reader's float would lose them
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_nested(kind):
        texts = [None if v is None else _safe(str(v)) for v in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text


_FORMATS = (
    ("CSV", "csv", "text/csv", csv_bytes),
    ("Parquet", "parquet", "application/vnd.apache.parquet", parquet_bytes),
)
