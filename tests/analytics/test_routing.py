"""Routes against planted tasks; estimates against genai-prices, call by call."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.overrides import Contract, Overrides
from spanledger_analytics.routing.cascades import (
    FEW_TASKS,
    LOSES,
    PAYS,
    UNDECIDED,
    Cascade,
    cascades_of,
)
from spanledger_analytics.routing.counterfactual import Model, estimates, sizes_of
from spanledger_analytics.routing.intervals import newcombe, tries_needed, wilson
from spanledger_analytics.routing.reading import Dearer, load_routes, load_usage, with_retries
from spanledger_analytics.routing.routes import (
    NOT_WORSE,
    OPEN,
    TOO_FEW,
    WORSE,
    Attempts,
    Route,
    baseline_of,
    fit_of,
)
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder
from tests.pricing import real_book

NOW_S = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp())
NOON_NS = NOW_S * 10**9
HAIKU, OPUS, GPT = "claude-haiku-4-5", "claude-opus-4-5", "gpt-4o"
DAY_S = 86_400


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return real_book()


class Tasks:
    """Plants tasks: one trace per attempt, with one call each."""

    def __init__(self, store: Store) -> None:
        self.seeder = Seeder(store, NOW_S)
        self.number = 0

    def attempt(self, task: str, model: str, outcome: str, cost: str, at_s: int = -3_600,
                tokens: tuple[int, int] = (1000, 200), **columns: Any) -> str:  # fmt: skip
        self.number += 1
        trace = f"{self.number:032x}"
        provider = "openai" if model == GPT else "anthropic"
        about = {"agent_name": "support", "response_model": model, "duration_s": 2}
        span = self.seeder.span(trace, f"{self.number:016x}", at_s=at_s + self.number, **about)
        self.seeder.entry(span, cost, model=model, provider=provider, tokens=tokens)
        self.seeder.trace(
            trace, task_id=task, outcome=outcome, main_model=model, active_ns=10**9,
            inference_cost_usd=Decimal(cost),
            **{"workflow_name": "refund", **columns},
        )  # fmt: skip
        return trace


def routes_by_name(store: Store, book: PriceBook) -> dict[tuple[str, str], Route]:
    found = load_routes(store, "default", NOW_S - DAY_S, NOW_S)
    priced = with_retries(found, book, NOW_S * 10**9)
    return {(route.task_class, route.model): route for route in priced}


def test_attempts_retries_and_costs_are_those_that_were_planted(
    store: Store, book: PriceBook
) -> None:
    tasks = Tasks(store)
    for number in range(30):  # done at once
        tasks.attempt(f"a{number}", HAIKU, "completed", "0.01")
    for number in range(10):  # failed and done by the dearer model; two say nothing of the failure
        tasks.attempt(f"b{number}", HAIKU, "failed" if number > 1 else "", "0.02")
        tasks.attempt(f"b{number}", OPUS, "completed" if number else "failed", "0.10")
    for number in range(4):  # again by the same model: no escalation
        tasks.attempt(f"c{number}", HAIKU, "failed", "0.01")
        tasks.attempt(f"c{number}", HAIKU, "escalated", "0.01")
    for number in range(3):  # from dear to cheap: a retry, but not on a stronger one
        tasks.attempt(f"d{number}", OPUS, "failed", "0.10")
        tasks.attempt(f"d{number}", HAIKU, "completed", "0.01")
    tasks.attempt("", HAIKU, "", "0.01")  # still runs
    tasks.attempt("e", HAIKU, "abandoned", "0.01", at_s=-2 * DAY_S)  # began before
    tasks.attempt("e", OPUS, "completed", "0.01")
    tasks.attempt("f", HAIKU, "completed", "0.5", dimensions=[("task_class", "triage")])
    tasks.seeder.insert()
    routes = routes_by_name(store, book)
    cheap = routes["support · refund", HAIKU]
    one = cheap.attempts
    assert (one.attempts, one.completed, one.failed, one.escalated, one.unended) == (
        30 + 10 + 8 + 3 + 1, 33, 14, 4, 1,
    )  # fmt: skip
    assert one.cost_usd == Decimal("0.01") * (30 + 8 + 3 + 1) + Decimal("0.2")
    assert (cheap.on_stronger, cheap.provider) == (10, "anthropic")
    assert one.p50_ns == 10**9
    assert cheap.usd_per_completed == pytest.approx(one.cost_usd / 33)
    assert cheap.call_count == 52  # the entries of the period in the class
    assert cheap.usd_per_call == pytest.approx(one.cost_usd / 52)
    dear = routes["support · refund", OPUS]
    assert (dear.attempts.completed, dear.attempts.failed, dear.on_stronger) == (9, 4, 0)
    assert routes["triage", HAIKU].attempts.completed == 1
    [cascade] = cascades_of(list(routes.values()), Dearer(book, NOON_NS))
    assert (cascade.cheap, cascade.dear, cascade.escalated, cascade.completed) == (
        HAIKU, OPUS, 10, 9,
    )  # fmt: skip
    assert cascade.attempts == 51
    assert cascade.dear_usd == Decimal("0.1")
    assert cascade.mean_usd == cascade.cheap_usd + cascade.dear_usd * 10 / 51
    assert cascade.break_even == pytest.approx(1 - 0.62 / 52 / 0.1)
    assert cascade.verdict == PAYS


MODELS = [
    Model("anthropic", HAIKU),
    Model("anthropic", "claude-sonnet-4-5"),
    Model("openai", GPT),
    Model("google", "gemini-2.5-pro"),
]


def test_an_estimate_is_the_sum_of_single_calls_at_the_prices_of_genai_prices(
    store: Store, book: PriceBook
) -> None:
    """Sizes of requests lie on both sides of the boundaries at which prices change."""
    tasks = Tasks(store)
    pick = random.Random(5)
    sizes = [10, 1_000, 128_000, 199_999, 200_000, 200_001, 400_000]
    calls = [(pick.choice(sizes), pick.randrange(2_000)) for _ in range(60)]
    for number, tokens in enumerate(calls):
        tasks.attempt(f"t{number}", HAIKU, "completed", "0.01", tokens=tokens)
    tasks.attempt("other", HAIKU, "completed", "0.01", workflow_name="other")
    tasks.seeder.insert()
    usage = load_usage(
        store, "default", NOW_S - DAY_S, NOW_S, "support · refund",
        sizes_of(book, MODELS, NOON_NS),
    )  # fmt: skip
    assert sum(one.calls for one in usage) == len(calls)
    assert sum(one.paid_usd for one in usage) == Decimal("0.6")
    for estimate in estimates(book, usage, MODELS, NOON_NS):
        expected = sum(
            calc_price(
                # Of a made-up call 6 tokens in 10 are read from the cache.
                Usage(input_tokens=i, cache_read_tokens=i - i * 4 // 10, output_tokens=o),
                estimate.model.model,
                provider_id=estimate.model.provider,
                genai_request_timestamp=datetime.fromtimestamp(NOW_S, UTC),
            ).total_price
            for i, o in calls
        )
        assert estimate.usd == expected, estimate.model


def test_contracts_count_and_unknown_models_have_no_estimate(store: Store) -> None:
    contract = Contract("c", "openai", "", Decimal("0.5"), None, 0, None)
    book = real_book(Overrides(contracts=(contract,)))
    tasks = Tasks(store)
    tasks.attempt("t", HAIKU, "completed", "0.01", tokens=(1_000_000 // 10 * 10, 1_000_000))
    tasks.seeder.insert()
    models = [Model("openai", GPT), Model("openai", "gpt-99")]
    sizes = sizes_of(book, models, NOON_NS)
    usage = load_usage(store, "default", NOW_S - DAY_S, NOW_S, "support · refund", sizes)
    known, unknown = estimates(book, usage, models, NOON_NS)
    plain = estimates(real_book(), usage, models, NOON_NS)[0]
    assert plain.usd is not None
    assert known.usd == plain.usd / 2
    assert unknown.usd is None


def test_intervals_are_those_of_the_literature() -> None:
    # Newcombe 1998, table II, method 10: 56/70 - 48/80 and 9/10 - 3/10.
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson(0, 0) == (0, 1)
    assert tries_needed(0.9, 0.03) == 769


def route(model: str, completed: int, ended: int, cost: str = "1") -> Route:
    made = Attempts("c", model, attempts=ended, completed=completed, failed=ended - completed,
                    cost_usd=Decimal(cost) * ended)  # fmt: skip
    return Route("c", model, "p", made, ())


@pytest.mark.parametrize(
    ("completed", "ended", "verdict"),
    [(10, 19, TOO_FEW), (900, 1000, NOT_WORSE), (700, 1000, WORSE), (18, 20, OPEN)],
)
def test_success_is_compared_only_as_far_as_numbers_can_tell(
    completed: int, ended: int, verdict: str
) -> None:
    routes = [route("a", completed, ended), route("b", 1800, 2000)]
    baseline = baseline_of(routes)
    assert baseline is routes[1]
    found = fit_of(routes[0], baseline)
    assert found.verdict == verdict
    assert (found.interval is None) == (verdict == TOO_FEW)


@pytest.mark.parametrize(
    ("escalated", "attempts", "verdict"),
    [(1, 19, FEW_TASKS), (10, 100, PAYS), (80, 100, LOSES), (50, 100, UNDECIDED)],
)
def test_a_cascade_is_judged_by_the_whole_interval(
    escalated: int, attempts: int, verdict: str
) -> None:
    found = Cascade("c", "a", "b", escalated, attempts, 0, Decimal(1), Decimal(2))
    assert found.break_even == 0.5
    assert found.verdict == verdict


def test_the_cost_of_a_self_hosted_call_is_not_known_and_not_zero(
    store: Store, book: PriceBook
) -> None:
    seed = Seeder(store, NOW_S)
    span = seed.span("1" * 32, "1" * 16, at_s=-600, agent_name="own")
    seed.entry(span, None, model="llama", provider="vllm", price_status="self_hosted")
    seed.trace("1" * 32, main_model="llama")
    seed.insert()
    [route] = routes_by_name(store, book).values()
    assert (route.call_count, route.priced_calls, route.usd_per_call) == (1, 0, None)


def test_calls_that_cost_nothing_known_are_not_in_the_mean_cost_of_a_call(
    store: Store, book: PriceBook
) -> None:
    seed = Seeder(store, NOW_S)
    for number in range(40):
        trace, is_refused = f"{number + 1:032x}", number >= 10
        about: dict[str, Any] = {"status": "error", "error_type": "429"} if is_refused else {}
        span = seed.span(trace, f"{number + 1:016x}", at_s=-600, agent_name="own", **about)
        seed.entry(span, None if is_refused else "0.01", model=GPT, provider="openai",
                   tokens=None if is_refused else (1_000, 200))  # fmt: skip
        seed.trace(trace, main_model=GPT)
    counted = seed.span("f" * 32, "f" * 16, at_s=-600, agent_name="own")
    seed.entry(counted, "0.05", model=GPT, provider="openai", usage_source="metric", attempts=5)
    seed.trace("f" * 32, main_model=GPT)
    seed.insert()
    [route] = routes_by_name(store, book).values()
    # Ten calls and an entry that stands for five, each at a cent.
    assert (route.call_count, route.priced_calls) == (45, 15)
    assert route.usd_per_call == Decimal("0.01")
