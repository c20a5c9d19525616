"""Budgets and loop guards."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Literal

import pytest
from opentelemetry.context import get_current

import spanledger
from spanledger import BudgetEvent, BudgetExceeded, LimitReached, LoopDetected, LoopEvent
from spanledger._accounts import LocalAccount, LocalAccounts
from spanledger._attributes import TOOL_COST_USD
from spanledger._guards import ModelCall, ToolCall
from spanledger._signatures import Said
from spanledger.testing import Captured, capture

# gpt-4o-mini: $0.15 and $0.60 per million tokens.
CALL_USD = Decimal("0.00075")


def one_call(**usage: int) -> None:
    used = {"input_tokens": 1000, "output_tokens": 1000} | usage
    with spanledger.llm_call(
        provider="openai", model="gpt-4o-mini", input_tokens=1000, max_output_tokens=1000
    ) as call:
        call.usage(**used)


def test_fifty_tasks_at_once_never_overshoot() -> None:
    sent = 0

    async def task(limit: spanledger.Budget) -> None:
        nonlocal sent
        for _ in range(4):
            call = spanledger.llm_call(
                provider="openai", model="gpt-4o-mini", input_tokens=1000, max_output_tokens=1000
            )
            async with call:
                sent += 1
                await asyncio.sleep(0.001)
                call.usage(input_tokens=1000, output_tokens=1000)

    async def run() -> list[BaseException | None]:
        limit = spanledger.budget(usd=CALL_USD * 20, mode="raise")
        with limit as running:
            tasks = [task(limit) for _ in range(50)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert running.use().usd == CALL_USD * 20
            assert running.use().reserved_usd == 0
        return results

    results = asyncio.run(run())
    assert sent == 20
    assert all(isinstance(one, BudgetExceeded) for one in results)


def test_threads_at_once_never_overshoot() -> None:
    from opentelemetry import context

    passed: list[int] = []
    with spanledger.budget(llm_calls=25, mode="raise"):
        base = context.get_current()

        def work() -> None:
            context.attach(base)
            for _ in range(5):
                try:
                    one_call()
                except BudgetExceeded:
                    continue
                passed.append(1)

        threads = [threading.Thread(target=work) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(passed) == 25


def test_observing_tells_and_lets_pass() -> None:
    heard: list[BudgetEvent] = []
    limit = spanledger.budget(llm_calls=5, soft=0.6, on_limit=heard.append)
    with capture() as captured, spanledger.agent("a"), limit as running:
        for _ in range(7):
            one_call()
        assert running.use().llm_calls == 7
    assert [(event.level, event.use.llm_calls) for event in heard] == [
        ("soft", 3),
        ("hard", 6),
        ("hard", 7),
    ]
    assert heard[0].hints == ("fewer_steps", "ask_human")
    assert len(captured.span("invoke_agent a").events) == 3


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        ({"usd": CALL_USD * 3}, 3),
        ({"tokens": 5999}, 2),
        ({"tokens": 6000}, 3),
        ({"llm_calls": 0}, 0),
        ({"usd": 1, "tokens": 2000}, 1),
    ],
)
def test_each_limit_stops_the_call_that_does_not_fit(limits: dict[str, Any], passed: int) -> None:
    with spanledger.budget(**limits, mode="raise"):
        for _ in range(passed):
            one_call()
        with pytest.raises(BudgetExceeded):
            one_call()


def test_a_call_of_which_nothing_is_known_sets_a_tenth_aside() -> None:
    def unknown() -> spanledger.LlmCall:
        return spanledger.llm_call(provider="openai", model="gpt-4o-mini")

    with spanledger.budget(usd=1, mode="raise") as running:
        calls = [unknown() for _ in range(10)]
        for call in calls:
            call.__enter__()
        assert running.use().reserved_usd == 1
        with pytest.raises(BudgetExceeded):
            unknown().__enter__()
        for call in reversed(calls):
            call.usage(input_tokens=1000, output_tokens=1000)
            call.__exit__(None, None, None)
        assert running.use().usd == CALL_USD * 10


def test_a_call_whose_usage_nobody_told_costs_what_was_set_aside() -> None:
    with spanledger.budget(usd=1) as running:
        call = spanledger.llm_call(
            provider="openai", model="gpt-4o-mini", input_tokens=1000, max_output_tokens=1000
        )
        with call:
            pass
        assert running.use().usd == CALL_USD


def test_each_session_has_a_budget_of_its_own() -> None:
    limit = spanledger.budget(llm_calls=2, scope="session", mode="raise")
    for session in ("a", "b"):
        with limit, spanledger.session(session):
            one_call()
    with limit, spanledger.session("a"):
        one_call()
        with pytest.raises(BudgetExceeded) as raised:
            one_call()
    assert raised.value.event.key == "a"
    with limit, spanledger.agent("x"), spanledger.session("b"):
        one_call()


@contextmanager
def inside(scope: str, whose: str) -> Generator[None]:
    """Run as somebody's agent, session, task or user."""
    if scope == "agent":
        with spanledger.agent(whose):
            yield
    elif scope == "task":
        with spanledger.task(whose):
            yield
    else:
        with spanledger.session("s", user=whose):
            yield


@pytest.mark.parametrize("scope", ["agent", "task", "user"])
def test_a_budget_is_one_of_each_agent_task_or_user(
    scope: Literal["agent", "task", "user"],
) -> None:
    limit = spanledger.budget(llm_calls=2, scope=scope, mode="raise")
    for _ in range(2):
        for whose in ("a", "b"):
            with limit, inside(scope, whose):
                one_call()
    with limit, inside(scope, "a"):
        with pytest.raises(BudgetExceeded) as raised:
            one_call()
        assert limit.accounts.account("a").used()[0].llm_calls == 2
    assert raised.value.event.key == "a"


def test_time_is_a_limit_too() -> None:
    now_s = 100.0
    heard: list[BudgetEvent] = []
    accounts = LocalAccounts(lambda: now_s)
    with spanledger.budget(seconds=60, mode="raise", accounts=accounts, on_limit=heard.append):
        one_call()
        now_s += 50
        one_call()
        now_s += 11
        with pytest.raises(BudgetExceeded) as raised:
            one_call()
    assert [(event.amount, event.level, event.use.seconds) for event in heard] == [
        ("seconds", "soft", 50),
        ("seconds", "hard", 61),
    ]
    assert str(raised.value.event) == "budget budget: hard limit of 60 seconds"


def test_a_limit_says_what_an_agent_could_do() -> None:
    heard: list[BudgetEvent] = []
    with spanledger.budget(usd=0, llm_calls=0, tokens=0, on_limit=heard.append):
        one_call()
    assert {event.amount: event.hints for event in heard} == {
        "usd": ("cheaper_model", "fewer_steps", "ask_human"),
        "tokens": ("shorter_context", "fewer_steps", "ask_human"),
        "llm_calls": ("fewer_steps", "ask_human"),
    }


def test_paid_tools_count_and_a_spent_budget_stops_tools() -> None:
    @spanledger.tool(cost_usd="0.40")
    def search() -> None: ...

    with spanledger.budget(usd=1, mode="raise") as running:
        for _ in range(2):
            search()
        with pytest.raises(BudgetExceeded):
            search()
        assert running.use().usd == Decimal("0.80")
        with spanledger.tool("metered") as work:
            work.cost("0.30")
        assert running.use().usd == Decimal("1.10")
        with pytest.raises(BudgetExceeded):
            search()


def test_a_price_counts_once_however_it_is_told() -> None:
    with spanledger.budget(usd="0.15", mode="raise") as running:
        with spanledger.tool("flat", cost_usd="0.10") as work:
            work.arguments({"q": 1})
            work.cost("0.10")
        assert running.use().usd == Decimal("0.10")
    for said in ("0.25", "0.05"):
        with capture() as captured, spanledger.budget(usd=1) as running:
            with spanledger.tool("metered", cost_usd=0.1) as work:
                work.arguments({"q": 1})
                work.cost(said)
            assert running.use().usd == Decimal(said)
        assert (captured.span("execute_tool metered").attributes or {})[TOOL_COST_USD] == said


def test_a_budget_stops_a_paid_tool_of_a_with_block_before_it_runs() -> None:
    began = 0
    with (
        capture() as captured,
        spanledger.budget(usd=1) as outer,
        spanledger.budget(usd="0.15", mode="raise") as running,
    ):
        with spanledger.tool("paid", cost_usd="0.10"):
            began += 1
        with pytest.raises(BudgetExceeded), spanledger.tool("paid", cost_usd="0.10"):
            began += 1
        assert running.use().usd == outer.use().usd == Decimal("0.10")
    assert began == 1
    assert [
        ((span.attributes or {})[TOOL_COST_USD], span.status.is_ok, len(span.events))
        for span in captured.spans
    ] == [("0.10", True, 0), ("0", False, 2)]


def test_budgets_tell_of_money_that_tools_spent() -> None:
    heard: list[tuple[str, str, Decimal]] = []

    def hear(event: BudgetEvent) -> None:
        heard.append((event.amount, event.level, event.use.usd))

    with spanledger.budget(usd=1, on_limit=hear):
        with spanledger.tool("metered") as work:
            for usd in ("0.70", "0.90", "1.10", "0.95"):
                work.cost(usd)
        with spanledger.tool("flat", cost_usd="0.10") as work:
            work.arguments({})  # the same call: not told again
    assert heard == [
        ("usd", "soft", Decimal("0.90")),
        ("usd", "hard", Decimal("1.10")),
        ("usd", "hard", Decimal("0.95")),
    ]


def test_a_callback_that_stops_at_a_cost_leaves_it_counted() -> None:
    def stops(event: BudgetEvent) -> None:
        raise BudgetExceeded(event)

    with (
        spanledger.budget(usd="0.10", on_limit=stops) as outer,
        spanledger.budget(usd=1) as inner,
        spanledger.tool("metered") as work,
    ):
        with pytest.raises(LimitReached):
            work.cost("0.30")
        assert outer.use().usd == inner.use().usd == Decimal("0.30")


def test_a_callback_that_fails_is_no_matter_and_one_that_stops_does() -> None:
    def fails(event: BudgetEvent) -> None:
        raise RuntimeError

    def stops(event: BudgetEvent) -> None:
        raise BudgetExceeded(event)

    with spanledger.budget(llm_calls=0, on_limit=fails):
        one_call()
    with spanledger.budget(llm_calls=1, soft=1, on_limit=stops) as running:
        with pytest.raises(LimitReached):
            one_call()
        assert running.use().llm_calls == 0


def test_a_refused_call_gives_back_what_other_budgets_set_aside() -> None:
    with spanledger.budget(usd=1) as outer, spanledger.budget(llm_calls=0, mode="raise"):
        with pytest.raises(BudgetExceeded):
            one_call()
        assert outer.use().reserved_usd == 0
        assert outer.use().usd == 0


@pytest.mark.parametrize("limits", [{}, {"usd": -1}, {"tokens": 5, "soft": 0}])
def test_a_budget_that_limits_nothing_is_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="limit"):
        spanledger.budget(**limits)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"mode": "Raise"}, "mode must be one of observe, raise, not 'Raise'"),
        ({"mode": "warn"}, "mode must be one of observe, raise, not 'warn'"),
        ({"scope": "project"}, "scope must be one of run, agent, session, user, task"),
        ({"scope": ["run"]}, "scope must be one of"),
        ({"usd": "abc"}, "usd must be a limit of 0 or more, such as '2.50', not 'abc'"),
        ({"usd": "inf"}, "usd must be a limit"),
        ({"usd": "nan"}, "usd must be a limit"),
        ({"tokens": "5"}, "tokens must be a number of 0 or more, not '5'"),
        ({"seconds": float("nan")}, "seconds must be a number"),
        ({"soft": "0.5"}, "soft must be a number"),
    ],
)
def test_a_wrong_argument_of_a_guard_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spanledger.budget(**{"llm_calls": 1, **wrong})
    if "mode" in wrong:
        with pytest.raises(ValueError, match=said):
            spanledger.loop_guard(**wrong)


def watched(captured: Captured, model: str, usage: tuple[int, int]) -> None:
    """Make the spans an instrumentation makes: a framework's around the provider's."""
    tracer = captured.provider.get_tracer("openinference.instrumentation.x")
    asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
    asked["gen_ai.provider.name"] = "openai"
    with (
        tracer.start_as_current_span("outer", attributes=asked),
        tracer.start_as_current_span("inner", attributes=asked) as inner,
    ):
        inner.set_attribute("gen_ai.usage.input_tokens", usage[0])
        inner.set_attribute("gen_ai.usage.output_tokens", usage[1])


def test_calls_of_other_instrumentations_count_once_and_are_stopped() -> None:
    with capture() as captured, spanledger.budget(llm_calls=2, mode="raise") as running:
        watched(captured, "gpt-4o-mini", (10, 1))
        watched(captured, "gpt-4o-mini", (10, 1))
        assert running.use().llm_calls == 2
        with pytest.raises(BudgetExceeded):
            watched(captured, "gpt-4o-mini", (10, 1))


def told_at_the_end(captured: Captured, asked: dict[str, str], answered: dict[str, str]) -> None:
    """Make a span that tells of its usage, and of more, only when it ends."""
    usage = {"llm.token_count.prompt": 1000, "llm.token_count.completion": 1000}
    tracer = captured.provider.get_tracer("openinference.instrumentation.x")
    with tracer.start_as_current_span("call", attributes=asked) as span:
        span.set_attributes({**usage, **answered})


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (
            {"openinference.span.kind": "LLM"},
            {"llm.provider": "openai", "llm.model_name": "gpt-4o-mini-2024-07-18"},
        ),
        (
            {"openinference.span.kind": "LLM", "llm.system": "openai"},
            {"embedding.model_name": "gpt-4o-mini"},
        ),
        (
            {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"},
            {"gen_ai.response.model": "a name without a price"},
        ),
    ],
    ids=["at the end", "an embedding", "as asked"],
)
def test_a_model_is_priced_by_whichever_name_has_a_price(
    asked: dict[str, str], answered: dict[str, str]
) -> None:
    with capture() as captured, spanledger.budget(usd=1) as running:
        told_at_the_end(captured, asked, answered)
        assert running.use().usd == CALL_USD


def test_a_deployment_is_priced_as_the_model_behind_it() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000}
    with capture(), spanledger.budget(usd=CALL_USD * 2, mode="raise") as running:

        def ask() -> None:
            with spanledger.llm_call(provider="azure.ai.openai", model="my-deployment") as call:
                call.response({"model": "gpt-4o-mini-2024-07-18", "usage": usage})

        ask()
        ask()
        assert running.use().usd == CALL_USD * 2
        with pytest.raises(BudgetExceeded):
            ask()


def test_what_is_kept_in_a_cache_for_an_hour_has_its_own_price() -> None:
    # claude-sonnet-4-5: $3, $15, $3.75 and $6 per million of input, output and cache writes.
    written = {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 10_000}
    usage = {"input_tokens": 100, "output_tokens": 10, "cache_creation": written}
    cost_usd = Decimal("0.0003") + Decimal("0.00375") + Decimal("0.06") + Decimal("0.00015")
    with capture() as captured, spanledger.budget(usd=1) as running:
        with spanledger.llm_call(provider="anthropic", model="claude-sonnet-4-5") as call:
            call.response({"usage": usage})
        assert running.use().usd == cost_usd
        attributes = dict(captured.spans[0].attributes or {})
        tracer = captured.provider.get_tracer("of.an.instrumentation")
        with tracer.start_as_current_span("chat", attributes=attributes):
            pass
        assert running.use().usd == cost_usd * 2


SEARCHED = {"web_search_requests": 3}


@pytest.mark.parametrize(
    ("provider", "model", "usage", "cost_usd"),
    [
        # $10 per 1,000 searches: https://platform.claude.com/docs/en/about-claude/pricing
        (
            *("anthropic", "claude-sonnet-4-5"),
            {
                "input_tokens": 100,
                "output_tokens": 10,
                "server_tool_use": {"web_search_requests": 3},
            },
            Decimal("0.0003") + Decimal("0.00015") + Decimal("0.03"),
        ),
        # $12 per 1,000 requests and $1 per million tokens, of either kind
        (
            *("perplexity", "sonar"),
            {"prompt_tokens": 100, "completion_tokens": 10},
            Decimal("0.00011") + Decimal("0.012"),
        ),
    ],
    ids=["searches", "a request"],
)
def test_fees_count(provider: str, model: str, usage: dict[str, Any], cost_usd: Decimal) -> None:
    with capture(), spanledger.budget(usd=1) as running:
        with spanledger.llm_call(provider=provider, model=model) as call:
            call.response({"usage": usage})
        assert running.use().usd == cost_usd


ASKED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
}
ANSWERED = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 1000}


def instrumented(captured: Captured) -> None:
    """Make the span an instrumentation of a client makes."""
    tracer = captured.provider.get_tracer("of.an.instrumentation")
    with tracer.start_as_current_span("chat", attributes=ASKED) as span:
        span.set_attributes(ANSWERED)


def unknown() -> spanledger.LlmCall:
    return spanledger.llm_call(provider="openai", model="gpt-4o-mini")


@pytest.mark.parametrize("is_told", [True, False])
def test_llm_call_around_an_instrumented_client_is_one_call(is_told: bool) -> None:
    with capture() as captured, spanledger.budget(usd=1, llm_calls=2, mode="raise") as running:
        for _ in range(2):
            with unknown() as call:
                instrumented(captured)
                if is_told:
                    call.usage(input_tokens=1000, output_tokens=1000)
        assert (running.use().llm_calls, running.use().usd) == (2, CALL_USD * 2)
        with pytest.raises(BudgetExceeded):
            instrumented(captured)


def test_llm_call_inside_spans_of_instrumentations_is_their_call() -> None:
    with capture() as captured, spanledger.budget(usd=1) as running:
        tracer = captured.provider.get_tracer("of.a.framework")
        with (
            tracer.start_as_current_span("outer", attributes=ASKED),
            tracer.start_as_current_span("inner", attributes=ASKED),
            unknown() as call,
        ):
            call.usage(input_tokens=1000, output_tokens=1000)
        assert (running.use().llm_calls, running.use().usd) == (1, CALL_USD)


def test_a_call_of_a_tool_inside_a_call_is_another_one_and_a_new_budget_sees_both() -> None:
    with capture() as captured, spanledger.budget(llm_calls=9) as outer, unknown():
        with spanledger.tool("ask"):
            instrumented(captured)
        with spanledger.budget(llm_calls=9) as inner:
            instrumented(captured)
        assert inner.use().llm_calls == 1
    assert outer.use().llm_calls == 2


def test_the_same_call_with_the_same_result_is_a_loop() -> None:
    heard: list[LoopEvent] = []

    @spanledger.tool
    def read(path: str) -> str:
        return f"content at 2026-11-21T10:00:00Z of {path}"

    guard = spanledger.loop_guard(mode="raise", on_loop=heard.append)
    with spanledger.agent("a"), guard:
        for _ in range(5):
            read("/a")
        with pytest.raises(LoopDetected):
            read("/a")
    assert [(e.kind, e.level, e.copies, e.agent) for e in heard] == [
        ("exact", "warn", 3, "a"),
        ("exact", "stop", 5, "a"),
    ]


def test_polls_and_progress_are_no_loops() -> None:
    heard: list[LoopEvent] = []
    results = iter(range(100))

    @spanledger.tool
    def poll() -> str:
        return f"{next(results)} of 100 done"

    @spanledger.tool
    def read(offset: int) -> str:
        return "same"

    with spanledger.loop_guard(mode="raise", on_loop=heard.append) as guard:
        for offset in range(15):
            poll()
            read(offset)
        for _ in range(10):
            read(0)
            guard.progress()
    assert heard == []


def test_cycles_are_found_and_another_call_may_go_on() -> None:
    heard: list[LoopEvent] = []

    @spanledger.tool
    def act(name: str) -> str:
        return name

    with spanledger.loop_guard(mode="raise", on_loop=heard.append):
        for _ in range(4):
            act("edit")
            act("test")
        with pytest.raises(LoopDetected):
            act("edit")
        act("something else")
    assert [(e.kind, e.period, e.copies, e.level) for e in heard] == [
        ("cycle", 2, 3, "warn"),
        ("cycle", 2, 4, "stop"),
    ]


def test_with_turns_of_a_model_the_next_call_of_it_is_stopped() -> None:
    @spanledger.tool
    def look(where: str) -> str:
        return "nothing"

    with spanledger.loop_guard(mode="raise"):
        for turn in range(5):
            one_call()
            for where in ("a", "b") if turn % 2 else ("b", "a"):  # parallel: any order
                look(where)
        with pytest.raises(LoopDetected):
            one_call()


def test_a_long_turn_keeps_the_words_of_its_last_tools_alone() -> None:
    signed: list[int] = []

    class Words(Said):
        def result_signature(self) -> int:
            signed.append(1)
            return super().result_signature()

    with spanledger.loop_guard() as guard:
        guard.before_model(ModelCall(), get_current())
        for number in range(50):
            said = Words("look")
            said.arguments({"where": number})
            said.result("nothing", is_error=False)
            guard.after_tool(ToolCall("look", said), is_error=False)
    assert len(signed) == 50 - 8


def test_errors_again_and_again_are_a_loop_whatever_they_say() -> None:
    heard: list[LoopEvent] = []
    numbers = iter(range(10))

    @spanledger.tool
    def fails() -> None:
        raise ValueError(f"attempt {next(numbers)}")

    with spanledger.loop_guard(on_loop=heard.append):
        for _ in range(4):
            with pytest.raises(ValueError, match="attempt"):
                fails()
    assert [(event.kind, event.level) for event in heard] == [("error_retry", "warn")]


def test_a_place_of_accounts_that_fails_stops_no_call() -> None:
    class Broken:
        def account(self, key: str) -> LocalAccount:
            raise OSError("away")

    with (
        spanledger.budget(llm_calls=1, scope="session", accounts=Broken()),
        spanledger.llm_call(provider="openai", model="gpt-4o") as running,
    ):
        running.usage(input_tokens=1, output_tokens=1)
