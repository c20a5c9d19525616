"""``spanledger focus export``: which days, and what of them into which file."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path

from spanledger_analytics.focus import invoice_detail, rows
from spanledger_analytics.focus.files import ENDINGS, write_tables
from spanledger_analytics.focus.rows import Days, day_table
from spanledger_server.errors import UsageError
from spanledger_storage.store import Store


def asked_days(month: str, day: str, *, is_whole_month: bool) -> Days:
    """Return the days that were asked for: those of a month (the running one if left out), or one.

    Raises:
        UsageError: what was typed is no month or no day, or both were given.
    """
    if month and day:
        raise UsageError("--month and --day are two ways to say what; give one.")
    if day and is_whole_month:
        raise UsageError("An invoice is of a month; give --month.")
    if day:
        found = _day(day, "", "--day", "2026-11-18")
        return Days(found, found)
    first = _day(month, "-01", "--month", "2026-11") if month else datetime.now(UTC).date()
    return Days.of_month(first)


def _day(text: str, rest: str, option: str, example: str) -> date:
    try:
        return date.fromisoformat(text + rest)
    except ValueError:
        raise UsageError(f"{option} is written like {example}, not {text[:20]!r}.") from None


def write(store: Store, project: str, days: Days, file: Path, *, is_detail: bool) -> int:
    """Write the days to a file and return how many rows it has.

    Raises:
        UsageError: the file's ending is another, or it cannot be written.
        StoreError: the store refused or did not answer.
    """
    if file.suffix not in ENDINGS:
        raise UsageError(f"FILE ends in {' or '.join(ENDINGS)}.")
    tables = (day_table(store, project, day) for day in days)
    try:
        if not is_detail:
            return write_tables(file, rows.SCHEMA, tables)
        detail = invoice_detail.detail_table(days.first, tables, int(time.time()))
        return write_tables(file, invoice_detail.SCHEMA, [detail])
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from None
