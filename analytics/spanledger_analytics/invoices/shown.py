"""What imports say to people, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from spanledger_analytics.invoices.import_run import Outcome
from spanledger_analytics.invoices.reports import INVOICE_TOTAL
from spanledger_storage.invoice_state import ImportRow

_SHORT_ID = 12


def outcome_text(outcome: Outcome) -> str:
    """Return what became of an import, and what whoever imports should know."""
    row = outcome.row
    if outcome.state == "known":
        return (
            f"{row.name}: imported before, as {row.import_id[:_SHORT_ID]}; nothing was done. To "
            "count it again after a later import, delete that one."
        )
    if outcome.state == "empty":
        return f"{row.name}: nothing was used or charged."
    verb = "is fine, nothing was written" if outcome.state == "checked" else "imported"
    about = "" if outcome.state == "checked" else f" as {row.import_id[:_SHORT_ID]}"
    money = f", {amounts_text(row.amounts)}" if row.amounts else ""
    head = (
        f"{row.name}: {verb}{about} ({row.format}), {lines_text(row.line_count)} of "
        f"{days_text(row)}{money}."
    )
    return " ".join([head, *outcome.notes])


def deleted_text(row: ImportRow, empty: int) -> str:
    """Return what counts after an import was deleted; ``empty``: days nothing counts for."""
    days = sum(len(found) for found in row.days.values())
    return (
        f"{row.name} ({row.import_id[:_SHORT_ID]}) is deleted. Of its {days} day(s), "
        f"{days - empty} fall back to an import before it, and {empty} have none any more."
    )


def amounts_text(amounts: Mapping[str, Decimal]) -> str:
    """Return amounts with their currencies, exact: ``64.17 USD``."""
    return ", ".join(f"{_trimmed(amount)} {currency}" for currency, amount in amounts.items())


def days_text(row: ImportRow) -> str:
    """Return the days an import covers; of what invoices come to, the months."""
    if not row.first_day:
        return "no days"
    if all(source.startswith(INVOICE_TOTAL) for source in row.days):
        first, last = row.first_day[:7], row.last_day[:7]
        return first if first == last else f"{first} to {last}"
    return row.first_day if row.first_day == row.last_day else f"{row.first_day} to {row.last_day}"


def lines_text(lines: int) -> str:
    """Return a number of lines in words: ``1 line``, ``1,200 lines``."""
    return f"{lines:,} line{'' if lines == 1 else 's'}"


def _trimmed(amount: Decimal) -> str:
    text = f"{amount:,f}"
    whole, dot, places = text.partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}" if dot else f"{whole}.00"
