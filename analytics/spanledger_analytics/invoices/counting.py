"""Which imports count, and which stand back behind what, as the imports themselves tell."""

from __future__ import annotations

from collections.abc import Sequence

from spanledger_analytics.invoices.reports import Source, standing_back
from spanledger_storage.invoice_state import ImportRow

_Days = dict[tuple[str, str], str]
"""Something of a day (``2026-11-18``) and a source."""


def counts_texts(rows: Sequence[ImportRow]) -> dict[str, str]:
    """Return by id whether imports count: ``yes``, ``replaced``, ``behind SOURCE``, or by days.

    Args:
        rows: all imports of a project that were not deleted, the newest first.
    """
    behind = _behind(rows)
    newest: _Days = {}
    for row in rows:
        for source, days in row.days.items():
            for day in days:
                newest.setdefault((day, source), row.import_id)
    found: dict[str, str] = {}
    for row in rows:
        said: dict[str, set[str]] = {}
        for source, days in row.days.items():
            for day in days:
                better = behind.get((day, source))
                counts = f"behind {better}" if better else "yes"
                is_newest = newest[day, source] == row.import_id
                said.setdefault(counts if is_newest else "replaced", set()).add(day)
        parts = [f"{what} on {len(days)} day(s)" for what, days in sorted(said.items())]
        found[row.import_id] = ", ".join(said) if len(said) == 1 else ", ".join(parts)
    return found


def standing_notes(row: ImportRow, before: Sequence[ImportRow]) -> list[str]:
    """Return what does not count because of an import, or of it, one sentence each.

    Args:
        row: the import.
        before: those before it that were not deleted.
    """
    known = _behind(before)
    days: dict[tuple[str, str], set[str]] = {}
    for (day, source), better in _behind([row, *before]).items():
        if day in row.days.get(source, {}) or (day, source) not in known:
            days.setdefault((source, better), set()).add(day)
    notes = [
        f"{source} does not count on {len(found)} day(s): it stands back behind {better}, which "
        "is taken to tell the same."
        for (source, better), found in sorted(days.items())
    ]
    if any(_are_two_accounts(*pair) for pair in days):
        notes.append("If these are bills of two accounts, import both in one format.")
    return notes


def _are_two_accounts(source: str, better: str) -> bool:
    mine, theirs = Source.parse(source).account, Source.parse(better).account
    return bool(mine and theirs) and mine != theirs


def _behind(rows: Sequence[ImportRow]) -> _Days:
    """Return behind which source each day of a source stands back, where it does."""
    told: dict[str, dict[str, Source]] = {}
    for text in sorted({source for row in rows for source in row.days}):
        source = Source.parse(text)
        for row in rows:
            for day in row.days.get(text, {}):
                told.setdefault(day, {})[text] = source
    return {
        (day, source): better
        for day, sources in told.items()
        for source, better in standing_back(sources).items()
    }
