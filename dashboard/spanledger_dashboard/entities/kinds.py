"""Agents, models, users, sessions and tools: five descriptions of one list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

import pyarrow as pa

from spanledger_dashboard.hourly import is_counted_hourly
from spanledger_dashboard.latency import Latency, Percentiles, counted_latency
from spanledger_dashboard.read_ahead import begin
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import Only, Totals
from spanledger_storage.store import Store

MAX_ROWS = 1_000
_DOWNLOAD_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Entity:
    """What one pair of pages, list and detail, is about.

    Attributes:
        key: in the address: ``/agents?agent=planner``.
        column: of what ``statement`` reads, the ledger for most.
        nameless: what calls without a name of this kind are called.
        columns: of the list, names in entity_columns.py.
        order: what the rows are ordered by, in words.
        is_failures: only rows with errors count, most errors first.
    """

    key: str
    column: str
    title: str
    plural: str
    statement: str
    nameless: str
    columns: tuple[str, ...]
    order: str = "dearest"
    is_failures: bool = False

    def value_of(self, name: str) -> str:
        """Return what the column holds for a name as shown."""
        return "" if name == self.nameless else name

    def name_of(self, value: str) -> str:
        """Return a column's value as shown."""
        return value or self.nameless

    def only(self, name: str) -> Only:
        """Return the narrowing to one of these, by its name as shown."""
        return Only(self.column, self.value_of(name))


_MONEY = ("Cost", "Change", "Trend")
_CALLS = ("Calls", "Per call", "Error rate", "p50", "p95")
_TOKENS = ("Tokens", "Cache hit")

AGENTS = Entity(
    "agent", "agent_name", "Agents", "agents", "dashboard_entities", "(no agent)",
    (*_MONEY, *_CALLS, "TTFT p95", *_TOKENS, "Last seen"),
)  # fmt: skip
USERS = Entity(
    "user", "user_id", "Users", "users", "dashboard_entities", "(no user)",
    (*_MONEY, *_CALLS, *_TOKENS, "Last seen"),
)  # fmt: skip
MODELS = Entity(
    "model", "model", "Models", "models", "dashboard_entities", "(no model)",
    ("Provider", *_MONEY, "Calls", "Per call", "Error rate of a model", "p50", "p95", "TTFT p95",
     "Tokens per s", *_TOKENS),
)  # fmt: skip
SESSIONS = Entity(
    "session", "session_id", "Sessions", "sessions", "dashboard_sessions", "(no session)",
    ("Cost", "Turns", "Per turn", "Failed", "Calls", *_TOKENS, "User", "Agent", "Started",
     "Lasted"),
)  # fmt: skip
TOOLS = Entity(
    "tool", "tool_name", "Tools", "tools", "dashboard_tools", "(no name)",
    ("Runs", "Runs trend", "Errors", "Error rate", "p50", "p95",
     "p99", "In traces", "Last seen"),
    order="most used",
)  # fmt: skip
# Not pages of their own: they only break down one of the others.
VERSIONS = Entity(
    "version", "agent_version", "Versions", "versions", "dashboard_entities", "(no version)",
    (*_MONEY, *_CALLS, "TTFT p95", *_TOKENS, "First seen", "Last seen"),
)  # fmt: skip
SERVICES = Entity(
    "service", "service_name", "Services", "services", "dashboard_entities", "(no service)",
    (*_MONEY, *_CALLS, *_TOKENS, "Last seen"),
)  # fmt: skip
ERRORS = Entity(
    "error", "error_type", "Errors", "kinds of error", "dashboard_entities", "(type not told)",
    ("Errors", "Share"), is_failures=True,
)  # fmt: skip
TOOL_ERRORS = Entity(
    "error", "error_type", "Errors", "kinds of error", "dashboard_tools", "(type not told)",
    ("Errors", "Share"), is_failures=True,
)  # fmt: skip
TOOL_SERVICES = Entity(
    "service", "service_name", "Services", "services", "dashboard_tools", "(no service)",
    ("Runs", "Errors", "Error rate", "p50", "p95", "In traces"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slice:
    """What a list is of. Hashable, so cached functions can take it.

    Attributes:
        only: narrows the calls; None: those of the whole project.
        agent: narrows the executions of tools to traces of an agent; empty: any.
        text: part of the name; empty: any.
    """

    project: str
    window: Window
    bucket_s: int
    only: Only | None = None
    agent: str = ""
    text: str = ""

    def params(self, entity: Entity, rows: int) -> dict[str, object]:
        """Return the parameters of an entity's statement."""
        window = self.window
        part = self.only or Only("project", self.project)
        return {
            "project": self.project,
            "entity": entity.column,
            "agent": self.agent,
            "text": self.text,
            "from_s": window.start_s,
            "current_s": window.current_s,
            "to_s": window.end_s,
            "bucket_s": self.bucket_s,
            "page_size": rows,
            **part.params,
        }


@dataclass(frozen=True, slots=True)
class EntityRow:
    """One agent, model, user, session or tool; None: its statement does not tell, or unknown.

    Attributes:
        complete_usd: of what is over; ``before_usd``: of the same stretch a period earlier.
        trend: one number per step, dollars or executions.
        latency: of calls, or of executions.
    """

    name: str
    totals: Totals
    latency: Percentiles
    ttft: Percentiles
    tokens_per_s: float | None
    complete_usd: Decimal
    before_usd: Decimal
    trend: tuple[float, ...]
    first_ms: int
    last_ms: int
    traces: int = 0
    failed_traces: int = 0
    providers: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EntityRows:
    """The first rows of a list, and how many there are."""

    rows: tuple[EntityRow, ...]
    count: int


def load_entities(
    store: Store, entity: Entity, wanted: Slice, max_rows: int = MAX_ROWS
) -> EntityRows:
    """Read the list of one kind of entity; over days, percentiles are within 1.1 %.

    Those of users are exact, but without the time to the first token and tokens per second.

    Raises:
        StoreError: the store does not answer.
    """
    source = _source(entity, wanted)
    params = wanted.params(entity, max_rows)
    is_by_user = source == "by_user"
    timed = begin(lambda: store.rows("dashboard_entities_latency", params)) if is_by_user else None
    rows = store.rows(_LISTS.get(source, entity.statement), params)
    before = _before(store, entity, wanted, rows)
    told = {row["called"]: _told_latency(row) for row in timed.result()} if timed else {}
    latency_of = counted_latency if source == "hourly" else _told_latency
    starts = range(wanted.window.start_s, wanted.window.end_s, wanted.bucket_s)
    count = cast("int", rows[0]["names"]) if rows else 0
    found = [
        _row(entity, row, starts, before, told.get(row["name"]) or latency_of(row)) for row in rows
    ]
    if entity.is_failures:
        found = sorted((r for r in found if r.totals.errors), key=lambda r: -r.totals.errors)
        count = len(found)
    return EntityRows(tuple(found), count)


_LISTS = {
    "hourly": "dashboard_entities_hourly",
    "by_user": "dashboard_entities_by_user",
}
_EARLIER = {
    "hourly": "dashboard_spend_before_hourly",
    "by_user": "dashboard_spend_before_by_user",
    "calls": "dashboard_spend_before",
}


def _source(entity: Entity, wanted: Slice) -> Literal["hourly", "by_user", "calls"]:
    """Return the smallest table that tells a list: sums by hour, by hour and user, or all calls."""
    columns = (entity.column, wanted.only.column if wanted.only else "project")
    if entity.statement != "dashboard_entities":
        return "calls"
    if is_counted_hourly(columns, wanted.window, wanted.bucket_s):
        return "hourly"
    # Of what else is told within a user more is shown than sums and durations.
    is_of_users = entity.column == "user_id"
    is_by_user = is_counted_hourly(columns, wanted.window, wanted.bucket_s, by_user=True)
    return "by_user" if is_of_users and is_by_user else "calls"


def entity_table(store: Store, entity: Entity, wanted: Slice) -> pa.Table:
    """Return the list as the statement gives it, for a file; without what only charts need.

    Raises:
        StoreError: the store does not answer.
    """
    table = store.arrow(entity.statement, wanted.params(entity, _DOWNLOAD_ROWS))
    for name in ("first_ms", "last_ms"):
        if name in table.column_names:
            at, moment = table.column_names.index(name), pa.timestamp("ms", "UTC")
            column = table[name].cast(pa.int64()).cast(moment)
            table = table.set_column(at, name.replace("_ms", "_time"), column)
    charted = {"names", "trend", "steps"}
    return table.drop_columns([name for name in table.column_names if name in charted])


def _before(
    store: Store, entity: Entity, wanted: Slice, rows: Sequence[Mapping[str, object]]
) -> dict[str, Decimal]:
    """Return by name what was spent in the stretch, a period earlier, that is now over."""
    if not rows or "complete_usd" not in rows[0]:
        return {}
    window = wanted.window
    params: dict[str, object] = {
        **wanted.params(entity, 0),
        "names": [str(row["name"]) for row in rows],
        "from_s": window.start_s - window.length_s,
        "to_s": window.current_s - window.length_s,
    }
    found = store.rows(_EARLIER[_source(entity, wanted)], params)
    return {str(row["called"]): cast("Decimal", row["cost_usd"]) for row in found}


def _row(
    entity: Entity,
    row: Mapping[str, object],
    starts: range,
    before: Mapping[str, Decimal],
    speeds: Latency,
) -> EntityRow:
    def number(name: str) -> int:
        return cast("int", row.get(name) or 0)

    def amount(name: str) -> Decimal:
        return cast("Decimal", row.get(name, Decimal(0)))

    def names(name: str) -> tuple[str, ...]:
        return tuple(cast("list[str]", row.get(name) or []))

    counts = {name: number(name) for name in _COUNTS}
    return EntityRow(
        name=entity.name_of(str(row["name"])),
        totals=Totals(**counts, total_cost_usd=amount("total_cost_usd")),
        latency=speeds.duration,
        ttft=speeds.ttft,
        tokens_per_s=speeds.tokens_per_s,
        complete_usd=amount("complete_usd"),
        before_usd=before.get(str(row["name"]), Decimal(0)),
        trend=_trend(row, starts),
        first_ms=number("first_ms"),
        last_ms=number("last_ms"),
        traces=number("traces"),
        failed_traces=number("failed_traces"),
        providers=names("providers"),
        users=names("users"),
        agents=names("agents"),
    )


_COUNTS = (
    "calls", "llm_calls", "errors", "unpriced_calls", "calls_without_usage", "self_hosted_calls",
    "input_tokens", "uncached_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
)  # fmt: skip


def _told_latency(row: Mapping[str, object]) -> Latency:
    return Latency(
        duration=_percentiles(row, "latency"),
        ttft=_percentiles(row, "ttft"),
        tokens_per_s=cast("float | None", row.get("tokens_per_s")),
    )


def _percentiles(row: Mapping[str, object], of: str) -> Percentiles:
    return Percentiles(
        *(cast("int | None", row.get(f"{of}_{p}_ns")) for p in ("p50", "p95", "p99"))
    )


def _trend(row: Mapping[str, object], starts: range) -> tuple[float, ...]:
    found = dict(cast("list[tuple[int, float]]", row.get("trend", [])))
    return tuple(found.get(start, 0.0) for start in starts)
