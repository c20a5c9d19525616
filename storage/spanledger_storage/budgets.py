"""Budgets as people write them: whose calls, how much of what, in which time."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Context, Decimal
from typing import Any, Literal, get_args

import sqlalchemy as sa

from spanledger_storage import budget_tables as tables
from spanledger_storage.budget_windows import (
    LONGEST_ROLLING_S,
    PERIODS,
    SHORTEST_ROLLING_S,
    Period,
    Window,
    window_at,
    zone_of,
)
from spanledger_storage.errors import ConfigError

BudgetScope = Literal["project", "team", "agent", "session", "user", "task", "model", "tag"]
SCOPES: tuple[BudgetScope, ...] = get_args(BudgetScope)
Measure = Literal["usd", "tokens", "llm_calls"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
NAME_LIMIT = 128
SELECTOR_LIMIT = 512
MOST_PER_PROJECT = 1_000
_NOTE_LIMIT = 2_000
_LARGEST_LIMIT = Decimal(10) ** 18
_STEP = Decimal("1e-12")
_DIGITS = Context(prec=40)
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class BudgetTerms:
    """What somebody decides about a budget.

    Attributes:
        scope: whose calls; ``selector`` names it: of a tag ``key=value``, of a project nothing.
        measure: what is limited: US dollars, input and output tokens, or calls of models.
        period: ``rolling``: the last ``rolling_s`` seconds; else a calendar window of ``timezone``.
        soft_limit: from here on people are told; None: none.
        hard_limit: beyond this nothing more is set aside; None: none.
        is_active: whether it holds.
    """

    name: str
    scope: BudgetScope
    selector: str
    measure: Measure
    period: Period
    rolling_s: int | None = None
    timezone: str = "UTC"
    soft_limit: Decimal | None = None
    hard_limit: Decimal | None = None
    owner: str = ""
    note: str = ""
    is_active: bool = True

    def checked(self) -> BudgetTerms:
        """Return them as they are stored.

        Raises:
            ConfigError: something cannot be; says what, and what can.
        """
        name = " ".join(self.name.split())
        if not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
            raise ConfigError(f"A budget's name has 1 to {NAME_LIMIT} printable characters.")
        _demand_one_of("scope", self.scope, SCOPES)
        _demand_one_of("measure", self.measure, MEASURES)
        _demand_one_of("period", self.period, PERIODS)
        self._check_selector()
        self._check_window()
        self._check_limits()
        if len(self.owner) > NAME_LIMIT or len(self.note) > _NOTE_LIMIT:
            raise ConfigError(f"Owners have up to {NAME_LIMIT} characters, notes {_NOTE_LIMIT}.")
        if "\0" in self.selector + self.owner + self.note:
            raise ConfigError("A zero byte cannot be part of a text.")
        rolling_s = self.rolling_s if self.period == "rolling" else None
        return replace(self, name=name, rolling_s=rolling_s)

    def _check_selector(self) -> None:
        if self.scope == "project":
            if self.selector:
                raise ConfigError("A budget of the whole project has no selector.")
        elif not 0 < len(self.selector) <= SELECTOR_LIMIT:
            raise ConfigError(
                f"A budget of a {self.scope} needs a selector of up to {SELECTOR_LIMIT} "
                "characters: whose it is."
            )
        elif self.scope == "tag" and "=" not in self.selector[1:]:
            raise ConfigError("The selector of a tag is key=value, as in customer=acme.")

    def _check_window(self) -> None:
        zone_of(self.timezone)
        if self.period == "rolling" and not (
            self.rolling_s and SHORTEST_ROLLING_S <= self.rolling_s <= LONGEST_ROLLING_S
        ):
            raise ConfigError(
                f"A rolling window has {SHORTEST_ROLLING_S} to {LONGEST_ROLLING_S} seconds."
            )

    def _check_limits(self) -> None:
        given = [limit for limit in (self.soft_limit, self.hard_limit) if limit is not None]
        if not given:
            raise ConfigError("A budget needs a soft limit, a hard limit, or both.")
        for limit in given:
            if not limit.is_finite() or not 0 <= limit <= _LARGEST_LIMIT:
                raise ConfigError(f"A limit is 0 to {_LARGEST_LIMIT:,f}, not {limit}.")
            step = _STEP if self.measure == "usd" else Decimal(1)
            if limit != limit.quantize(step, context=_DIGITS):
                raise ConfigError("Dollars have up to 12 decimals; tokens and calls have none.")
        if len(given) == 2 and given[0] > given[1]:
            raise ConfigError("The soft limit is not above the hard one.")

    def window(self, now_s: int) -> Window:
        """Return the window that holds at an instant, unix seconds."""
        return window_at(self.period, self.timezone, self.rolling_s, now_s)


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget: ``id`` is 16 hex digits, times are UTC nanoseconds."""

    id: str
    project: str
    terms: BudgetTerms
    created_at_ns: int
    created_by: str
    changed_at_ns: int
    changed_by: str


@dataclass(frozen=True, slots=True)
class Breach:
    """A budget was at a limit.

    Attributes:
        level: ``soft`` or ``hard``: so much was spent; ``refused``: ``count`` requests did not fit.
        began_at_ns: UTC nanoseconds; ``ended_at_ns`` None: it lasts.
        peak_amount: the most that was spent meanwhile.
    """

    id: str
    budget_id: str
    project: str
    budget_name: str
    level: str
    window_start_s: int
    began_at_ns: int
    last_at_ns: int
    ended_at_ns: int | None
    limit_amount: Decimal
    peak_amount: Decimal
    count: int


class Budgets:
    """Reads and changes budgets.

    Methods raise StateError when the database does not answer, is read-only or lacks the tables.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def of(self, project: str) -> list[Budget]:
        """Return the budgets of a project by name."""
        statement = sa.select(tables.budgets).where(tables.budgets.c.project == project)
        with tables.reading(self._engine) as connection:
            rows = connection.execute(statement.order_by(tables.budgets.c.name)).mappings()
            return [budget_of(row) for row in rows]

    def projects(self) -> list[str]:
        """Return the names of the projects with active budgets."""
        found = sa.select(tables.budgets.c.project).where(tables.budgets.c.is_active).distinct()
        with tables.reading(self._engine) as connection:
            return sorted(connection.scalars(found))

    def get(self, project: str, id_or_name: str) -> Budget:
        """Return a budget.

        Raises:
            ConfigError: there is none; the message names those there are.
        """
        with tables.reading(self._engine) as connection:
            return _find(connection, project, id_or_name)

    def create(self, project: str, terms: BudgetTerms, who: str, now_ns: int) -> Budget:
        """Make a budget; nothing of it is spent until the ledger was asked, within seconds.

        Raises:
            ConfigError: the terms cannot be, the name is taken, or there are too many.
        """
        terms = terms.checked()
        budget = Budget(secrets.token_hex(8), project, terms, now_ns, who[:128], now_ns, who[:128])
        with tables.writing(self._engine) as connection:
            _demand_free(connection, project, terms.name)
            connection.execute(sa.insert(tables.budgets).values(_values(budget)))
            connection.execute(sa.insert(tables.states).values(_first_state(budget, now_ns)))
        return budget

    def change(
        self, project: str, id_or_name: str, terms: BudgetTerms, who: str, now_ns: int
    ) -> Budget:
        """Give a budget other terms; what is spent and set aside stays, where its scope does.

        Raises:
            ConfigError: there is no such budget, the terms cannot be, or the name is taken.
        """
        terms = terms.checked()
        with tables.writing(self._engine) as connection:
            before = _find(connection, project, id_or_name)
            if terms.name != before.terms.name:
                _demand_free(connection, project, terms.name)
            after = replace(before, terms=terms, changed_at_ns=now_ns, changed_by=who[:128])
            mine = tables.budgets.c.id == before.id
            connection.execute(sa.update(tables.budgets).where(mine).values(_values(after)))
            if _counts_something_else(before.terms, terms):
                _forget(connection, before.id)
                connection.execute(sa.insert(tables.states).values(_first_state(after, now_ns)))
            elif _has_other_window(before.terms, terms):
                state = sa.update(tables.states).where(tables.states.c.budget_id == before.id)
                connection.execute(state.values(window_start_s=0))  # that of no window: see roll
            return after

    def remove(self, project: str, id_or_name: str, now_ns: int) -> Budget:
        """Remove a budget and what it counts; the history of its breaches stays.

        Raises:
            ConfigError: there is no such budget.
        """
        with tables.writing(self._engine) as connection:
            budget = _find(connection, project, id_or_name)
            _forget(connection, budget.id)
            connection.execute(sa.delete(tables.budgets).where(tables.budgets.c.id == budget.id))
            _end_breaches(connection, budget.id, now_ns)
            return budget

    def breaches(self, project: str, budget_id: str = "", limit: int = 200) -> list[Breach]:
        """Return the newest breaches of a project, or of one budget, newest first."""
        table = tables.breaches
        statement = sa.select(table).where(table.c.project == project)
        if budget_id:
            statement = statement.where(table.c.budget_id == budget_id)
        statement = statement.order_by(table.c.began_at_ns.desc(), table.c.id).limit(limit)
        with tables.reading(self._engine) as connection:
            return [Breach(**row) for row in connection.execute(statement).mappings()]


def budget_of(row: Mapping[Any, Any]) -> Budget:
    """Return a row of ``budgets`` as a budget."""
    terms = BudgetTerms(**{field.name: row[field.name] for field in fields(BudgetTerms)})
    return Budget(
        id=row["id"],
        project=row["project"],
        terms=terms,
        created_at_ns=row["created_at_ns"],
        created_by=row["created_by"],
        changed_at_ns=row["changed_at_ns"],
        changed_by=row["changed_by"],
    )


def _values(budget: Budget) -> dict[str, object]:
    terms = {field.name: getattr(budget.terms, field.name) for field in fields(BudgetTerms)}
    return {
        **terms,
        "id": budget.id,
        "project": budget.project,
        "created_at_ns": budget.created_at_ns,
        "created_by": budget.created_by,
        "changed_at_ns": budget.changed_at_ns,
        "changed_by": budget.changed_by,
    }


def _first_state(budget: Budget, now_ns: int) -> dict[str, object]:
    return {
        "budget_id": budget.id,
        "window_start_s": budget.terms.window(now_ns // 10**9).start_s,
        "ledger_amount": ZERO,
        "settled_amount": ZERO,
        "reserved_amount": ZERO,
        "largest_amount": ZERO,
        "refused": 0,
        "passed": 0,
        "forecast_method": "",
    }


def _counts_something_else(before: BudgetTerms, after: BudgetTerms) -> bool:
    return (before.scope, before.selector, before.measure) != (
        after.scope,
        after.selector,
        after.measure,
    )


def _has_other_window(before: BudgetTerms, after: BudgetTerms) -> bool:
    return (before.period, before.rolling_s, before.timezone) != (
        after.period,
        after.rolling_s,
        after.timezone,
    )


def _forget(connection: sa.Connection, budget_id: str) -> None:
    # The state first: whoever else changes the budget waits for its row.
    for table in (tables.states, tables.holds, tables.settlements):
        connection.execute(sa.delete(table).where(table.c.budget_id == budget_id))


def _end_breaches(connection: sa.Connection, budget_id: str, now_ns: int) -> None:
    table = tables.breaches
    open_ones = (table.c.budget_id == budget_id) & table.c.ended_at_ns.is_(None)
    connection.execute(sa.update(table).where(open_ones).values(ended_at_ns=now_ns))


def _find(connection: sa.Connection, project: str, id_or_name: str) -> Budget:
    table = tables.budgets
    statement = sa.select(table).where(
        table.c.project == project, sa.or_(table.c.id == id_or_name, table.c.name == id_or_name)
    )
    found = connection.execute(statement).mappings().first()
    if found is None:
        names = connection.scalars(
            sa.select(table.c.name).where(table.c.project == project).order_by(table.c.name)
        ).fetchmany(20)
        there = f"there are {', '.join(names)}" if names else "it has none"
        raise ConfigError(f"Project {project} has no budget {id_or_name[:128]!r}; {there}.")
    return budget_of(found)


def _demand_free(connection: sa.Connection, project: str, name: str) -> None:
    table = tables.budgets
    names = set(connection.scalars(sa.select(table.c.name).where(table.c.project == project)))
    if name in names:
        raise ConfigError(f"Project {project} has a budget {name!r} already.")
    if len(names) >= MOST_PER_PROJECT:
        raise ConfigError(f"A project has up to {MOST_PER_PROJECT} budgets.")


def _demand_one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"The {what} is one of {', '.join(allowed)}, not {value[:40]!r}.")
