"""Usage and spend over time: of a project, or of one agent, model or user in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cached_property
from typing import cast

from spanledger_dashboard.hourly import is_answered_hourly
from spanledger_dashboard.time_range import TimeRange, Window
from spanledger_storage.store import Store


@dataclass(slots=True)
class Totals:
    """Sums over ledger entries. ``total_cost_usd`` is the sum of what is priced.

    ``self_hosted_calls`` ran on machines of one's own and have no price per token.
    """

    calls: int = 0
    llm_calls: int = 0
    errors: int = 0
    unpriced_calls: int = 0
    calls_without_usage: int = 0
    self_hosted_calls: int = 0
    input_tokens: int = 0
    uncached_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    total_cost_usd: Decimal = Decimal(0)

    def add(self, other: Totals) -> None:
        """Add another sum to this one."""
        # Written out: pages add thousands of rows, and a loop over names takes five times as long.
        self.calls += other.calls
        self.llm_calls += other.llm_calls
        self.errors += other.errors
        self.unpriced_calls += other.unpriced_calls
        self.calls_without_usage += other.calls_without_usage
        self.self_hosted_calls += other.self_hosted_calls
        self.input_tokens += other.input_tokens
        self.uncached_tokens += other.uncached_tokens
        self.cache_read_tokens += other.cache_read_tokens
        self.cache_write_tokens += other.cache_write_tokens
        self.output_tokens += other.output_tokens
        self.total_cost_usd += other.total_cost_usd

    @property
    def tokens(self) -> int | None:
        """Input and output; None when none are known and some call's are unknown."""
        found = self.input_tokens + self.output_tokens
        return None if self.calls_without_usage and not found else found

    @property
    def cost_usd(self) -> Decimal | None:
        """The cost, or None when nothing is priced and some call's cost is unknown.

        Calls that failed without usage cost nothing and do not make the rest known.
        """
        is_unknown = self.unpriced_calls or self.calls_without_usage or self.self_hosted_calls
        return None if is_unknown and not self.total_cost_usd else self.total_cost_usd


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums of one bucket, kind of entry, model and agent."""

    bucket_s: int
    kind: str
    model: str
    agent: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Only:
    """Which calls of a project count: those whose column of the ledger holds a value.

    Attributes:
        column: of the ledger; ``project`` with the project itself narrows nothing.
    """

    column: str
    value: str

    @property
    def params(self) -> dict[str, object]:
        """The parameters ``within`` and ``name`` of a statement."""
        return {"within": self.column, "name": self.value}


@dataclass(frozen=True)
class Usage:
    """What a window shows, and what the period before it held.

    Attributes:
        rows: of the window.
        before_rows: one window earlier, without the buckets whose like are not over yet.
    """

    window: Window
    rows: tuple[UsageRow, ...]
    before_rows: tuple[UsageRow, ...]

    @cached_property
    def parts(self) -> tuple[UsageRow, ...]:
        """The rows of the whole window without their buckets: much fewer."""
        current_s = self.window.current_s
        unfinished = (row for row in self.rows if row.bucket_s >= current_s)
        return _unbucketed((*self.complete_parts, *unfinished))

    @cached_property
    def complete_parts(self) -> tuple[UsageRow, ...]:
        """The same of the buckets that are over."""
        current_s = self.window.current_s
        return _unbucketed(row for row in self.rows if row.bucket_s < current_s)

    @cached_property
    def before_parts(self) -> tuple[UsageRow, ...]:
        """The same of the window before."""
        return _unbucketed(self.before_rows)

    @cached_property
    def totals(self) -> Totals:
        """Sums over the whole window."""
        return summed(self.parts)

    @cached_property
    def complete(self) -> Totals:
        """Sums over the buckets of the window that are over."""
        return summed(self.complete_parts)

    @cached_property
    def before(self) -> Totals:
        """Sums over the same buckets one window earlier."""
        return summed(self.before_parts)


Key = Callable[[UsageRow], str]


def load_usage(
    store: Store, project: str, time_range: TimeRange, now_s: int, only: Only | None = None
) -> Usage:
    """Read the usage in a time range and in the one before it, of a project or a part of it.

    Raises:
        StoreError: the store does not answer.
    """
    window = time_range.window(now_s)
    params: dict[str, object] = {
        "project": project,
        "from_s": window.start_s - window.length_s,
        "to_s": window.end_s,
        "bucket_s": time_range.bucket_s,
    }
    part = only or Only("project", project)
    edges = (window.start_s, window.end_s, time_range.bucket_s)
    is_hourly = is_answered_hourly((part.column,), *edges)
    statement = "dashboard_usage_hourly" if is_hourly else "dashboard_usage_recent"
    found = store.rows(statement, params | part.params)
    rows = [_row(r) for r in found]
    # A bucket that is not over would make every change look like a fall, so it is left out of both.
    before_end = window.current_s - window.length_s
    return Usage(
        window=window,
        rows=tuple(r for r in rows if r.bucket_s >= window.start_s),
        before_rows=tuple(r for r in rows if r.bucket_s < before_end),
    )


def _unbucketed(rows: Iterable[UsageRow]) -> tuple[UsageRow, ...]:
    """Return one row per kind, model and agent; the bucket of each is 0."""
    sums: dict[tuple[str, str, str], Totals] = {}
    for row in rows:
        sums.setdefault((row.kind, row.model, row.agent), Totals()).add(row.totals)
    return tuple(UsageRow(0, *key, totals) for key, totals in sums.items())


def summed(rows: Iterable[UsageRow]) -> Totals:
    """Return the sum over rows."""
    total = Totals()
    for row in rows:
        total.add(row.totals)
    return total


def grouped(rows: Iterable[UsageRow], key: Key) -> dict[str, Totals]:
    """Return sums per key, most expensive first, then by calls and name."""
    groups: dict[str, Totals] = {}
    for row in rows:
        groups.setdefault(key(row), Totals()).add(row.totals)
    ranked = sorted(
        groups.items(), key=lambda item: (-item[1].total_cost_usd, -item[1].calls, item[0])
    )
    return dict(ranked)


def by_model(row: UsageRow) -> str:
    """Return the model of a row; entries that have none (tools, GPUs) go by their kind."""
    return row.model or f"({row.kind})"


def models_without_name(rows: Iterable[UsageRow]) -> frozenset[str]:
    """Return what ``by_model`` calls the rows without a model."""
    return frozenset(by_model(row) for row in rows if not row.model)


def by_agent(row: UsageRow) -> str:
    """Return the agent of a row."""
    return row.agent or "(no agent)"


def buckets(window: Window, bucket_s: int) -> list[int]:
    """Return the start of every bucket of a window, unix seconds."""
    return list(range(window.start_s, window.end_s, bucket_s))


def _row(row: dict[str, object]) -> UsageRow:
    kind = str(row["kind"])
    counts = {name: cast("int", row[name]) for name in _COUNTS}
    totals = Totals(
        **counts,
        total_cost_usd=cast("Decimal", row["total_cost_usd"]),
        llm_calls=counts["calls"] if kind == "llm" else 0,
    )
    return UsageRow(
        bucket_s=cast("int", row["bucket_s"]),
        kind=kind,
        model=str(row["model"]),
        agent=str(row["agent_name"]),
        totals=totals,
    )


_COUNTS = tuple(f.name for f in fields(Totals) if f.name not in {"llm_calls", "total_cost_usd"})
