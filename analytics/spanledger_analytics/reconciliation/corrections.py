"""What to do about differences: one correction for all cells that need the same one.

Rates, contracts, exchange rates and mappings are data and can be applied (``applying.py``). The
others say what to change, and where: instrumentation, a second instrumentation, the provider.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Literal

from spanledger_analytics.invoices.line import InvoiceLine, TokenClass
from spanledger_analytics.reconciliation.advice import ADVICE, advice_of, where_text
from spanledger_analytics.reconciliation.contexts import lower_bound
from spanledger_analytics.reconciliation.implied import plain_price, plain_ratio
from spanledger_analytics.reconciliation.result import Cause, CauseShare, Cell

CorrectionKind = Literal[
    "rate", "contract", "exchange_rate", "mapping", "instrument", "deduplicate", "adjust", "dispute"
]
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


@dataclass(frozen=True, slots=True)
class Correction:
    """What to do about the differences of some cells.

    Attributes:
        correction_id: 16 hex digits, a function of what it does.
        title: one line.
        advice: what to do, and where.
        command: what does the same by hand; empty: no command does.
        what: what is stored when it is applied; empty: it cannot be applied.
        asks: what has to be given to apply it, for people; empty: nothing.
        usd: of the differences it is about, net.
        size_usd: the same without signs.
        cells: their ids.
    """

    correction_id: str
    kind: CorrectionKind
    cause: Cause
    provider: str
    title: str
    advice: str
    first_day: date
    last_day: date
    usd: Decimal
    size_usd: Decimal
    cells: tuple[str, ...]
    command: str = ""
    what: Mapping[str, str] = field(default_factory=dict[str, str])
    asks: str = ""

    @property
    def is_applicable(self) -> bool:
        """Whether it can be applied from here."""
        return bool(self.what)


Part = tuple[Cell, CauseShare]


def suggest(cells: Iterable[Cell], unmapped: Iterable[InvoiceLine] = ()) -> list[Correction]:
    """Return corrections for cells, those about the most dollars first; empty without causes.

    Args:
        cells: those to correct.
        unmapped: lines of the same days that nobody has mapped: each text gets a correction.
    """
    groups: dict[tuple[object, ...], list[Part]] = {}
    for cell in cells:
        for share in cell.causes:
            groups.setdefault(_group(cell, share), []).append((cell, share))
    texts = texts_of(unmapped)
    found: list[Correction] = []
    for parts in groups.values():
        provider = parts[0][0].key.provider
        if parts[0][1].cause is Cause.UNMAPPED and provider in texts:
            found += [_mapping(parts, text, usd) for text, usd in texts[provider].items()]
        else:
            found += _corrections(parts)
    return sorted(found, key=lambda one: (-one.size_usd, one.correction_id))


def _group(cell: Cell, share: CauseShare) -> tuple[object, ...]:
    """Return what cells with one correction have in common."""
    key, cause = cell.key, share.cause
    if key.token_class == TokenClass.INVOICE_TOTAL:
        return cause, key.provider, key.token_class
    if cause in _MAKERS:
        return cause, key.provider, *_MAKERS[cause][0](cell)
    if ADVICE[cause].kind in ("instrument", "deduplicate"):
        return cause, key.provider, key.scope, key.api_key
    return cause, key.provider


def _corrections(parts: Sequence[Part]) -> list[Correction]:
    cause = parts[0][1].cause
    is_invoice = parts[0][0].key.token_class == TokenClass.INVOICE_TOTAL
    made = _MAKERS[cause][1](parts) if cause in _MAKERS and not is_invoice else []
    return made or [_advised(parts)]


def _advised(parts: Sequence[Part]) -> Correction:
    cell, share = parts[0]
    said = advice_of(share.cause, cell.key)
    where = where_text(cell.key)
    is_invoice = cell.key.token_class == TokenClass.INVOICE_TOTAL
    distinct = where if said.kind in ("instrument", "deduplicate") else ""
    return correction(
        parts, said.kind, said.title.format(where=where, provider=cell.key.provider),
        said.text.format(where=where, provider=cell.key.provider),
        distinct=cell.key.token_class if is_invoice else distinct,
    )  # fmt: skip


def texts_of(lines: Iterable[InvoiceLine]) -> dict[str, dict[str, Decimal]]:
    """Return dollars by provider and text of lines that nobody has mapped."""
    found: dict[str, dict[str, Decimal]] = {}
    for line in lines:
        if line.token_class is TokenClass.UNMAPPED and line.description:
            texts = found.setdefault(line.provider, {})
            usd = line.amount_usd or _ZERO
            texts[line.description] = texts.get(line.description, _ZERO) + usd
    return found


def _mapping(parts: Sequence[Part], text: str, usd: Decimal) -> Correction:
    provider = parts[0][0].key.provider
    made = correction(
        parts,
        "mapping",
        f"Say what \u201c{text[:80]}\u201d of {provider} is for",
        ADVICE[Cause.UNMAPPED].text,
        what={
            "mapping": "line", "provider": provider, "pattern": text, "target": "token_class",
        },
        asks="a class: uncached, cache_read, cache_write, output, web_search, tool, tax, credit …",
    )  # fmt: skip
    return replace(made, usd=usd, size_usd=abs(usd))


def _other_traffic(parts: Sequence[Part]) -> list[Correction]:
    """Return one that can also give the scope to another project."""
    cell, share = parts[0]
    key, said = cell.key, ADVICE[share.cause]
    if not key.scope:
        return []
    where = where_text(key)
    return [
        correction(
            parts,
            "instrument",
            said.title.format(where=where, provider=key.provider),
            said.text.format(where=where, provider=key.provider),
            what={
                "mapping": "scope", "provider": key.provider, "pattern": key.scope,
                "target": "project",
            },
            asks="the Spanledger project it belongs to",
        )
    ]  # fmt: skip


def _currencies(parts: Sequence[Part]) -> list[Correction]:
    """Return an exchange rate to set, where the cause says of which currency."""
    cell, share = parts[0]
    found = next(
        (w for w in _CURRENCY.findall(share.explanation) if w not in ("USD", "UTC", "API")), ""
    )
    if not found:
        return []
    first, said = min(c.key.day for c, _ in parts), ADVICE[share.cause]
    return [
        correction(
            parts,
            "exchange_rate",
            f"Set the exchange rate of {found} from {first.isoformat()}",
            said.text.format(where=where_text(cell.key), provider=cell.key.provider),
            command=f"spanledger prices exchange-rates add {found} USD --from {first.isoformat()}",
            what={"currency": found, "effective_from": first.isoformat()},
            asks=f"US dollars for one {found}",
        )
    ]


def correction(
    parts: Sequence[Part],
    kind: CorrectionKind,
    title: str,
    advice: str,
    *,
    command: str = "",
    what: Mapping[str, str] | None = None,
    asks: str = "",
    distinct: str = "",
) -> Correction:
    """Return a correction about parts of cells of one cause and provider, at least one.

    ``distinct`` tells it from others that store the same.
    """
    cell, share = parts[0]
    what = {"kind": kind, **what} if what else {}
    told = (kind, share.cause, cell.key.provider, distinct, *sorted(what.items()))
    return Correction(
        correction_id=blake2b(repr(told).encode(), digest_size=8).hexdigest(),
        kind=kind,
        cause=share.cause,
        provider=cell.key.provider,
        title=title,
        advice=advice,
        first_day=min(c.key.day for c, _ in parts),
        last_day=max(c.key.day for c, _ in parts),
        usd=sum((s.usd for _, s in parts), _ZERO),
        size_usd=sum((abs(s.usd) for _, s in parts), _ZERO),
        cells=tuple(c.cell_id for c, _ in parts),
        command=command,
        what=what,
        asks=asks,
    )


def _rate_key(cell: Cell) -> tuple[object, ...]:
    key = cell.key
    return key.model, key.token_class, key.processing, key.service_tier, key.context, key.geo


def _rates(parts: Sequence[Part]) -> list[Correction]:
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
        command=f"spanledger prices set {_word(key.provider)} {_word(key.model or '')} "
        + " ".join(options),
        what=what,
    )


def _contract_key(_cell: Cell) -> tuple[object, ...]:
    return ()


def _scope_key(cell: Cell) -> tuple[object, ...]:
    return cell.key.scope, cell.key.api_key


def _contracts(parts: Sequence[Part]) -> list[Correction]:
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
        command=f"spanledger prices contracts add {contract_id} {_word(key.provider)}"
        + (f" --model {_word(model)}" if model else "")
        + f" --discount {percent.normalize():f}% --from {first.isoformat()}",
        what={
            "contract_id": contract_id,
            "provider": key.provider,
            "model": model,
            "multiplier": f"{factor.normalize():f}",
            "effective_from": first.isoformat(),
        },
    )


def _word(text: str) -> str:
    """Return a text as one word of a command line."""
    plain = text.replace("-", "").replace(".", "").replace("_", "").replace("/", "")
    return text if plain.isalnum() else "'" + text.replace("'", "'\\''") + "'"


_Maker = tuple[Callable[[Cell], tuple[object, ...]], Callable[[Sequence[Part]], list[Correction]]]
_MAKERS: Mapping[Cause, _Maker] = {
    Cause.PRICE_BOOK: (_rate_key, _rates),
    Cause.UNPRICED: (_rate_key, _rates),
    Cause.DISCOUNT: (_contract_key, _contracts),
    Cause.CURRENCY: (_contract_key, _currencies),
    Cause.OTHER_TRAFFIC: (_scope_key, _other_traffic),
}
"""By cause: what its cells are told apart by, and what makes corrections of them."""
