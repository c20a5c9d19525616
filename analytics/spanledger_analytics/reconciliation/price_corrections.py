"""Corrections that prices come of: own rates, contracts, exchange rates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from shlex import quote

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.advice import ADVICE, where_text
from spanledger_analytics.reconciliation.contexts import lower_bound
from spanledger_analytics.reconciliation.correction import (
    Correction,
    Part,
    correction,
    correction_id,
)
from spanledger_analytics.reconciliation.implied import plain_price, plain_ratio
from spanledger_analytics.reconciliation.result import Cause, Cell

RATE_CLASSES: Mapping[str, str] = {
    TokenClass.UNCACHED: "input",
    TokenClass.CACHE_READ: "cache_read",
    TokenClass.CACHE_WRITE: "cache_write",
    TokenClass.CACHE_WRITE_5M: "cache_write_5m",
    TokenClass.CACHE_WRITE_1H: "cache_write_1h",
    TokenClass.OUTPUT: "output",
    TokenClass.WEB_SEARCH: "web_search",
}
"""Classes of own rates (docs/prices.md) by class of a line."""
MILLION = 10**6
_ZERO = Decimal(0)
_CURRENCY = re.compile(r"\b[A-Z]{3}\b")
_ASKS = "US dollars for one %s"


def rate_key(cell: Cell) -> tuple[object, ...]:
    """Return what cells of one rate have in common."""
    key = cell.key
    return key.model, key.token_class, key.processing, key.service_tier, key.context, key.geo


def rates(parts: Sequence[Part]) -> list[Correction]:
    """Return a rate for each run of days with one price; none where no price comes out."""
    by_day = sorted(parts, key=lambda part: part[0].key.day)
    runs: list[tuple[Decimal, list[Part]]] = []
    for part in by_day:
        price = _implied_price(part)
        if price is None:
            return []
        if runs and runs[-1][0] == price:
            runs[-1][1].append(part)
        else:
            runs.append((price, [part]))
    return [
        _rate(price, run, runs[place + 1][1][0][0].key.day if place + 1 < len(runs) else None)
        for place, (price, run) in enumerate(runs)
    ]


def _implied_price(part: Part) -> Decimal | None:
    """Return the provider's price per million tokens, or per piece; None: it cannot be told."""
    cell, share = part
    quantity = cell.billed_quantity or cell.usage_quantity
    rate_class = RATE_CLASSES.get(cell.key.token_class)
    if not quantity or quantity <= 0 or rate_class is None or not cell.key.model:
        return None
    billed = cell.billed_usd
    others = [one for one in cell.causes if one.cause is not share.cause]
    if others and cell.ledger_quantity and share.cause is not Cause.UNPRICED:
        # What else differs is no part of the price: the ledger's, and what this cause adds to it.
        billed = cell.ledger_usd * quantity / cell.ledger_quantity + share.usd
    per = 1 if rate_class == "web_search" else MILLION
    price = plain_price(billed, quantity, per)
    return price if price is not None and price >= 0 else None


def _rate(price: Decimal, parts: Sequence[Part], until: date | None) -> Correction:
    cell, share = parts[0]
    key = cell.key
    first = min(c.key.day for c, _ in parts)
    rate_class = RATE_CLASSES[key.token_class]
    tier = "batch" if key.processing == "batch" else key.service_tier or ""
    above = lower_bound(key.provider, key.context or "") or 0
    what = {
        "provider": key.provider,
        "model": key.model or "",
        "token_class": rate_class,
        "price": f"{price:f}",
        "per": str(1 if rate_class == "web_search" else MILLION),
        "service_tier": tier,
        "region": key.geo or "",
        "above_tokens": str(above),
        "effective_from": first.isoformat(),
        "effective_to": until.isoformat() if until else "",
    }
    unit = "search" if rate_class == "web_search" else "million tokens"
    options = [f"--{rate_class.replace('_', '-')} {price:f}", f"--from {first.isoformat()}"]
    options += [f"--tier {tier}"] if tier else []
    options += [f"--region {key.geo}"] if key.geo else []
    options += [f"--above-tokens {above}"] if above else []
    options += [f"--to {until.isoformat()}"] if until else []
    return correction(
        parts,
        "rate",
        f"Price {rate_class} of {key.model} at ${price:f} per {unit} from {first.isoformat()}",
        ADVICE[share.cause].text.format(where=where_text(key), provider=key.provider),
        command=f"spanledger prices set {quote(key.provider)} {quote(key.model or '')} "
        + " ".join(options),
        what=what,
    )


def contracts(parts: Sequence[Part]) -> list[Correction]:
    """Return a contract for all models, or one per model; none where no factor comes out."""
    by_model: dict[str, list[Part]] = {}
    for part in parts:
        by_model.setdefault(part[0].key.model or "", []).append(part)
    factors = {model: _factor(members) for model, members in by_model.items()}
    if None in factors.values():
        return []
    if len(set(factors.values())) == 1:
        by_model, factors = {"": list(parts)}, {"": next(iter(factors.values()))}
    elif "" in factors:
        return []
    return [_contract(model, factors[model] or _ZERO, by_model[model]) for model in by_model]


def _factor(parts: Sequence[Part]) -> Decimal | None:
    ledger = sum((cell.ledger_usd for cell, _ in parts), _ZERO)
    usd = sum((share.usd for _, share in parts), _ZERO)
    if ledger <= 0 or not -ledger < usd < 0:
        return None
    return plain_ratio(ledger + usd, ledger)


def _contract(model: str, factor: Decimal, parts: Sequence[Part]) -> Correction:
    key = parts[0][0].key
    first = min(c.key.day for c, _ in parts)
    percent = (1 - factor) * 100
    name = f"{key.provider}-{first.isoformat()}" + (f"-{model}" if model else "")
    contract_id = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)[:64]
    for_what = model or "all models"
    return correction(
        parts,
        "contract",
        f"Contract with {key.provider}: {percent.normalize():f} % off {for_what} "
        f"from {first.isoformat()}",
        ADVICE[Cause.DISCOUNT].text.format(where=where_text(key), provider=key.provider),
        command=f"spanledger prices contracts add {contract_id} {quote(key.provider)}"
        + (f" --model {quote(model)}" if model else "")
        + f" --discount {percent.normalize():f}% --from {first.isoformat()}",
        what={
            "contract_id": contract_id,
            "provider": key.provider,
            "model": model,
            "multiplier": f"{factor.normalize():f}",
            "effective_from": first.isoformat(),
        },
    )


def currencies(parts: Sequence[Part]) -> list[Correction]:
    """Return an exchange rate to set, where the cause says of which currency."""
    cell, share = parts[0]
    found = next(
        (w for w in _CURRENCY.findall(share.explanation) if w not in ("USD", "UTC", "API")), ""
    )
    if not found:
        return []
    first = min(c.key.day for c, _ in parts)
    said = ADVICE[share.cause].text.format(where=where_text(cell.key), provider=cell.key.provider)
    title, command, what = _exchange_rate(found, first)
    return [
        correction(
            parts, "exchange_rate", title, said, command=command, what=what, asks=_ASKS % found
        )
    ]


def missing_exchange_rate(provider: str, currency: str, first: date, last: date) -> Correction:
    """Return the exchange rate to set for a bill that counts as nothing without it."""
    title, command, what = _exchange_rate(currency, first)
    return Correction(
        correction_id=correction_id("exchange_rate", Cause.CURRENCY, provider, "", what),
        kind="exchange_rate",
        cause=Cause.CURRENCY,
        provider=provider,
        title=title,
        advice=f"What {provider} billed in {currency} counts as nothing: no exchange rate is "
        "known. Set the one that the invoice names, from the first day it holds.",
        first_day=first,
        last_day=last,
        usd=_ZERO,
        size_usd=_ZERO,
        cells=(),
        command=command,
        what=what,
        asks=_ASKS % currency,
    )


def _exchange_rate(currency: str, first: date) -> tuple[str, str, dict[str, str]]:
    from_ = first.isoformat()
    return (
        f"Set the exchange rate of {currency} from {from_}",
        f"spanledger prices exchange-rates add {currency} USD --from {from_}",
        {"kind": "exchange_rate", "currency": currency, "effective_from": from_},
    )
