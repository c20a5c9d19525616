"""Loops of one lane: what alarms, what does not, and what it costs."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.findings.detectors import DETECTORS
from spanledger_analytics.findings.detectors.loops import detect
from spanledger_analytics.findings.lanes import Step
from tests.analytics.findings.looping_lanes import (
    COST,
    S,
    Said,
    Unread,
    found,
    lane,
    model,
    steps,
    told,
    tool,
)

SAME = (1, 1)


def test_the_detector_runs() -> None:
    assert DETECTORS["loops"] is detect


@pytest.mark.parametrize("count", [0, 1, 2])
def test_one_step_or_two_are_quiet(count: int) -> None:
    assert told(lane(steps([SAME] * count))) == []


def test_the_same_call_with_the_same_result_is_a_loop() -> None:
    [one] = found(lane(steps([(9, 9)] + [SAME] * 6)))
    assert (one.kind, one.code, one.severity) == ("loop", "exact", "critical")
    assert one.details["copies"] == 6
    assert (one.details["first_step"], one.details["warn_step"]) == (2, 4)
    assert "Would have saved $0.03 if stopped at step 4." in one.explanation
    assert one.subject.agent_name == "clerk"
    assert one.subject.tool_name == "search"
    assert told(lane(steps([SAME] * 3))) == [("exact", "warning")]


@pytest.mark.parametrize("period", range(2, 9))
def test_a_cycle_of_any_period_is_one_loop(period: int) -> None:
    body = [(n, n) for n in range(1, period + 1)]
    [one] = found(lane(steps(body * 5)))
    assert (one.code, one.details["period"], one.details["copies"]) == ("cycle", period, 5)
    assert one.direct_usd == 4 * period * COST
    assert one.avoidable_usd == 2 * period * COST


def test_failing_again_is_told_though_the_messages_differ() -> None:
    assert told(lane(steps([(1, n) for n in range(1, 4)], error=True))) == [
        ("error_retry", "warning")
    ]
    failed_twice = steps([(1, 1), (1, 2)], error=True)
    assert told(lane([*failed_twice, *steps([(1, 3), (2, 4)])[1:]])) == []
    recovered = [*steps([(1, n) for n in range(1, 5)], error=True), *steps([(1, 9)] * 5)[4:]]
    assert told(lane(recovered)) == []


def test_what_is_not_known_is_equal_to_nothing() -> None:
    assert told(lane(steps([(0, 0)] * 30))) == []
    assert told(lane(steps([(0, 5)] * 30))) == []


def test_polls_are_no_loops() -> None:
    assert told(lane(steps([(1, n) for n in range(1, 16)]))) == []  # it changes
    assert told(lane(steps([SAME] * 12, gap_s=30))) == []  # it waits
    assert told(lane(steps([SAME] * 12, name="get_job_status"))) == []  # it is called so
    looks = steps([SAME, (2, 2)] * 4, name="checkStock")
    assert told(lane(looks)) == []
    orders = [Step(one.model, (one.tools[0]._replace(name="order"),)) for one in looks[1::2]]
    mixed = [one for pair in zip(looks[::2], orders, strict=True) for one in pair]
    assert told(lane(mixed)) == [("cycle", "critical")]  # it does something else as well
    assert told(lane(steps([SAME] * 12)), poll_tools=frozenset({"search"})) == []
    assert told(lane(steps([SAME] * 4 + [(1, 2)]))) == []  # in the end it changed
    unseen = [Step(None, one.tools) for one in steps([SAME] * 4, gap_s=10)]
    assert told(lane(unseen)) == [("exact", "warning")]  # a model not seen may have been at work
    slow = [Step(None, one.tools) for one in steps([SAME] * 4, gap_s=60)]
    assert told(lane(slow)) == []


def test_long_polls_are_a_hint_and_dear_ones_a_warning() -> None:
    waits = steps([SAME] * 25, gap_s=30)
    assert told(lane(waits)) == [("same_call", "info")]
    dear = [
        Step(step.model._replace(total_cost_usd=Decimal("0.2")), step.tools)
        for step in steps([(1, n) for n in range(1, 7)])
        if step.model
    ]
    assert told(lane(dear)) == [("same_call", "warning")]
    assert told(lane(steps([(1, n % 3 + 1) for n in range(60)]))) == [("cycle", "critical")]
    rng = random.Random(1)
    flips = [(1, rng.randrange(1, 4)) for _ in range(50)]
    assert ("same_call", "critical") in told(lane(steps(flips)))


def test_pages_batches_and_looks_are_no_loops() -> None:
    assert told(lane(steps([(n, n) for n in range(1, 40)]))) == []
    assert told(lane(steps([(n, 7) for n in range(1, 40)]))) == []  # attach_file -> True
    assert told(lane(steps([(n // 2, n // 2) for n in range(2, 40)]))) == []


def test_edits_and_checks_are_no_loops() -> None:
    rounds = [one for n in range(10) for one in ((100 + n, 1), (2, 2), (3, 3), (4, 4), (5, 5))]
    assert told(lane(steps(rounds))) == []


def test_a_change_makes_the_same_call_sensible_again() -> None:
    made = steps([(2, 2), (3, 3)] * 4)
    edits = [
        Step(one.model, (one.tools[0]._replace(name="edit", result_sig=50 + n),)) if n % 2 else one
        for n, one in enumerate(made)
    ]
    checks = [SAME, SAME]
    assert told(lane(edits), mutating_tools=frozenset({"edit"})) == []
    same_edit = [
        Step(one.model, (one.tools[0]._replace(name="edit"),)) if n % 2 else one
        for n, one in enumerate(made)
    ]
    again = told(lane(same_edit), mutating_tools=frozenset({"edit"}))
    assert again == [("cycle", "warning")]  # the same change again is none
    assert told(lane(steps(checks))) == []


def test_a_person_who_speaks_begins_anew() -> None:
    made = steps([SAME] * 4)
    spoke = (made[2].start_ns - 1,)
    assert told(lane(made)) == [("exact", "warning")]
    assert told(lane(made, human_ns=spoke)) == []


def test_parallel_calls_are_one_step() -> None:
    together = tuple(tool(n, 100 * S + S, 1, 1) for n in range(8))
    assert told(lane([Step(model(0, 100 * S), together)])) == []
    alone = [Step(None, (one,)) for one in together]  # no model was seen
    assert told(lane(alone)) == []
    after = [Step(None, (tool(n, n * S, 1, 1),)) for n in range(4)]
    assert told(lane(after)) == [("exact", "warning")]


def test_a_call_sent_again_is_one_call() -> None:
    made = steps([SAME] * 5)
    sent = [Step(one.model, (one.tools[0]._replace(call_id="c1"),)) for one in made]
    assert told(lane(sent)) == []


def test_steps_few_of_which_are_new_are_told() -> None:
    rng = random.Random(3)
    walk = [(n, n) for n in (rng.randrange(1, 7) for _ in range(45))]
    [one] = found(lane(steps(walk)))
    assert (one.code, one.severity, one.is_sure) == ("stagnation", "critical", False)
    assert told(lane(steps([(n, n) for n in range(1, 60)]))) == []


def test_a_loop_still_going_on_is_open_and_stays_the_same_finding() -> None:
    made = steps([(8, 8)] + [(1, 1), (2, 2)] * 6)
    seen = [found(lane(made[:size], is_open=True), is_open=True) for size in range(7, 14)]
    assert {len(one) for one in seen} == {1}
    assert {one[0].finding_id for one in seen} == {seen[0][0].finding_id}
    assert all(one[0].is_open for one in seen)
    ended = found(lane([*made, *steps([(n, n) for n in range(50, 70)])[14:]], is_open=True))
    assert [one.is_open for one in ended] == [False]


def test_the_money_is_that_of_the_copies_and_of_what_carries_them() -> None:
    made = steps([SAME] * 5 + [(7, 7), (8, 8)])
    [one] = found(lane(made))
    assert one.direct_usd == 4 * COST
    # Four steps of 100 tokens each lie in the input of the two calls after them.
    later = COST * 400 / 1_500 + COST * 400 / 1_600
    assert one.carried_usd is not None
    assert abs(one.carried_usd - later) < Decimal("1e-12")
    after = COST * 200 / 1_500 + COST * 200 / 1_600
    assert one.avoidable_usd is not None
    assert abs(one.avoidable_usd - (2 * COST + after)) < Decimal("1e-12")
    assert one.wasted_ns == 4 * 3 * S // 2


def test_what_the_cache_covers_is_carried_at_its_price() -> None:
    made = steps([SAME] * 3 + [(7, 7)])
    last = model(
        3,
        made[3].start_ns,
        cache_read_tokens=1_200,
        uncached_cost_usd=Decimal("0.001"),
        cache_read_cost_usd=Decimal("0.0012"),
    )
    [one] = found(lane([*made[:3], Step(last, made[3].tools)]))
    # Of the tokens 1,100 to 1,300 the first hundred were read from the cache.
    assert one.carried_usd == Decimal("0.0012") * 100 / 1_200 + Decimal("0.001")


def test_a_compaction_ends_what_is_carried() -> None:
    made = steps([SAME] * 3 + [(7, 7), (8, 8)])
    small = made[4].model
    assert small is not None
    [whole] = found(lane(made))
    [cut] = found(lane([*made[:4], Step(small._replace(input_tokens=500), made[4].tools)]))
    assert whole.carried_usd is not None
    assert cut.carried_usd is not None
    assert cut.carried_usd < whole.carried_usd


def test_without_prices_dollars_are_not_known() -> None:
    made = [
        Step(one.model._replace(total_cost_usd=None, uncached_cost_usd=None), one.tools)
        for one in steps([SAME] * 5)
        if one.model
    ]
    [one] = found(lane(made))
    assert (one.direct_usd, one.carried_usd, one.avoidable_usd) == (None, None, None)
    assert one.details["unpriced_calls"] == 4
    assert "saved" not in one.explanation


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=70))
def test_no_span_is_wasted_twice(pairs: list[tuple[int, int]]) -> None:
    made = lane(steps(pairs))
    every = found(made)
    total = sum((one.direct_usd or Decimal(0) for one in every), Decimal(0))
    wasted = [number for one in every for number in one.details["steps"]]  # type: ignore[union-attr]
    assert len(wasted) == len(set(wasted))
    assert total == COST * len(wasted)
    shown = [span for one in every for span in one.evidence]
    assert len(shown) == len(set(shown))
    for one in every:
        assert (one.avoidable_usd or 0) <= (one.direct_usd or 0) + (one.carried_usd or 0)


def test_clocks_that_jump_break_nothing() -> None:
    made = steps([SAME] * 4)
    jumps = [
        Step(one.model._replace(end_ns=one.model.start_ns - S), one.tools)
        for one in made
        if one.model
    ]
    [one] = found(lane([jumps[0], jumps[3], jumps[1], jumps[2]]))
    assert one.first_seen_ns <= one.last_seen_ns
    assert one.wasted_ns >= 0


LONG = " ".join(f"line{n} of the patch" for n in range(40))


def asked(texts: list[str], result: int = 7) -> tuple[list[Step], Said]:
    made = steps([(n, result) for n in range(1, len(texts) + 1)])
    return made, Said({one.tools[0].ref: text for one, text in zip(made, texts, strict=True)})


def test_the_same_in_other_words_is_told_as_not_sure() -> None:
    made, said = asked(['{"q": "x", "f": []}', '{"q":"x"}', '{"f": null, "q": "x"}', '{"q": "x"}'])
    [one] = found(lane(made), texts=said)
    assert (one.code, one.severity, one.is_sure) == ("near", "warning", False)
    made, said = asked([f'{{"file": "a.py", "text": "{LONG}{end}"}}' for end in (".", "!", " x")])
    assert told(lane(made), texts=said) == [("near", "warning")]
    made, said = asked([f'{{"file": "{n}.py", "text": "{LONG}"}}' for n in range(5)])
    assert told(lane(made), texts=said) == []  # another file
    made, said = asked([f'{{"query": "invoices", "page": {n}}}' for n in range(9)])
    assert told(lane(made), texts=said) == []


def test_texts_are_not_read_where_results_differ() -> None:
    assert told(lane(steps([(n, n) for n in range(1, 60)])), texts=Unread()) == []
    assert told(lane(steps([SAME] * 6)), texts=Unread()) == [("exact", "critical")]


def test_cut_off_and_huge_arguments_are_compared_as_text() -> None:
    huge = '{"text": "' + LONG * 10
    made, said = asked([huge[:4_096]] * 3)
    assert told(lane(made), texts=said) == [("near", "warning")]
