"""Every table as a file: CSV for spreadsheets, Parquet for programs."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import streamlit as st

from spanledger_dashboard import scope
from spanledger_dashboard.access.media import check_later

Read = Callable[[], pa.Table]

# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def show_downloads(name: str, read: Read, *, what: str, project: str | None = None) -> None:
    """Show one small menu with the formats; the table is read when somebody asks for it.

    Args:
        name: of the file, without its ending; also the key, so unique on a page.
        read: returns the table as the store gave it: exact decimals, UTC times.
        what: says what is in it and how much of it, for the menu's help.
        project: whose rows; None: of the chosen project. Who may no longer see it gets no file.
    """
    check = check_later(project or scope.current().project)

    def make(write: Callable[[pa.Table], bytes]) -> bytes:
        check()  # the page may have been shown long before
        return write(read())

    with st.popover("", icon=":material/download:", help=what, key=f"download-{name}"):
        st.caption(what)
        for label, ending, mime, write in _FORMATS:
            st.download_button(
                label,
                data=partial(make, write),
                file_name=f"spanledger-{name}.{ending}",
                mime=mime,
                on_click="ignore",
                width="stretch",
                key=f"download-{name}-{ending}",
            )


def show_titled(title: str, name: str, read: Read, *, what: str, is_small: bool = False) -> None:
    """Show the title of a table with its downloads beside it; see :func:`show_downloads`."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if is_small:
            st.markdown(f"**{title}**", width="stretch")
        else:
            st.subheader(title, anchor=False)
        show_downloads(name, read, what=what)


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
        # All digits: a reader's float would lose them, and Arrow writes small ones with exponents.
        amounts = [None if v is None else f"{v:f}" for v in column.to_pylist()]
        return pa.chunked_array([pa.array(amounts, pa.string())])
    if _is_bytes(kind):
        digits = [None if v is None else v.hex() for v in column.to_pylist()]
        return pa.chunked_array([pa.array(digits, pa.string())])
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_nested(kind):
        texts = [None if v is None else _safe(str(v)) for v in _readable(column)]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def _readable(column: pa.ChunkedArray[Any]) -> list[object]:
    """Return the values; the store also calls bytes text that are none: these get marks."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        raw = column.cast(pa.binary()).to_pylist()
        return [None if v is None else v.decode("utf-8", "replace") for v in raw]


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text


_FORMATS = (
    ("CSV", "csv", "text/csv", csv_bytes),
    ("Parquet", "parquet", "application/vnd.apache.parquet", parquet_bytes),
)
