"""Money outlives spans: what the ledger says stays when a part of a trace, or a stream, expired."""

from __future__ import annotations

import time
from decimal import Decimal

from spanledger_analytics.repricing import Scope, apply
from spanledger_analytics.retention.expiry import metric_floors
from spanledger_analytics.retention.policy import day_number, first_second
from tests.analytics.expiring import BOOK, NOW, S, World, ago, plant
from tests.otlp import attributes, llm_span, request, span
from tests.signals import histogram, metrics


def test_a_late_span_leaves_what_expired_calls_cost(world: World) -> None:
    trace = b"t" * 16
    root = span("run", trace_id=trace, start_ns=ago(10))
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner",
             "gen_ai.agent.version": "7", "gen_ai.workflow.name": "nightly"}  # fmt: skip
    root.attributes.extend(attributes(agent))
    old = llm_span(trace_id=trace, parent=root.span_id, start_ns=ago(10) + S)
    world.spans(root, old)
    world.spans(llm_span(trace_id=trace, parent=root.span_id, start_ns=ago(1)))
    world.derive()
    before, [row] = world.entries(), world.store.sql_rows("SELECT * FROM traces FINAL")
    world.keep("a", spans_days=7)
    world.job.run_once()
    assert world.count("spans") == 1
    world.spans(llm_span(trace_id=trace, parent=root.span_id, start_ns=ago(0)))
    world.derive()
    after = world.entries()
    assert after[:2] == before
    assert len(after) == 3
    [now] = world.store.sql_rows("SELECT * FROM traces FINAL WHERE is_deleted = 0")
    assert (now["name"], now["start_time"]) == (row["name"], row["start_time"])
    assert (now["agent_version"], now["workflow_name"]) == ("7", "nightly")
    assert (
        now["active_ns"] == int(str(row["active_ns"])) + S // 2
    )  # the late span, which overlaps none
    assert now["depth"] == row["depth"] == 2
    assert now["llm_calls"] == 3
    assert now["total_cost_usd"] == world.spent()[0] == world.spent()[1]


def test_a_call_is_counted_once_when_its_expired_span_is_sent_again(world: World) -> None:
    old = llm_span(start_ns=ago(10))
    world.spans(old)
    world.derive()
    before = world.entries()
    world.keep("a", spans_days=7)
    world.job.run_once()
    assert world.count("spans") == world.count("trace_hours") == 0
    world.spans(old)
    world.derive()
    assert world.entries() == before
    world.job.run_once()
    assert world.count("spans") == 0
    assert world.entries() == before


def test_a_late_second_view_of_an_expired_call_is_not_counted_again(world: World) -> None:
    trace = b"v" * 16
    world.spans(llm_span(trace_id=trace, start_ns=ago(10)))
    world.derive()
    before = world.entries()
    world.keep("a", spans_days=7)
    world.job.run_once()
    inner = llm_span(trace_id=trace, start_ns=ago(10) + 1_000)
    inner.end_time_unix_nano -= 2_000
    world.put(request(inner, scope="another"))
    world.derive()
    assert world.entries() == before


def test_a_late_sum_is_not_counted_when_its_expired_calls_began_in_another_hour(
    world: World,
) -> None:
    trace = b"s" * 16
    world.spans(llm_span(trace_id=trace, start_ns=ago(10) + 7_200 * S))
    world.derive()
    before = world.entries()
    world.keep("a", spans_days=7)
    world.job.run_once()
    assert world.count("trace_hours") == 0
    run = span("invoke_agent x", trace_id=trace, start_ns=ago(10))
    run.end_time_unix_nano = ago(10) + 8_000 * S
    run.attributes.extend(
        attributes(
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.provider.name": "openai",
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": 100,
                "gen_ai.usage.output_tokens": 10,
            }
        )
    )
    world.spans(run)
    world.derive()
    assert world.entries() == before


def test_a_call_that_arrives_after_its_days_is_counted_and_then_leaves(world: World) -> None:
    world.keep("a", spans_days=7)
    world.job.run_once()
    world.spans(llm_span(start_ns=ago(10)))
    world.derive()
    [entry] = world.entries()
    assert entry["total_cost_usd"] > 0
    world.job.run_once()
    assert world.count("spans") == 0
    assert world.entries() == [entry]


def test_a_call_seen_on_both_sides_of_midnight_is_counted_once(world: World) -> None:
    trace, midnight = b"m" * 16, first_second(day_number(NOW, 7)) * S
    outer = llm_span(trace_id=trace, start_ns=midnight - 1_000)
    inner = llm_span(trace_id=trace, parent=outer.span_id, start_ns=midnight + 1_000)
    inner.end_time_unix_nano = outer.end_time_unix_nano - 1_000
    world.put(request(outer, scope="framework"), request(inner, scope="provider"))
    world.derive()
    before = world.entries()
    assert len(before) == 1
    world.keep("a", spans_days=7)
    world.job.run_once()
    assert world.count("spans") == 1
    world.spans(llm_span(trace_id=trace, start_ns=ago(0)))
    world.derive()
    assert world.entries()[:1] == before
    assert len(world.entries()) == 2


def test_entries_without_spans_are_repriced(world: World) -> None:
    world.spans(llm_span(start_ns=ago(10)))
    world.derive()
    world.store.execute(
        "ALTER TABLE ledger UPDATE total_cost_usd = 0.5, price_id = 'older' WHERE 1"
        " SETTINGS mutations_sync = 1"
    )
    world.keep("a", spans_days=7)
    world.job.run_once()
    assert world.count("spans") == 0
    report = apply(world.store, BOOK, Scope(ago(20), NOW), now_ns=time.time_ns)
    assert report.written == 1
    world.derive()
    ledger, usage = world.spent()
    assert ledger == usage == Decimal("0.000021")


def test_ledger_and_usage_leave_together(world: World) -> None:
    plant(world, "a", (0, 10, 40))
    plant(world, "b", (0, 40))
    world.derive()
    world.keep("a", spans_days=7, ledger_days=30)
    others = world.digest("b")
    world.job.run_once()
    left = world.entries()
    assert len(left) == 2
    assert world.spent()[0] == world.spent()[1] == sum(e["total_cost_usd"] for e in left)
    assert world.digest("b") == others


# Metrics

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
}


def measured(world: World, total: int, began: int, at: int) -> None:
    both = [
        histogram("gen_ai.client.token.usage", total, began, at,
                  {**CHAT, "gen_ai.token.type": kind})
        for kind in ("input", "output")
    ]  # fmt: skip
    world.put(metrics(*both), received_ns=at)


def tokens(world: World) -> list[int | None]:
    return [entry["input_tokens"] for entry in world.entries()]


def test_a_counter_goes_on_from_its_last_point_although_that_expired(world: World) -> None:
    began = ago(12)
    for total, day in ((1_000, 11.9), (3_000, 11), (6_000, 10)):
        measured(world, total, began, ago(day))
    world.derive()
    assert tokens(world) == [1_000, 2_000, 3_000]
    before = world.entries()
    world.keep("a", metrics_days=7)
    world.job.run_once()
    assert world.count("metric_points") == 2  # the last point of each stream
    assert world.job.run_once() == []
    measured(world, 10_000, began, ago(1))
    world.derive()
    assert tokens(world) == [1_000, 2_000, 3_000, 4_000]
    measured(world, 11_000, began, ago(0.5))
    world.derive()
    assert tokens(world) == [1_000, 2_000, 3_000, 4_000, 1_000]
    measured(world, 5_000, began, ago(10.2))  # too late: the hour is closed
    world.derive()
    assert world.entries()[:3] == before
    assert tokens(world) == [1_000, 2_000, 3_000, 4_000, 1_000]
    world.job.run_once()
    assert world.count("metric_points") == 2 * 3
    assert world.spent()[0] == world.spent()[1]


def test_a_floor_only_rises(world: World) -> None:
    world.state.raise_floors("metrics", {"a": 20260110, "b": 20260110})
    world.state.raise_floors("metrics", {"a": 20260105, "b": 20260111})
    assert world.state.floors("metrics") == {"a": 20260110, "b": 20260111}
    assert metric_floors(world.state)["a"] == first_second(20260110)
