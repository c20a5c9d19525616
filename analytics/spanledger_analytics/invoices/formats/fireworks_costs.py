"""Fireworks' rated costs: ``POST /v1/accounts/{id}/usageCosts:query``, in units and nanos.

https://docs.fireworks.ai/api-reference/query-usage-costs . The names of the fields are seen in
public clients; a dimension that Fireworks could not attribute is missing from its row.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import ZERO, About, Form, told_extra
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.values import Record

_NANOS = Decimal("1e-9")


class FireworksCosts(Form):
    """Pages of rows; several pages may follow each other."""

    name = "fireworks-costs"
    report = "fireworks.costs"

    def matches(self, head: Head) -> bool:
        """Return whether the first row has dimensions and a subtotal."""
        rows = head.first.get("rows")
        first = rows[0] if isinstance(rows, list) and rows else None
        return head.kind == "json" and isinstance(first, dict) and {
            "dimensions", "subtotal",
        } <= first.keys()  # fmt: skip

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row."""
        number = 0
        for page in records:
            for row in page.parts("rows"):
                number += 1
                one = row.numbered(number)
                dimensions = one.part("dimensions")
                first = dimensions.day("startTime")
                records.cover(self.plain_source(), first)
                yield _line(one, dimensions, first)


def _line(row: Record, dimensions: Record, day: date) -> InvoiceLine:
    reported = dimensions.text("model")
    last = day
    if dimensions.told("endTime"):
        last = max(day, (dimensions.moment("endTime") - timedelta(microseconds=1)).date())
    about = About(
        day=day, last_day=last, dataset=Dataset.COST, provider="fireworks", line_number=row.number,
        api_key=dimensions.told("apiKeyId"), user=dimensions.told("userId"),
        model=reported.rpartition("/")[2] or None, reported_model=reported, description=reported,
        extra=told_extra(row, ("attributionCompleteness", "unattributedDimensions")),
    )  # fmt: skip
    subtotal = row.part("subtotal")
    units, nanos = subtotal.money("units"), subtotal.money("nanos")
    if units is None and nanos is None:
        raise subtotal.wrong("units", "is missing beside nanos")
    amount = (units or ZERO) + (nanos or ZERO) * _NANOS
    return about.line(
        TokenClass.MODEL, amount=amount, currency=subtotal.currency("currencyCode", "USD")
    )
