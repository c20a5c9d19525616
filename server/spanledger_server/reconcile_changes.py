"""What ``spanledger reconcile`` changes: cells, corrections, adjustments."""

from __future__ import annotations

import json
import time

from spanledger_analytics.job import LEDGER
from spanledger_analytics.price_book.input import time_text
from spanledger_analytics.reconciliation.actions import Actions
from spanledger_analytics.reconciliation.reading import traces_waiting
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.session import now_ns, user
from spanledger_server.reconcile_corrections import found_correction, read_corrections
from spanledger_server.reconcile_session import Asked, demand_project
from spanledger_server.reconcile_shown import print_invoices, print_summary
from spanledger_storage.price_state import StateEngine
from spanledger_storage.reconciliation_state import ActionRow, ReconciliationState
from spanledger_storage.state import Watermarks
from spanledger_storage.store import Store

_RECENT = 1_000
"""Actions that are looked through for one that was done before."""


def reconcile_days(store: Store, state: StateEngine, asked: Asked, output: Format) -> int:
    """Compare days anew and print the answer; return how many cells are beyond tolerance.

    Raises:
        ConfigError: there is no such project.
    """
    demand_project(state, asked.project)
    days = asked.days
    waiting = traces_waiting(store, asked.project, days, Watermarks(state).get(LEDGER))
    reconcile(store, state, asked.project, days.first, days.last, time.time_ns())
    found = asked.read(store)
    print_summary(found, output)
    if output is Format.table:
        print_invoices(store, state, found)
        if waiting:
            print(
                f"\n{waiting:,} traces of these days are received and not priced yet, so they are "
                "missing above: run this again in a few seconds."
            )
    return sum(not cell.is_within_tolerance for cell in found.cells)


def apply_correction(
    store: Store, state: StateEngine, asked: Asked, correction_id: str, value: str, by: str
) -> None:
    """Apply the correction of an id, or the only one that begins so, and print what came of it.

    Raises:
        UsageError: there is none, it cannot be applied, or a value is missing.
    """
    found = read_corrections(store, state, asked)
    if not any(one.correction_id.startswith(correction_id.strip().lower()) for one in found):
        _demand_not_applied(state, asked, correction_id)
    one = found_correction(found, correction_id)
    if not one.is_applicable:
        by_hand = f" By hand: {one.command}" if one.command else ""
        raise UsageError(f"{one.title}: this cannot be applied from here. {one.advice}{by_hand}")
    if one.asks and not value.strip():
        raise UsageError(f"{one.title}: give --value, {one.asks}.")
    what = one.stored(value)
    row = ActionRow(
        project=asked.project,
        kind="apply",
        first_day=asked.days.first.isoformat(),
        last_day=asked.days.last.isoformat(),
        provider=one.provider,
        title=one.title,
        who=user(by),
        asked_at_ns=now_ns(),
        what=json.dumps(what, ensure_ascii=False, sort_keys=True),
    )
    _run(store, state, row)


def _demand_not_applied(state: StateEngine, asked: Asked, correction_id: str) -> None:
    """Return unless a correction is applied, and not taken back.

    Raises:
        UsageError: it is; says by whom, and how to take it back.
    """
    begins = correction_id.strip().lower()
    log = ReconciliationState(state).log(asked.project, limit=_RECENT)
    back = {row.reverses for row in log if row.kind == "reverse" and row.status == "done"}
    for row in log:
        stored = str(json.loads(row.what or "{}").get("correction", ""))
        is_applied = row.kind == "apply" and row.status == "done" and row.id not in back
        if is_applied and begins and stored.startswith(begins):
            raise UsageError(
                f"{row.title}: applied already by {row.who}, {time_text(row.asked_at_ns)}. "
                f"`spanledger reconcile undo {row.id}` takes it back."
            )


def undo_action(store: Store, state: StateEngine, project: str, action_id: int, by: str) -> None:
    """Take an action back and print what came of it.

    Raises:
        ConfigError: the project has no such action.
        UsageError: it cannot be taken back.
    """
    before = ReconciliationState(state).get(project, action_id)
    if before.kind == "post":
        raise UsageError(
            f"Take adjustments back with `spanledger reconcile adjust {before.first_day[:7]} "
            "--remove`."
        )
    row = ActionRow(
        project=project,
        kind="reverse",
        first_day=before.first_day,
        last_day=before.last_day,
        provider=before.provider,
        title=f"Take back: {before.title}",
        who=user(by),
        asked_at_ns=now_ns(),
        reverses=before.id,
    )
    _run(store, state, row)


def adjust_month(
    store: Store, state: StateEngine, asked: Asked, by: str, *, remove: bool, not_final: bool
) -> None:
    """Post a month's differences to the ledger, or take them out, and print what came of it.

    Raises:
        UsageError: it is no whole month, it is not over, or the provider may still change it.
    """
    days = asked.days
    if not days.is_month:
        raise UsageError(f"Adjustments are posted by month, as in {days.first:%Y-%m}.")
    if not remove:
        _demand_closed(store, asked, not_final=not_final)
    whose = asked.provider or "all providers"
    row = ActionRow(
        project=asked.project,
        kind="unpost" if remove else "post",
        first_day=days.first.isoformat(),
        last_day=days.last.isoformat(),
        provider=asked.provider,
        title=f"{'Take back' if remove else 'Post'} adjustments of {days.text}, {whose}",
        who=user(by),
        asked_at_ns=now_ns(),
    )
    _run(store, state, row)


def _demand_closed(store: Store, asked: Asked, *, not_final: bool) -> None:
    found = asked.read(store)
    open_days = sorted({cell.key.day for cell in found.cells if not cell.is_final})
    if not_final:
        return
    if not asked.days.is_over(now_ns()):
        raise UsageError(f"{asked.days.text} is not over; --not-final posts it all the same.")
    if open_days:
        raise UsageError(
            f"{len(open_days)} days can still change, the first is {open_days[0]}; --not-final "
            "posts the month all the same, and follows what changes."
        )


def _run(store: Store, state: StateEngine, row: ActionRow) -> None:
    """Ask for an action, run it at once and print what came of it.

    Raises:
        UsageError: it failed; says why.
    """
    asked = ReconciliationState(state).ask(row)
    done = Actions(store, state, time.time_ns, reconcile).run(asked.id)
    if done is None:
        print(f"Action {asked.id} is run by a worker; `spanledger reconcile log` tells the end.")
        return
    if done.status == "failed":
        raise UsageError(f"{row.title}: {done.said}")
    print(f"{row.title}: done, action {done.id}. {done.said}")
