"""Applies corrections that are data, and takes them back; who and when is in the log of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar, cast

from spanledger_analytics.errors import AnalyticsError
from spanledger_analytics.invoices.rules import checked_mapping
from spanledger_analytics.price_book.input import parse_amount, parse_currency, parse_multiplier
from spanledger_analytics.price_book.store import (
    add_contract,
    end_contract,
    end_rate,
    remove_exchange_rate,
    set_exchange_rates,
    set_rates,
)
from spanledger_analytics.reconciliation.days import start_ns
from spanledger_storage.invoice_state import InvoiceState, MappingRow
from spanledger_storage.price_state import (
    ContractRow,
    ExchangeRateRow,
    PriceState,
    RateRow,
    StateEngine,
)

What = Mapping[str, str]
_RowT = TypeVar("_RowT")


class CorrectionError(AnalyticsError):
    """A correction cannot be applied or taken back; the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes what, and why.

    Attributes:
        state: the state database, to write to.
        project: whose reconciliation it is from.
        who: asked for it.
        now_ns: UTC nanoseconds.
        note: kept with what is stored: which reconciliation it is from.
    """

    state: StateEngine
    project: str
    who: str
    now_ns: int
    note: str = ""


def apply(change: Change, what: What) -> str:
    """Store what a correction says; return, as JSON, what it made, for :func:`reverse`.

    Raises:
        CorrectionError: it says nothing that can be stored.
        PriceError: a rate, contract or exchange rate cannot be, or overlaps another.
        InvoiceError: a mapping cannot be.
        ConfigError: the same mapping is there already.
        StateError: the state database does not answer.
    """
    kind = what.get("kind", "")
    if kind not in _KINDS:
        raise CorrectionError(f"There is nothing to store for a correction of kind {kind!r}.")
    return json.dumps({"kind": kind, **_KINDS[kind][0](change, what)}, sort_keys=True)


def reverse(change: Change, made: str) -> None:
    """Take back what a correction made, and put back what it replaced.

    Raises:
        CorrectionError: it made nothing that can be taken back.
        PriceError: what it made was ended by somebody else since.
        ConfigError: the same of a mapping.
        StateError: the state database does not answer.
    """
    told = cast("dict[str, object]", json.loads(made or "{}"))
    kind = str(told.get("kind", ""))
    if kind not in _KINDS:
        raise CorrectionError("It stored nothing that could be taken back.")
    _KINDS[kind][1](change, told)


def _apply_rate(change: Change, what: What) -> dict[str, object]:
    row = RateRow(
        provider=what["provider"],
        model=what["model"],
        token_class=what["token_class"],
        price=parse_amount(what["price"], "price"),
        per=int(what["per"]),
        currency="USD",
        service_tier=what["service_tier"],
        region=what["region"],
        above_tokens=int(what["above_tokens"]),
        effective_from_ns=_day_ns(what["effective_from"]),
        effective_to_ns=_day_ns(what["effective_to"]) if what.get("effective_to") else None,
        note=change.note,
    )
    with PriceState(change.state).change(change.who, change.now_ns) as prices:
        [done] = set_rates(prices, [(f"{row.model} {row.token_class}", row)])
    before = done.before.id if done.before and done.outcome != "unchanged" else None
    return {"id": done.after.id if done.outcome != "unchanged" else None, "before": before}


def _reverse_rate(change: Change, told: Mapping[str, object]) -> None:
    if told["id"] is None:
        return
    state = PriceState(change.state)
    known = {row.id: row for row in state.rates(withdrawn=True)}
    new, before = known[int(str(told["id"]))], _known(known, told["before"])
    with state.change(change.who, change.now_ns) as prices:
        end_rate(prices, new.id, None)
        if before is not None:
            # It ended where the new one began, or was withdrawn for it: it goes on from there.
            set_rates(prices, [("before", replace(
                before, effective_from_ns=new.effective_from_ns,
                effective_to_ns=new.effective_to_ns, note=change.note,
            ))])  # fmt: skip


def _apply_contract(change: Change, what: What) -> dict[str, object]:
    known = {row.id for row in PriceState(change.state).contracts(withdrawn=True)}
    contract_id, number = what["contract_id"], 2
    while contract_id in known:  # applied before, and taken back: ids are never used again
        contract_id = f"{what['contract_id'][:60]}-{number}"
        number += 1
    row = ContractRow(
        id=contract_id,
        provider=what["provider"],
        model=what["model"],
        multiplier=parse_multiplier(what["multiplier"], "multiplier"),
        commitment_usd=None,
        effective_from_ns=_day_ns(what["effective_from"]),
        effective_to_ns=None,
        note=change.note,
    )
    with PriceState(change.state).change(change.who, change.now_ns) as prices:
        return {"id": add_contract(prices, row).id}


def _reverse_contract(change: Change, told: Mapping[str, object]) -> None:
    with PriceState(change.state).change(change.who, change.now_ns) as prices:
        end_contract(prices, str(told["id"]), None)


def _apply_exchange_rate(change: Change, what: What) -> dict[str, object]:
    row = ExchangeRateRow(
        currency=parse_currency(what.get("currency", "")),
        usd=parse_amount(what.get("value", ""), "exchange rate"),
        effective_from_ns=_day_ns(what["effective_from"]),
        note=change.note,
    )
    with PriceState(change.state).change(change.who, change.now_ns) as prices:
        [done] = set_exchange_rates(prices, [row])
    before = done.before.id if done.before and done.outcome == "replaces" else None
    return {"id": done.after.id if done.outcome != "unchanged" else None, "before": before}


def _reverse_exchange_rate(change: Change, told: Mapping[str, object]) -> None:
    if told["id"] is None:
        return
    state = PriceState(change.state)
    known = {row.id: row for row in state.exchange_rates(withdrawn=True)}
    before = _known(known, told["before"])
    with state.change(change.who, change.now_ns) as prices:
        remove_exchange_rate(prices, int(str(told["id"])))
        if before is not None:
            set_exchange_rates(prices, [replace(before, note=change.note)])


def _apply_mapping(change: Change, what: What) -> dict[str, object]:
    invoices = InvoiceState(change.state)
    target = {what["target"]: what["value"]} if what.get("value") else {}
    row = checked_mapping(
        MappingRow(
            project=change.project,
            kind="scope" if what["mapping"] == "scope" else "line",
            provider=what["provider"],
            pattern=what["pattern"],
            target=target,
            note=change.note,
            created_by=change.who[:128],
            created_at_ns=change.now_ns,
        )
    )
    same = (row.kind, row.provider, row.pattern)
    before = next(
        (old for old in invoices.mappings(change.project)
         if (old.kind, old.provider, old.pattern) == same),
        None,
    )  # fmt: skip
    made = invoices.add_mapping(row)
    return {"id": made.id, "before": before.id if before else None}


def _reverse_mapping(change: Change, told: Mapping[str, object]) -> None:
    invoices = InvoiceState(change.state)
    invoices.remove_mapping(change.project, int(str(told["id"])), change.who, change.now_ns)
    known = {row.id: row for row in invoices.mappings(change.project, removed=True)}
    before = _known(known, told["before"])
    if before is not None:
        again = replace(before, created_by=change.who[:128], created_at_ns=change.now_ns)
        invoices.add_mapping(again)


def _known(rows: Mapping[int, _RowT], row_id: object) -> _RowT | None:
    return None if row_id is None else rows[int(str(row_id))]


def _day_ns(text: str) -> int:
    return start_ns(date.fromisoformat(text))


_Apply = Callable[[Change, What], dict[str, object]]
_Reverse = Callable[[Change, Mapping[str, object]], None]
_KINDS: Mapping[str, tuple[_Apply, _Reverse]] = {
    "rate": (_apply_rate, _reverse_rate),
    "contract": (_apply_contract, _reverse_contract),
    "exchange_rate": (_apply_exchange_rate, _reverse_exchange_rate),
    "mapping": (_apply_mapping, _reverse_mapping),
}
