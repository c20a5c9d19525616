"""Actions on reconciliations that a database stops: they go on, once, or have failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from spanledger_analytics.reconciliation.actions import Actions
from spanledger_analytics.reconciliation.result import Reconciliation
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_storage.errors import StoreError
from spanledger_storage.invoice_state import InvoiceState
from spanledger_storage.price_state import PriceState
from spanledger_storage.reconciliation_state import ActionRow, ReconciliationState
from spanledger_storage.store import Store
from tests.invoicing import DAY_NS, NOW_NS, SAMPLES, import_path

MAPPING = {
    "kind": "mapping", "mapping": "line", "provider": "openai", "pattern": "surcharge 7",
    "target": "token_class", "value": "tool",
}  # fmt: skip
EXCHANGE = {"kind": "exchange_rate", "currency": "EUR", "value": "1.1",
            "effective_from": "2026-11-01"}  # fmt: skip
RATE = {
    "kind": "rate", "provider": "openai", "model": "gpt-5.5", "token_class": "output",
    "price": "33", "per": "1000000", "service_tier": "", "region": "", "above_tokens": "0",
    "effective_from": "2026-11-18", "effective_to": "",
}  # fmt: skip
CONTRACT = {
    "kind": "contract", "contract_id": "c", "provider": "openai", "model": "",
    "multiplier": "0.88", "effective_from": "2026-11-01",
}  # fmt: skip
AWAY = StoreError("The store does not answer.", permanent=False)
REFUSED = StoreError("Too much memory.", permanent=True)


@pytest.fixture(autouse=True)
def nothing_was_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    none = Reconciliation("default", date(2026, 11, 1), date(2026, 11, 30), [])
    monkeypatch.setattr("spanledger_analytics.reconciliation.actions.read", lambda *_: none)


class Days:
    """Compares days as told: fails with each error in turn, then works."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self, *args: Any) -> Reconciliation:
        if self.errors:
            raise self.errors.pop(0)
        return Reconciliation("default", date(2026, 11, 1), date(2026, 11, 30), [])


def actions(state: sa.Engine, reconciled: Callable[..., Reconciliation], now_ns: int) -> Actions:
    return Actions(None, state, lambda: now_ns, reconciled)  # type: ignore[arg-type]  # no store is asked


def asked(state: sa.Engine, what: Mapping[str, str], **fields: Any) -> int:
    row = ActionRow(
        "default", fields.pop("kind", "apply"), "2026-11-01", "2026-11-30", "openai", "it", "ann",
        NOW_NS, what=json.dumps(what), **fields,
    )  # fmt: skip
    return ReconciliationState(state).ask(row).id


def seen(state: sa.Engine, action_id: int) -> ActionRow:
    return ReconciliationState(state).get("default", action_id)


@pytest.mark.parametrize("what", [MAPPING, EXCHANGE])
def test_a_store_that_is_away_stops_an_action_and_the_next_run_ends_it_once(
    state: sa.Engine, what: Mapping[str, str]
) -> None:
    action_id = asked(state, what)
    run = actions(state, Days(AWAY, AWAY), NOW_NS + 1)
    for _ in range(2):
        with pytest.raises(StoreError):
            run.run_once()
        assert seen(state, action_id).status == "asked"

    assert run.run_once() == 1

    assert seen(state, action_id).status == "done"
    made = [*InvoiceState(state).mappings("default"), *PriceState(state).exchange_rates()]
    assert len(made) == 1, "stored once, however often it was tried"
    back = asked(state, {}, kind="reverse", reverses=action_id)
    assert run.run(back)
    assert seen(state, back).status == "done"
    assert not InvoiceState(state).mappings("default")
    assert not PriceState(state).exchange_rates()


class Killed(BaseException):
    """The process is gone: nothing it would have done later is done."""


@pytest.mark.parametrize("what", [MAPPING, EXCHANGE, RATE, CONTRACT], ids=lambda w: w["kind"])
def test_a_process_killed_before_it_noted_what_it_stored_stores_nothing_twice(
    state: sa.Engine, what: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    action_id = asked(state, what)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(ReconciliationState, "keep_made", die)
        with pytest.raises(Killed):
            actions(state, Days(), NOW_NS + 1).run(action_id)
    stored = _stored(state)
    assert (seen(state, action_id).status, seen(state, action_id).made) == ("running", "")
    assert len(stored) == 1

    assert _go_on(state, action_id, monkeypatch)
    assert _stored(state) == stored
    back = asked(state, {}, kind="reverse", reverses=action_id)
    with monkeypatch.context() as patched:
        patched.setattr(ReconciliationState, "keep_made", die)
        with pytest.raises(Killed):
            actions(state, Days(), NOW_NS + 1).run(back)
    assert _go_on(state, back, monkeypatch)
    assert _stored(state) == []


def _go_on(state: sa.Engine, action_id: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether the worker ended an action of a process that died two hours ago."""
    later = actions(state, Days(), NOW_NS + 7_200 * 10**9)
    monkeypatch.setattr(Actions, "_reprice", lambda *_: "")
    return later.run_once() == 1 and seen(state, action_id).status == "done"


def _stored(state: sa.Engine) -> list[object]:
    prices = PriceState(state)
    return [
        *InvoiceState(state).mappings("default"), *prices.exchange_rates(), *prices.rates(),
        *prices.contracts(),
    ]  # fmt: skip


def test_taking_back_goes_on_where_the_store_stopped_it(state: sa.Engine) -> None:
    action_id = asked(state, MAPPING)
    actions(state, Days(), NOW_NS).run(action_id)
    back = asked(state, {}, kind="reverse", reverses=action_id)
    run = actions(state, Days(AWAY), NOW_NS + 1)
    with pytest.raises(StoreError):
        run.run(back)

    assert run.run_once() == 1

    assert (seen(state, back).status, InvoiceState(state).mappings("default")) == ("done", [])
    again = asked(state, {}, kind="reverse", reverses=action_id)
    run.run(again)
    assert "taken back already" in seen(state, again).said


@pytest.mark.parametrize(
    ("error", "later_ns"), [(REFUSED, 1), (AWAY, 3_700 * 10**9), (KeyError("x"), 1)]
)
def test_what_waiting_does_not_help_has_failed_at_once_and_can_be_taken_back(
    state: sa.Engine, error: Exception, later_ns: int
) -> None:
    action_id = asked(state, MAPPING)
    with pytest.raises(type(error)):
        actions(state, Days(error), NOW_NS + later_ns).run(action_id)

    assert (seen(state, action_id).status, bool(seen(state, action_id).said)) == ("failed", True)
    assert actions(state, Days(), NOW_NS).run_once() == 0
    back = asked(state, {}, kind="reverse", reverses=action_id)
    actions(state, Days(), NOW_NS).run(back)
    assert seen(state, back).status == "done"
    assert not InvoiceState(state).mappings("default")


def test_an_import_is_deleted_by_the_worker_and_the_log_says_by_whom(
    store: Store, state: sa.Engine
) -> None:
    [outcome] = import_path(store, state, SAMPLES / "openai_costs.json")
    action_id = asked(state, {"import": outcome.row.import_id}, kind="delete")
    run = Actions(store, state, lambda: NOW_NS + DAY_NS, reconcile)

    assert run.run_once() == 1

    [row] = InvoiceState(state).imports("default", deleted=True)
    assert (row.deleted_by, seen(state, action_id).status) == ("ann", "done")
    assert "have none any more" in seen(state, action_id).said
    twice = asked(state, {"import": outcome.row.import_id}, kind="delete")
    assert run.run_once() == 1
    assert seen(state, twice).said == "It is deleted."
    assert row.amounts["USD"] > Decimal(0)
