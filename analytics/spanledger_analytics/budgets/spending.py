"""What the scopes of budgets spent, hour by hour, read again only where something changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, cast

from spanledger_analytics._rows import BATCH, Literal, batches
from spanledger_storage.budget_reckoning import Place
from spanledger_storage.budget_windows import Window
from spanledger_storage.budgets import ZERO, Measure
from spanledger_storage.store import Store

Scope = tuple[str, str]
"""Kind and name: ``("agent", "planner")``, ``("project", "")``."""
HOUR_S = 3_600
HISTORY_S = 42 * 86_400
"""How far back a forecast looks: six weeks."""
_HOURS_PER_SCAN = 48
_NAMES_BYTES = 100_000
"""Of one scan: the server takes 128 KiB as one parameter (http_max_field_value_size)."""
Found = dict[Scope, set[Place]]
"""By ``("span", key)`` or ``("response", id)``: where the ledger knows what a call took."""


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
        self._since = self._from_s = 0
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
    ) -> Found:
        """Read the hours that changed; return which of some calls are among what is summed now.

        For each: in which scopes and measures; its agent may have another name, or it no price.

        Args:
            scopes: of the budgets.
            calls: ``("span", key)`` and ``("response", id)`` of settled calls.
            call_hours: where they may lie; these are read in any case.
            from_s: first hour anybody asks about.

        Raises:
            StoreError: the store refused or did not answer; the next refresh reads the same again.
        """
        wanted = frozenset(scopes)
        is_more = bool(wanted - self._known) or from_s < self._from_s
        since = 0 if is_more else self._since
        asked = {"project": self._project, "from_s": from_s, "since": since}
        rows = self._store.rows("budget_changed_hours", asked)
        changed = {int(str(row["hour_s"])) for row in rows}
        newest = max((int(str(row["newest_version"])) for row in rows), default=self._since)
        hours = sorted(changed | {hour for hour in call_hours if hour >= from_s})
        found: Found = {}
        for part in batches(hours, _HOURS_PER_SCAN):
            self._read(part, wanted, calls, found)
        self._parts = {
            key: part
            for key, part in self._parts.items()
            if key in self._asked_parts and floor(key[1]) not in set(hours)
        }
        self._asked_parts.clear()
        self._known, self._since, self._from_s = wanted, max(newest, self._since), from_s
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
        self, hours: Sequence[int], scopes: Collection[Scope], calls: Sequence[Scope], found: Found
    ) -> None:
        """Read hours again, and what is found of the calls.

        Where the names do not fit into one scan, the calls come in the first ones, so that the
        sums count whatever was found.
        """
        names = [*calls, *sorted(scopes)]
        rows = [row for part in _fitting(names) for row in self._scan(hours, part, 0)]
        for by_hour in self._hours.values():
            for hour in hours:
                by_hour.pop(hour, None)
        for row in rows:
            if row.scope[0] in ("span", "response"):
                found.setdefault(row.scope, set()).update(_places(row, scopes))
            else:
                self._hours.setdefault(row.scope, {})[row.hour] = row.spent

    def _part(self, scope: Scope, start_s: int) -> Spent:
        """Return what was spent in the hour a window begins in, since it began."""
        key = (scope, start_s)
        self._asked_parts.add(key)
        if key not in self._parts:
            rows = self._scan([floor(start_s)], [scope], start_s)
            self._parts[key] = next((row.spent for row in rows), NOTHING)
        return self._parts[key]

    def _scan(self, hours: Sequence[int], names: Sequence[Scope], from_s: int) -> list[_Row]:
        params = {
            "project": self._project,
            "hours": Literal(hours),
            "from_s": from_s,
            "kinds": Literal([kind for kind, _ in names]),
            "names": Literal([name for _, name in names]),
        }
        return [
            _Row(
                int(str(row["hour"])),
                (str(row["kind"]), str(row["name"])),
                Spent(*(Decimal(str(row[c])) for c in ("cost_usd", "tokens", "llm_calls"))),
                cast("Sequence[tuple[str, str, bool, bool]]", row["entries"]),
            )
            for row in self._store.rows("budget_hours", params)
        ]

    def _drop(self, from_s: int) -> None:
        self._hours = {
            scope: {hour: spent for hour, spent in by_hour.items() if hour >= from_s}
            for scope, by_hour in self._hours.items()
            if scope in self._known
        }


class _Row(NamedTuple):
    """A row of ``budget_hours``."""

    hour: int
    scope: Scope
    spent: Spent
    entries: Sequence[tuple[str, str, bool, bool]]


def _places(row: _Row, scopes: Collection[Scope]) -> Iterator[Place]:
    """Yield where the ledger knows what a call took; of calls it counts every one."""
    for kind, name, is_priced, is_metered in row.entries:
        if (kind, name) in scopes:
            yield kind, name, "llm_calls"
            if is_priced:
                yield kind, name, "usd"
            if is_metered:
                yield kind, name, "tokens"


def _fitting(names: Sequence[Scope]) -> Iterator[Sequence[Scope]]:
    """Yield the names in parts that fit into one scan."""
    part: list[Scope] = []
    size = 0
    for scope in names:
        length = len(str(Literal([scope[1]])).encode())
        if part and (len(part) == BATCH or size + length > _NAMES_BYTES):
            yield part
            part, size = [], 0
        part.append(scope)
        size += length
    if part:
        yield part


def floor(unix_s: int) -> int:
    """Return the start of the hour."""
    return unix_s // HOUR_S * HOUR_S
