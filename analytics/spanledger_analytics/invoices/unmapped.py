"""The queue of texts that no rule and no mapping understands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.invoices.reading import sources
from spanledger_analytics.invoices.rules import Rules
from spanledger_storage.store import Store


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A text of a provider that waits for a mapping.

    Attributes:
        amount: in ``currency``; None: its lines tell no money.
        amount_usd: None: no money, or no exchange rate.
        suggestion: class its words suggest; None: they suggest none.
    """

    provider: str
    text: str
    meter_id: str
    unit: str
    currency: str
    line_count: int
    quantity: Decimal | None
    amount: Decimal | None
    amount_usd: Decimal | None
    first_day: str
    last_day: str
    suggestion: TokenClass | None


def read_unmapped(
    store: Store,
    project: str,
    first_day: date,
    last_day: date,
    rules: Rules,
) -> list[Unmapped]:
    """Return what waits for a mapping, the dearest first; unknown money comes before none.

    Raises:
        StoreError: the store refused or did not answer.
    """
    params = counted_params(store, project, first_day, last_day)
    found = [_unmapped(row, rules) for row in store.rows("invoice_unmapped", params)]
    mappings = rules.mappings.get(project)
    if mappings is not None:
        found = [
            one
            for one in found
            if "token_class"
            not in (mappings.line_target(one.provider, one.text, one.meter_id) or {})
        ]
    return sorted(found, key=_order)


def counted_params(
    store: Store, project: str, first_day: date, last_day: date
) -> dict[str, object]:
    """Return the parameters of statements that look at lines which count, and no others."""
    days = sources(store, project, first_day, last_day)
    behind = sorted({f"{one.day} {one.source}" for one in days if one.stands_back_behind})
    return {
        "project": project, "first_day": first_day, "last_day": last_day, "standing_back": behind,
    }  # fmt: skip


def suggested(text: str) -> TokenClass | None:
    """Return the class that the words of a meter suggest; None: they suggest none, or two."""
    words = text.lower().replace("-", " ").split()
    if any(word.startswith(("cach", "cchd")) for word in words):
        is_write = any(word.startswith("wr") for word in words)
        return TokenClass.CACHE_WRITE if is_write else TokenClass.CACHE_READ
    is_input = any(word in ("inp", "input", "inpt") for word in words)
    is_output = any(word in ("outp", "output", "outpt", "opt") for word in words)
    if is_input == is_output:
        return None
    return TokenClass.UNCACHED if is_input else TokenClass.OUTPUT


def _unmapped(row: dict[str, object], rules: Rules) -> Unmapped:
    amount = cast("Decimal | None", row["amount"])
    usd = cast("Decimal | None", row["amount_usd"])
    if amount is not None and usd is None:
        last = date.fromisoformat(str(row["last_day"]))
        usd = rules.rates.usd(amount, str(row["currency"]), last)
    return Unmapped(
        provider=str(row["provider"]),
        text=str(row["description"]),
        meter_id=str(row["meter_id"]),
        unit=str(row["unit"]),
        currency=str(row["currency"]),
        line_count=int(str(row["line_count"])),
        quantity=cast("Decimal | None", row["quantity"]),
        amount=amount,
        amount_usd=usd,
        first_day=str(row["first_day"]),
        last_day=str(row["last_day"]),
        suggestion=suggested(str(row["description"])),
    )


def _order(one: Unmapped) -> tuple[bool, Decimal, str, str]:
    is_told = one.amount_usd is not None
    size = abs(one.amount_usd) if one.amount_usd is not None else Decimal(0)
    return is_told or one.amount is None, -size, one.provider, one.text
