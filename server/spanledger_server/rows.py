"""Rows on standard output, in the formats every command offers."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal

from spanledger_analytics.price_book.files import csv_text, json_text
from spanledger_server.output import Format

_NUMBER = re.compile(r"|\$?[\d,.]+\*?")
Row = Mapping[str, object]


def print_rows(
    columns: Sequence[str], rows: Sequence[Row], output: Format, nothing: str = "Nothing."
) -> None:
    """Print the columns of rows; ``nothing`` is what a table says when there are none."""
    if output is Format.csv:
        sys.stdout.write(csv_text(columns, rows))
    elif output is Format.json:
        sys.stdout.write(json_text(columns, rows))
    else:
        print(table_text(columns, rows) if rows else nothing)


def table_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Return rows under their headings, numbers to the right; columns nobody fills are left out."""
    used = [c for c in columns if any(row.get(c) not in (None, "") for row in rows)]
    is_number = {c: all(_is_number(row.get(c)) for row in rows) for c in used}
    lines = [[c.replace("_", " ") for c in used]]
    lines += [[_cell(c, row.get(c)) for c in used] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(used))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_number[name] else cell.ljust(width)
            for name, cell, width in zip(used, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(value: object) -> bool:
    is_text_number = isinstance(value, str) and _NUMBER.fullmatch(value) is not None
    return value is None or is_text_number or isinstance(value, int | Decimal)


def _cell(column: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int):
        return str(value) if column == "id" else f"{value:,}"  # an id is copied into a command
    if isinstance(value, Decimal):
        return f"{value:,f}"
    return printable(str(value))


def printable(text: str) -> str:
    """Return a name from outside without what moves the cursor of a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
