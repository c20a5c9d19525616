"""Every table as a file: CSV for spreadsheets, Parquet for programs."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import streamlit as st

Read = Callable[[], pa.Table]

# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = r"^[=+\-@\t\r]"


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


def _csv_column(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_list(kind) or pa.types.is_map(kind) or pa.types.is_struct(kind):
        texts = [None if v is None else str(v) for v in column.to_pylist()]
        column = pa.chunked_array([pa.array(texts, pa.string())])
    elif pa.types.is_decimal(kind):
        return column.cast(pa.string())  # all digits: a reader's float would lose them
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return column
    is_formula = pc.match_substring_regex(column, _FORMULA)
    return pc.if_else(pc.fill_null(is_formula, False), pc.binary_join_element_wise("'", column, ""),
                      column)  # fmt: skip


_FORMATS = (
    ("CSV", "csv", "text/csv", csv_bytes),
    ("Parquet", "parquet", "application/vnd.apache.parquet", parquet_bytes),
)
