"""The job of budgets: what the ledger says into the state database, every few seconds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

from spanledger_analytics.budgets.forecast import Forecast, forecast
from spanledger_analytics.budgets.spending import HISTORY_S, Found, Scope, Spending, floor
from spanledger_storage.budget_reckoning import Figure, OpenCall, Place, Reckoning, unique_keys
from spanledger_storage.budget_windows import Window
from spanledger_storage.budgets import Budget, Budgets
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

_RECENT_NS = 600 * 10**9
_RECENT_PER_RUN = 4_000
_OLDER_PER_RUN = 2_000
_FORECAST_EVERY_S = 60
_FORGET_EVERY_S = 600
_LONG_S = 0.3
_REST = 10  # a project that took longer is left alone for as many times as long
_LONGEST_REST_S = 10.0  # whoever exceeds a budget is told within half a minute


@dataclass(slots=True)
class _Turn:
    """How far the job came among open calls: after the last one, it begins with the first again."""

    after: OpenCall | None = None


@dataclass(slots=True)
class _Project:
    """What the job remembers of a project between two runs."""

    spending: Spending
    recent: _Turn = field(default_factory=_Turn)
    older: _Turn = field(default_factory=_Turn)
    rest_until_s: float = 0.0
    foreseen: dict[str, tuple[int, Window]] = field(default_factory=dict[str, tuple[int, Window]])


class BudgetJob:
    """Keeps the figures of every active budget up to date; one instance per store.

    One run, for each project: read the hours of the ledger that changed, and find the settled
    calls in them, in one scan; then, in one change of the state database, set what is spent, let
    the calls that were found leave, and note breaches. Run twice, the figures stay.

    Args:
        store: The telemetry store.
        state: The state database, to write.
        now_ns: The clock, UTC nanoseconds.
        elapsed_s: Seconds, to measure how long a project takes.
    """

    def __init__(
        self,
        store: Store,
        state: StateEngine,
        now_ns: Callable[[], int],
        elapsed_s: Callable[[], float] = monotonic,
    ) -> None:
        self._store = store
        self._budgets = Budgets(state)
        self._reckoning = Reckoning(state)
        self._now_ns = now_ns
        self._elapsed_s = elapsed_s
        self._projects: dict[str, _Project] = {}
        self._forgot_at_s = 0

    def run_once(self) -> int:
        """Bring every active budget up to date; return how many there are.

        Raises:
            StoreError: the store refused or did not answer; the next run reads the same again.
            StateError: the state database did.
        """
        names = self._budgets.projects()
        self._projects = {name: self._projects.get(name) or self._new(name) for name in names}
        count = 0
        for name, project in self._projects.items():
            if self._elapsed_s() < project.rest_until_s:
                continue
            began_s = self._elapsed_s()
            active = [budget for budget in self._budgets.of(name) if budget.terms.is_active]
            self._reckon(name, project, active)
            count += len(active)
            took_s = self._elapsed_s() - began_s
            rest_s = min(took_s * _REST, took_s + _LONGEST_REST_S) if took_s > _LONG_S else 0.0
            project.rest_until_s = began_s + rest_s
        self._forget()
        return count

    def _new(self, name: str) -> _Project:
        return _Project(Spending(self._store, name))

    def _reckon(self, name: str, project: _Project, active: Sequence[Budget]) -> None:
        now_s = self._now_ns() // 10**9
        windows = {budget.id: budget.terms.window(now_s) for budget in active}
        calls = self._open_calls(name, project)
        keys, hours = unique_keys(calls)
        from_s = floor(min([now_s - HISTORY_S, *(window.start_s for window in windows.values())]))
        scopes = [scope_of(budget) for budget in active]
        found = project.spending.refresh(scopes, keys, hours, from_s)
        figures = {b.id: self._figure(project, b, windows[b.id], now_s) for b in active}
        counted = {call: places for call in calls if (places := _places(found, call))}
        self._reckoning.apply(name, figures, counted, self._now_ns())

    def _open_calls(self, name: str, project: _Project) -> list[OpenCall]:
        """Return settled calls to look for, page after page: of the last minutes, and older ones.

        Each kind has turns of its own: calls that the ledger never gets are old soon, and keep
        nobody from finding the recent ones.
        """
        split_ns = self._now_ns() - _RECENT_NS
        recent = self._reckoning.open_calls(
            name, _RECENT_PER_RUN, from_ns=split_ns, after=project.recent.after
        )
        project.recent.after = recent[-1] if len(recent) == _RECENT_PER_RUN else None
        older = self._reckoning.open_calls(
            name, _OLDER_PER_RUN, before_ns=split_ns, after=project.older.after
        )
        project.older.after = older[-1] if len(older) == _OLDER_PER_RUN else None
        return [*recent, *older]

    def _figure(self, project: _Project, budget: Budget, window: Window, now_s: int) -> Figure:
        terms = budget.terms
        spent = project.spending.spent(scope_of(budget), window).of(terms.measure)
        known = project.foreseen.get(budget.id)
        is_fresh = (
            known is not None
            and now_s - known[0] < _FORECAST_EVERY_S
            and (terms.period == "rolling" or known[1] == window)
        )
        if is_fresh:
            return Figure(window.start_s, spent)
        project.foreseen[budget.id] = (now_s, window)
        hours = project.spending.hours(scope_of(budget))
        found = forecast(
            {hour: amounts.of(terms.measure) for hour, amounts in hours.items()},
            spent,
            terms.hard_limit,
            window,
            now_s,
            is_rolling=terms.period == "rolling",
            seed=budget.id,
        )
        return Figure(window.start_s, spent, _columns(found))

    def _forget(self) -> None:
        now_ns = self._now_ns()
        if abs(now_ns // 10**9 - self._forgot_at_s) >= _FORGET_EVERY_S:
            self._reckoning.forget(now_ns)
            self._forgot_at_s = now_ns // 10**9


def _places(found: Found, call: OpenCall) -> set[Place]:
    """Return where the ledger knows what a call took, by its span or its response."""
    spans = found.get(("span", call.span_key), set())
    return spans | found.get(("response", call.response_id), set())


def scope_of(budget: Budget) -> Scope:
    """Return whose spending a budget counts."""
    return budget.terms.scope, budget.terms.selector


def _columns(found: Forecast) -> Mapping[str, object]:
    return {
        "burn_per_hour": found.burn_per_hour,
        "forecast_low": found.low,
        "forecast_mid": found.mid,
        "forecast_high": found.high,
        "forecast_method": found.method,
        "exhausts_at_s": found.exhausts_at_s,
        "exhaustion_ratio": found.exhaustion_ratio,
    }
