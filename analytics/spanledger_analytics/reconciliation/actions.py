"""Runs what people ask for about a reconciliation: corrections, and adjustments of a month.

Whoever may write to the store runs it: the command at once, the worker what was asked for on the
dashboard. An action is claimed by one conditional write, and running one twice changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import cast

from spanledger_analytics.errors import AnalyticsError
from spanledger_analytics.invoices.deleting import delete_import, find_import
from spanledger_analytics.invoices.shown import deleted_text
from spanledger_analytics.job import LEDGER
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.reconciliation import adjustments, applying
from spanledger_analytics.reconciliation.days import Days, days_of
from spanledger_analytics.reconciliation.effect import effect_text
from spanledger_analytics.reconciliation.reading import read
from spanledger_analytics.reconciliation.result import Reconciliation
from spanledger_analytics.repricing import Scope
from spanledger_analytics.repricing import apply as reprice
from spanledger_storage.errors import ConfigError, StateError, StoreError
from spanledger_storage.price_state import StateEngine
from spanledger_storage.reconciliation_state import ActionRow, PostingRow, ReconciliationState
from spanledger_storage.state import Watermarks
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

_PATIENCE_NS = 3_600 * 10**9
_MOST_SAID = 1_000
_PRICED = frozenset({"rate", "contract"})
Reconcile = Callable[[Store, StateEngine, str, date, date, int], Reconciliation]


@dataclass(frozen=True, slots=True)
class Actions:
    """What is needed to run actions.

    Attributes:
        store: the telemetry store, to write to.
        state: the state database, to write to.
        now_ns: the clock, UTC nanoseconds.
        reconcile: compares days anew.
    """

    store: Store
    state: StateEngine
    now_ns: Callable[[], int]
    reconcile: Reconcile

    def run_once(self) -> int:
        """Run what waits, and post again months whose cells changed; return how many.

        Raises:
            StateError: the state database does not answer.
            StoreError: the store does not answer; the action waits.
        """
        kept = ReconciliationState(self.state)
        done = sum(self.run(action_id) is not None for action_id in kept.waiting(self.now_ns()))
        return done + sum(self._post_again(row) for row in kept.postings())

    def run(self, action_id: int) -> ActionRow | None:
        """Run an action that waits; return what came of it, None when somebody else has it.

        Raises:
            StateError: the state database does not answer.
            StoreError: the store does not answer; the action waits, and the next run goes on with
                it where it stopped. One that was asked for an hour ago has failed.
        """
        kept = ReconciliationState(self.state)
        row = kept.take(action_id, self.now_ns())
        if row is None:
            return None
        runs: Mapping[str, Callable[[ActionRow], str]] = {
            "apply": self._apply,
            "reverse": self._reverse,
            "post": self._post,
            "unpost": self._unpost,
            "delete": self._delete,
        }
        try:
            said = runs[row.kind](row)
        except (AnalyticsError, ConfigError) as error:
            kept.end(row.id, "failed", self.now_ns(), str(error))
        except (StoreError, StateError) as error:
            self._put_off(row, error)
            raise
        except Exception:
            kept.end(row.id, "failed", self.now_ns(), "It stopped; the worker's log says why.")
            raise
        else:
            kept.end(row.id, "done", self.now_ns(), said)
        return kept.get(row.project, row.id)

    def _put_off(self, row: ActionRow, error: StoreError | StateError) -> None:
        """Let an action wait that a database stopped, or end it where waiting does not help."""
        kept = ReconciliationState(self.state)
        now_ns = self.now_ns()
        is_final = isinstance(error, StoreError) and error.permanent
        if is_final or now_ns - row.asked_at_ns > _PATIENCE_NS:
            made = " What it stored is there; take it back to undo it." if row.made else ""
            kept.end(row.id, "failed", now_ns, f"{str(error)[:_MOST_SAID]}{made}")
        else:
            kept.release(row.id, now_ns, "A database did not answer; it is tried again.")

    def _apply(self, row: ActionRow) -> str:
        what = cast("dict[str, str]", json.loads(row.what))
        if not row.made:
            made = applying.apply(self._change(row), what)
            ReconciliationState(self.state).keep_made(row.id, made)
        return self._follow(row, what)

    def _reverse(self, row: ActionRow) -> str:
        kept = ReconciliationState(self.state)
        before = kept.get(row.project, row.reverses or 0)
        if before.kind != "apply" or not before.made or before.status not in ("done", "failed"):
            raise applying.CorrectionError(f"Action {before.id} is nothing that was applied.")
        earlier = kept.log(row.project, limit=10_000)
        if any(r.reverses == before.id and r.status == "done" for r in earlier):
            raise applying.CorrectionError(f"Action {before.id} is taken back already.")
        if not row.made:
            applying.reverse(self._change(row), before.made)
            kept.keep_made(row.id, json.dumps({"reversed": before.id}))
        return self._follow(row, cast("dict[str, str]", json.loads(before.what)))

    def _delete(self, row: ActionRow) -> str:
        import_id = cast("dict[str, str]", json.loads(row.what))["import"]
        if find_import(self.state, row.project, import_id, deleted=True).deleted_at_ns is not None:
            return "It is deleted."
        deleted = delete_import(
            self.store, self.state, row.project, import_id, row.who, self.now_ns()
        )
        return deleted_text(*deleted)

    def _change(self, row: ActionRow) -> applying.Change:
        note = f"reconciliation of {row.project}, {_days(row).text}, action {row.id}"
        return applying.Change(self.state, row.project, row.who, row.asked_at_ns, note)

    def _follow(self, row: ActionRow, what: Mapping[str, str]) -> str:
        """Price again what a new price is for, and compare the days anew; return what happened."""
        days, said = _days(row), ""
        before = read(self.store, row.project, days.first, days.last, row.provider or None)
        if what.get("kind") in _PRICED:
            said = self._reprice(days, what)
        done = self.reconcile(
            self.store, self.state, row.project, days.first, days.last, self.now_ns()
        )
        left = sum(not cell.is_within_tolerance for cell in done.cells)
        effect = f"{effect_text(row.provider, before.cells, done.cells)} " if row.provider else ""
        return f"{said}{effect}{days.text}: {left:,} cells are beyond tolerance."

    def _reprice(self, days: Days, what: Mapping[str, str]) -> str:
        from_ns, _ = days.bounds_ns
        if begins := what.get("effective_from"):
            from_ns = min(from_ns, days_of(begins).bounds_ns[0])
        scope = Scope(from_ns, self.now_ns(), what.get("provider", ""), what.get("model", ""))
        report = reprice(
            self.store,
            PriceBook.bundled(load_overrides(self.state)),
            scope,
            now_ns=self.now_ns,
            position_us=Watermarks(self.state).get(LEDGER),
        )
        return f"{report.changed:,} of {report.entries:,} calls cost something else now. "

    def _post(self, row: ActionRow) -> str:
        month = _days(row)
        kept = ReconciliationState(self.state)
        posting = PostingRow(row.project, month.text, row.provider, row.who, self.now_ns())
        others = [p for p in kept.postings(row.project) if p.month == month.text]
        if row.provider and any(not p.provider for p in others):
            raise applying.CorrectionError(f"{month.text} is posted for all providers already.")
        posted = self._write_posting(posting)
        if not row.provider:
            for other in others:
                if other.provider:
                    kept.drop_posting(row.project, month.text, other.provider)
        return f"{posted.entries:,} adjustments add up to {posted.usd.normalize():,f} USD."

    def _unpost(self, row: ActionRow) -> str:
        month = _days(row)
        kept = ReconciliationState(self.state)
        if not row.made:  # else it was interrupted, and goes on
            posted = [p.provider for p in kept.postings(row.project) if p.month == month.text]
            if row.provider not in posted:
                whose = row.provider or "all providers"
                there = ", ".join(sorted(name or "all providers" for name in posted))
                but = f", but for {there}" if there else ""
                raise applying.CorrectionError(f"{month.text} is not posted for {whose}{but}.")
            kept.keep_made(row.id, json.dumps({"unposted": month.text}))
        kept.drop_posting(row.project, month.text, row.provider)
        done = adjustments.unpost(self.store, row.project, month, row.provider, self.now_ns())
        return f"{done.removed:,} adjustments are taken out of the ledger."

    def _post_again(self, row: PostingRow) -> bool:
        """Post a month again whose cells are not those that are posted; return whether it was."""
        if self._digest(row) == row.cells_version:
            return False
        posted = self._write_posting(row)
        log.info("adjustments of %s are posted again: %d changed", row.month, posted.written)
        return True

    def _write_posting(self, row: PostingRow) -> adjustments.Posted:
        digest = self._digest(row)  # first: what comes meanwhile is posted the next time
        month = days_of(row.month)
        result = read(self.store, row.project, month.first, month.last, row.provider or None)
        posted = adjustments.post(self.store, result, row.provider, self.now_ns())
        ReconciliationState(self.state).put_posting(
            PostingRow(row.project, row.month, row.provider, row.who, row.at_ns, digest)
        )
        return posted

    def _digest(self, row: PostingRow) -> int:
        month = days_of(row.month)
        params = {
            "project": row.project, "first_day": month.first, "last_day": month.last,
            "provider": row.provider,
        }  # fmt: skip
        [found] = self.store.rows("reconciliation_digest", params)
        return int(str(found["digest"]))


def _days(row: ActionRow) -> Days:
    return Days(date.fromisoformat(row.first_day), date.fromisoformat(row.last_day))
