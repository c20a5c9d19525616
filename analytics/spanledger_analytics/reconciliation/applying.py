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
_WHO_LIMIT = 128
_RECENT = 10_000
"""Entries of the log of prices: an action that was interrupted is gone on with within hours."""


class CorrectionError(AnalyticsError):
    """A correction cannot be applied or taken back; the message says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """Who changes what, and why.

    Attributes:
        state: the state database, to write to.
        project: whose reconciliation it is from.
        who: asked for it.
        at_ns: when it was asked for, UTC nanoseconds; what is stored has this time, so that a
            change that is made again after a crash finds what it stored.
        note: kept with what is stored: which reconciliation it is from.
    """

    state: StateEngine
    project: str
    who: str
    at_ns: int
    note: str = ""


def apply(change: Change, what: What) -> str:
    """Store what a correction says; return, as JSON, what it made, for :func:`reverse`.

    The same change again finds what it stored, and stores nothing.

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
    made = _mapped(change, what) if kind == "mapping" else _priced(change, kind)
    made = made or _KINDS[kind][0](change, what)
    return json.dumps({"kind": kind, **made}, sort_keys=True)


def reverse(change: Change, made: str) -> None:
    """Take back what a correction made, and put back what it replaced; the same again: nothing.

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


def _priced(change: Change, kind: str) -> dict[str, object] | None:
    """Return what this very change stored in the price tables before; None: nothing."""
    prefix = f"{kind.replace('_', ' ')} "
    mine = {
        entry.action: entry.object.removeprefix(prefix)
        for entry in PriceState(change.state).log(_RECENT)
        if entry.at_ns == change.at_ns
        and entry.who == change.who[:_WHO_LIMIT]
        and entry.object.startswith(prefix)
    }
    if "add" not in mine:
        return None
    if kind == "contract":
        return {"id": mine["add"]}
    before = mine.get("close", mine.get("withdraw"))
    return {"id": int(mine["add"]), "before": None if before is None else int(before)}


def _mapped(change: Change, what: What) -> dict[str, object] | None:
    """Return the same of mappings."""
    rows = InvoiceState(change.state).mappings(change.project, removed=True)
    same = [
        row for row in rows if (row.provider, row.pattern) == (what["provider"], what["pattern"])
    ]
    mine = [row.id for row in same if _is_mine(row.created_at_ns, row.created_by, change)]
    before = [row.id for row in same if _is_mine(row.removed_at_ns, row.removed_by, change)]
    return {"id": mine[0], "before": before[0] if before else None} if mine else None


def _is_mine(at_ns: int | None, who: str, change: Change) -> bool:
    return at_ns == change.at_ns and who == change.who[:_WHO_LIMIT]


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
    with PriceState(change.state).change(change.who, change.at_ns) as prices:
        [done] = set_rates(prices, [(f"{row.model} {row.token_class}", row)])
    before = done.before.id if done.before and done.outcome != "unchanged" else None
    return {"id": done.after.id if done.outcome != "unchanged" else None, "before": before}


def _reverse_rate(change: Change, told: Mapping[str, object]) -> None:
    if told["id"] is None:
        return
    state = PriceState(change.state)
    known = {row.id: row for row in state.rates(withdrawn=True)}
    new, before = known[int(str(told["id"]))], _known(known, told["before"])
    if new.withdrawn_at_ns == change.at_ns:
        return
    with state.change(change.who, change.at_ns) as prices:
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
    with PriceState(change.state).change(change.who, change.at_ns) as prices:
        return {"id": add_contract(prices, row).id}


def _reverse_contract(change: Change, told: Mapping[str, object]) -> None:
    state = PriceState(change.state)
    known = {row.id: row for row in state.contracts(withdrawn=True)}
    if known[str(told["id"])].withdrawn_at_ns == change.at_ns:
        return
    with state.change(change.who, change.at_ns) as prices:
        end_contract(prices, str(told["id"]), None)


def _apply_exchange_rate(change: Change, what: What) -> dict[str, object]:
    row = ExchangeRateRow(
        currency=parse_currency(what.get("currency", "")),
        usd=parse_amount(what.get("value", ""), "exchange rate"),
        effective_from_ns=_day_ns(what["effective_from"]),
        note=change.note,
    )
    with PriceState(change.state).change(change.who, change.at_ns) as prices:
        [done] = set_exchange_rates(prices, [row])
    before = done.before.id if done.before and done.outcome == "replaces" else None
    return {"id": done.after.id if done.outcome != "unchanged" else None, "before": before}


def _reverse_exchange_rate(change: Change, told: Mapping[str, object]) -> None:
    if told["id"] is None:
        return
    state = PriceState(change.state)
    known = {row.id: row for row in state.exchange_rates(withdrawn=True)}
    new, before = known[int(str(told["id"]))], _known(known, told["before"])
    if new.withdrawn_at_ns == change.at_ns:
        return
    with state.change(change.who, change.at_ns) as prices:
        remove_exchange_rate(prices, new.id)
        if before is not None:
            set_exchange_rates(prices, [replace(before, note=change.note)])


def _apply_mapping(change: Change, what: What) -> dict[str, object]:
    invoices = InvoiceState(change.state)
    row = checked_mapping(
        MappingRow(
            project=change.project,
            kind="scope" if what["mapping"] == "scope" else "line",
            provider=what["provider"],
            pattern=what["pattern"],
            target=_target(what),
            note=change.note,
            created_by=change.who[:_WHO_LIMIT],
            created_at_ns=change.at_ns,
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


def _target(what: What) -> dict[str, str]:
    """Return what a mapping says: of a text a class and, after a space, a model."""
    value = what.get("value", "").strip()
    if what["target"] != "token_class":
        return {what["target"]: value}
    token_class, _, model = value.partition(" ")
    return {"token_class": token_class, "model": model}


def _reverse_mapping(change: Change, told: Mapping[str, object]) -> None:
    invoices = InvoiceState(change.state)
    known = {row.id: row for row in invoices.mappings(change.project, removed=True)}
    new, before = known[int(str(told["id"]))], _known(known, told["before"])
    if not _is_mine(new.removed_at_ns, new.removed_by, change):
        invoices.remove_mapping(change.project, new.id, change.who, change.at_ns)
    if before is None:
        return
    again = replace(before, created_by=change.who[:_WHO_LIMIT], created_at_ns=change.at_ns)
    if not any(row.created_at_ns == again.created_at_ns for row in known.values()):
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
