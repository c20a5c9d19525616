"""DeepSeek's monthly ``amount-YYYY-M.csv``: tokens and price per token, by day, model and key.

Cost is price times amount, in CNY; the file names no currency, and its shape is known from public
parsers alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass

_TYPES = {
    "input_cache_hit_tokens": (TokenClass.CACHE_READ, "tokens"),
    "input_cache_miss_tokens": (TokenClass.UNCACHED, "tokens"),
    "output_tokens": (TokenClass.OUTPUT, "tokens"),
    "request_count": (TokenClass.REQUESTS, "requests"),
}
_CURRENCY = "CNY"


class DeepSeekAmount(Form):
    """One row a day, model, key and type."""

    name = "deepseek-amount"
    report = "deepseek.amount"
    account_field = "user_id"

    def matches(self, head: Head) -> bool:
        """Return whether the columns are those of the file."""
        return head.has("utc_date", "model", "api_key_name", "type", "price", "amount")

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line of each row."""
        for row in records:
            kind, quantity, price = row.text("type"), row.quantity("amount"), row.money("price")
            token_class, unit = _TYPES.get(kind, (TokenClass.UNMAPPED, ""))
            day, model = row.day("utc_date"), row.told("model")
            extra = {"user_id": row.text("user_id")}
            if price is not None:
                extra["price"] = f"{price:f}"
            about = About(
                day=day, last_day=day, dataset=Dataset.COST, provider="deepseek",
                line_number=row.number, api_key=row.text("api_key_name"), model=model,
                reported_model=model or "", description=kind, extra=extra,
            )  # fmt: skip
            yield about.line(
                token_class,
                quantity=quantity,
                unit=unit,
                amount=None if price is None else price * quantity,
                currency=_CURRENCY,
            )
