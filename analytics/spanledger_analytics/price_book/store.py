"""Own rates, contracts and exchange rates: loaded for pricing, changed with a trace.

A change never touches what was: a rate that a later one follows is closed, one that was wrong is
withdrawn, and both can still be shown by their id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.input import (
    Period,
    checked_contract,
    checked_exchange_rate,
    checked_rate,
    time_text,
)
from spanledger_analytics.price_book.overrides import Contract, ExchangeRate, Overrides, Rate
from spanledger_analytics.price_book.tool_list import ToolPrices
from spanledger_storage.price_state import (
    ContractRow,
    EndingRow,
    EndingT,
    ExchangeRateRow,
    PriceChange,
    PriceState,
    RateRow,
    RowT,
    StateEngine,
)

Outcome = Literal["added", "follows", "replaces", "unchanged"]
RateKey = tuple[str, str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of one rate or exchange rate; ``before`` is what it follows or replaces."""

    outcome: Outcome
    before: RateRow | ExchangeRateRow | None
    after: RateRow | ExchangeRateRow


def load_overrides(engine: StateEngine) -> Overrides:
    """Return everything a user added, by id.

    Raises:
        StateError: the state database does not answer.
    """
    state = PriceState(engine)
    # Read first: a change that slips in between is then loaded again, never missed.
    revision = state.revision()
    return Overrides(
        revision,
        rates=tuple(_rate(row) for row in state.rates()),
        contracts=tuple(_contract(row) for row in state.contracts()),
        exchange_rates=tuple(
            ExchangeRate(row.currency, row.usd, row.effective_from_ns)
            for row in state.exchange_rates()
        ),
        tools=ToolPrices(tuple(state.tool_prices(withdrawn=True))),
    )


def overrides_revision(engine: StateEngine) -> int:
    """Return the number that grows with every change.

    Raises:
        StateError: the state database does not answer.
    """
    return PriceState(engine).revision()


def set_rates(change: PriceChange, rows: Iterable[tuple[str, RateRow]]) -> list[Changed]:
    """Store rates, each given with where it was written; one result per rate, in order.

    A rate without an end that starts later than an open one of its key follows it. One of the
    same period replaces it. The same price in the same period changes nothing.

    Raises:
        PriceError: a rate cannot be, or overlaps one of its key in another way; says where.
    """
    stored: dict[RateKey, list[RateRow]] = {}
    for old in change.rows(RateRow):
        stored.setdefault(rate_key(old), []).append(old)
    results: list[Changed] = []
    for where, row in rows:
        try:
            results.append(_set_rate(change, stored, checked_rate(row)))
        except PriceError as error:
            raise PriceError(f"{where}: {error}") from None
    return results


def end_rate(change: PriceChange, rate_id: int, at_ns: int | None) -> RateRow:
    """Let a rate hold until ``at_ns``, or withdraw it altogether (None); return what it was.

    Raises:
        PriceError: there is no such rate, or it already ended by then.
    """
    return end_row(
        change, change.rows(RateRow, withdrawn=True), rate_id, at_ns, "prices list --own"
    )


def add_contract(change: PriceChange, row: ContractRow) -> ContractRow:
    """Store a contract.

    Raises:
        PriceError: it cannot be, its id was used before, or it overlaps another one.
    """
    new = checked_contract(row)
    for old in change.rows(ContractRow, withdrawn=True):
        if old.id == new.id:
            raise PriceError(
                f"The id {new.id!r} was used before, and entries of the ledger may name it; "
                "choose another."
            )
        same = (old.provider, old.model.lower()) == (new.provider, new.model.lower())
        if same and old.withdrawn_at_ns is None and _period(old).overlaps(_period(new)):
            raise PriceError(
                f"Contract {old.id!r} is for the same calls {_span(old)}; end it first with "
                f"`spanledger prices contracts remove {old.id} --from DATE`."
            )
    return change.add(new)


def end_contract(change: PriceChange, contract_id: str, at_ns: int | None) -> ContractRow:
    """Let a contract hold until ``at_ns``, or withdraw it altogether (None); return what it was.

    Raises:
        PriceError: there is no such contract, or it already ended by then.
    """
    rows = change.rows(ContractRow, withdrawn=True)
    return end_row(change, rows, contract_id, at_ns, "prices contracts list")


def end_row(
    change: PriceChange, rows: list[EndingT], row_id: int | str, at_ns: int | None, command: str
) -> EndingT:
    """Let the row of an id hold until ``at_ns``, or withdraw it altogether (None); return it.

    ``command`` is the one that shows ids.

    Raises:
        PriceError: there is no such row, or it already ended by then.
    """
    row = _found(rows, row_id, command)
    _end(change, row, at_ns)
    return row


def set_exchange_rates(change: PriceChange, rows: Iterable[ExchangeRateRow]) -> list[Changed]:
    """Store exchange rates; one from the same instant replaces the older one.

    Raises:
        PriceError: a rate cannot be.
    """
    stored = {(row.currency, row.effective_from_ns): row for row in change.rows(ExchangeRateRow)}
    results: list[Changed] = []
    for given in rows:
        row = checked_exchange_rate(given)
        before = stored.get((row.currency, row.effective_from_ns))
        if before is not None and before.usd == row.usd:
            results.append(Changed("unchanged", before, before))
            continue
        if before is not None:
            change.withdraw(before)
        after = change.add(row)
        stored[row.currency, row.effective_from_ns] = after
        results.append(Changed("added" if before is None else "replaces", before, after))
    return results


def remove_exchange_rate(change: PriceChange, rate_id: int) -> ExchangeRateRow:
    """Withdraw an exchange rate; return what it was.

    Raises:
        PriceError: there is no such rate.
    """
    row = _found(change.rows(ExchangeRateRow), rate_id, "prices exchange-rates list")
    change.withdraw(row)
    return row


def rate_key(row: RateRow | Rate) -> RateKey:
    """Return what makes two rates alternatives: for one key, one price at a time."""
    model = row.model.lower()
    tier, region = row.service_tier, row.region.lower()
    return row.provider, model, row.token_class, tier, region, row.above_tokens


def same_price(one: RateRow, other: RateRow) -> bool:
    """Return whether both cost the same: 2.50 per million is 0.0025 per thousand."""
    return one.currency == other.currency and (
        Fraction(one.price) / one.per == Fraction(other.price) / other.per
    )


def _set_rate(change: PriceChange, stored: dict[RateKey, list[RateRow]], new: RateRow) -> Changed:
    alternatives = stored.setdefault(rate_key(new), [])
    overlapping = [old for old in alternatives if _period(old).overlaps(_period(new))]
    if not overlapping:
        after = change.add(new)
        alternatives.append(after)
        return Changed("added", None, after)
    old = overlapping[0]
    is_same_period = _period(old) == _period(new)
    if is_same_period and same_price(old, new):
        return Changed("unchanged", old, old)
    is_later = old.effective_from_ns < new.effective_from_ns
    if is_same_period:
        change.withdraw(old)
    elif is_later and old.effective_to_ns is None and new.effective_to_ns is None:
        change.close(old, new.effective_from_ns)
    else:
        raise PriceError(_overlap(old, new))
    alternatives.remove(old)
    after = change.add(new)
    alternatives.append(after)
    return Changed("replaces" if is_same_period else "follows", old, after)


def _overlap(old: RateRow, new: RateRow) -> str:
    if old.effective_from_ns > new.effective_from_ns:
        advice = f"let the new one end by then (--to {time_text(old.effective_from_ns)})"
    else:
        advice = "let the new one start later"
    return (
        f"Rate {old.id} already prices {old.token_class} of {old.model} {_span(old)}; {advice}, or "
        f"end that one: `spanledger prices remove {old.id} --from "
        f"{time_text(new.effective_from_ns)}`."
    )


def _end(change: PriceChange, row: EndingRow, at_ns: int | None) -> None:
    if row.withdrawn_at_ns is not None:
        raise PriceError(f"The {row.kind} {row.id} is already withdrawn.")
    if at_ns is None or at_ns <= row.effective_from_ns:
        change.withdraw(row)
    elif row.effective_to_ns is not None and row.effective_to_ns <= at_ns:
        raise PriceError(
            f"The {row.kind} {row.id} already ends on {time_text(row.effective_to_ns)}; an "
            "earlier end is given with --from, and --entirely withdraws it."
        )
    else:
        change.close(row, at_ns)


def _found(rows: list[RowT], row_id: int | str, command: str) -> RowT:
    for row in rows:
        if row.id == row_id:
            return row
    raise PriceError(f"There is no such id: {row_id}; `spanledger {command}` shows them.")


def _period(row: RateRow | ContractRow) -> Period:
    return Period(row.effective_from_ns, row.effective_to_ns)


def _span(row: RateRow | ContractRow) -> str:
    end = "on" if row.effective_to_ns is None else f"to {time_text(row.effective_to_ns)}"
    return f"from {time_text(row.effective_from_ns)} {end}"


def _rate(row: RateRow) -> Rate:
    return Rate(
        id=row.id,
        provider=row.provider,
        model=row.model,
        token_class=row.token_class,
        price=row.price,
        per=row.per,
        currency=row.currency,
        service_tier=row.service_tier,
        region=row.region,
        above_tokens=row.above_tokens,
        effective_from_ns=row.effective_from_ns,
        effective_to_ns=row.effective_to_ns,
    )


def _contract(row: ContractRow) -> Contract:
    return Contract(
        id=row.id,
        provider=row.provider,
        model=row.model,
        multiplier=row.multiplier,
        commitment_usd=row.commitment_usd,
        effective_from_ns=row.effective_from_ns,
        effective_to_ns=row.effective_to_ns,
    )
