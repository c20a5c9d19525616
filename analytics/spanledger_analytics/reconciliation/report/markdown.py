"""The report as Markdown: the answer first, what is unexplained before what is not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from spanledger_analytics.invoices.shown import amounts_text
from spanledger_analytics.reconciliation.correction import WAYS
from spanledger_analytics.reconciliation.report.model import (
    CoverageTotal,
    GroupTotal,
    InvoiceTotal,
    PeriodTotal,
    Report,
    ReportCell,
    ReportShare,
)

MOST_CELLS = 50
"""Cells shown, the most urgent; the other formats have all of them."""
UNKNOWN = "–"
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&])")


def to_markdown(report: Report) -> str:
    """Return the report as Markdown tables; texts from outside stay texts."""
    blocks = [
        f"# Reconciliation of {_text(report.project)}, {report.first_day} to {report.last_day}",
        _answer(report),
        _causes(report),
        _groups("By provider", "Provider", report.providers),
        _beyond_tolerance(report.beyond_tolerance),
        _groups("By project of the provider", "Project", report.scopes),
        _groups("By model", "Model", report.models),
        _invoices(report.invoices),
        _corrections(report),
        _cells(report.cells),
        _coverage(report.coverage),
        _inputs(report),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _answer(report: Report) -> str:
    totals = report.totals
    rows = [
        ("Billed", _usd(totals.billed_usd)),
        ("Ledger", _usd(totals.ledger_usd)),
        ("Difference", _signed(totals.variance_usd)),
        ("Matched", _percent(totals.matched_share)),
        ("Unexplained", _usd(totals.unexplained_size_usd)),
        ("Cells within tolerance", f"{totals.cells_within_tolerance:,} of {totals.cells:,}"),
        ("Final cells", f"{totals.cells_final:,} of {totals.cells:,}"),
    ]
    if not report.cells:
        return "Nothing was reconciled in these days: no provider's report is imported for them."
    return _table(("", "USD"), rows)


def _causes(report: Report) -> str:
    rows = [
        (row.cause.replace("_", " "), _signed(row.usd), _usd(row.size_usd), _usd(row.high_usd),
         f"{row.cells:,}", f"{row.calls:,}")
        for row in report.causes
    ]  # fmt: skip
    if not rows:
        return ""
    total = ("**Total**", _signed(report.totals.variance_usd), "", "", "", "")
    head = ("Cause", "Net USD", "Size, no signs", "Of the size sure", "Cells", "Calls that show it")
    return "## Why\n\n" + _table(head, [*rows, total])


def _groups(title: str, what: str, groups: Sequence[GroupTotal]) -> str:
    if not groups:
        return ""
    rows = [
        (_group_name(what, row), _usd(row.billed_usd), _usd(row.ledger_usd),
         _signed(row.variance_usd), _percent(row.matched_share), _usd(row.unexplained_size_usd))
        for row in groups
    ]  # fmt: skip
    head = (what, "Billed", "Ledger", "Difference", "Matched", "Unexplained")
    return f"## {title}\n\n" + _table(head, rows)


def _group_name(what: str, row: GroupTotal) -> str:
    if what == "Provider":
        return _text(row.provider)
    name = row.scope if what == "Project" else row.model
    return f"{_text(row.provider)}: {_told(name)}"


def _beyond_tolerance(periods: Sequence[PeriodTotal]) -> str:
    if not periods:
        return ""
    rows = [
        (_text(row.provider), _period(row), _usd(row.billed_usd), _usd(row.ledger_usd),
         _signed(row.variance_usd), _usd(row.limit_usd))
        for row in periods
    ]  # fmt: skip
    head = ("Provider", "When", "Billed", "Ledger", "Difference", "It may be")
    return "## Months and days beyond tolerance\n\n" + _table(head, rows)


def _period(row: PeriodTotal) -> str:
    is_day = row.first_day == row.last_day
    return f"{row.first_day}" if is_day else f"{row.first_day:%Y-%m}"


def _invoices(rows: Sequence[InvoiceTotal]) -> str:
    if not rows:
        return ""
    shown = [
        (f"{row.month:%Y-%m}", _text(row.provider), _text(row.account) or UNKNOWN,
         _text(amounts_text({row.currency: row.amount})), _known(row.amount_usd),
         _usd(row.lines_usd), _known(row.ledger_usd),
         UNKNOWN if row.variance_usd is None else _signed(row.variance_usd),
         "; ".join(_reason(share) for share in row.causes))
        for row in rows
    ]  # fmt: skip
    head = ("Month", "Provider", "Account", "Invoice", "In USD", "Lines", "Ledger", "Difference",
            "Why")  # fmt: skip
    return "## Invoices against their lines\n\n" + _table(head, shown)


def _corrections(report: Report) -> str:
    rows = [
        (_signed(one.usd), WAYS[one.way], _text(one.title), _text(one.advice),
         f"`{one.correction_id}`")
        for one in report.corrections
    ]  # fmt: skip
    if not rows:
        return ""
    head = ("About USD", "Done by", "What to do", "How", "Id")
    return "## What to do\n\n" + _table(head, rows)


def _known(amount: Decimal | None) -> str:
    return UNKNOWN if amount is None else _usd(amount)


def _cells(cells: Sequence[ReportCell]) -> str:
    wanted = [cell for cell in cells if cell.variance_usd]
    if not wanted:
        return ""
    rows = [
        (cell.day, _text(cell.provider), _told(cell.scope), _told(cell.model),
         _text(cell.token_class), _usd(cell.billed_usd), _usd(cell.ledger_usd),
         _signed(cell.variance_usd), _reasons(cell))
        for cell in wanted[:MOST_CELLS]
    ]  # fmt: skip
    head = ("Day", "Provider", "Project", "Model", "For", "Billed", "Ledger", "Difference", "Why")
    text = "## Differences\n\n" + _table(head, rows)
    more = len(wanted) - MOST_CELLS
    return f"{text}\n\n{more:,} more are in the CSV, XLSX and JSON." if more > 0 else text


def _reasons(cell: ReportCell) -> str:
    return "; ".join(_reason(share) for share in cell.causes)


def _reason(share: ReportShare) -> str:
    return (
        f"{share.cause.replace('_', ' ')} {_signed(share.usd)} ({share.confidence}): "
        f"{_text(share.explanation)}"
    )


def _coverage(rows: Sequence[CoverageTotal]) -> str:
    if not rows:
        return ""
    shown = [
        (_text(row.provider), _told(row.scope), _told(row.api_key), row.measure,
         _number(row.observed), _number(row.reported), _percent(row.share))
        for row in rows
    ]  # fmt: skip
    head = ("Provider", "Project", "Key", "Counted", "In the ledger", "Reported", "Coverage")
    return "## Coverage\n\n" + _table(head, shown)


def _inputs(report: Report) -> str:
    imports = [
        (_text(row.source), _text(row.name), f"{row.rows:,}", row.imported_at, f"`{row.sha256}`")
        for row in report.imports
    ]
    ledger = report.ledger
    lines = [
        f"- Ledger: {ledger.calls:,} calls, telemetry up to {ledger.handled_until or UNKNOWN}; "
        f"unpriced {_percent(ledger.unpriced_share)}, tokens guessed "
        f"{_percent(ledger.estimated_share)}, {ledger.calls_without_usage:,} without usage.",
        *(
            f"- {_text(row.provider)}: {row.final_days} of {row.days} days are final"
            + (f", the first open one is {row.first_open_day}." if row.first_open_day else ".")
            for row in report.finality
        ),
        f"- Made at {report.made_at}.",
    ]
    head = ("Source", "File", "Rows", "Imported", "SHA-256")
    table = _table(head, imports) + "\n\n" if imports else ""
    return "## Inputs\n\n" + table + "\n".join(lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def _text(value: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(value.split()))


def _told(value: str | None) -> str:
    """Return a dimension: a dash where it is not told, and "none" where there is none."""
    return UNKNOWN if value is None else _text(value) or "none"


def _usd(amount: Decimal) -> str:
    return f"{_rounded(amount):,f}"


def _signed(amount: Decimal) -> str:
    return f"{_rounded(amount):+,f}"


def _rounded(amount: Decimal) -> Decimal:
    """Return cents, or what is below one in full: small differences are not shown as none."""
    cents = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return cents if cents or not amount else Decimal(f"{amount.normalize():f}")


def _number(value: Decimal) -> str:
    return f"{value.normalize():,f}"


def _percent(share: Decimal | None) -> str:
    """Return percent, rounded down: 100 % is all of it."""
    return UNKNOWN if share is None else f"{int(share * 10_000) / 100:.2f} %"
