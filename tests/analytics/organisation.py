"""A simulated organisation: agents, customers, tasks, tools, a database; and what it cost.

Everything happens at whole seconds, and costs are whole picodollars, so the truth is reckoned here
by counting, without the code under test.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger_analytics.price_book.overrides import Overrides, Rate
from spanledger_analytics.price_book.tool_list import ToolPrices
from spanledger_storage.service_price_rows import ToolPriceRow
from tests.otlp import Value, attributes, request

S = 10**9
HOUR_S = 3_600
DAY_S = 86_400
PICO = 10**12
INPUT, CACHED, OUTPUT = 3_000_000, 300_000, 15_000_000  # picodollars per token
DATABASE_PICO_PER_S = 100_000_000  # 0.36 dollars an hour
DATABASE = "vector-db"
AGENTS = (("planner", "1.0"), ("planner", "1.1"), ("writer", "7"))
MODELS = ("planted-large", "planted-small")
CUSTOMERS = ("acme", "globex", "")


def overrides() -> Overrides:
    """The prices of the organisation."""
    rates = [
        Rate(n, "openai", "planted*", name, Decimal(pico) / 1_000_000, 1_000_000, "USD", "", "",
             0, 0, None)
        for n, (name, pico) in enumerate(
            (("input", INPUT), ("cache_read", CACHED), ("output", OUTPUT)), 1
        )
    ]  # fmt: skip
    return Overrides(1, rates=tuple(rates), tools=ToolPrices(tuple(tool_prices())))


def tool_prices() -> Iterator[ToolPriceRow]:
    """Per call without failed ones; per thousand characters; per second on one server."""
    for number, (server, tool, usd, basis, attribute, per, bills_errors) in enumerate(
        (
            ("", "scrape", "0.002", "call", "", 1, False),
            ("", "translate", "0.02", "unit", "characters", 1_000, True),
            ("browser", "*", "0.0004", "second", "", 1, True),
        ),
        1,
    ):
        yield ToolPriceRow("", server, tool, Decimal(usd), basis, attribute, per, bills_errors,
                           0, None, id=number)  # fmt: skip


@dataclass
class TraceTruth:
    """What one trace costs, picodollars by kind, and when it used the database (whole seconds)."""

    task: str
    agent: tuple[str, str]
    model: str
    customer: str
    start_s: int
    trial: str
    outcome: str = ""
    costs: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    database_s: set[int] = field(default_factory=set[int])


@dataclass
class Organisation:
    """What was sent, and what is true of it by trace id."""

    start_s: int
    rng: random.Random
    spans: list[tuple[str, Span]] = field(default_factory=list[tuple[str, Span]])
    traces: dict[str, TraceTruth] = field(default_factory=dict[str, TraceTruth])
    ids: int = 0

    def work(self, tasks: int) -> None:
        """Let so many tasks begin within a few hours."""
        for number in range(tasks):
            self._task(f"task-{number}" if number % 5 else "")

    def bodies(self) -> list[bytes]:
        """Return requests: spans in any order, some sent twice."""
        spans = self.spans + self.rng.sample(self.spans, len(self.spans) // 3)
        self.rng.shuffle(spans)
        return [
            b"".join(
                request(span, service=service, scope="spanledger").SerializeToString()
                for service, span in spans[n : n + 60]
            )
            for n in range(0, len(spans), 60)
        ]

    def infra(self) -> dict[tuple[int, str], int]:
        """Return picodollars of the database by hour and trace, by counting seconds."""
        used: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        busy: dict[int, set[int]] = defaultdict(set)
        for trace_id, truth in self.traces.items():
            for second in truth.database_s:
                hour = second // HOUR_S * HOUR_S
                used[hour][trace_id] += 1
                busy[hour].add(second)
        found: dict[tuple[int, str], int] = {}
        for hour, by_trace in used.items():
            money, whole = len(busy[hour]) * DATABASE_PICO_PER_S, sum(by_trace.values())
            order = sorted(by_trace, key=lambda t: (-(money * by_trace[t] % whole), t))
            left = money - sum(money * n // whole for n in by_trace.values())
            for place, trace_id in enumerate(order):
                amount = money * by_trace[trace_id] // whole + (place < left)
                if amount:
                    found[hour, trace_id] = amount
        return found

    def _task(self, task_id: str) -> None:
        rng = self.rng
        agent, customer = rng.choice(AGENTS), rng.choice(CUSTOMERS)
        at = self.start_s + rng.randrange(3 * HOUR_S)
        end = rng.choice(["completed"] * 5 + ["failed", "escalated", "abandoned", ""])
        attempts = rng.randint(1, 3) if task_id else 1
        for attempt in range(attempts):
            is_last = attempt == attempts - 1
            outcome = end if is_last else rng.choice(["failed", ""])
            at = self._attempt(task_id, agent, customer, outcome, at) + rng.randrange(1_800)

    def _attempt(
        self, task_id: str, agent: tuple[str, str], customer: str, outcome: str, at: int
    ) -> int:
        model = self.rng.choice(MODELS)
        is_paused = self.rng.random() < 0.25
        trace = self._id(16)
        first = self._trace(
            task_id, agent, customer, model, "" if is_paused else outcome, at, trace
        )
        if not is_paused:
            return first
        later = first + self.rng.randrange(60, HOUR_S)  # a person approves
        return self._trace(
            task_id, agent, customer, model, outcome, later, self._id(16), began_in=trace
        )

    def _trace(
        self,
        task_id: str,
        agent: tuple[str, str],
        customer: str,
        model: str,
        outcome: str,
        at: int,
        trace: bytes,
        began_in: bytes = b"",
    ) -> int:
        name = trace.hex()
        trial = (began_in or trace).hex()
        truth = TraceTruth(task_id or trial, agent, model, customer, at, trial, outcome)
        self.traces[name] = truth
        shared: dict[str, Value] = {"spanledger.dimension.team": "travel"}
        shared |= {"spanledger.dimension.customer": customer} if customer else {}
        shared |= {"spanledger.task.id": task_id} if task_id else {}
        root = self._id(8)
        cursor = at + 1
        for _ in range(self.rng.randint(1, 4)):
            step = self.rng.choice((self._call, self._tool, self._database))
            cursor = step(truth, trace, root, shared, cursor)
        cursor = self._call(truth, trace, root, shared, cursor)
        said: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": agent[0],
            "gen_ai.agent.version": agent[1],
            **shared,
        }
        said |= {"spanledger.task.outcome": outcome} if outcome else {}
        said |= {"spanledger.trajectory.id": began_in.hex()} if began_in else {}
        self._show("agents", "run", trace, root, b"", at, cursor + 1, said)
        return cursor + 1

    def _call(
        self, truth: TraceTruth, trace: bytes, root: bytes, shared: dict[str, Value], at: int
    ) -> int:
        cached, fresh, out = (self.rng.randrange(n) for n in (2_000, 3_000, 900))
        truth.costs["inference"] += fresh * INPUT + cached * CACHED + out * OUTPUT
        said: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": truth.model,
            "gen_ai.usage.input_tokens": fresh + cached,
            "gen_ai.usage.cache_read.input_tokens": cached,
            "gen_ai.usage.output_tokens": out,
            **shared,
        }
        end = at + self.rng.randint(1, 90)
        self._show("agents", "chat", trace, self._id(8), root, at, end, said)
        return end

    def _tool(
        self, truth: TraceTruth, trace: bytes, root: bytes, shared: dict[str, Value], at: int
    ) -> int:
        lasts = self.rng.randint(2, 40)
        is_failed = self.rng.random() < 0.3
        kind = self.rng.choice(["search", "scrape", "translate", "browser", "free"])
        said: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": kind, **shared,
        }  # fmt: skip
        cost = 0
        if kind == "search":
            said["spanledger.tool.cost_usd"] = "0.0075"
            cost = 7_500_000_000
        elif kind == "scrape":
            cost = 0 if is_failed else 2_000_000_000
        elif kind == "translate":
            said["characters"] = self.rng.randrange(5_000)
            cost = int(str(said["characters"])) * 20_000_000
        elif kind == "browser":
            said |= {"gen_ai.tool.name": "open_page", "mcp.server.name": "browser"}
            cost = lasts * 400_000_000
        truth.costs["tool"] += cost
        span = self._id(8)
        self._show("agents", kind, trace, span, root, at, at + lasts, said, is_failed)
        if self.rng.random() < 0.5:  # the server tells of it, too: the same execution
            inner: dict[str, Value] = {"gen_ai.operation.name": "execute_tool"}
            inner["gen_ai.tool.name"] = str(said["gen_ai.tool.name"])
            self._show("agents", kind, trace, self._id(8), span, at + 1, at + lasts - 1, inner)
        return at + lasts

    def _database(
        self, truth: TraceTruth, trace: bytes, root: bytes, shared: dict[str, Value], at: int
    ) -> int:
        span = self._id(8)
        lasts = self.rng.choice([3, 50, 900, 5_000])
        truth.database_s |= set(range(at, at + lasts))
        self._show(DATABASE, "query", trace, span, root, at, at + lasts, {"db.system": "x"})
        self._show(DATABASE, "scan", trace, self._id(8), span, at + 1, at + lasts, {})
        return at + lasts

    def _show(
        self,
        service: str,
        name: str,
        trace: bytes,
        span_id: bytes,
        parent: bytes,
        at: int,
        end: int,
        said: dict[str, Value],
        is_failed: bool = False,
    ) -> None:
        span = Span(
            trace_id=trace,
            span_id=span_id,
            parent_span_id=parent,
            name=name,
            start_time_unix_nano=at * S,
            end_time_unix_nano=end * S,
            attributes=attributes(said),
        )
        if is_failed:
            span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR))
        self.spans.append((service, span))

    def _id(self, size: int) -> bytes:
        self.ids += 1
        return self.ids.to_bytes(size, "big")
