"""Metrics count where spans and logs are silent, once, and nowhere else."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_analytics.job import LedgerJob
from spanledger_analytics.metric_tokens import base_model, is_same_model
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.repricing import Scope, plan
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Request, Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from tests.marks import Marks
from tests.otlp import Value, attributes, llm_span, request
from tests.signals import (
    CLAUDE_EVENTS,
    CUMULATIVE,
    DELTA,
    claude,
    counter,
    histogram,
    logs,
    metrics,
)
from tests.variants import first

S = 10**9
MINUTE = 60 * S
HOUR = 3_600 * S
T0 = 1_795_226_400 * S  # 2026-11-21 02:00 UTC
USAGE = "gen_ai.client.token.usage"
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
}
_flushes = itertools.count(1)


class World:
    """A store with a job, fed as the collector feeds it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.job = LedgerJob(store, time.time_ns, Marks())

    def put(self, signal: Signal, *requests: Request) -> None:
        bodies = [Body("p", r.SerializeToString(), time.time_ns(), signal) for r in requests]
        flush = f"f{next(_flushes)}"
        store_rows(self.store, decode_batch(bodies, flush, time.time_ns()), flush)

    def measure(self, *found: Metric, **where: str) -> None:
        self.put(Signal.METRICS, metrics(*found, **where))

    def trace(self, *spans: Span, service: str = "svc") -> None:
        self.put(Signal.TRACES, request(*spans, service=service))

    def entries(self) -> list[dict[str, Any]]:
        self.job.run_once()
        sql = "SELECT * FROM ledger_current ORDER BY time, usage_source, model, session_id"
        return self.store.sql_rows(sql)

    def tokens(self) -> list[tuple[int | None, int | None]]:
        """Input and output of every entry known from metrics, by hour."""
        found = [row for row in self.entries() if row["usage_source"] == "metric"]
        return [(row["input_tokens"], row["output_tokens"]) for row in found]


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


def usage(
    kind: str, total: float, start_ns: int, time_ns: int, *,
    said: Mapping[str, Value] = CHAT, temporality: Any = CUMULATIVE,
) -> Metric:  # fmt: skip
    attributes = {**said, "gen_ai.token.type": kind}
    return histogram(USAGE, total, start_ns, time_ns, attributes, temporality)


def both(tokens: tuple[float, float], start_ns: int, time_ns: int, **more: Any) -> list[Metric]:
    return [
        usage(kind, total, start_ns, time_ns, **more)
        for kind, total in zip(("input", "output"), tokens, strict=True)
    ]


def test_usage_nobody_else_tells_becomes_one_priced_entry_of_the_hour(world: World) -> None:
    world.measure(*both((1_000, 100), T0 + MINUTE, T0 + 2 * MINUTE))
    [row] = world.entries()
    assert (row["usage_source"], row["kind"], row["trace_id"]) == ("metric", "llm", "")
    assert row["time"].timestamp() == T0 // S
    assert (row["input_tokens"], row["output_tokens"]) == (1_000, 100)
    assert (row["provider"], row["model"]) == ("openai", "gpt-4o-2024-08-06")
    assert (row["service_name"], row["source_spans"], row["duration_ns"]) == ("svc", [], 0)
    assert row["total_cost_usd"] == Decimal("0.0035")  # 1000 x 2.5 and 100 x 10 USD per million
    assert "aggregate" in row["flags"]
    world.job.run_usage_once()
    [hour] = world.store.sql_rows("SELECT * FROM usage_hourly FINAL WHERE is_deleted = 0")
    assert (hour["input_tokens"], hour["total_cost_usd"]) == (1_000, Decimal("0.0035"))


def test_an_entry_counts_as_many_calls_as_the_histogram_was_told_of(world: World) -> None:
    start = T0 + MINUTE
    for at, total, told in ((2, 1_000, 2), (3, 4_000, 9), (65, 5_000, 12), (66, 300, 1)):
        found = both((total, total // 10), start, T0 + at * MINUTE)
        for metric in found:
            metric.histogram.data_points[0].count = told
        world.measure(*found)
    other = {**CHAT, "gen_ai.request.model": "o3", "gen_ai.response.model": "o3"}
    deltas = both((7, 5), T0, T0 + MINUTE, said=other, temporality=DELTA)
    deltas[0].histogram.data_points[0].count = 2**63  # of 7 tokens: nobody counted that
    world.measure(*deltas)
    told_of = {(row["model"], row["input_tokens"]): row["attempts"] for row in world.entries()}
    gpt = "gpt-4o-2024-08-06"
    assert told_of == {(gpt, 4_000): 9, (gpt, 1_300): 4, ("o3", 7): None}
    world.job.run_usage_once()
    cube = "SELECT sum(calls) AS calls FROM usage_hourly FINAL WHERE is_deleted = 0"
    assert world.store.sql_rows(cube) == [{"calls": 9 + 4 + 1}]
    params = {"project": "p", "from_s": T0 // S, "to_s": (T0 + 2 * HOUR) // S, "bucket_s": 86_400}
    params |= {"within": "project", "name": "p"}
    table = world.store.arrow("dashboard_usage_recent", params)
    assert table.column("calls").to_pylist() == [9 + 4, 1]


def test_running_again_and_a_resend_write_nothing(world: World) -> None:
    world.measure(*both((1_000, 100), T0, T0 + MINUTE, temporality=DELTA))
    world.entries()
    before = world.store.sql_rows("SELECT count() AS n FROM ledger")
    world.measure(*both((1_000, 100), T0, T0 + MINUTE, temporality=DELTA))
    assert world.tokens() == [(1_000, 100)]
    LedgerJob(world.store, time.time_ns, Marks()).run_once()
    assert world.store.sql_rows("SELECT count() AS n FROM ledger") == before


def test_a_cumulative_stream_counts_its_growth_hour_by_hour(world: World) -> None:
    start = T0 + 50 * MINUTE
    for at, total in ((55, 100), (59, 300), (61, 450), (119, 700), (130, 700), (200, 1_000)):
        world.measure(*both((total, total // 10), start, T0 + at * MINUTE))
    assert world.tokens() == [(300, 30), (400, 40), (300, 30)]


def test_growth_is_found_across_hours_without_a_point(world: World) -> None:
    start = T0 + MINUTE
    world.measure(*both((100, 10), start, T0 + 2 * MINUTE))
    world.measure(*both((160, 16), start, T0 + 30 * HOUR))
    assert world.tokens() == [(100, 10), (60, 6)]


def test_a_restart_counts_from_zero_with_and_without_a_new_start(world: World) -> None:
    start = T0
    world.measure(*both((500, 50), start, T0 + MINUTE))
    world.measure(*both((70, 7), start, T0 + 2 * MINUTE))  # it fell: silently restarted
    world.measure(*both((20, 2), T0 + 3 * MINUTE, T0 + 4 * MINUTE))  # a new start says so
    assert world.tokens() == [(590, 59)]


def test_a_restart_between_two_hours_counts_from_zero(world: World) -> None:
    world.measure(*both((500, 50), T0, T0 + MINUTE))
    world.measure(*both((70, 7), T0, T0 + 3 * HOUR))
    assert world.tokens() == [(500, 50), (70, 7)]


def test_a_late_point_moves_growth_out_of_the_next_hour(world: World) -> None:
    world.measure(*both((900, 90), T0, T0 + HOUR + MINUTE))
    assert world.tokens() == [(900, 90)]
    world.measure(*both((600, 60), T0, T0 + 59 * MINUTE))
    assert world.tokens() == [(600, 60), (300, 30)]


def test_a_late_point_reaches_a_next_hour_that_lies_far_off(world: World) -> None:
    world.measure(*both((900, 90), T0, T0 + 9 * HOUR))
    assert world.tokens() == [(900, 90)]
    world.measure(*both((600, 60), T0, T0 + MINUTE))
    assert world.tokens() == [(600, 60), (300, 30)]


def test_delta_points_are_summed(world: World) -> None:
    for n in range(3):
        at = T0 + n * MINUTE
        world.measure(*both((10, 1), at, at + MINUTE, temporality=DELTA))
    assert world.tokens() == [(30, 3)]


def test_the_first_point_of_a_stream_without_a_start_only_tells_where_to_begin(
    world: World,
) -> None:
    world.measure(*both((1_000, 100), 0, T0 + MINUTE))
    assert world.tokens() == []
    world.measure(*both((1_030, 103), 0, T0 + 2 * MINUTE))
    assert world.tokens() == [(30, 3)]


def test_growth_of_a_stream_without_a_start_is_found_across_hours_without_a_point(
    world: World,
) -> None:
    world.measure(*both((1_000, 100), 0, T0 + MINUTE))
    world.measure(*both((1_030, 103), 0, T0 + 30 * HOUR))
    assert world.tokens() == [(30, 3)]


@pytest.mark.parametrize("temporality", [0, CUMULATIVE])
def test_points_that_mean_nothing_are_no_usage(world: World, temporality: Any) -> None:
    bad = float("nan") if temporality else 5.0
    world.measure(*both((bad, bad), T0, T0 + MINUTE, temporality=temporality))
    world.measure(*both((-5, -1), T0 + 1, T0 + MINUTE, temporality=DELTA))
    world.measure(usage("thoughts", 5, T0, T0 + MINUTE))
    assert world.entries() == []


@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
@pytest.mark.parametrize("big", first([1e19, float("inf"), 9e15, 1e25, 1e300], 2))
def test_absurd_amounts_are_no_usage_and_stop_nobody(
    world: World, big: float, temporality: Any
) -> None:
    for at in (1, 2, 3):
        world.measure(*both((big, big), T0, T0 + at * MINUTE, temporality=temporality))
    good = {**CHAT, "gen_ai.request.model": "o3", "gen_ai.response.model": "o3"}
    world.measure(*both((5, 1), T0, T0 + MINUTE, said=good))
    assert world.tokens() == [(5, 1)]


def test_a_long_models_name_is_cut_and_flagged(world: World) -> None:
    said = {**CHAT, "gen_ai.response.model": "m" * 10_000}
    world.measure(*both((5, 1), T0, T0 + MINUTE, said=said))
    [row] = world.entries()
    assert row["model"] == "m" * 256
    assert "long_model_name" in row["flags"]


@pytest.mark.parametrize("offset_hours", [-1, 0, 1])
@pytest.mark.parametrize("spans_first", first([False, True]))
def test_calls_that_spans_tell_silence_the_metric(
    world: World, offset_hours: int, *, spans_first: bool
) -> None:
    call = llm_span("gpt-4o-2024-08-06", 1_000, 100, start_ns=T0 + offset_hours * HOUR + MINUTE)
    points = both((1_000, 100), T0 + MINUTE, T0 + 2 * MINUTE)
    if spans_first:
        world.trace(call)
        world.measure(*points)
    else:
        world.measure(*points)
        assert world.tokens() == [(1_000, 100)]
        world.trace(call)
    [row] = world.entries()
    assert (row["usage_source"], row["input_tokens"]) == ("span", 1_000)


def test_a_call_anywhere_in_the_time_a_point_covers_silences_it(world: World) -> None:
    start = T0
    world.measure(*both((100, 10), start, T0 + MINUTE))
    world.measure(*both((400, 40), start, T0 + 8 * HOUR))  # covers the seven hours before it
    assert world.tokens() == [(100, 10), (300, 30)]
    world.trace(llm_span("gpt-4o", 300, 30, start_ns=T0 + 4 * HOUR))
    assert world.tokens() == [(100, 10)]


def test_calls_of_other_services_models_and_times_silence_nothing(world: World) -> None:
    world.measure(*both((1_000, 100), T0 + MINUTE, T0 + 2 * MINUTE))
    world.trace(llm_span("gpt-4o", start_ns=T0 + MINUTE), service="other")
    world.trace(llm_span("gpt-4o-mini", start_ns=T0 + MINUTE))
    world.trace(llm_span("gpt-4o", start_ns=T0 + 3 * HOUR))
    assert world.tokens() == [(1_000, 100)]


def test_a_failed_call_without_usage_silences_it_too(world: World) -> None:
    """Twice is worse than not at all: who saw a failure saw the others."""
    failed = llm_span("gpt-4o", start_ns=T0 + MINUTE)
    del failed.attributes[-2:]
    failed.status.code = failed.status.STATUS_CODE_ERROR
    world.trace(failed)
    world.measure(*both((1_000, 100), T0 + MINUTE, T0 + 2 * MINUTE))
    assert world.tokens() == []


CLAUDE = {"session.id": "s-1", "model": "claude-sonnet-4-5", "user.id": "u-1"}


def claude_metrics(world: World, session: str = "s-1") -> None:
    said = {**CLAUDE, "session.id": session}
    amounts = {"input": 11, "output": 31, "cacheRead": 3_000, "cacheCreation": 2_000}
    world.measure(
        *(
            counter(
                "claude_code.token.usage", float(n), T0, T0 + MINUTE, {**said, "type": k}, DELTA
            )
            for k, n in amounts.items()
        ),
        counter("claude_code.cost.usage", 0.012345, T0, T0 + MINUTE, said, DELTA),
        scope="com.anthropic.claude_code",
    )


def test_claude_codes_classes_are_disjoint_and_its_cost_is_shown(world: World) -> None:
    claude_metrics(world)
    [row] = world.entries()
    assert (row["input_tokens"], row["uncached_tokens"]) == (5_011, 11)
    assert (row["cache_read_tokens"], row["cache_write_tokens"]) == (3_000, 2_000)
    assert row["output_tokens"] == 31
    assert (row["provider"], row["session_id"], row["user_id"]) == ("anthropic", "s-1", "u-1")
    assert row["reported_cost_usd"] == Decimal("0.012345")


@pytest.mark.parametrize("said", [{}, {"anthropic.provider": "bedrock"}])
def test_claude_code_on_bedrock_costs_what_it_costs_there(
    world: World, said: dict[str, str]
) -> None:
    said = {**said, "model": "us.anthropic.claude-sonnet-4-20250514-v1:0"}
    world.measure(
        *(
            counter("claude_code.token.usage", n, T0, T0 + MINUTE, {**said, "type": kind}, DELTA)
            for kind, n in (("input", 1_000.0), ("output", 100.0))
        ),
        scope="com.anthropic.claude_code",
    )
    [row] = world.entries()
    assert row["provider"] == "aws.bedrock"
    assert row["total_cost_usd"] == Decimal("0.0045")  # 1000 x 3 and 100 x 15 USD per million


def test_another_session_that_spans_tell_does_not_silence_this_one(world: World) -> None:
    claude_metrics(world, "s-1")
    claude_metrics(world, "s-2")
    call = claude("api_request", T0 + MINUTE, model="claude-sonnet-4-5-20250929",
                  input_tokens=11, output_tokens=31, session__id="s-2")  # fmt: skip
    world.put(Signal.LOGS, logs(call, scope=CLAUDE_EVENTS))
    sources = {row["session_id"]: row["usage_source"] for row in world.entries()}
    assert sources == {"s-1": "metric", "s-2": "log"}


def test_the_same_session_under_another_service_is_the_same_usage(world: World) -> None:
    """A program that runs Claude Code reports its session too, under a name of its own."""
    claude_metrics(world)
    call = llm_span("claude-sonnet-4-5-20250929", 5_011, 31, start_ns=T0 + MINUTE)
    call.attributes.extend(attributes({"session.id": "s-1"}))
    world.trace(call, service="my-program")
    assert [row["usage_source"] for row in world.entries()] == ["span"]


def test_times_beyond_all_calendars_do_no_harm(world: World) -> None:
    world.measure(*both((70, 7), 0, 2**64 - 1, temporality=DELTA))
    world.measure(*both((80, 8), 2**64 - 1, 1, temporality=CUMULATIVE))
    world.measure(*both((1_000, 100), T0, T0 + MINUTE))
    assert (1_000, 100) in world.tokens()
    before = world.store.sql_rows("SELECT count() AS n FROM ledger")
    LedgerJob(world.store, time.time_ns, Marks()).run_once()
    assert world.store.sql_rows("SELECT count() AS n FROM ledger") == before


def test_of_two_instrumentations_of_one_model_the_one_that_states_most_counts(
    world: World,
) -> None:
    world.measure(*both((1_000, 100), T0, T0 + MINUTE), scope="official")
    bare = {"gen_ai.response.model": "gpt-4o"}
    world.measure(*both((900, 90), T0, T0 + MINUTE, said=bare), scope="other")
    other = {**CHAT, "gen_ai.request.model": "o3", "gen_ai.response.model": "o3"}
    world.measure(*both((5, 1), T0, T0 + MINUTE, said=other), scope="other")
    assert world.tokens() == [(1_000, 100), (5, 1)]


DEPLOYMENT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "azure.ai.openai",
    "gen_ai.request.model": "my-deployment",
}
GPT = {**DEPLOYMENT, "gen_ai.response.model": "gpt-4.1-2025-04-14"}
MINI = {**DEPLOYMENT, "gen_ai.response.model": "gpt-4.1-mini-2025-04-14"}


@pytest.mark.parametrize("scopes", [("a", "b"), ("b", "a")])
def test_one_deployment_is_counted_once_though_only_one_instrumentation_knows_its_model(
    world: World, scopes: tuple[str, str]
) -> None:
    world.measure(*both((3_000, 300), T0, T0 + MINUTE, said=DEPLOYMENT), scope=scopes[0])
    world.measure(*both((3_000, 300), T0, T0 + MINUTE, said=GPT), scope=scopes[1])
    [row] = world.entries()
    assert (row["model"], row["input_tokens"]) == ("gpt-4.1-2025-04-14", 3_000)
    assert row["total_cost_usd"] == Decimal("0.0084")  # 3000 x 2 and 300 x 8 USD per million
    before = world.store.sql_rows("SELECT count() AS n FROM ledger")
    LedgerJob(world.store, time.time_ns, Marks()).run_once()
    assert world.store.sql_rows("SELECT count() AS n FROM ledger") == before


def test_of_a_deployment_the_instrumentation_that_states_most_counts(world: World) -> None:
    world.measure(*both((4_000, 300), T0, T0 + MINUTE, said=DEPLOYMENT), scope="a")
    world.measure(*both((3_000, 300), T0, T0 + MINUTE, said=GPT), scope="b")
    assert world.tokens() == [(4_000, 300)]


def test_a_deployment_that_several_models_answered_is_counted_once(world: World) -> None:
    world.measure(*both((3_000, 300), T0, T0 + MINUTE, said=DEPLOYMENT), scope="a")
    world.measure(*both((2_000, 200), T0, T0 + MINUTE, said=GPT), scope="b")
    world.measure(*both((1_000, 100), T0, T0 + MINUTE, said=MINI), scope="b")
    assert sorted(world.tokens()) == [(1_000, 100), (2_000, 200)]


def test_calls_with_and_without_an_answer_of_one_instrumentation_add_up(world: World) -> None:
    world.measure(*both((3_000, 300), T0, T0 + MINUTE, said=GPT), scope="a")
    world.measure(*both((50, 5), T0, T0 + MINUTE, said=DEPLOYMENT), scope="a")
    assert sorted(world.tokens()) == [(50, 5), (3_000, 300)]


def test_models_that_one_router_chose_from_are_told_apart_where_all_are_named(
    world: World,
) -> None:
    """Nothing says that another instrumentation's calls of one of them went through the router."""
    other = {**GPT, "gen_ai.request.model": "gpt-4.1"}
    world.measure(*both((5_000, 500), T0, T0 + MINUTE, said=other), scope="a")
    world.measure(*both((3_000, 300), T0, T0 + MINUTE, said=GPT), scope="b")
    world.measure(*both((9_000, 900), T0, T0 + MINUTE, said=MINI), scope="b")
    assert sorted(world.tokens()) == [(5_000, 500), (9_000, 900)]


def test_two_processes_of_one_service_add_up(world: World) -> None:
    for instance in ("a", "b"):
        world.measure(*both((1_000, 100), T0, T0 + MINUTE), instance=instance)
    assert world.tokens() == [(2_000, 200)]


def test_the_newer_counters_are_read_and_not_added_to_the_older_histogram(world: World) -> None:
    prefix = "gen_ai.client.inference.usage."
    said = {k: v for k, v in CHAT.items() if k != "gen_ai.operation.name"}
    amounts = {
        "input_tokens": 1_000,
        "output_tokens": 100,
        "cache_read.input_tokens": 400,
        "reasoning.output_tokens": 60,
    }
    world.measure(*(counter(prefix + k, n, T0, T0 + MINUTE, said) for k, n in amounts.items()))
    world.measure(*both((1_000, 100), T0, T0 + MINUTE, said=said))
    [row] = world.entries()
    assert (row["input_tokens"], row["output_tokens"]) == (1_000, 100)
    assert (row["cache_read_tokens"], row["reasoning_tokens"]) == (400, 60)


def test_sums_over_calls_are_not_counted_and_embeddings_are_their_own_kind(world: World) -> None:
    agent = {**CHAT, "gen_ai.operation.name": "invoke_agent"}
    world.measure(*both((1_000, 100), T0, T0 + MINUTE, said=agent))
    embed = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": "text-embedding-3-small",
    }
    world.measure(usage("input", 71, T0, T0 + MINUTE, said=embed))
    [row] = world.entries()
    assert (row["kind"], row["input_tokens"], row["output_tokens"]) == ("embedding", 71, None)


def test_a_price_that_depends_on_the_size_of_a_request_is_not_guessed(world: World) -> None:
    said = {"gen_ai.provider.name": "gcp.gemini", "gen_ai.request.model": "gemini-2.5-pro"}
    world.measure(*both((150_000, 10), T0, T0 + MINUTE, said=said))
    world.measure(*both((900_000, 10), T0 + HOUR, T0 + HOUR + MINUTE, said=said))
    small, large = world.entries()
    assert small["price_status"] == "priced"
    assert (large["price_status"], large["total_cost_usd"]) == ("unpriced", None)
    assert "tier_undecided" in large["flags"]


SONAR = {"gen_ai.provider.name": "perplexity", "gen_ai.request.model": "sonar-pro"}


def sonar(world: World, calls: int, at: int = 0) -> None:
    """Tell of calls to a model that costs 3 and 15 per million and 14 per thousand requests."""
    start = T0 + at * HOUR
    found = both((5_000, 1_000), start, start + MINUTE, said=SONAR)
    for metric in found:
        metric.histogram.data_points[0].count = calls
    world.measure(*found)


def test_a_fee_per_request_is_charged_for_each_call_that_was_counted(world: World) -> None:
    sonar(world, 10)
    [row] = world.entries()
    assert row["fees_cost_usd"] == Decimal("0.14")
    assert row["total_cost_usd"] == Decimal("0.17")
    told = plan(world.store, PriceBook.bundled(), Scope(0, 2**63 - 1))
    assert (told.entries, told.written) == (1, 0)  # repricing finds the same


def test_a_call_more_of_the_same_tokens_costs_a_fee_more(world: World) -> None:
    sonar(world, 10)
    assert [row["total_cost_usd"] for row in world.entries()] == [Decimal("0.17")]
    sonar(world, 11)
    assert [row["total_cost_usd"] for row in world.entries()] == [Decimal("0.184")]


def test_a_fee_per_request_of_calls_nobody_counted_is_not_guessed(world: World) -> None:
    prefix = "gen_ai.client.inference.usage."
    for name, amount in (("input_tokens", 5_000), ("output_tokens", 1_000)):
        world.measure(counter(prefix + name, amount, T0, T0 + MINUTE, SONAR))
    [row] = world.entries()
    assert (row["attempts"], row["price_status"], row["total_cost_usd"]) == (None, "unpriced", None)
    assert "unknown_requests" in row["flags"]
    told = plan(world.store, PriceBook.bundled(), Scope(0, 2**63 - 1))
    assert (told.entries, told.written) == (1, 0)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("gpt-4-0613", "gpt-4"),
        ("gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_a_models_name_is_compared_without_seller_and_date(name: str, base: str) -> None:
    assert base_model(name) == base


def test_models_of_one_family_are_not_the_same() -> None:
    assert not is_same_model(["gpt-4o"], ["gpt-4o-mini"])
    assert is_same_model(["", "gpt-4o"], ["gpt-4o-2024-08-06", ""])
    assert is_same_model(["", ""], ["gpt-4o"])
