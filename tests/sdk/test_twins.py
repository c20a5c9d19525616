"""Calls that two libraries record side by side, neither span inside the other: budgets see one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import Span

import spanledger
from spanledger import BudgetExceeded
from spanledger.testing import Captured, capture

# claude-sonnet-4-5: $3 and $15 per million tokens.
CALL_USD = Decimal("0.018")
ASKED = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}
MODEL = "claude-sonnet-4-5"
USED = (1000, 1000)


def began(captured: Captured, library: str, asked: dict[str, str] | None = None) -> Span:
    """Start a span as a library does that does not make it the current one."""
    span = captured.provider.get_tracer(library).start_span("call", attributes=asked or ASKED)
    assert isinstance(span, Span)
    return span


def ends(span: Span, used: tuple[int, int] | None = USED, id: str = "") -> None:
    span.set_attribute("gen_ai.request.model", MODEL)
    if id:
        span.set_attribute("gen_ai.response.id", id)
    if used is not None:
        span.set_attribute("gen_ai.usage.input_tokens", used[0])
        span.set_attribute("gen_ai.usage.output_tokens", used[1])
    span.end()


def twice(captured: Captured, id: str = "") -> None:
    """A call that two libraries record: the outer one begins first and ends last."""
    outer, inner = began(captured, "of.a.client"), began(captured, "of.the.client.itself")
    ends(inner, id=id)
    ends(outer, id=id)


def test_two_libraries_side_by_side_record_one_call_which_has_to_fit_once() -> None:
    limit = spanledger.budget(usd=1, llm_calls=2, mode="raise")
    with capture() as captured, spanledger.agent("a"), limit as running:
        twice(captured)
        twice(captured, "msg_1")
        assert (running.use().llm_calls, running.use().usd) == (2, CALL_USD * 2)
        with pytest.raises(BudgetExceeded):
            twice(captured)


@pytest.mark.parametrize("inner_first", [True, False])
@pytest.mark.parametrize(
    ("inner", "outer", "calls", "tokens"),
    [
        ((USED, "msg_1"), (USED, "msg_2"), 2, 4000),
        ((USED, ""), ((1000, 999), "msg_1"), 2, 3999),
        ((USED, "msg_1"), ((1000, 1001), "msg_1"), 1, 2001),  # OpenLLMetry, of a stream
        ((USED, "msg_1"), (USED, ""), 1, 2000),
        ((None, ""), (USED, "msg_1"), 1, 2000),
    ],
    ids=["other ids", "other tokens", "one id", "the same tokens", "one is silent"],
)
def test_the_end_tells_whether_it_was_one_call(
    inner: tuple[tuple[int, int] | None, str],
    outer: tuple[tuple[int, int] | None, str],
    calls: int,
    tokens: int,
    *,
    inner_first: bool,
) -> None:
    with capture() as captured, spanledger.budget(tokens=10_000) as running:
        spans = [(began(captured, "x"), *outer), (began(captured, "y"), *inner)]
        for span, used, id in reversed(spans) if inner_first else spans:
            ends(span, used, id)
        assert (running.use().llm_calls, running.use().tokens) == (calls, tokens)


def test_what_the_outer_library_does_not_tell_the_inner_one_does() -> None:
    with capture() as captured, spanledger.budget(usd=1) as running:
        outer, inner = began(captured, "x"), began(captured, "y")
        ends(inner)
        ends(outer, None)
        assert (running.use().llm_calls, running.use().usd) == (1, CALL_USD)


def test_equal_calls_at_once_are_as_many_as_there_are() -> None:
    """Also where each is recorded twice, and both begin before any of them ends."""
    both_began = threading.Barrier(5)

    async def in_task(captured: Captured, event: asyncio.Event) -> None:
        outer = began(captured, "x")
        await asyncio.sleep(0)
        inner = began(captured, "y")
        await event.wait()
        ends(inner)
        ends(outer)

    async def in_tasks(captured: Captured) -> None:
        event = asyncio.Event()
        tasks = [asyncio.create_task(in_task(captured, event)) for _ in range(5)]
        await asyncio.sleep(0.01)
        event.set()
        await asyncio.gather(*tasks)

    def in_thread(captured: Captured, base: context.Context) -> None:
        context.attach(base)
        outer = began(captured, "x")
        both_began.wait(10)
        inner = began(captured, "y")
        both_began.wait(10)
        ends(inner)
        ends(outer)

    with capture() as captured, spanledger.budget(usd=1) as running, spanledger.agent("a"):
        base = context.get_current()
        threads = [threading.Thread(target=in_thread, args=(captured, base)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert running.use().llm_calls == 5
        asyncio.run(in_tasks(captured))
        assert (running.use().llm_calls, running.use().usd) == (10, CALL_USD * 10)


def test_equal_calls_of_one_library_are_two_also_while_both_are_streams() -> None:
    with capture() as captured, spanledger.budget(usd=1) as running:
        one, other = began(captured, "x"), began(captured, "x")
        ends(other)
        ends(one)
        assert (running.use().llm_calls, running.use().usd) == (2, CALL_USD * 2)


def test_streams_that_are_open_together_find_their_own_twins() -> None:
    with capture() as captured, spanledger.budget(tokens=100_000) as running:
        spans = [began(captured, library) for library in ("x", "y", "x", "y")]
        for span, used in zip(spans, ((10, 1), (10, 1), (30, 3), (30, 3)), strict=True):
            ends(span, used)
        assert (running.use().llm_calls, running.use().tokens) == (2, 44)


def ended_before(captured: Captured) -> None:
    ends(began(captured, "x"))
    ends(began(captured, "y"))


def of_another_provider(captured: Captured) -> None:
    one = began(captured, "x")
    ends(began(captured, "y", {**ASKED, "gen_ai.provider.name": "openai"}))
    ends(one)


def of_another_model(captured: Captured) -> None:
    asked = [{**ASKED, "gen_ai.request.model": model} for model in (MODEL, "claude-haiku-4-5")]
    one, other = began(captured, "x", asked[0]), began(captured, "y", asked[1])
    ends(other)
    ends(one)


def under_another_span(captured: Captured) -> None:
    with spanledger.tool("ask"):
        one = began(captured, "x")
    ends(began(captured, "y"))
    ends(one)


@pytest.mark.parametrize(
    "calls", [ended_before, of_another_provider, of_another_model, under_another_span]
)
def test_calls_of_two_libraries_that_cannot_be_one_are_two(
    calls: Callable[[Captured], None],
) -> None:
    with capture() as captured, spanledger.budget(llm_calls=9) as running:
        calls(captured)
        assert running.use().llm_calls == 2


def test_a_third_library_inside_the_second_is_the_same_call() -> None:
    with capture() as captured, spanledger.budget(llm_calls=1, mode="raise") as running:
        outer = began(captured, "x")
        tracer = captured.provider.get_tracer("y")
        with tracer.start_as_current_span("call", attributes=ASKED) as middle:
            assert isinstance(middle, Span)
            inner = began(captured, "z")
            ends(inner)
        ends(outer)
        assert (running.use().llm_calls, running.use().tokens) == (1, 2000)


def test_a_second_budget_inside_sees_the_twin_alone() -> None:
    with capture() as captured, ExitStack() as stack:
        outside = stack.enter_context(spanledger.budget(llm_calls=9))
        outer = began(captured, "x")
        inside = stack.enter_context(spanledger.budget(llm_calls=9))
        ends(began(captured, "y"))
        ends(outer)
        assert (outside.use().llm_calls, inside.use().llm_calls) == (1, 1)
