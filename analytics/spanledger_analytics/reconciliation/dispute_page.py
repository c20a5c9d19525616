"""The dispute pack as one HTML file without anything from elsewhere, made to be printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from itertools import islice

from spanledger_analytics.reconciliation.dispute import Dispute
from spanledger_analytics.reconciliation.dispute_rows import (
    PARTS,
    Row,
    call_row,
    difference_row,
    line_row,
)
from spanledger_analytics.reconciliation.report.sums import totals_of
from spanledger_analytics.reconciliation.result import Cell

MOST_CALLS = 5_000
"""Calls on the page; the CSV has all of them."""
MOST_LINES = 2_000
_MOST_CELLS = 500
_UNKNOWN = "–"
_PART_NAMES = ("Uncached", "Cache read", "Cache write", "Output")
_STYLE = """
:root{color-scheme:light}
body{font:13px/1.45 system-ui,sans-serif;color:#1b1f24;background:#fff;margin:24px;max-width:1500px}
h1{font-size:20px;margin:0 0 4px}h2{font-size:15px;margin:26px 0 6px}
p{margin:4px 0;max-width:80ch}
table{border-collapse:collapse;width:100%;font-size:11px}
th,td{border-bottom:1px solid #d5d9de;padding:3px 6px;text-align:left;vertical-align:top}
th{background:#f1f3f5;font-weight:600}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.i{font-family:ui-monospace,monospace;font-size:10px;overflow-wrap:anywhere}
.facts td:first-child{width:14em;color:#57606a}.facts{max-width:60em}
@page{size:A4 landscape;margin:12mm}
@media print{body{margin:0}h2{break-after:avoid}tr{break-inside:avoid}
thead{display:table-header-group}}
"""


def html_parts(dispute: Dispute, made_at: str) -> Iterator[str]:
    """Return the page, piece by piece; texts from outside are escaped.

    ``made_at`` is the time it says it was made at.
    """
    cells = [dispute.cell] if dispute.cell else list(dispute.cells)
    title = f"{dispute.provider or 'All providers'}, {dispute.days.text}"
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(f'Dispute: {title}')}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>"
    )
    yield _facts(dispute, made_at)
    yield from _differences(cells)
    yield from _lines(dispute)
    yield from _calls(dispute)
    yield "</body></html>\n"


def _facts(dispute: Dispute, made_at: str) -> str:
    sums = totals_of([dispute.cell] if dispute.cell else dispute.cells)
    facts: list[tuple[str, str]] = [
        ("Charged", f"${_money(sums.billed_usd)}"),
        ("By our records", f"${_money(sums.ledger_usd)}"),
        ("Difference", f"${_money(sums.variance_usd)}"),
        ("Project", dispute.project),
        ("Days, UTC", f"{dispute.days.first} to {dispute.days.last}"),
    ]
    if dispute.cell:
        key = dispute.cell.key
        told = (
            ("For", key.token_class), ("Provider's project", key.scope), ("API key", key.api_key),
            ("Model", key.model), ("Processing", key.processing), ("Tier", key.service_tier),
            ("Context", key.context), ("Geography", key.geo), ("Cell", dispute.cell.cell_id),
        )  # fmt: skip
        facts += [(name, value) for name, value in told if value]
    facts.append(("Made at", made_at))
    rows = "".join(f"<tr><td>{escape(n)}</td><td>{escape(v)}</td></tr>" for n, v in facts)
    return f'<table class="facts">{rows}</table>'


def _differences(cells: Sequence[Cell]) -> Iterator[str]:
    yield "<h2>Differences</h2>"
    head = ("Day", "Project", "Model", "For", "#Charged", "#Our records", "#Difference", "Why")
    names = (
        *("day", "scope", "model", "token_class", "billed_usd", "ledger_usd", "difference_usd"),
        "description",
    )
    rows = (difference_row(cell) for cell in cells[:_MOST_CELLS])
    yield from _table(head, names, rows)
    if len(cells) > _MOST_CELLS:
        yield f"<p>{len(cells) - _MOST_CELLS:,} smaller ones are in the CSV.</p>"


def _lines(dispute: Dispute) -> Iterator[str]:
    yield "<h2>Your lines</h2>"
    head = ("Day", "Line", "Project", "Model", "For", "#Quantity", "Unit", "#Amount", "Currency",
            "Text")  # fmt: skip
    names = ("day", "line_number", "scope", "model", "token_class", "quantity", "unit", "amount",
             "currency", "description")  # fmt: skip
    found = iter(dispute.lines())
    shown = [line_row(line) for line in islice(found, MOST_LINES)]
    if not shown:
        yield "<p>No line of a report is for this.</p>"
        return
    yield from _table(head, names, shown)
    if next(found, None) is not None:
        yield f"<p>These are the first {MOST_LINES:,} lines; the CSV has all of them.</p>"


def _calls(dispute: Dispute) -> Iterator[str]:
    yield (
        "<h2>Our calls</h2><p>Every call that was recorded, with your ids. Tokens × dollars per "
        "million tokens = dollars, by the price named and in force since its date. Contents of "
        "calls are left out.</p>"
    )
    found = iter(dispute.calls())
    shown = islice((call_row(call) for call in found), MOST_CALLS)
    first = next(shown, None)
    if first is None:
        yield "<p>No call was recorded for this: there is nothing on our side.</p>"
        return
    head = ("Started, UTC", "Request and response id", "Model, tier", "Status",
            *(f"#{name}" for name in _PART_NAMES), "#Fees", "#Dollars", "Price")  # fmt: skip
    yield _head(head)
    for row in _chain(first, shown):
        yield _call(row)
    yield "</tbody></table>"
    if next(found, None) is not None:
        yield f"<p>These are the first {MOST_CALLS:,} calls; the CSV has all of them.</p>"


def _chain(first: Row, rest: Iterable[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def _call(row: Row) -> str:
    ids = "<br>".join(escape(str(row[n])) for n in ("request_id", "response_id") if row[n])
    model = _joined([row["model"], row["service_tier"] or "standard", row["region"]])
    attempts = row["attempts"]
    status = _joined(
        [
            row["status"],
            row["error_type"],
            f"{attempts} attempts" if attempts not in (None, 1) else "",
        ]
    )
    price = _joined([row["price_id"], row["contract_id"],
                     f"since {row['price_since']}" if row["price_since"] else ""])  # fmt: skip
    parts = "".join(f'<td class="n">{_part(row, part)}</td>' for part in PARTS)
    return (
        f'<tr><td>{escape(str(row["started_utc"]))}</td><td class="i">{ids or _UNKNOWN}</td>'
        f'<td>{model}</td><td>{status}</td>{parts}<td class="n">{_value(row["fees_usd"])}</td>'
        f'<td class="n">{_value(row["ledger_usd"])}</td><td>{price}</td></tr>'
    )


def _part(row: Row, part: str) -> str:
    tokens, rate, usd = (row.get(f"{part}_{what}") for what in ("tokens", "usd_per_1m", "usd"))
    if tokens is None:
        return _UNKNOWN
    if not tokens:
        return "0"
    return f"{tokens:,}<br>× {_value(rate)}<br>= {_value(usd)}"


def _joined(values: Iterable[object]) -> str:
    return "<br>".join(escape(str(value)) for value in values if value) or _UNKNOWN


def _table(head: Sequence[str], names: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Return a table; headings that begin with # are of numbers."""
    yield _head(head)
    for row in rows:
        cells = (
            f"<td{' class=n' if title.startswith('#') else ''}>{_value(row.get(name))}</td>"
            for title, name in zip(head, names, strict=True)
        )
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"


def _head(head: Sequence[str]) -> str:
    cells = "".join(
        f"<th{' class=n' if title.startswith('#') else ''}>{escape(title.lstrip('#'))}</th>"
        for title in head
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>"


def _value(value: object) -> str:
    if value is None or value == "":
        return _UNKNOWN
    if isinstance(value, Decimal):
        return f"{value.normalize():,f}"
    return escape(str(value))


def _money(amount: Decimal) -> str:
    cents = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{cents:,}" if cents or not amount else f"{amount.normalize():f}"
