"""Reads the sums of the cost explorer from the smallest table that can tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from spanledger_dashboard.cost.measures import (
    DIMENSIONS,
    NO_VALUE,
    Measure,
    Number,
    Sums,
    summed,
)
from spanledger_dashboard.hourly import is_answered_hourly
from spanledger_storage.store import Store

Filters = tuple[tuple[str, tuple[str, ...]], ...]
Source = Literal["hourly", "by_user", "calls", "tasks"]

_HOUR_S = 3_600
_STATEMENTS = {
    "hourly": "dashboard_cost_hourly",
    "by_user": "dashboard_cost_by_user",
    "calls": "dashboard_cost_calls",
    "tasks": "dashboard_cost_tasks",
}
_NOT_SUMS = frozenset({"bucket_s", "is_rest", "first", "second", "rank", "keys"})
_NONE_CHOSEN = "project"  # a column in which the rows of an answer never differ


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time: unix seconds, half open."""

    start_s: int
    end_s: int

    @property
    def is_hourly(self) -> bool:
        """Whether it begins and ends on an hour."""
        return not any(edge % _HOUR_S for edge in self.edges)

    @property
    def edges(self) -> tuple[int, int]:
        """Its start and its end."""
        return self.start_s, self.end_s


_NEVER = Stretch(0, 0)


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to see. Hashable, so cached functions can take it.

    Attributes:
        stretch: what is counted.
        starts: of the buckets, unix seconds, ascending; the first is not after ``stretch``.
        measure: what is shown; its ``ranking`` decides which names are.
        by: up to two dimensions.
        filters: (dimension, values) that are let through.
        top: how many names are shown; the rest is one.
        also: an earlier stretch that is counted too, in buckets of its own.
    """

    project: str
    stretch: Stretch
    starts: tuple[int, ...]
    measure: Measure
    by: tuple[str, ...] = ()
    filters: Filters = ()
    top: int = 8
    also: Stretch = _NEVER

    @property
    def source(self) -> Source:
        """The table that answers: whole tasks where they have to be told, else calls."""
        used = [DIMENSIONS[key] for key in (*self.by, *(key for key, _ in self.filters))]
        if self.measure.is_of_tasks and all(d.is_of_tasks for d in used):
            return "tasks"
        columns = tuple(d.column for d in used)
        edges = (*self.stretch.edges, *self.also.edges, *self.starts)
        if is_answered_hourly(columns, *edges):
            return "hourly"
        return "by_user" if is_answered_hourly(columns, *edges, by_user=True) else "calls"

    @property
    def has_answer(self) -> bool:
        """False for numbers of tasks by what a task has several of."""
        if not self.measure.is_of_tasks or self.source == "tasks":
            return True
        return self.measure.part == "total_cost_usd"


@dataclass(frozen=True, slots=True)
class Slice:
    """The sums of one name, or of all names that are not shown.

    Attributes:
        names: one per dimension, as stored; empty for the rest.
        cells: sums by start of the bucket.
    """

    names: tuple[str, ...]
    cells: Mapping[int, Sums]
    is_rest: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """Sums by name and bucket; the largest name first, the rest last.

    Attributes:
        keys: how many names there are, shown or not.
        shared: sums by bucket that belong to all names together: the tasks that used them.
    """

    starts: tuple[int, ...]
    slices: tuple[Slice, ...]
    keys: int
    shared: Mapping[int, Sums] = field(default_factory=dict[int, Sums])

    def sums(self, slices: Iterable[Slice], starts: Iterable[int]) -> dict[str, Number]:
        """Return the sums of some names over some buckets."""
        starts = list(starts)
        found = [s.cells[start] for s in slices for start in starts if start in s.cells]
        # A chart asks for one cell at a time.
        total = dict(found[0]) if len(found) == 1 else summed(found)
        return total | summed(self.shared[start] for start in starts if start in self.shared)

    @property
    def total(self) -> dict[str, Number]:
        """The sums of everything."""
        return self.sums(self.slices, self.starts)

    def label(self, one: Slice) -> str:
        """Return what a slice is called."""
        if one.is_rest:
            hidden = self.keys - sum(not s.is_rest for s in self.slices)
            return f"{hidden:,} other{'' if hidden == 1 else 's'}"
        return " · ".join(name or NO_VALUE for name in one.names) or "All"


def load_answer(store: Store, question: Question) -> Answer:
    """Read the answer to a question.

    Raises:
        StoreError: the store does not answer.
        ValueError: the question has no answer.
    """
    if not question.has_answer:
        raise ValueError("a task has no single value of what it is asked by")
    rows = store.rows(_STATEMENTS[question.source], _parameters(question))
    shared: dict[int, Sums] = {}
    if question.measure.is_of_tasks and question.source != "tasks":
        shared = _tasks_of_all(store, question)
    cells: dict[tuple[bool, tuple[str, ...]], dict[int, Sums]] = {}
    for row in rows:
        names = tuple(cast("str", row[c]) for c in ("first", "second")[: len(question.by)])
        is_rest = bool(row["is_rest"])
        sums = {n: cast("Number", v) for n, v in row.items() if n not in _NOT_SUMS}
        cells.setdefault((is_rest, () if is_rest else names), {})[_int(row["bucket_s"])] = sums
    return Answer(
        starts=question.starts,
        slices=tuple(Slice(names, found, is_rest) for (is_rest, names), found in cells.items()),
        keys=max((_int(row["keys"]) for row in rows), default=0),
        shared=shared,
    )


def load_values(store: Store, project: str, stretch: Stretch) -> list[tuple[str, str]]:
    """Read (dimension, value) pairs that hourly usage can be narrowed to, the dearest first."""
    start, end = stretch.start_s // _HOUR_S * _HOUR_S, -(-stretch.end_s // _HOUR_S) * _HOUR_S
    rows = store.rows("dashboard_cost_values", {"project": project, "from_s": start, "to_s": end})
    order = list(DIMENSIONS)
    pairs = [(cast("str", row["dimension"]), cast("str", row["value"])) for row in rows]
    return sorted(pairs, key=lambda pair: order.index(pair[0]))


def _tasks_of_all(store: Store, question: Question) -> dict[int, Sums]:
    """Read the tasks per bucket, narrowed only by what tasks have."""
    filters = tuple(f for f in question.filters if DIMENSIONS[f[0]].is_of_tasks)
    asked = replace(question, by=(), filters=filters)
    rows = store.rows(_STATEMENTS["tasks"], _parameters(asked))
    return {_int(row["bucket_s"]): {"tasks": _int(row["tasks"])} for row in rows}


def _parameters(question: Question) -> dict[str, object]:
    columns = [DIMENSIONS[key].column for key in question.by]
    first, second = [*columns, _NONE_CHOSEN, _NONE_CHOSEN][:2]
    return {
        **row_parameters(question.project, question.stretch, question.also, question.filters),
        "starts": list(question.starts),
        "first": first,
        "second": second,
        "is_paired": int(len(columns) > 1),
        "rank_by": question.measure.ranking,
        "top": question.top,
    }


def row_parameters(
    project: str, stretch: Stretch, also: Stretch, filters: Filters
) -> dict[str, object]:
    """Return the parameters that say which rows are counted."""
    chosen: Mapping[str, Sequence[str]] = dict(filters)
    return {
        "project": project,
        "from_s": stretch.start_s,
        "to_s": stretch.end_s,
        "also_from_s": also.start_s,
        "also_to_s": also.end_s,
        **{key: list(chosen.get(key, ())) for key in DIMENSIONS},
    }


def _int(value: object) -> int:
    return cast("int", value)
