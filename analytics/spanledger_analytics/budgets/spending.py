"""What the scopes of budgets spent, hour by hour, read again only where something changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_analytics._rows import Literal, batches
from spanledger_storage.budget_windows import Window
from spanledger_storage.budgets import ZERO, Measure
from spanledger_storage.store import Store

Scope = tuple[str, str]
"""Kind and name: ``("agent", "planner")``, ``("project", "")``."""
HOUR_S = 3_600
HISTORY_S = 42 * 86_400
"""How far back a forecast looks: six weeks."""
_HOURS_PER_SCAN = 48


@dataclass(frozen=True, slots=True)
class Spent:
    """US dollars of what is priced, input and output tokens, calls of models."""

    usd: Decimal = ZERO
    tokens: Decimal = ZERO
    llm_calls: Decimal = ZERO

    def of(self, measure: Measure) -> Decimal:
        """Return the amount of a measure."""
        return cast("Decimal", getattr(self, measure))

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.usd + other.usd, self.tokens + other.tokens, self.llm_calls + other.llm_calls
        )


NOTHING = Spent()


class Spending:
    """The spending of one project, as far as its budgets ask for it."""

    def __init__(self, store: Store, project: str) -> None:
        self._store = store
        self._project = project
        self._since = 0
        self._known: frozenset[Scope] = frozenset()
        self._hours: dict[Scope, dict[int, Spent]] = {}
        self._parts: dict[tuple[Scope, int], Spent] = {}
        self._asked_parts: set[tuple[Scope, int]] = set()

    def refresh(
        self,
        scopes: Collection[Scope],
        calls: Sequence[Scope],
        call_hours: Iterable[int],
        from_s: int,
    ) -> set[str]:
        """Read the hours that changed; return which of some calls are among what is summed now.

        Args:
            scopes: of the budgets.
            calls: ``("span", key)`` and ``("response", id)`` of settled calls.
            call_hours: where they may lie; these are read in any case.
            from_s: first hour anybody asks about.

        Raises:
            StoreError: the store refused or did not answer; the next refresh reads the same again.
        """
        wanted = frozenset(scopes)
        since = 0 if wanted - self._known else self._since
        asked = {"project": self._project, "from_s": from_s, "since": since}
        rows = self._store.rows("budget_changed_hours", asked)
        changed = {int(str(row["hour_s"])) for row in rows}
        newest = max((int(str(row["newest_version"])) for row in rows), default=self._since)
        hours = sorted(changed | {hour for hour in call_hours if hour >= from_s})
        found: set[str] = set()
        for part in batches(hours, _HOURS_PER_SCAN):
            found |= self._read(part, sorted(wanted), calls)
        self._parts = {
            key: part
            for key, part in self._parts.items()
            if key in self._asked_parts and floor(key[1]) not in set(hours)
        }
        self._asked_parts.clear()
        self._known, self._since = wanted, max(newest, self._since)
        self._drop(from_s)
        return found

    def spent(self, scope: Scope, window: Window) -> Spent:
        """Return what a scope spent in a window, with all of the hour that it ends in.

        Raises:
            StoreError: the window begins within an hour, and the store does not answer.
        """
        total = NOTHING
        first = floor(window.start_s)
        if first != window.start_s:
            total += self._part(scope, window.start_s)
            first += HOUR_S
        for hour, spent in self._hours.get(scope, {}).items():
            if first <= hour < window.end_s:
                total += spent
        return total

    def hours(self, scope: Scope) -> Mapping[int, Spent]:
        """Return what a scope spent by hour, unix seconds; hours without spending are left out."""
        return self._hours.get(scope, {})

    def _read(
        self, hours: Sequence[int], scopes: Sequence[Scope], calls: Sequence[Scope]
    ) -> set[str]:
        rows = self._scan(hours, [*scopes, *calls], 0)
        for by_hour in self._hours.values():
            for hour in hours:
                by_hour.pop(hour, None)
        found: set[str] = set()
        for hour, scope, spent in rows:
            if scope[0] in ("span", "response"):
                found.add(scope[1])
            else:
                self._hours.setdefault(scope, {})[hour] = spent
        return found

    def _part(self, scope: Scope, start_s: int) -> Spent:
        """Return what was spent in the hour a window begins in, since it began."""
        key = (scope, start_s)
        self._asked_parts.add(key)
        if key not in self._parts:
            rows = self._scan([floor(start_s)], [scope], start_s)
            self._parts[key] = next((spent for _, _, spent in rows), NOTHING)
        return self._parts[key]

    def _scan(
        self, hours: Sequence[int], names: Sequence[Scope], from_s: int
    ) -> list[tuple[int, Scope, Spent]]:
        params = {
            "project": self._project,
            "hours": Literal(hours),
            "from_s": from_s,
            "kinds": Literal([kind for kind, _ in names]),
            "names": Literal([name for _, name in names]),
        }
        return [
            (
                int(str(row["hour"])),
                (str(row["kind"]), str(row["name"])),
                Spent(*(Decimal(str(row[c])) for c in ("cost_usd", "tokens", "llm_calls"))),
            )
            for row in self._store.rows("budget_hours", params)
        ]

    def _drop(self, from_s: int) -> None:
        self._hours = {
            scope: {hour: spent for hour, spent in by_hour.items() if hour >= from_s}
            for scope, by_hour in self._hours.items()
            if scope in self._known
        }


def floor(unix_s: int) -> int:
    """Return the start of the hour."""
    return unix_s // HOUR_S * HOUR_S
