"""Scopes and keys that lines name, with what they come to in dollars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import cast

from spanledger_analytics.invoices.money import ExchangeRates


@dataclass(slots=True)
class NamedScope:
    """A scope or key of a provider.

    Attributes:
        kind: ``scope`` or ``api_key``.
        value: its name or id.
        lines: that name it.
        usd: what they come to; None: no money, or some without an exchange rate.
    """

    provider: str
    kind: str
    value: str
    lines: int = 0
    usd: Decimal | None = None


def scopes_of(rows: Iterable[Mapping[str, object]], rates: ExchangeRates) -> list[NamedScope]:
    """Return what ``invoice_scopes`` found, the dearest first; a rate given later counts too."""
    found: dict[tuple[str, str, str], NamedScope] = {}
    unknown: set[tuple[str, str, str]] = set()
    for row in rows:
        key = str(row["provider"]), str(row["kind"]), str(row["value"])
        one = found.setdefault(key, NamedScope(*key))
        one.lines += int(str(row["line_count"]))
        amount = cast("Decimal | None", row["amount"])
        if amount is None:
            continue
        usd = cast("Decimal | None", row["amount_usd"])
        if usd is None:
            day = date.fromisoformat(str(row["last_day"]))
            usd = rates.usd(amount, str(row["currency"]), day)
        if usd is None:
            unknown.add(key)
        else:
            one.usd = (one.usd or Decimal(0)) + usd
    for key in unknown:
        found[key].usd = None
    return sorted(found.values(), key=lambda one: (one.usd is None, -(one.usd or 0), one.value))
