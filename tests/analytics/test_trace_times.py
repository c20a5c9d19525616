"""How one trace spent its time, and what its end waited for: small examples by hand."""

from __future__ import annotations

import pytest

from spanledger_analytics.intervals import length, union, without
from spanledger_analytics.spans import Span
from spanledger_analytics.trace_shape import TraceShape, trace_shape
from spanledger_analytics.trace_times import INTERRUPT, Pause, TraceTimes, trace_times
from tests.analytics.made import MS, T0, llm, span, tool

DAY_S = 86_400


def times(*spans: Span) -> TraceTimes:
    return trace_times(sorted(spans, key=lambda one: one.start_ns))


def ms(found: TraceTimes) -> tuple[int, int, int]:
    """Active, waiting, waiting for a person; milliseconds."""
    active, waiting, human = found.lengths
    return active // MS, waiting // MS, human // MS


def test_an_agent_is_active_between_its_steps() -> None:
    agent = span("a", role="agent", lasts=1_000)
    assert ms(times(agent, llm("b", "a", at=100), llm("c", "a", at=700))) == (1_000, 0, 0)


def test_without_a_root_what_lies_between_spans_is_no_work() -> None:
    assert ms(times(llm("b", "a", at=100), llm("c", "a", at=700))) == (200, 0, 0)


def test_an_agent_that_waits_is_not_active() -> None:
    agent = span("a", role="agent", lasts=1_000)
    wait = span("w", "a", at=200, lasts=500, step_kind="wait", wait_for="human")
    assert ms(times(agent, wait)) == (500, 500, 500)


def test_a_wait_for_something_else_is_no_wait_for_a_person() -> None:
    agent = span("a", role="agent", lasts=1_000)
    wait = span("w", "a", at=200, lasts=500, step_kind="wait", wait_for="payment")
    assert ms(times(agent, wait)) == (500, 500, 0)


def test_work_of_a_parallel_branch_counts_while_another_one_waits() -> None:
    agent = span("a", role="agent", lasts=1_000)
    wait = tool("w", "a", at=200, lasts=500, tool_name="ask_user")
    assert ms(times(agent, wait, llm("b", "a", at=300, lasts=100))) == (600, 400, 400)


def test_a_model_that_is_called_like_a_question_does_not_wait() -> None:
    assert ms(times(llm("b", name="ask_user"))) == (100, 0, 0)


def test_a_pause_without_a_wait_stays_open() -> None:
    agent = span("a", role="agent", lasts=1_000)
    pause = span("p", "a", at=1_000, lasts=0, step_kind="pause", wait_for="human")
    assert times(agent, pause).pauses == (Pause("p", T0 + 1_000 * MS, "human"),)
    wait = span("w", "a", at=1_000, lasts=50, step_kind="wait", wait_for="human")
    assert times(agent, pause, wait).pauses == ()


def test_an_interrupt_lasts_until_the_trace_goes_on() -> None:
    graph = span("g", role="agent", lasts=100, step_kind="interrupt")
    node = span("n", "g", lasts=100, step_kind="interrupt")
    assert times(graph, node).pauses == (Pause("g", T0 + 100 * MS, INTERRUPT),)
    resumed = times(graph, node, span("r", at=600, role="agent"))
    assert (ms(resumed), resumed.pauses) == ((200, 500, 500), ())


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([span("a", lasts=100)], (1, 0, 100)),
        ([span("a", lasts=100), span("b", "a", at=20, lasts=30)], (2, 1, 100)),
        # The end waited for the longer of two branches, and for what came before them.
        (
            [
                span("a", lasts=100),
                span("b", "a", at=10, lasts=20),
                span("c", "a", at=40, lasts=60),
                span("d", "a", at=40, lasts=10),
            ],
            (2, 3, 100),
        ),
        # Between two roots nothing was waited for that was recorded.
        ([span("a", lasts=10), span("b", at=50, lasts=10)], (1, 0, 20)),
        # Spans above one another in a circle hang below nothing.
        ([span("a", "b"), span("b", "a")], (0, 1, 0)),
    ],
)
def test_depth_width_and_critical_path(spans: list[Span], expected: tuple[int, int, int]) -> None:
    depth, fan_out, path_ms = expected
    assert trace_shape(spans, ()) == TraceShape(depth, fan_out, path_ms * MS)


def test_waits_are_no_part_of_the_critical_path() -> None:
    spans = [span("a", lasts=100), span("w", "a", at=20, lasts=30)]
    assert trace_shape(spans, {"w"}).critical_path_ns == 70 * MS


def test_intervals_are_joined_and_cut() -> None:
    assert union([(5, 6), (1, 3), (2, 4), (4, 5), (9, 9)]) == [(1, 6)]
    assert without([(0, 10), (20, 30)], [(2, 3), (5, 22), (29, 40)]) == [(0, 2), (3, 5), (22, 29)]
    assert length([(1, 6), (8, 9)]) == 6
