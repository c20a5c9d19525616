"""Which corrections the causes of differences ask for.

Rates, contracts, exchange rates and mappings are data and can be applied (``applying.py``). The
others say what to change, and where: instrumentation, a second instrumentation, the provider.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from spanledger_analytics.invoices.line import InvoiceLine, TokenClass
from spanledger_analytics.invoices.unmapped import suggested
from spanledger_analytics.reconciliation.advice import ADVICE, advice_of, where_text
from spanledger_analytics.reconciliation.correction import Correction, Part, correction
from spanledger_analytics.reconciliation.price_corrections import (
    contracts,
    currencies,
    missing_exchange_rate,
    rate_key,
    rates,
)
from spanledger_analytics.reconciliation.result import Cause, CauseShare, Cell, CellKey

_ZERO = Decimal(0)
_MOST_NAMED = 3


@dataclass(slots=True)
class _Bills:
    """What lines of a bill ask for by themselves.

    Attributes:
        texts: dollars of those nobody has mapped, by provider and text.
        unconverted: days of those in a currency without an exchange rate, by provider and currency.
    """

    texts: dict[str, dict[str, Decimal]] = field(default_factory=dict[str, dict[str, Decimal]])
    unconverted: dict[tuple[str, str], set[date]] = field(
        default_factory=dict[tuple[str, str], set[date]]
    )

    @classmethod
    def of(cls, lines: Iterable[InvoiceLine]) -> _Bills:
        found = cls()
        for line in lines:
            if line.token_class is TokenClass.UNMAPPED and line.description:
                texts = found.texts.setdefault(line.provider, {})
                texts[line.description] = texts.get(line.description, _ZERO) + (
                    line.amount_usd or _ZERO
                )
            if line.amount and line.amount_usd is None:
                key = line.provider, line.currency
                found.unconverted.setdefault(key, set()).add(line.day)
        return found


def suggest(
    cells: Iterable[Cell], lines: Iterable[InvoiceLine] = (), beside: Iterable[Cell] = ()
) -> list[Correction]:
    """Return corrections for cells, those about the most dollars first; empty without causes.

    Args:
        cells: those to correct.
        lines: of the bills of the same days: each text that nobody has mapped, and each currency
            without an exchange rate, gets a correction.
        beside: other cells of the same days, which show what does send telemetry.
    """
    cells = list(cells)
    observed = {_place(cell.key) for cell in (*cells, *beside) if _sends_telemetry(cell)}
    groups: dict[tuple[object, ...], list[Part]] = {}
    for cell in cells:
        for share in cell.causes:
            groups.setdefault(_group(cell, share, observed), []).append((cell, share))
    bills = _Bills.of(lines)
    found: list[Correction] = []
    for parts in groups.values():
        key, cause = parts[0][0].key, parts[0][1].cause
        if cause is Cause.UNMAPPED and key.provider in bills.texts:
            texts = bills.texts[key.provider].items()
            found += [_mapping(parts, text, usd) for text, usd in texts]
        elif cause is Cause.OTHER_TRAFFIC and _is_whole(key, observed):
            found.append(_strange_scope(parts))
        elif cause is Cause.OTHER_TRAFFIC and key.token_class != TokenClass.INVOICE_TOTAL:
            found.append(_strange_part(parts))
        else:
            found += _corrections(parts)
    found += _exchange_rates(bills, found)
    return sorted(found, key=lambda one: (-one.size_usd, one.correction_id))


def _exchange_rates(bills: _Bills, found: Sequence[Correction]) -> list[Correction]:
    """Return rates to set for bills that count as nothing, and that no difference asks for yet."""
    asked = {(one.provider, one.what["currency"]) for one in found if "currency" in one.what}
    return [
        missing_exchange_rate(provider, currency, min(days), max(days))
        for (provider, currency), days in bills.unconverted.items()
        if (provider, currency) not in asked
    ]


def _place(key: CellKey) -> tuple[str, str | None]:
    return key.provider, key.scope


def _sends_telemetry(cell: Cell) -> bool:
    return bool(cell.ledger_quantity or cell.ledger_usd)


def _is_whole(key: CellKey, observed: Container[tuple[str, str | None]]) -> bool:
    """Return whether nothing of a scope is seen, so that all of it may be somebody else's."""
    return bool(key.scope) and _place(key) not in observed


def _group(
    cell: Cell, share: CauseShare, observed: Container[tuple[str, str | None]]
) -> tuple[object, ...]:
    """Return what cells with one correction have in common."""
    key, cause = cell.key, share.cause
    if key.token_class == TokenClass.INVOICE_TOTAL:
        return cause, key.provider, key.token_class
    if cause in _MAKERS:
        return cause, key.provider, *_MAKERS[cause][0](cell)
    if cause is Cause.OTHER_TRAFFIC and _is_whole(key, observed):
        return cause, key.provider, key.scope
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
        asks="a class (uncached, cache_read, cache_write, output, web_search, tool, tax, credit …) "
        "and, after a space, the model",
    )  # fmt: skip
    return replace(made, usd=usd, size_usd=abs(usd), example=suggested(text) or "")


def _strange_scope(parts: Sequence[Part]) -> Correction:
    """Return what to do about a scope nobody sees anything of: another project may have it."""
    cell, share = parts[0]
    provider, said = cell.key.provider, ADVICE[share.cause]
    where = where_text(replace(cell.key, api_key=None, model=None))
    return correction(
        parts,
        "instrument",
        said.title.format(where=where, provider=provider),
        said.text.format(where=where, provider=provider),
        what={
            "mapping": "scope", "provider": provider, "pattern": cell.key.scope or "",
            "target": "project",
        },
        asks="the Spanledger project it belongs to",
    )  # fmt: skip


def _strange_part(parts: Sequence[Part]) -> Correction:
    """Return what to do about unseen calls of a scope that is seen, or that is not told."""
    where = where_text(replace(parts[0][0].key, model=None))
    models = sorted({cell.key.model for cell, _ in parts if cell.key.model})
    named = ", ".join(models[:_MOST_NAMED]) + (" …" if len(models) > _MOST_NAMED else "")
    return correction(
        parts,
        "instrument",
        f"Instrument {named} of {where}" if named else f"Instrument {where}",
        "Nothing of this is ever seen: the console, a script, another team, or calls that the "
        "instrumentation leaves out, such as embeddings. Instrument what makes these calls.",
        distinct=where,
    )


def _of_provider(_cell: Cell) -> tuple[object, ...]:
    return ()


_Maker = tuple[Callable[[Cell], tuple[object, ...]], Callable[[Sequence[Part]], list[Correction]]]
_MAKERS: Mapping[Cause, _Maker] = {
    Cause.PRICE_BOOK: (rate_key, rates),
    Cause.UNPRICED: (rate_key, rates),
    Cause.DISCOUNT: (_of_provider, contracts),
    Cause.CURRENCY: (_of_provider, currencies),
}
"""By cause: what its cells are told apart by, and what makes corrections of them."""
