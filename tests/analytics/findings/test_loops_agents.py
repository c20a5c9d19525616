"""Loops in what models say and in how agents call each other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from spanledger_analytics.findings.finding import SpanRef
from spanledger_analytics.findings.lanes import Lane, Step
from spanledger_analytics.findings.loops.chanting import count_chant
from spanledger_analytics.findings.loops.marks import repeated_steps
from tests.analytics.findings.looping_lanes import (
    COST,
    TRACE,
    S,
    Said,
    Unread,
    found,
    lane,
    model,
    steps,
    told,
)

TASK = b"t" * 16
OTHER = b"u" * 16


def talk(answers: Sequence[bytes], *, grows: bool = True) -> list[Step]:
    """Return answers without tools; the conversation grows by each, unless told otherwise."""
    made: list[Step] = []
    for number, answer in enumerate(answers):
        said = tuple(b"%d" % n for n in range(number + 1)) if grows else (b"%d" % number,)
        made.append(Step(model(number, number * 2 * S, input=said, output=(answer,)), ()))
    return made


def test_the_same_answer_again_is_a_monologue() -> None:
    assert told(lane(talk([b"a"] * 3))) == [("monologue", "warning")]
    [one] = found(lane(talk([b"a"] * 6)))
    assert (one.severity, one.direct_usd, one.avoidable_usd) == ("critical", 5 * COST, 3 * COST)
    assert told(lane(talk([b"a", b"b"] * 5))) == []


def test_answers_alike_are_a_monologue_too() -> None:
    made = talk([b"a", b"b", b"c"])
    words = "I will now look at the file and then change the line that is wrong"
    said = Said(
        of_models={
            one.model.ref: words + end for one, end in zip(made, ".!?", strict=True) if one.model
        }
    )
    assert told(lane(made), texts=said) == [("monologue", "warning")]


def test_a_batch_of_equal_answers_is_no_monologue() -> None:
    assert told(lane(talk([b"positive"] * 20, grows=False)), texts=Unread()) == []


def test_answers_to_people_are_no_monologue() -> None:
    made = talk([b"no"] * 6)
    assert told(lane(made, human_ns=tuple(one.start_ns - 1 for one in made))) == []


def test_a_tool_in_between_ends_a_monologue() -> None:
    made = talk([b"a"] * 4)
    worked = steps([(1, 1)])[0].tools
    assert told(lane([*made[:2], Step(made[2].model, worked), made[3]])) == []


def test_calls_of_the_model_that_failed_are_no_loop() -> None:
    failed = [Step(model(n, n * S, is_error=True, output=(b"x",)), ()) for n in range(20)]
    assert told(lane(failed)) == []


CHANT = "The next thing that I am going to do is the next thing. "


def test_an_answer_that_repeats_itself_is_a_chant() -> None:
    call = model(0, 0, finish_reason="length", output_tokens=4_000, output_cost_usd=COST / 2)
    said = Said(of_models={call.ref: CHANT * 30})
    [one] = found(lane([Step(call, ())]), texts=said)
    assert (one.code, one.direct_usd, one.is_sure) == ("chant", COST / 2, False)
    short = call._replace(finish_reason="stop", output_tokens=200)
    assert told(lane([Step(short, ())]), texts=Unread()) == []


@pytest.mark.parametrize(
    "text",
    [
        "```\n" + CHANT * 30 + "\n```",
        "| a | b |\n|---|---|\n" + f"| {CHANT} | 1 |\n" * 30,
        f"- {CHANT}\n" * 30,
        " ".join(f"The {n}th of these is {n * n}, and {n + 7} more." for n in range(200)),
        CHANT * 9,
        "",
    ],
)
def test_code_tables_lists_and_prose_are_no_chant(text: str) -> None:
    assert count_chant(text) == 0


def run(number: int, name: str, task: bytes, calls: Sequence[tuple[int, int]] = ()) -> Lane:
    """Return a run of an agent of one second, the next one after it."""
    made = steps(calls or [(0, 0)])
    moved = [
        Step(
            one.model._replace(ref=SpanRef(TRACE, f"{number:08x}{at:08x}")),
            tuple(
                tool._replace(ref=SpanRef(TRACE, f"{number:08x}{at:07x}f")) for tool in one.tools
            ),
        )
        for at, one in enumerate(made)
        if one.model
    ]
    ref = SpanRef(TRACE, f"{number:016x}")
    start = number * 1_000 * S
    return lane(moved, ref=ref, agent_name=name, task=task, start_ns=start, end_ns=start + 900 * S)


def test_agents_that_hand_the_same_tasks_on_in_a_circle_are_a_loop() -> None:
    runs = [run(n, "ab"[n % 2], (TASK, OTHER)[n % 2]) for n in range(8)]
    [one] = found(*runs)
    assert (one.code, one.severity) == ("handoff", "critical")
    assert one.details["agents"] == ["a", "b"]
    assert one.direct_usd == 6 * COST
    assert told(*runs[:6]) == [("handoff", "warning")]
    assert told(*runs[:5]) == []


def test_rounds_that_each_do_something_new_get_more_room() -> None:
    runs = [run(n, "ab"[n % 2], TASK, [(n + 1, n + 1)]) for n in range(16)]
    assert told(*runs[:10]) == []
    assert told(*runs[:12]) == [("handoff", "warning")]
    assert told(*runs) == [("handoff", "critical")]


def test_agents_with_other_tasks_or_at_the_same_time_are_no_circle() -> None:
    runs = [run(n, "ab"[n % 2], b"%016d" % n) for n in range(12)]
    assert told(*runs) == []
    beside = [lane(one.steps, ref=one.ref, agent_name=one.agent_name, task=TASK) for one in runs]
    assert told(*[_at(one, 0, 900 * S) for one in beside]) == []
    assert told(*[run(n, "a", TASK) for n in range(12)]) == []


def _at(one: Lane, start_ns: int, end_ns: int, parent: SpanRef | None = None) -> Lane:
    return lane(
        one.steps,
        ref=one.ref,
        parent=parent,
        agent_name=one.agent_name,
        task=one.task,
        start_ns=start_ns,
        end_ns=end_ns,
    )


def nested(count: int, *, echo: bool = False) -> list[Lane]:
    made: list[Lane] = []
    for number in range(count):
        one = run(number, "a", TASK)
        begun = one.steps[0].start_ns + (0 if echo else 1) * number
        parent = made[-1].ref if made else None
        made.append(_at(one, begun + (-1 if echo else 1), begun + S, parent))
    return made


def test_an_agent_below_itself_with_its_own_task_is_recursion() -> None:
    [one] = found(*nested(2))
    assert (one.code, one.severity, one.direct_usd) == ("recursion", "warning", COST)
    assert told(*nested(3)) == [("recursion", "critical")]
    assert told(*nested(2, echo=True)) == []  # one run seen twice


def test_parents_in_a_circle_end() -> None:
    one, other = nested(2)
    assert told(_at(one, 0, S, other.ref), other) == []


def test_marks_are_what_people_call_a_repetition() -> None:
    long = " ".join(f"word{n}" for n in range(80))
    asked = [
        '{"file": "a", "n": 1}',
        '{"n": "1", "file": "a", "also": []}',  # another way of writing it
        '{"file": "a"}',  # a part left out
        '{"file": "b"}',
        f'{{"text": "{long}"}}',
        f'{{"text": "{long} x"}}',  # nearly the same many words, and the same came of it
        '{"file": "c"}',
        f'{{"text": "{long}"}}',  # again, and it fails
        f'{{"text": "{long} y"}}',  # nearly the same many words, and something else came of it
    ]
    made = steps([(n, 5 if n == 6 else n) for n in range(1, len(asked) + 1)])
    made[7] = Step(made[7].model, (made[7].tools[0]._replace(is_error=True),))
    said = Said({one.tools[0].ref: text for one, text in zip(made, asked, strict=True)})
    assert repeated_steps(lane(made), said) == [1, 2, 5, 7]
    assert repeated_steps(lane(steps([(1, 1), (1, 2), (2, 2), (1, 1)])), Said()) == [1]
