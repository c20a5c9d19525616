"""Incidents on a real store: one finding each, with its root and what retries burnt."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from spanledger_analytics.findings.cascades.failures import (
    Failure,
    SpanRow,
    after_causes,
    leaves,
    normalised,
)
from spanledger_analytics.findings.cascades.incident import root_of
from spanledger_analytics.findings.cascades.job import CascadeJob
from spanledger_analytics.findings.finding import SpanRef
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

NOW_S = 1_760_000_400
MINUTE = 60


class Fleet:
    """Traces of two agents that call tools, retry them, and pay for each turn."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seed = Seeder(store, NOW_S)
        self.traces = 0

    def trace(
        self,
        at_s: float,
        agent: str,
        outcomes: list[tuple[str, bool]],
        server: str = "",
        evidence: str = "payload",
        price: str | None = "0.01",
    ) -> str:
        """Add a trace: a turn of the model and a call of a tool for each outcome, 10 s apart."""
        self.traces += 1
        trace_id = f"{self.traces:032x}"
        root = "f" * 16
        self.seed.span(trace_id, root, role="agent", at_s=at_s, duration_s=100, agent_name=agent)
        for n, (tool, worked) in enumerate(outcomes):
            call = self.seed.span(trace_id, f"a{n:015x}", root, at_s=at_s + 10 * n)
            self.seed.entry(call, price)
            declared = not worked and evidence == "declared"
            columns: dict[str, Any] = {"attributes": {"server.address": server}} if server else {}
            self.seed.span(
                trace_id, f"b{n:015x}", root, role="tool", tool_name=tool, at_s=at_s + 10 * n + 5,
                tool_outcome="error" if declared else "ok",
                error_type="" if worked else "Timeout",
                tool_evidence="" if worked else evidence,
                tool_result="fine" if worked else '{"ok": false, "error": "a secret"}',
                status_message="" if worked else f"no secret answer after {n} ms", **columns,
            )  # fmt: skip
        self.seed.trace(trace_id, agent_name=agent)
        return trace_id

    def usual(self, hours: int = 6) -> None:
        """Add a past in which nothing much failed: 1 call in 50."""
        for n in range(hours * 6):
            at_s = -3_600 - 600 * n
            outcomes = [(tool, n % 17 > 0) for tool in ("search", "book", "pay")] * 2
            self.trace(at_s, ("clerk", "guide")[n % 2], outcomes)

    def insert(self) -> None:
        self.seed.insert()

    def job(self, after_s: float = 0) -> CascadeJob:
        return CascadeJob(self.store, lambda: int((NOW_S + after_s) * 10**9))

    def found(self) -> list[dict[str, Any]]:
        sql = (
            "SELECT * FROM findings FINAL WHERE is_deleted = 0 AND kind = 'error_cascade' "
            "ORDER BY first_seen"
        )
        rows: list[dict[str, Any]] = [dict(row) for row in self.store.sql_rows(sql)]
        return [row | {"details": json.loads(row["details"])} for row in rows]


@pytest.fixture
def fleet(store: Store) -> Fleet:
    return Fleet(store)


def outage(fleet: Fleet, at_s: float = -4 * MINUTE) -> list[str]:
    """``search`` fails in four traces of two agents, three times in each; then two tools more."""
    retries = [("search", False)] * 3
    found = [fleet.trace(at_s + n, ("clerk", "guide")[n % 2], retries, "db1") for n in range(4)]
    after = [("book", False), ("pay", False)] * 3
    return [*found, *(fleet.trace(at_s + 60 + n, "clerk", after, "db1") for n in range(2))]


def test_an_outage_is_one_finding_with_its_root_and_its_price(fleet: Fleet) -> None:
    fleet.usual()
    traces = outage(fleet)
    fleet.insert()
    assert fleet.job().run_once() == 1
    [found] = fleet.found()
    # All tools share a server downstream, and it failed first.
    assert found["details"]["root"]["kind"] == "server"
    assert found["details"]["root"]["name"] == "db1"
    assert (found["severity"], found["is_open"], found["is_sure"]) == ("critical", 1, 1)
    assert found["details"]["agents"] == {"clerk": 18, "guide": 6}
    assert (found["details"]["errors"], found["details"]["traces"]) == (24, 6)
    # After the first error: 2 more turns in each of 4 traces, 5 more in each of 2.
    assert found["direct_usd"] == Decimal("0.18")
    # The errors, and the turns that were paid for after the first of each trace.
    assert found["evidence_count"] == 24 + 18
    assert {span["trace_id"] for span in map(_pair, found["evidence"])} == set(traces)
    [[name, _, times]] = found["details"]["fingerprints"]
    assert (name, times) == ("Timeout", 24)


def _pair(span: Any) -> dict[str, str]:
    return span if isinstance(span, dict) else {"trace_id": span[0], "span_id": span[1]}


def test_errors_at_the_same_time_wasted_it_once(fleet: Fleet) -> None:
    outage(fleet)
    for row in fleet.seed.rows["spans"]:
        if row["role"] == "tool":
            row["end_time"] = row["start_time"] + 60 * 10**9
    fleet.insert()
    fleet.job().run_once()
    [found] = fleet.found()
    # Four traces of three calls 10 s apart, a second later each; two of six, a minute later.
    assert found["wasted_ns"] == (60 + 50 + 60 + 1) * 10**9


def test_running_again_writes_nothing_and_an_incident_grows(fleet: Fleet) -> None:
    fleet.usual()
    outage(fleet)
    fleet.insert()
    job = fleet.job()
    job.run_once()
    [before] = fleet.found()
    job.run_once()
    [same] = fleet.found()
    assert same["version"] == before["version"]
    outage(fleet, -MINUTE)
    fleet.insert()
    fleet.job(2 * MINUTE).run_once()
    [grown] = fleet.found()
    assert grown["finding_id"] == before["finding_id"]
    assert grown["detected_at"] == before["detected_at"]
    assert grown["details"]["errors"] == 48
    assert grown["direct_usd"] == Decimal("0.36")


def test_an_incident_that_is_over_is_closed_and_stays(fleet: Fleet) -> None:
    fleet.usual()
    outage(fleet)
    fleet.insert()
    fleet.job().run_once()
    [before] = fleet.found()
    for minutes in (15, 35, 41):
        fleet.job(minutes * MINUTE).run_once()
        [after] = fleet.found()
        assert (after["finding_id"], after["is_open"]) == (before["finding_id"], 0)
        assert after["direct_usd"] == before["direct_usd"]


def test_one_job_sees_what_comes_while_it_runs(fleet: Fleet) -> None:
    fleet.usual()
    outage(fleet)
    fleet.insert()
    minutes = 0
    job = CascadeJob(fleet.store, lambda: (NOW_S + minutes * MINUTE) * 10**9)
    job.run_once()
    for minutes in (2, 5, 9, 12):
        outage(fleet, minutes * MINUTE - 130)
        fleet.insert()
        job.run_once()
    [found] = fleet.found()
    assert (found["details"]["errors"], found["is_open"]) == (5 * 24, 1)
    minutes = 60
    job.run_once()
    [found] = fleet.found()
    assert (found["details"]["errors"], found["is_open"]) == (5 * 24, 0)


def test_a_tool_that_works_again_ends_the_burning(fleet: Fleet) -> None:
    fleet.usual()
    recovers = [("search", False)] * 3 + [("search", True)] + [("book", True)] * 4
    for n in range(4):
        fleet.trace(-4 * MINUTE + n, ("clerk", "guide")[n % 2], recovers)
    fleet.insert()
    fleet.job().run_once()
    [found] = fleet.found()
    assert found["details"]["root"]["name"] == "search"
    # The turns between the first error and the call that worked: 3 in each of 4 traces.
    assert found["direct_usd"] == Decimal("0.12")


def test_prices_that_nobody_knows_are_unknown(fleet: Fleet) -> None:
    for n in range(4):
        fleet.trace(-200 + n, "ab"[n % 2], [("search", False)] * 3, price=None)
    fleet.insert()
    fleet.job().run_once()
    [found] = fleet.found()
    assert found["direct_usd"] is None
    assert found["is_sure"] == 0  # there is no history


@pytest.mark.parametrize("evidence", ["declared", "suspected"])
def test_what_only_reads_like_an_error_is_no_incident(fleet: Fleet, evidence: str) -> None:
    for n in range(4):
        fleet.trace(-200 + n, "ab"[n % 2], [("search", False)] * 3, evidence=evidence)
    fleet.insert()
    assert fleet.job().run_once() == (evidence == "declared")


def test_an_ordinary_day_is_quiet(fleet: Fleet) -> None:
    fleet.usual()
    for n in range(10):
        fleet.trace(-60 * n, "clerk", [("search", n != 3), ("book", True)])
    fleet.insert()
    assert fleet.job().run_once() == 0
    assert fleet.found() == []


def test_an_incident_that_lasts_a_day_stays_one_finding_and_ends(fleet: Fleet) -> None:
    minutes = 0
    for minutes in range(0, 7 * 60, 4):
        outage(fleet, minutes * MINUTE - 130)
    fleet.insert()
    job = CascadeJob(fleet.store, lambda: (NOW_S + minutes * MINUTE) * 10**9)
    seen: set[str] = set()
    for later in (10, 250, 400, 420):
        minutes = later
        job.run_once()
        [found] = fleet.found()
        seen.add(found["finding_id"])
        assert found["is_open"] == 1
    minutes = 8 * 60
    job.run_once()
    [found] = fleet.found()
    assert ({found["finding_id"]}, found["is_open"]) == (seen, 0)


def test_what_tools_answered_is_not_kept(fleet: Fleet) -> None:
    outage(fleet)
    fleet.insert()
    fleet.job().run_once()
    assert "secret" not in str(fleet.found())


def test_a_project_can_do_without(fleet: Fleet) -> None:
    outage(fleet)
    fleet.insert()
    job = CascadeJob(fleet.store, lambda: NOW_S * 10**9, lambda: {"default"})
    assert job.run_once() == 0


def test_an_empty_store_has_no_incidents(fleet: Fleet) -> None:
    assert fleet.job().run_once() == 0


def failure(span: str, at: int, name: str = "search", **fields: Any) -> Failure:
    return Failure("t", span, at, at + 1, fields.pop("kind", "tool"), name, "a", **fields)


def row(span: str, parent: str = "") -> tuple[SpanRef, SpanRow]:
    return SpanRef("t", span), SpanRow("t", span, parent, "", "", 0, 0)


def test_an_error_that_is_passed_on_counts_where_it_arose() -> None:
    spans = dict([row("outer"), row("middle", "outer"), row("inner", "middle"), row("other")])
    failures = [failure("outer", 1), failure("inner", 2), failure("other", 3)]
    assert [one.span_id for one in leaves(failures, spans)] == ["inner", "other"]
    circle = dict([row("x", "y"), row("y", "x")])
    assert len(leaves([failure("x", 1), failure("z", 2)], circle)) == 2


def test_one_call_that_two_instrumentations_tell_of_is_one_error() -> None:
    twice = [failure("x", 1, call_id="c"), failure("y", 2, call_id="c")]
    assert len(leaves(twice, {})) == 1


def test_messages_are_compared_without_what_changes() -> None:
    one = "timeout after 31.5 s reading '/a/b' at 0x7f00 of 3fa85f64-5717-4562-b3fc-2c963f66afa6"
    assert normalised(one) == normalised(one.replace("31.5", "7").replace("/a/b", "/c"))
    assert normalised("no user") != normalised("no city")


def test_the_tool_that_failed_first_and_most_is_the_root() -> None:
    made = [failure(f"s{n}", n) for n in range(6)] + [
        failure(f"b{n}", 9 + n, "book") for n in range(5)
    ]
    assert root_of(made)[:2] == ("tool", "search")


def test_what_several_tools_share_downstream_is_the_root() -> None:
    tools = ("search", "book", "pay")
    made = [failure(f"s{n}", n, tools[n % 3], mcp="crm", server=f"h{n % 3}") for n in range(9)]
    assert root_of(made)[:2] == ("mcp", "crm")
    assert root_of(made[::3])[:2] == ("tool", "search")


def test_a_provider_that_fails_before_the_tools_is_the_root() -> None:
    models = [failure(f"m{n}", n, f"m{n % 2}", kind="model", provider="openai") for n in range(8)]
    tools = [failure(f"s{n}", 20 + n) for n in range(5)]
    assert root_of([*models, *tools])[:2] == ("provider", "openai")


def linked(trace: str, *to: str) -> tuple[SpanRef, SpanRow]:
    links = " ".join(one + "f" * 16 for one in to)
    return SpanRef(trace, "r"), SpanRow(trace, "r", "", "", "", 0, 0, links)


def test_what_a_trace_links_to_failed_before_it_whatever_the_clocks_say() -> None:
    producer, consumer = "1".ljust(32, "0"), "2".ljust(32, "0")
    models = [failure(f"m{n}", 100 + n, "m", kind="model") for n in range(5)]
    tools = [failure(f"s{n}", n) for n in range(5)]  # of a host whose clock is behind
    made = [
        *(one._replace(trace_id=producer) for one in models),
        *(one._replace(trace_id=consumer) for one in tools),
    ]
    spans = dict([linked(producer), linked(consumer, producer)])
    assert root_of(made)[:2] == ("tool", "search")
    assert root_of(after_causes(made, spans))[:2] == ("model", "m")


def test_links_in_a_circle_end_and_those_to_traces_without_errors_change_nothing() -> None:
    one, other = "1".ljust(32, "0"), "2".ljust(32, "0")
    made = [failure("a", 5)._replace(trace_id=one), failure("b", 9)._replace(trace_id=other)]
    circle = dict([linked(one, other), linked(other, one)])
    assert all(n.start_ns < 30 for n in after_causes(made, circle))
    assert after_causes(made, dict([linked(one, "3" * 32), linked(other, one)])) == made


def test_a_chain_of_links_is_followed() -> None:
    traces = [str(n).ljust(32, "0") for n in range(1, 6)]
    made = [failure(t[0], 50 - n)._replace(trace_id=t) for n, t in enumerate(traces)]
    spans = dict(linked(t, before) for before, t in zip(traces, traces[1:], strict=False))
    assert [one.start_ns for one in after_causes(made, spans)] == [50, 51, 52, 53, 54]
