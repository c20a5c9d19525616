"""What ``spanledger invoices`` prints of imports, lines and mappings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from spanledger_analytics.invoices.counting import counts_texts
from spanledger_analytics.invoices.deleting import find_import
from spanledger_analytics.invoices.import_reading import lines_of_import
from spanledger_analytics.invoices.reading import sources
from spanledger_analytics.invoices.rules import rules_of
from spanledger_analytics.invoices.shown import amounts_text, days_text
from spanledger_analytics.invoices.unmapped import read_unmapped
from spanledger_analytics.price_book.input import time_text
from spanledger_server.output import Format
from spanledger_server.rows import print_rows
from spanledger_storage.invoice_state import ImportRow, InvoiceState, MappingRow
from spanledger_storage.price_state import StateEngine
from spanledger_storage.projects import Projects
from spanledger_storage.store import Store

FIRST_DAY, LAST_DAY = date(2015, 1, 1), date(2099, 12, 31)
_IMPORTS = (
    "id", "at", "provider", "format", "days", "lines", "amount", "unmapped", "counts",
    "name", "who", "deleted",
)  # fmt: skip
_LINES = (
    "line", "day", "provider", "dataset", "class", "quantity", "unit", "amount", "currency",
    "amount_usd", "model", "scope", "api_key", "processing", "tier", "context", "geo", "text",
)  # fmt: skip
_HISTORY = ("day", "source", "import", "at", "name", "counts", "final", "deleted")
_MAPPINGS = (
    "id", "kind", "provider", "text", "target", "note", "by", "at", "removed_by", "removed_at",
)  # fmt: skip
_UNMAPPED = (
    "provider", "text", "meter_id", "lines", "amount", "currency", "amount_usd", "quantity", "unit",
    "first_day", "last_day", "suggestion",
)  # fmt: skip
_PULLS = ("report", "last_try", "last_success", "next_try", "error")
_NOTHING = "Nothing was imported yet. Import a provider's report: spanledger invoices import FILE"
_ID = 12


def print_imports(state: StateEngine, project: str, output: Format, *, history: bool) -> None:
    """Print the imports of a project, the latest first, and in a table how pulls went.

    Raises:
        ConfigError: there is no such project.
    """
    Projects(state).get(project)
    invoices = InvoiceState(state)
    counts = counts_texts(invoices.imports(project))
    rows = [_import(row, counts) for row in invoices.imports(project, deleted=history)]
    print_rows(_IMPORTS, rows, output, _NOTHING)
    pulls = invoices.pulls(project)
    if pulls and output is Format.table:
        print()
        found = [
            {
                "report": row.report,
                "last_try": time_text(row.last_try_ns),
                "last_success": _time(row.last_success_ns),
                "next_try": time_text(row.next_try_ns),
                "error": row.error,
            }
            for row in pulls
        ]
        print_rows(_PULLS, found, output)


def print_lines(
    store: Store, state: StateEngine, project: str, import_id: str, output: Format
) -> None:
    """Print the lines of an import as they were read, whether they count or not.

    Raises:
        InvoiceError: there is no such import.
    """
    row = find_import(state, project, import_id, deleted=True)
    found = [
        {
            "line": line.line_number,
            "day": f"{line.day}",
            "provider": line.provider,
            "dataset": line.dataset.value,
            "class": line.token_class.value,
            "quantity": _plain(line.quantity),
            "unit": line.unit,
            "amount": _plain(line.amount),
            "currency": line.currency,
            "amount_usd": _plain(line.amount_usd),
            "model": line.model,
            "scope": line.scope,
            "api_key": line.api_key,
            "processing": line.processing,
            "tier": line.service_tier,
            "context": line.context,
            "geo": line.geo,
            "text": line.description,
        }
        for line in lines_of_import(store, row)
    ]
    print_rows(_LINES, found, output, "It has no lines: its days are empty.")


def print_history(
    store: Store, state: StateEngine, project: str, import_id: str, output: Format
) -> None:
    """Print every import of the days an import covers, and which one counts.

    Raises:
        InvoiceError: there is no such import.
    """
    row = find_import(state, project, import_id, deleted=True)
    first, last = date.fromisoformat(row.first_day), date.fromisoformat(row.last_day)
    counting = sources(store, project, first, last, totals=True)
    current = {(f"{one.day}", one.source): one for one in counting}
    every = InvoiceState(state).imports(project, deleted=True)
    found: list[dict[str, object]] = []
    for source, days in row.days.items():
        for day in days:
            told = current.get((day, source))
            for one in every:
                if day not in one.days.get(source, {}):
                    continue
                counts = told is not None and told.import_id == one.import_id
                behind = told.stands_back_behind if told and counts else ""
                found.append({
                    "day": day, "source": source, "import": one.import_id[:_ID],
                    "at": time_text(one.at_ns), "name": one.name,
                    "counts": f"behind {behind}" if behind else "yes" if counts else "no",
                    "final": "yes" if one.days[source][day] else "no",
                    "deleted": _deleted(one),
                })  # fmt: skip
    print_rows(_HISTORY, found, output)


def print_mappings(state: StateEngine, project: str, output: Format, *, history: bool) -> None:
    """Print the mappings of a project, with who made and removed them.

    Raises:
        ConfigError: there is no such project.
    """
    Projects(state).get(project)
    rows = [_mapping(row) for row in InvoiceState(state).mappings(project, removed=history)]
    print_rows(_MAPPINGS, rows, output, "There are no mappings.")


def print_unmapped(store: Store, state: StateEngine, project: str, output: Format) -> None:
    """Print the texts that wait for a mapping, the dearest first.

    Raises:
        ConfigError: there is no such project.
    """
    Projects(state).get(project)
    rules = rules_of(state, project)
    rows = [
        {
            "provider": one.provider,
            "text": one.text,
            "meter_id": one.meter_id,
            "lines": one.line_count,
            "amount": _plain(one.amount),
            "currency": one.currency,
            "amount_usd": _plain(one.amount_usd),
            "quantity": _plain(one.quantity),
            "unit": one.unit,
            "first_day": one.first_day,
            "last_day": one.last_day,
            "suggestion": one.suggestion.value if one.suggestion else "",
        }
        for one in read_unmapped(store, project, FIRST_DAY, LAST_DAY, rules)
    ]
    print_rows(_UNMAPPED, rows, output, "Every line is understood.")


def _import(row: ImportRow, counts: Mapping[str, str]) -> dict[str, object]:
    return {
        "id": row.import_id[:_ID],
        "at": time_text(row.at_ns),
        "provider": row.provider,
        "format": row.format,
        "days": days_text(row),
        "lines": row.line_count,
        "amount": amounts_text(row.amounts),
        "unmapped": row.unmapped_count or None,
        "counts": counts.get(row.import_id, "no"),
        "name": row.name,
        "who": row.who,
        "deleted": _deleted(row),
    }


def _mapping(row: MappingRow) -> dict[str, object]:
    return {
        "id": row.id,
        "kind": row.kind,
        "provider": row.provider,
        "text": row.pattern,
        "target": ", ".join(f"{name}={value}" for name, value in row.target.items()),
        "note": row.note,
        "by": row.created_by,
        "at": time_text(row.created_at_ns),
        "removed_by": row.removed_by,
        "removed_at": _time(row.removed_at_ns),
    }


def _deleted(row: ImportRow) -> str:
    if row.deleted_at_ns is None:
        return ""
    return f"{_time(row.deleted_at_ns)} by {row.deleted_by}"


def _time(at_ns: int | None) -> str:
    return "" if at_ns is None else time_text(at_ns)


def _plain(value: Decimal | None) -> Decimal | None:
    """Return a number without zeros at its end."""
    if value is None:
        return None
    return value.to_integral_value() if value == value.to_integral_value() else value.normalize()
