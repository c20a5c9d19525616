"""Mistral's billing usage: ``GET /usage`` of the Admin API, one document a month.

The documentation names the categories, the period and the currency
(https://docs.mistral.ai/admin/admin-api/usage-metrics). What stands within them is as public
clients read it, of this and of the console's page with the same fields: each category has models,
each model rows by group (``input``, ``output``, ``cached``), and a row costs ``value_paid`` times
its price in ``prices``. What has another shape is refused, so that nothing is left out unsaid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from spanledger_analytics.invoices.documents import Head, Records
from spanledger_analytics.invoices.formats.form import About, Form, tier_of
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.values import Record

_CATEGORIES = ("chat", "completion", "ocr", "audio", "connectors", "libraries_api", "fine_tuning")
_NO_USAGE = frozenset(("prices",))
_OWN_ALLOWANCE = frozenset(("chat", "vibe_code"))
"""Products with an allowance of their own, which the console leaves out of what the API costs."""
_TOKENS = {
    "input": TokenClass.UNCACHED,
    "cached": TokenClass.CACHE_READ,
    "output": TokenClass.OUTPUT,
}
_PRICE_KEYS = ("event_type", "api_zone", "service_tier")


class MistralUsage(Form):
    """One document a month."""

    name = "mistral-usage"
    report = "mistral.usage"

    def matches(self, head: Head) -> bool:
        """Return whether the document has Mistral's period and categories."""
        return head.kind == "json" and head.has("start_date", "end_date", "currency") and any(
            name in head.columns for name in _CATEGORIES
        )  # fmt: skip

    def lines(self, records: Records) -> Iterator[InvoiceLine]:
        """Return one line a row: of its day where it tells one, else of the month."""
        number = 0
        for month in records:
            first, last = month.day("start_date"), month.day("end_date")
            currency = month.currency("currency")
            prices = _Prices.of(month)
            told = first
            for row in _rows(month):
                if row.category in _OWN_ALLOWANCE:
                    records.skip()
                    continue
                number += 1
                about = _about(row, number, first, max(first, last))
                told = max(told, about.day)
                token_class, unit = _class(row)
                yield about.line(
                    token_class, quantity=row.used, unit=unit, amount=prices.amount(row),
                    currency=currency,
                )  # fmt: skip
            for days in range((told - first).days + 1):
                records.cover(self.plain_source(), first + timedelta(days=days))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a category, and where it stands there."""

    category: str
    path: tuple[str, ...]
    group: str
    record: Record

    @property
    def paid(self) -> Decimal:
        return self.record.quantity("value_paid")

    @property
    def used(self) -> Decimal:
        used = self.record.number_of("value")
        return self.paid if used is None else used

    @property
    def metric(self) -> str:
        """What is charged: a model. The names above it may be for people, and end in it."""
        return self.record.text("billing_metric") or self.path[-1].rpartition("::")[2]


def _rows(month: Record) -> Iterator[_Row]:
    """Return the rows of every category, also of those that are not documented."""
    for category, value in month.values.items():
        if category not in _NO_USAGE and isinstance(value, dict | list):
            yield from _rows_in(month, category, category, ())


def _rows_in(holder: Record, name: str, category: str, path: tuple[str, ...]) -> Iterator[_Row]:
    value = holder.values[name]
    if value is None:
        return
    if isinstance(value, list):
        for record in holder.parts(name):
            yield _Row(category, path or (category,), name, record)
        return
    inside = holder.part(name)
    for child in inside.values:
        yield from _rows_in(inside, child, category, (*path, name))


@dataclass(slots=True)
class _Prices:
    """The document's price table: by metric and group, as closely as a row tells the rest."""

    found: dict[tuple[str, str], list[Record]] = field(
        default_factory=dict[tuple[str, str], list[Record]]
    )

    @classmethod
    def of(cls, month: Record) -> _Prices:
        prices = cls()
        for one in month.parts("prices"):
            key = one.text("billing_metric"), one.text("billing_group")
            prices.found.setdefault(key, []).append(one)
        return prices

    def amount(self, row: _Row) -> Decimal:
        """Return what a row costs; raises InvoiceError where no price, or several, are for it."""
        if not row.paid:
            return Decimal(0)
        group = row.record.text("billing_group") or row.group
        fitting = [one for one in self.found.get((row.metric, group), []) if _fits(one, row.record)]
        closest = max((_told(one) for one in fitting), default=0)
        prices = {one.quantity("price") for one in fitting if _told(one) == closest}
        if len(prices) != 1:
            many = "several prices" if prices else "no price"
            raise row.record.wrong("billing_metric", f"has {many} in the document's price table")
        return row.paid * prices.pop()


def _fits(price: Record, row: Record) -> bool:
    return all(price.text(key) in ("", row.text(key)) for key in _PRICE_KEYS)


def _told(price: Record) -> int:
    return sum(bool(price.text(key)) for key in _PRICE_KEYS)


def _about(row: _Row, number: int, first: date, last: date) -> About:
    day = row.record.day("timestamp") if row.record.told("timestamp") else None
    processing, tier = tier_of(row.record.told("service_tier"))
    return About(
        day=day or first, last_day=day or last, dataset=Dataset.COST, provider="mistral_ai",
        line_number=number, model=row.metric, reported_model=row.path[-1], processing=processing,
        service_tier=tier, geo=row.record.told("api_zone"),
        description=f"{row.category}, {row.metric}, {row.group}",
    )  # fmt: skip


def _class(row: _Row) -> tuple[TokenClass, str]:
    event = row.record.text("event_type")
    names = {row.category, *row.path}
    if "token" in event or (not event and names & {"completion", "tokens"}):
        return _TOKENS.get(row.group, TokenClass.MODEL), "tokens"
    unit = event or row.category
    if row.category.startswith("audio"):
        return TokenClass.AUDIO, unit
    if "storage" in names:
        return TokenClass.STORAGE, unit
    return TokenClass.TOOL, unit
