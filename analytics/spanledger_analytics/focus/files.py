"""Writes tables of an export to a file, one after the other: CSV or Parquet, by its ending.

A file is there whole or not at all: it is written under another name first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from spanledger_analytics.price_book.files import csv_text

ENDINGS = (".csv", ".parquet")
"""What a file's name may end in."""


def write_tables(
    file: Path,
    schema: pa.Schema,
    tables: Iterable[pa.Table],
    notes: Mapping[str, str] | None = None,
) -> int:
    """Write tables of one schema to a file and return the number of their rows.

    Args:
        file: its ending is one of ``ENDINGS``.
        schema: of all tables.
        tables: read one at a time.
        notes: kept beside the schema, in Parquet alone.

    Raises:
        OSError: the file cannot be written; what was there before is there still.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        write = _write_csv if file.suffix == ".csv" else _write_parquet
        rows = write(part, schema.with_metadata(dict(notes or {})), tables)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
    return rows


def _write_csv(part: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    rows = 0
    with part.open("w", encoding="utf-8", newline="") as out:
        out.write(csv_text(schema.names, ()))
        for table in tables:
            text = csv_text(schema.names, table.to_pylist())
            out.write(text.partition("\n")[2])
            rows += table.num_rows
    return rows


def _write_parquet(part: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    rows = 0
    with pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.cast(schema))
            rows += table.num_rows
    return rows
