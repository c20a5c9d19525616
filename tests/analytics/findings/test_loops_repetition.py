"""The rules on numbers: the same as the SDK's guard, and against a slow search."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spanledger import LoopLimits as GuardLimits
from spanledger._loops import LoopDetector
from spanledger._loops import Step as GuardStep
from spanledger._signatures import VOLATILE_KEYS as SIGNED_WITHOUT
from spanledger_analytics.findings.lanes import Step
from spanledger_analytics.findings.loops.repetition import (
    LoopLimits,
    Repeat,
    call_repeats,
    noisy_cycles,
    tandem_repeats,
)
from spanledger_analytics.findings.loops.steps import segments
from spanledger_analytics.findings.loops.wording import VOLATILE_KEYS
from tests.analytics.findings.looping_lanes import lane, model, tool

LIMITS = LoopLimits(same_call=(4, 6))
GUARD = GuardLimits(same_call=(4, 6))
SIGNED = st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans())


def test_the_thresholds_are_those_of_the_guard() -> None:
    mine, guard = LoopLimits(), GuardLimits()
    names = ("exact", "cycle", "error_retry", "same_call", "max_period")
    assert all(getattr(mine, name) == getattr(guard, name) for name in names)
    assert VOLATILE_KEYS == SIGNED_WITHOUT


@given(st.lists(SIGNED, max_size=60))
def test_lanes_say_at_each_step_what_the_guard_says(made: list[tuple[int, int, bool]]) -> None:
    guard = LoopDetector(GUARD)
    steps = [
        Step(model(n, n * 10), (tool(n, n * 10 + 5, call, result, is_error=is_error),))
        for n, (call, result, is_error) in enumerate(made)
    ]
    parts = segments(lane(steps))
    repeats: list[Repeat] = []
    for part in parts:
        repeats = tandem_repeats(part.ids, LIMITS)
        repeats += call_repeats(part.calls, part.errors, LIMITS)
    for at, (call, result, is_error) in enumerate(made):
        heard = guard.add(GuardStep(call, result, is_error))
        expected = heard and (heard.kind, heard.level, heard.period, heard.copies)
        assert _said(repeats, at) == expected


def _said(repeats: list[Repeat], at: int) -> tuple[str, str, int, int] | None:
    """Return the worst repeat at a step, as the guard chooses it."""
    now = [one for one in repeats if one.warn <= at < one.end]
    order = {"exact": 0, "cycle": 0, "error_retry": 1, "same_call": 2}
    now.sort(key=lambda one: (order[one.kind], one.period))
    tandem = [one for one in now if order[one.kind] == 0][:1]
    said: list[tuple[str, str, int, int]] = []
    for one in tandem + [one for one in now if order[one.kind]]:
        copies = (at + 1 - one.first) // one.period
        level = "stop" if copies >= getattr(LIMITS, one.kind)[1] else "warn"
        said.append((one.kind, level, one.period, copies))
    return min(said, key=lambda one: one[1] != "stop", default=None)


@given(
    st.integers(1, 8),
    st.integers(3, 12),
    st.lists(st.integers(100, 10**9), unique=True, max_size=20),
    st.lists(st.integers(-(10**9), -1), unique=True, max_size=20),
)
def test_a_planted_cycle_is_found_where_it_is(
    period: int, copies: int, before: list[int], after: list[int]
) -> None:
    ids = [*before, *list(range(period)) * copies, *after]
    [one] = tandem_repeats(ids)
    assert (one.period, one.copies) == (period, copies)
    assert (one.first, one.end) == (len(before), len(before) + period * copies)
    assert one.warn == len(before) + 3 * period - 1
    assert list(one.later) == list(range(one.first + period, one.end))


@given(st.lists(st.integers(), unique=True, max_size=80))
def test_steps_that_all_differ_are_nothing(ids: list[int]) -> None:
    assert tandem_repeats(ids) == noisy_cycles(ids) == []
    assert call_repeats(ids, [True] * len(ids)) == []


def test_a_step_of_another_kind_breaks_no_cycle() -> None:
    ids = [1, 2, 3, 1, 2, 3, 77, 1, 2, 3, 1, 2, 3]
    assert tandem_repeats(ids) == []
    [one] = noisy_cycles(ids)
    assert (one.kind, one.period, one.copies, one.first, one.end) == ("cycle", 3, 4, 0, 13)
    assert 6 not in one.later
    assert len(one.later) == 9


def test_a_round_with_something_new_in_it_is_work() -> None:
    checks = [1, 2, 3, 4]
    ids = [one for n in range(8) for one in (100 + n, *checks)]
    assert noisy_cycles(ids) == []
    assert noisy_cycles([one for n in range(8) for one in (100 + n, 1)]) == []


def test_steps_of_other_kinds_at_one_place_by_chance_break_no_cycle() -> None:
    ids = [1, 2, 3, 71, 1, 2, 3, 72, 1, 2, 3, 1, 2, 3]
    kinds = ["read", "search", "list"] * 5
    kinds[3], kinds[7] = "run", "ask"
    [one] = noisy_cycles(ids, kind_of=kinds.__getitem__)
    assert (one.period, one.copies, one.first, one.end) == (3, 4, 0, 14)
    same = ["edit" if one > 70 else "run" for one in ids]
    assert noisy_cycles(ids, kind_of=same.__getitem__) == []


def test_a_round_that_always_begins_with_something_new_is_work_of_any_kind() -> None:
    ids = [one for n in range(5) for one in (100 + n, 1, 2, 3, 4)]
    kinds = [name for n in range(5) for name in (f"edit{n}", *["run"] * 4)]
    assert noisy_cycles(ids, kind_of=kinds.__getitem__) == []


def test_a_single_call_with_others_in_between_takes_a_copy_more() -> None:
    assert noisy_cycles([1, 1, 70, 1]) == []
    [one] = noisy_cycles([1, 1, 70, 1, 1])
    assert (one.kind, one.copies, one.held) == ("exact", 4, (0, 1, 3, 4))
    [two] = noisy_cycles([1, 2, 1, 2, 70, 1, 2])
    assert (two.kind, two.period, two.copies) == ("cycle", 2, 3)
