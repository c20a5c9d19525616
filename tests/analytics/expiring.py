"""A store with both jobs, and days of data to expire: shared by the tests of retention."""

from __future__ import annotations

import itertools
import time
from decimal import Decimal
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.retention.expiry import RetentionJob, metric_floors
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Request, Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.project_settings import Project, ProjectSettings, Retention
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.store import Store
from tests.marks import Marks
from tests.otlp import attributes, llm_span, request
from tests.signals import histogram, logs, metrics, record

S = 10**9
DAY = 86_400 * S
NOW = time.time_ns() // DAY * DAY + DAY // 2  # noon, UTC
BOOK = PriceBook.bundled()
TABLES = ("spans", "logs", "messages", "metric_points", "ledger", "usage_hourly",
          "usage_by_user", "traces", "trajectories", "trajectory_traces",
          "trajectory_keys")  # fmt: skip
_flushes = itertools.count(1)


def ago(days: float) -> int:
    """Noon some days ago, UTC nanoseconds."""
    return NOW - int(days * DAY)


class World:
    """A store with both jobs, fed as the collector feeds it."""

    def __init__(self, store: Store, state: RetentionState) -> None:
        self.store, self.state = store, state
        self.projects: list[Project] = []
        self.ledger_job = LedgerJob(
            store, time.time_ns, Marks(), lambda: BOOK, metric_floors=lambda: metric_floors(state)
        )
        self.job = RetentionJob(store, state, lambda: self.projects, lambda: NOW)

    def keep(self, project: str, **days: int) -> None:
        """Set the days of a project; those left out are kept for ever."""
        settings = ProjectSettings(retention=Retention(**days))
        others = [one for one in self.projects if one.name != project]
        self.projects = [*others, Project(project, settings)]

    def put(self, *requests: Request, project: str = "a", received_ns: int = NOW) -> None:
        bodies = [Body(project, r.SerializeToString(), received_ns, _signal(r)) for r in requests]
        flush = f"retention-{next(_flushes)}"
        store_rows(self.store, decode_batch(bodies, flush, received_ns), flush)

    def spans(self, *spans: Span, project: str = "a", received_ns: int = NOW) -> None:
        self.put(request(*spans), project=project, received_ns=received_ns)

    def derive(self) -> None:
        """Let the ledger follow."""
        while not self.ledger_job.run_once().is_drained:
            pass
        self.ledger_job.run_usage_once()

    def count(self, table: str, project: str = "a") -> int:
        sql = f"SELECT count() AS n FROM {table} FINAL WHERE project = {{project:String}}"
        if table == "trace_hours":
            sql += " AND trace_id != ''"  # the hours of metrics have none
        return int(str(self.store.sql_rows(sql, {"project": project})[0]["n"]))

    def digest(self, project: str) -> dict[str, object]:
        """Everything stored of a project."""
        sql = "SELECT count(), groupBitXor(cityHash64(t.*)) FROM {} AS t FINAL WHERE project = '{}'"
        return {
            table: tuple(self.store.sql_rows(sql.format(table, project))[0].values())
            for table in TABLES
        }

    def entries(self, project: str = "a") -> list[dict[str, Any]]:
        sql = "SELECT * FROM ledger_current WHERE project = '{}' ORDER BY time, entry_id"
        return self.store.sql_rows(sql.format(project))

    def spent(self, project: str = "a") -> tuple[Decimal, Decimal]:
        """The total of the ledger and of hourly usage."""
        [row] = self.store.sql_rows(
            "SELECT (SELECT sum(total_cost_usd) FROM ledger_current WHERE project = {p:String}),"
            " (SELECT sum(total_cost_usd) FROM usage_hourly FINAL WHERE project = {p:String}"
            " AND is_deleted = 0)",
            {"p": project},
        )
        ledger, usage = (Decimal(str(value or 0)) for value in row.values())
        return ledger, usage

    def mutations(self) -> int:
        sql = "SELECT count() AS n FROM system.mutations WHERE database = currentDatabase()"
        return int(str(self.store.sql_rows(sql)[0]["n"]))


def _signal(request: Request) -> Signal:
    name = type(request).__name__
    return next(signal for signal in Signal if signal.removesuffix("s").title() in name)


def said(call: Span, text: str, answer: str = "fine") -> Span:
    """The call with a conversation of one message, and its answer."""
    parts = '[{"role":"%s","parts":[{"type":"text","content":"%s"}]}]'
    call.attributes.extend(
        attributes(
            {
                "gen_ai.input.messages": parts % ("user", text),
                "gen_ai.output.messages": parts % ("assistant", answer),
            }
        )
    )
    return call


def day_of(world: World, project: str) -> list[int]:
    """How many days ago the spans of a project are."""
    sql = "SELECT DISTINCT toUnixTimestamp(start_time) AS s FROM spans WHERE project = '{}'"
    return sorted(round((NOW // S - int(str(r["s"]))) / 86_400) for r in
                  world.store.sql_rows(sql.format(project)))  # fmt: skip


def plant(world: World, project: str, days: tuple[float, ...]) -> None:
    """A call with content, a log record and a metric point on each of these days."""
    for day in days:
        at = ago(day)
        call = said(llm_span(start_ns=at), f"{project} asks {day}", f"{project} hears {day}")
        world.put(
            request(call),
            logs(record("note", f"{project} notes {day}", time_ns=at)),
            metrics(histogram("http.duration", 1, at - S, at, {"n": day})),
            project=project,
            received_ns=at,
        )
