"""The rows of a dispute pack: differences, the provider's lines and our calls, in one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from itertools import islice
from typing import cast

from spanledger_analytics.invoices.line import InvoiceLine
from spanledger_analytics.reconciliation.dispute import Call, Dispute
from spanledger_analytics.reconciliation.report.safe_csv import heading, safe_csv
from spanledger_analytics.reconciliation.result import Cell

Row = Mapping[str, object]
PARTS = ("uncached", "cache_read", "cache_write", "output")
_KEY = ("scope", "api_key", "model", "processing", "service_tier", "context", "geo")
_CALL = (
    *("request_id", "response_id", "trace_id", "span_id", "request_model", "region", "status"),
    *("error_type", "stream", "attempts", "usage_source"),
)
_ARITHMETIC = tuple(f"{part}_{what}" for part in PARTS for what in ("tokens", "usd_per_1m", "usd"))
COLUMNS = (
    *("record", "day", "started_utc", "ended_utc", "provider", *_KEY, "token_class"),
    *_CALL,
    *_ARITHMETIC,
    *("web_searches", "fees_usd", "ledger_usd", "price_id", "price_since", "contract_id"),
    *("quantity", "unit", "amount", "currency", "billed_usd", "difference_usd"),
    *("description", "invoice_id", "line_number"),
)
"""Columns of the CSV. ``record`` is ``difference``, ``provider_line`` or ``call``."""
_MILLION = 10**6
_RATE = Context(prec=28)
_ROWS_PER_PART = 1_000


def csv_parts(dispute: Dispute) -> Iterator[str]:
    """Return the pack as CSV, piece by piece: differences, then lines, then calls.

    Unknown is empty; no text is a spreadsheet's formula.
    """
    yield heading(COLUMNS)
    rows = rows_of(dispute)
    while part := list(islice(rows, _ROWS_PER_PART)):
        yield safe_csv(COLUMNS, part)


def rows_of(dispute: Dispute) -> Iterator[Row]:
    """Return the rows of a pack."""
    cells = [dispute.cell] if dispute.cell else dispute.cells
    yield from map(difference_row, cells)
    yield from map(line_row, dispute.lines())
    yield from map(call_row, dispute.calls())


def difference_row(cell: Cell) -> Row:
    """Return what a cell says: both sides and their difference."""
    key = cell.key
    return {
        "record": "difference",
        "day": key.day.isoformat(),
        "provider": key.provider,
        **{name: getattr(key, name) for name in _KEY},
        "token_class": key.token_class,
        "quantity": cell.billed_quantity,
        "ledger_usd": cell.ledger_usd,
        "billed_usd": cell.billed_usd,
        "difference_usd": cell.variance_usd,
        "description": "; ".join(
            f"{share.cause.replace('_', ' ')} {share.usd.normalize():+f}: {share.explanation}"
            for share in cell.causes
        ),
    }


def line_row(line: InvoiceLine) -> Row:
    """Return a line of the provider as it stands in its report."""
    return {
        "record": "provider_line",
        "day": line.day.isoformat(),
        "provider": line.provider,
        **{name: getattr(line, name) for name in _KEY},
        "model": line.reported_model or line.model,
        "token_class": str(line.token_class),
        "quantity": line.quantity,
        "unit": line.unit,
        "amount": line.amount,
        "currency": line.currency,
        "billed_usd": line.amount_usd,
        "description": line.description,
        "invoice_id": line.invoice_id,
        "line_number": line.line_number,
    }


def call_row(call: Call) -> Row:
    """Return a call with its arithmetic: tokens times rate make dollars, class by class."""
    started_ns = cast("int", call["time_ns"])
    since_ns = cast("int | None", call["price_since_ns"])
    return {
        "record": "call",
        "day": time_text(started_ns)[:10],
        "started_utc": time_text(started_ns),
        "ended_utc": time_text(cast("int", call["end_ns"])),
        **{name: call[name] for name in ("provider", "model", "service_tier", *_CALL)},
        "scope": call["scope"] or None,
        "api_key": call["api_key"] or None,
        **_arithmetic(call),
        "web_searches": call["web_searches"],
        "fees_usd": call["fees_cost_usd"],
        "ledger_usd": call["total_cost_usd"],
        "price_id": call["price_id"],
        "price_since": None if since_ns is None else time_text(since_ns)[:10],
        "contract_id": call["contract_id"],
    }


def _arithmetic(call: Call) -> Row:
    found: dict[str, object] = {}
    for part in PARTS:
        tokens = cast("int | None", call[f"{part}_tokens"])
        usd = cast("Decimal | None", call[f"{part}_cost_usd"])
        found[f"{part}_tokens"] = tokens
        found[f"{part}_usd"] = usd
        if tokens and usd is not None:
            found[f"{part}_usd_per_1m"] = _RATE.divide(usd * _MILLION, Decimal(tokens)).normalize()
    return found


def time_text(time_ns: int) -> str:
    """Return a moment in UTC with milliseconds: 2026-11-18T08:12:44.120Z."""
    whole, rest = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 10**6:03d}Z"
