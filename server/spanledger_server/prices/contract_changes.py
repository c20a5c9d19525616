"""Contracts and exchange rates: listed, changed, imported."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from spanledger_analytics.price_book.commitments import ContractUse, Drawdown, drawdown, load_use
from spanledger_analytics.price_book.files import read_exchange_rates
from spanledger_analytics.price_book.input import (
    parse_amount,
    parse_multiplier,
    parse_percent,
    parse_time,
    time_text,
)
from spanledger_analytics.price_book.store import (
    add_contract,
    end_contract,
    remove_exchange_rate,
    set_exchange_rates,
)
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.changes import (
    advise_reprice,
    parsed_file,
    say_ended,
    say_taken,
    say_unknown_providers,
)
from spanledger_server.prices.session import moment, now_ns, user
from spanledger_server.rows import print_rows
from spanledger_storage.price_state import ContractRow, ExchangeRateRow, PriceState
from spanledger_storage.store import Store

_CONTRACT_COLUMNS = (
    "id",
    "provider",
    "model",
    "multiplier",
    "from",
    "to",
    "commitment_usd",
    "calls",
    "consumed_usd",
    "remaining_usd",
    "per_day_usd",
    "used_up_on",
    "expected_usd",
    "note",
    "status",
)
_EXCHANGE_COLUMNS = ("id", "currency", "usd", "from", "note", "status")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class ContractTerms:
    """A contract as typed; exactly one of the first three is given."""

    discount: str
    markup: str
    multiplier: str
    model: str
    commitment: str
    start: str
    end: str
    note: str


def print_contracts(
    state: PriceState, store: Store | None, output: Format, *, withdrawn: bool
) -> None:
    """Print contracts and how far their commitments are used up, as far as the store tells.

    Raises:
        StateError: the state database does not answer.
        StoreError: the store does not answer.
    """
    contracts = state.contracts(withdrawn=withdrawn)
    now = now_ns()
    use = {} if store is None else load_use(store, contracts, now)
    rows = [
        _contract_row(c, None if store is None else drawdown(c, use.get(c.id, ContractUse()), now))
        for c in contracts
    ]
    nothing = "No contracts. Add one: spanledger prices contracts add ID PROVIDER --discount 15%"
    print_rows(_CONTRACT_COLUMNS, rows, output, nothing)


def add(state: PriceState, contract_id: str, provider: str, terms: ContractTerms, by: str) -> None:
    """Store a contract and print it.

    Raises:
        UsageError: not exactly one of discount, markup and multiplier is given.
        PriceError: the contract cannot be.
    """
    row = ContractRow(
        id=contract_id,
        provider=provider,
        model=terms.model,
        multiplier=_multiplier(terms),
        commitment_usd=(
            parse_amount(terms.commitment, "--commitment") if terms.commitment else None
        ),
        effective_from_ns=moment(terms.start, "--from"),
        effective_to_ns=parse_time(terms.end, "--to") if terms.end else None,
        note=terms.note,
    )
    with state.change(user(by), now_ns()) as change:
        stored = add_contract(change, row)
    end = f" until {time_text(stored.effective_to_ns)}" if stored.effective_to_ns else ""
    print(
        f"Contract {stored.id}: {stored.model or 'every model'} of {stored.provider} costs "
        f"{stored.multiplier:f} times its list price from {time_text(stored.effective_from_ns)}"
        f"{end}."
    )
    say_unknown_providers([stored.provider])
    advise_reprice(stored.effective_from_ns, stored.effective_to_ns, stored.provider, stored.model)


def remove(state: PriceState, contract_id: str, start: str, entirely: bool, by: str) -> None:
    """Let a contract end, or withdraw it.

    Raises:
        PriceError: there is no such contract, or it already ended.
    """
    at_ns = None if entirely else moment(start, "--from")
    with state.change(user(by), now_ns()) as change:
        row = end_contract(change, contract_id, at_ns)
    say_ended(f"Contract {row.id}", row, at_ns)
    from_ns = max(row.effective_from_ns, at_ns or 0)
    advise_reprice(from_ns, row.effective_to_ns, row.provider, row.model)


def print_exchange_rates(state: PriceState, output: Format, *, withdrawn: bool) -> None:
    """Print exchange rates by currency and date."""
    found = state.exchange_rates(withdrawn=withdrawn)
    found.sort(key=lambda row: (row.currency, row.effective_from_ns, row.id))
    rows = [
        {
            "id": row.id,
            "currency": row.currency,
            "usd": row.usd,
            "from": time_text(row.effective_from_ns),
            "note": row.note,
            "status": "withdrawn" if row.withdrawn_at_ns else "",
        }
        for row in found
    ]
    nothing = "No exchange rates. Add one: spanledger prices exchange-rates add EUR 1.08"
    print_rows(_EXCHANGE_COLUMNS, rows, output, nothing)


def add_exchange_rate(
    state: PriceState, currency: str, usd: str, start: str, note: str, by: str
) -> None:
    """Store an exchange rate and print it.

    Raises:
        PriceError: it cannot be.
    """
    row = ExchangeRateRow(
        currency, parse_amount(usd, "The exchange rate"), moment(start, "--from"), note
    )
    with state.change(user(by), now_ns()) as change:
        [result] = set_exchange_rates(change, [row])
    stored = result.after
    told = {"unchanged": "already", "replaces": "corrected"}.get(result.outcome, "from then on")
    if isinstance(stored, ExchangeRateRow):
        print(
            f"1 {stored.currency} = {stored.usd:f} USD, {time_text(stored.effective_from_ns)}: "
            f"{told} (exchange rate {stored.id})."
        )
        if result.outcome != "unchanged":
            advise_reprice(stored.effective_from_ns, None)


def drop_exchange_rate(state: PriceState, rate_id: int, by: str) -> None:
    """Withdraw an exchange rate.

    Raises:
        PriceError: there is no such rate.
    """
    with state.change(user(by), now_ns()) as change:
        row = remove_exchange_rate(change, rate_id)
    print(f"Exchange rate {row.id} ({row.currency}) is withdrawn.")
    advise_reprice(row.effective_from_ns, None)


def import_exchange_rates(state: PriceState, file: Path, by: str) -> None:
    """Store the exchange rates of a file, all or none.

    Raises:
        UsageError: the file cannot be read.
        PriceError: a line cannot be taken; names the lines.
    """
    located = parsed_file(file, read_exchange_rates)
    with state.change(user(by), now_ns()) as change:
        results = set_exchange_rates(change, [row for _, row in located])
    say_taken(file, results)
    changed = [
        row.effective_from_ns
        for (_, row), result in zip(located, results, strict=True)
        if result.outcome != "unchanged"
    ]
    if changed:
        advise_reprice(min(changed), None)


def _multiplier(terms: ContractTerms) -> Decimal:
    if sum(bool(t) for t in (terms.discount, terms.markup, terms.multiplier)) != 1:
        raise UsageError("Give one of --discount 15%, --markup 10% and --multiplier 0.85.")
    if terms.multiplier:
        return parse_multiplier(terms.multiplier, "--multiplier")
    if terms.markup:
        return 1 + parse_percent(terms.markup, "--markup")
    factor = 1 - parse_percent(terms.discount, "--discount")
    if factor <= 0:
        raise UsageError(f"A discount must be less than 100%, not {terms.discount}.")
    return factor


def _contract_row(row: ContractRow, drawn: Drawdown | None) -> dict[str, object]:
    return {
        "id": row.id,
        "provider": row.provider,
        "model": row.model,
        "multiplier": row.multiplier,
        "from": time_text(row.effective_from_ns),
        "to": None if row.effective_to_ns is None else time_text(row.effective_to_ns),
        "commitment_usd": row.commitment_usd,
        "note": row.note,
        "status": "withdrawn" if row.withdrawn_at_ns else "",
        **({} if drawn is None else _drawn_fields(drawn)),
    }


def _drawn_fields(drawn: Drawdown) -> dict[str, object]:
    used_up = drawn.used_up_ns
    return {
        "calls": drawn.use.calls,
        "consumed_usd": _exact(drawn.use.consumed_usd),
        "remaining_usd": _exact(drawn.remaining_usd),
        "per_day_usd": _cents(drawn.per_day_usd),
        "used_up_on": None if used_up is None else time_text(used_up)[:10],
        "expected_usd": drawn.expected_usd,
    }


def _cents(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(_CENT)


def _exact(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.normalize() + 0
