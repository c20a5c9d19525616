"""Runs what people type on the SQL page, and tells them what came of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from spanledger_dashboard.access import viewer
from spanledger_storage.console import ConsoleQuery, QueryAnswer, QueryLimits
from spanledger_storage.console_guard import QueryRefused, canonical
from spanledger_storage.errors import StoreError
from spanledger_storage.statements import load
from spanledger_storage.store import Store

ROW_LIMIT = 10_000
BYTE_LIMIT = 64 << 20
SECONDS = (5, 10, 30, 60)

# Titles of the examples → their statements.
EXAMPLES = {
    "Spend by day and model": "console_spend_by_day",
    "Dearest traces": "console_dearest_traces",
    "Cost of a task, by outcome": "console_cost_per_task",
    "Cache hits by hour": "console_cache_hits",
    "Slow and failing tools": "console_slowest_tools",
    "Errors": "console_errors",
    "Calls without a price": "console_unpriced",
}
TABLES = {
    "traces": "One row per trace. Read with FINAL and is_deleted = 0.",
    "trajectories": "One row per trajectory across traces. Read with FINAL and is_deleted = 0.",
    "ledger_current": "One row per call that costs.",
    "usage_hourly": "Sums per hour and dimension. Read with FINAL and is_deleted = 0.",
    "usage_by_user": "The same by user, with cost by class. Read with FINAL and is_deleted = 0.",
    "spans": "One row per span, as received.",
    "messages": "What was said, once per content and day; spans hold the hashes.",
    "logs": "One row per log record, as received.",
    "metric_points": "One row per data point of a metric.",
    "gpu_samples": "One row per GPU or MIG instance and second. Read with FINAL.",
    "gpu_processes": "One row per process on a GPU and second. Read with FINAL.",
    "inference_samples": "One row per inference worker, model and second. Read with FINAL.",
    "ledger": "What ledger_current is made of: also replaced and deleted rows.",
    "trace_hours": "The hours in which a trace has spans.",
    "trajectory_traces": "Which trajectory a trace is part of; no row: its own. Read with FINAL.",
    "trajectory_keys": "What ties traces together.",
    "response_traces": "Which traces mention a response id.",
    "touches": "Which traces changed lately.",
    "dead_letters": "Requests that could not be stored.",
}

_POLL_S = 0.2
_CODE = re.compile(r"^Code: \d+\. (?:DB::\w+: )?")
_TAIL = re.compile(r"\.?\s*\([A-Z_]+\)\s*\(version [^)]*\)\s*$")
_IN_SCOPE = re.compile(r":?\s*In scope SELECT .*", re.DOTALL)
_PLACE = re.compile(r"\(line (\d+), col (\d+)\)")
_POSITION = re.compile(r"failed at position (\d+)")
_EXPECTED = re.compile(r"\.?\s*Expected one of:.*", re.DOTALL)
_NAMED = re.compile(r"`([^`]+)`|'([\w.]+)'")
_SHORT = 600


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result.

    Attributes:
        message: what the store said, without its codes and versions.
        line: of the query, from 1; None: nobody knows.
        column: in that line, from 1.
    """

    message: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a query: an answer or a failure."""

    sql: str
    answer: QueryAnswer | None = None
    failure: Failure | None = None

    @property
    def table(self) -> pa.Table | None:
        """The rows."""
        return self.answer.table if self.answer else None


def can_use_sql() -> bool:
    """Return whether the reader may type queries: they read all projects."""
    return viewer().sees_everything


def run(
    store: Store,
    sql: str,
    parameters: Mapping[str, str],
    seconds: int,
    *,
    waiting: Callable[[float], None],
) -> Outcome:
    """Run a query and return what came of it.

    Args:
        store: of the reading user.
        sql: as typed.
        parameters: values of ``{name:Type}``.
        seconds: after which the store gives up.
        waiting: told every now and then how many seconds it takes already; when it raises, the
            query is given up.
    """
    started = time.monotonic()
    try:
        text = canonical(store, _without_end(sql))
    except QueryRefused as error:
        return Outcome(sql, failure=Failure(str(error)))
    except StoreError as error:
        return Outcome(sql, failure=explain(str(error), sql))
    limits = QueryLimits(seconds=seconds, rows=ROW_LIMIT, bytes=BYTE_LIMIT)
    query = ConsoleQuery(store.settings, text, parameters, limits)
    query.start()
    try:
        while not query.wait(_POLL_S):
            waiting(time.monotonic() - started)
    finally:
        query.cancel()
    try:
        return Outcome(sql, query.answer())
    except StoreError as error:
        return Outcome(sql, failure=explain(str(error), sql))


def example(title: str) -> str:
    """Return the text of an example: its question as a comment, then the query."""
    lines = load(EXAMPLES[title]).splitlines()
    question = lines[0]
    query = [line for line in lines if not line.startswith("--")]
    return "\n".join([question, *query]).strip()


def explain(said: str, sql: str) -> Failure:
    """Return an error of the store in words for people, and where in the query it lies."""
    text = said.partition("server response: ")[2] or said
    text = _TAIL.sub("", _CODE.sub("", text.partition(" (for url ")[0].strip()))
    line, column = _place(text, sql)
    text = _EXPECTED.sub(".", _IN_SCOPE.sub("", text)).strip()
    if len(text) > _SHORT:
        text = text[:_SHORT] + " …"
    return Failure(text, line, column)


def excerpt(sql: str, failure: Failure) -> str | None:
    """Return the line an error lies in with a mark below its place; None: nobody knows it."""
    if failure.line is None or failure.column is None:
        return None
    lines = sql.splitlines()
    if not 0 < failure.line <= len(lines):
        return None
    number = f"{failure.line} | "
    return f"{number}{lines[failure.line - 1]}\n{' ' * (len(number) + failure.column - 1)}^"


def _without_end(sql: str) -> str:
    return sql.rstrip().rstrip(";")


def _place(text: str, sql: str) -> tuple[int | None, int | None]:
    """Return line and column: as the store says, else of the name it complains about."""
    if found := _PLACE.search(text):
        return int(found[1]), int(found[2])
    if found := _POSITION.search(text):
        return _line_and_column(sql, int(found[1]) - 1)
    for found in _NAMED.finditer(text):
        name = (found[1] or found[2]).rpartition(".")[2]
        if at := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql):
            return _line_and_column(sql, at.start())
    return None, None


def _line_and_column(sql: str, offset: int) -> tuple[int, int]:
    before = sql[: max(0, offset)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
