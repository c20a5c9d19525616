"""Rows of the dataset Invoice Detail: what the rows of a month's Cost and Usage add up to.

One row per provider and category of charge. It is what the ledger says the invoice should be, so
that it can be laid beside the provider's own: the status is ``Open`` until the month is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa

from spanledger_analytics.focus.columns import MONEY, TEXT, moment_text, object_text
from spanledger_analytics.focus.rows import Days, Row, start_s

_TEXTS = (
    "InvoiceDetailId", "InvoiceId", "BillingAccountId", "BillingCurrency", "BillingPeriodStart",
    "BillingPeriodEnd", "ChargeCategory", "InvoiceDetailCreated", "InvoiceDetailLastUpdated",
    "InvoiceDetailDescription", "InvoiceDetailGrain", "InvoiceIssueDate", "InvoiceIssueStatus",
    "InvoiceIssuerName", "PaymentDueDate", "PaymentTerms", "ReferenceInvoiceId",
)  # fmt: skip
_TYPES: dict[str, pa.DataType] = {**dict.fromkeys(_TEXTS, TEXT), "BilledCost": MONEY}
SCHEMA = pa.schema(_TYPES)
"""Columns of Invoice Detail, in the order they are written."""

_TERMS_DAYS = 30
_SHARED = (
    "InvoiceDetailId", "InvoiceId", "BillingAccountId", "BillingCurrency", "BillingPeriodStart",
    "BillingPeriodEnd", "ChargeCategory", "InvoiceIssuerName",
)  # fmt: skip


def detail_table(month: date, days: Iterable[pa.Table], now_s: int) -> pa.Table:
    """Return the invoice of a month whose rows of Cost and Usage are given, day by day.

    Args:
        month: any day of it.
        days: as ``rows.day_table`` returns them.
        now_s: the clock, unix seconds.
    """
    sums: dict[tuple[str, ...], Decimal] = {}
    for table in days:
        columns = [table.column(name).to_pylist() for name in (*_SHARED, "BilledCost")]
        for *shared, cost in zip(*columns, strict=True):
            key = tuple(shared)
            sums[key] = sums.get(key, Decimal(0)) + cost
    about = _about(month, now_s)
    rows = [_row(about, key, cost) for key, cost in sorted(sums.items())]
    return pa.Table.from_pylist(rows, SCHEMA)


def _about(month: date, now_s: int) -> Row:
    after = Days.of_month(month).last + timedelta(days=1)
    return {
        "InvoiceDetailCreated": moment_text(now_s),
        "InvoiceDetailLastUpdated": moment_text(now_s),
        "InvoiceDetailGrain": object_text({"x_Grain": "Provider and charge category"}),
        "InvoiceIssueDate": moment_text(start_s(after)),
        "InvoiceIssueStatus": "Issued" if now_s >= start_s(after) else "Open",
        "PaymentDueDate": moment_text(start_s(after + timedelta(days=_TERMS_DAYS))),
        "PaymentTerms": f"Net {_TERMS_DAYS}",
    }


def _row(about: Row, key: tuple[str, ...], cost: Decimal) -> Row:
    row: Row = {**about, **dict(zip(_SHARED, key, strict=True)), "BilledCost": cost}
    row["InvoiceDetailDescription"] = f"{row['ChargeCategory']} of {row['InvoiceIssuerName']}"
    row["ReferenceInvoiceId"] = row["InvoiceId"]
    return row
