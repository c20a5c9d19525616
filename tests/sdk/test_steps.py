"""Decorators and context managers: the program sees no difference, the spans tell everything."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Generator

import pytest
from opentelemetry.trace import StatusCode

import spanledger
from spanledger import (
    TASK_ID,
    TASK_OUTCOME,
    TASK_SCORE,
    TOOL_CALL_SIGNATURE,
    TOOL_COST_USD,
    TOOL_RESULT_SIGNATURE,
)
from spanledger.testing import Captured, capture


def attributes(captured: Captured, name: str) -> dict[str, object]:
    return dict(captured.span(name).attributes or {})


def test_functions_of_every_sort_give_what_they_gave_before() -> None:
    @spanledger.agent
    def plain(x: int, *, y: int = 1) -> int:
        """Add."""
        return x + y

    @spanledger.task
    async def coroutine(x: int) -> int:
        await asyncio.sleep(0)
        return x

    @spanledger.workflow("flow")
    def generator(n: int) -> Generator[int, str, str]:
        said = ""
        for i in range(n):
            said += yield i
        return said

    @spanledger.workflow("async flow")
    async def async_generator(n: int) -> AsyncGenerator[int, None]:
        for i in range(n):
            yield i

    async def collected() -> list[int]:
        return [item async for item in async_generator(3)]

    with capture() as captured:
        assert plain(1, y=2) == 3
        assert asyncio.run(coroutine(5)) == 5
        made = generator(2)
        assert [next(made), made.send("a")] == [0, 1]
        with pytest.raises(StopIteration) as stop:
            made.send("b")
        assert stop.value.value == "ab"
        assert asyncio.run(collected()) == [0, 1, 2]
    assert [span.name for span in captured.spans] == [
        "invoke_agent plain",
        "coroutine",
        "invoke_workflow flow",
        "invoke_workflow async flow",
    ]
    assert plain.__doc__ == "Add."
    assert str(inspect.signature(plain)) == "(x: 'int', *, y: 'int' = 1) -> 'int'"
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)


def test_methods_of_every_sort() -> None:
    class Toolbox:
        @spanledger.tool
        def method(self, q: str) -> str:
            return q

        @spanledger.tool
        @classmethod
        def of_class(cls, q: str) -> str:
            return q

        @spanledger.tool
        @staticmethod
        def static(q: str) -> str:
            return q

    with capture() as captured:
        box = Toolbox()
        assert [box.method("a"), Toolbox.of_class("b"), box.static("c")] == ["a", "b", "c"]
    said = [(span.attributes or {})["gen_ai.tool.call.arguments"] for span in captured.spans]
    assert said == ['{"q":"a"}', '{"q":"b"}', '{"q":"c"}']


def test_an_exception_is_recorded_and_stays_the_same_object() -> None:
    failure = KeyError("no such city")

    @spanledger.tool
    def search(city: str) -> str:
        raise failure

    with capture() as captured, pytest.raises(KeyError) as raised:
        search("Atlantis")
    assert raised.value is failure
    span = captured.span("execute_tool search")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "KeyError: 'no such city'"
    assert (span.attributes or {})["error.type"] == "KeyError"
    assert span.events[0].name == "exception"


def test_an_exception_whose_text_fails_does_not_get_in_the_way() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @spanledger.agent
    def broken() -> None:
        raise Odd

    with capture() as captured, pytest.raises(Odd):
        broken()
    assert len(captured.spans) == 1


def test_a_langgraph_interrupt_is_a_pause_not_an_error() -> None:
    base = type("GraphBubbleUp", (Exception,), {"__module__": "langgraph.errors"})
    interrupt = type("GraphInterrupt", (base,), {"__module__": "langgraph.errors"})
    with capture() as captured, pytest.raises(base), spanledger.agent("asks"):
        raise interrupt("approve?")
    span = captured.span("invoke_agent asks")
    assert span.status.status_code is StatusCode.UNSET
    assert [event.name for event in span.events] == ["spanledger.pause"]


def test_a_generator_is_current_only_while_it_runs() -> None:
    @spanledger.agent
    def outer() -> Generator[int, None, None]:
        with spanledger.tool("inner"):
            yield 1
        with spanledger.tool("after"):
            yield 2

    with capture() as captured:
        for _ in outer():
            with spanledger.workflow("reader"):
                pass
    parents = {span.name: span.parent for span in captured.spans}
    agent = captured.span("invoke_agent outer").get_span_context()
    assert agent is not None
    for name in ("execute_tool inner", "execute_tool after"):
        parent = parents[name]
        assert parent is not None
        assert parent.span_id == agent.span_id
    assert all(span.parent is None for span in captured.spans if "reader" in span.name)


def test_an_abandoned_generator_ends_its_span_without_an_error() -> None:
    closed: list[bool] = []

    @spanledger.workflow
    def forever() -> Generator[int, None, None]:
        try:
            while True:
                yield 1
        finally:
            closed.append(True)

    with capture() as captured:
        made = forever()
        next(made)
        made.close()
    assert closed == [True]
    assert captured.span("invoke_workflow forever").status.status_code is StatusCode.UNSET


def test_exceptions_thrown_into_generators_arrive() -> None:
    @spanledger.workflow
    def catching() -> Generator[str, None, None]:
        try:
            yield "ready"
        except ValueError as error:
            yield f"caught {error}"

    @spanledger.workflow
    async def catching_async() -> AsyncGenerator[str, None]:
        try:
            yield "ready"
        except ValueError as error:
            yield f"caught {error}"

    async def run() -> str:
        made = catching_async()
        await anext(made)
        return await made.athrow(ValueError("b"))

    with capture():
        made = catching()
        next(made)
        assert made.throw(ValueError("a")) == "caught a"
        made.close()
        assert asyncio.run(run()) == "caught b"


def test_session_user_task_and_dimensions_reach_every_span_below() -> None:
    with capture() as captured:
        elsewhere = captured.provider.get_tracer("some.library")
        with (
            spanledger.session("s-1", user="ann"),
            spanledger.dimensions(team="search", customer="acme"),
            spanledger.task("T-42"),
            elsewhere.start_as_current_span("by a library"),
        ):
            pass
        with elsewhere.start_as_current_span("outside"):
            pass
    found = attributes(captured, "by a library")
    assert found == {
        "session.id": "s-1",
        "gen_ai.conversation.id": "s-1",
        "user.id": "ann",
        "spanledger.dimension.team": "search",
        "spanledger.dimension.customer": "acme",
        TASK_ID: "T-42",
    }
    assert attributes(captured, "outside") == {}


def test_a_task_takes_its_id_from_the_arguments() -> None:
    @spanledger.task(id=lambda order: order["number"])
    def handle(order: dict[str, int]) -> None:
        spanledger.outcome("completed", score=0.9)

    @spanledger.task(id=lambda: 1 / 0)
    def odd() -> None:
        spanledger.outcome("great")  # type: ignore[arg-type] # what a program may do

    with capture() as captured:
        handle({"number": 7})
        odd()
    found = attributes(captured, "handle")
    assert found[TASK_ID] == "7"
    assert found[TASK_OUTCOME] == "completed"
    assert found[TASK_SCORE] == 0.9
    assert len(str(attributes(captured, "odd")[TASK_ID])) == 32
    assert TASK_OUTCOME not in attributes(captured, "odd")


def test_tools_tell_their_price() -> None:
    @spanledger.tool(cost_usd=0.1)
    def flat() -> None: ...

    with capture() as captured:
        flat()
        with spanledger.tool("metered") as work:
            work.cost("0.00000012")
            work.cost(float("nan"))
    assert attributes(captured, "execute_tool flat")[TOOL_COST_USD] == "0.1"
    assert attributes(captured, "execute_tool metered")[TOOL_COST_USD] == "0.00000012"


def test_without_content_tools_leave_signatures_and_nothing_else() -> None:
    @spanledger.tool
    def search(q: str) -> dict[str, str]:
        return {"found": q}

    with capture("hashes") as captured:
        search("a")
        search("a")
        search("b")
    signed = [
        (
            (span.attributes or {})[TOOL_CALL_SIGNATURE],
            (span.attributes or {})[TOOL_RESULT_SIGNATURE],
        )
        for span in captured.spans
    ]
    assert signed[0] == signed[1] != signed[2]
    assert not any("arguments" in key for key in captured.spans[0].attributes or {})
    with capture("none") as captured:
        search("a")
    assert set(captured.spans[0].attributes or {}) == {"gen_ai.operation.name", "gen_ai.tool.name"}


def test_feedback_is_an_event_of_opentelemetry() -> None:
    with capture() as captured, spanledger.agent("a"):
        spanledger.feedback("helpful", True, comment="thanks")
        spanledger.feedback("stars", 4)
    first, second = captured.spans[0].events
    assert first.name == "gen_ai.evaluation.result"
    assert dict(first.attributes or {}) == {
        "gen_ai.evaluation.name": "helpful",
        "gen_ai.evaluation.score.label": "true",
        "gen_ai.evaluation.explanation": "thanks",
    }
    assert (second.attributes or {})["gen_ai.evaluation.score.value"] == 4.0


def test_without_init_everything_works_and_nothing_is_recorded() -> None:
    @spanledger.agent
    def quiet() -> int:
        spanledger.outcome("completed")
        return 1

    assert quiet() == 1
