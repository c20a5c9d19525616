"""Results of ``spanledger sql`` on standard output."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from spanledger_server.errors import UsageError
from spanledger_server.stores import reader_near
from spanledger_storage.console_guard import QueryRefused, canonical
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store


class Format(StrEnum):
    """How to print a result."""

    table = "table"
    json = "json"
    csv = "csv"


# ClickHouse output formats: https://clickhouse.com/docs/interfaces/formats
_FORMATS = {
    Format.table: "PrettyCompactMonoBlock",
    Format.json: "JSONEachRow",
    Format.csv: "CSVWithNames",
}
# JSON: one array of objects. Numbers are written in full, so a reader that parses decimals
# exactly loses nothing.
_SETTINGS: dict[Format, dict[str, object]] = {
    Format.table: {"output_format_pretty_color": 0, "output_format_pretty_max_rows": 1000},
    Format.json: {
        "output_format_json_array_of_rows": 1,
        "output_format_json_quote_64bit_integers": 0,
        "output_format_json_validate_utf8": 1,  # hashes are bytes
    },
    Format.csv: {"format_csv_null_representation": ""},
}


def print_query(query: str, output: Format, data: Path) -> None:
    """Run one statement as the read-only user and print its result.

    Raises:
        UsageError: there is no store, or the statement is not accepted.
    """
    statement = query.strip().rstrip(";")
    if not statement:
        raise UsageError('The statement is empty; try: spanledger sql "SHOW TABLES".')
    reader = reader_near(data)
    # Also where the only user that is named is the one that writes.
    store = Store.connect(replace(reader, settings={**reader.settings, "readonly": "2"}))
    try:
        allowed = canonical(store, statement)
        text = store.raw(allowed, _FORMATS[output], settings=_SETTINGS[output])
    except (QueryRefused, StoreError) as error:
        raise UsageError(f"The statement failed: {error}") from error
    finally:
        store.close()
    sys.stdout.buffer.write(text if text.endswith(b"\n") or not text else text + b"\n")
