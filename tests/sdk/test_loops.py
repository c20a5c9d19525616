"""The loop detector against a slow one that looks at everything again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spanledger import LoopLimits
from spanledger._loops import LoopDetector, Step


def copies_at_the_end(steps: list[Step], period: int) -> int:
    if len(steps) < period:
        return 0
    tail, copies = steps[-period:], 1
    while steps[-period * (copies + 1) : -period * copies] == tail:
        copies += 1
    return copies


@given(st.lists(st.integers(1, 3), max_size=60))
def test_the_fast_detector_finds_what_the_slow_one_finds(calls: list[int]) -> None:
    limits = LoopLimits(error_retry=(10**6, 10**6), same_call=(10**6, 10**6))
    detector = LoopDetector(limits)
    steps: list[Step] = []
    for call in calls:
        steps.append(Step(call, call))
        found = detector.add(steps[-1])
        expected = None
        for period in range(1, 9):
            copies = copies_at_the_end(steps, period)
            if copies >= 3:
                expected = (period, copies)
                break
        assert (found and (found.period, found.copies)) == expected


@given(st.lists(st.integers(1, 2**62), unique=True, max_size=50))
def test_steps_that_all_differ_are_never_a_loop(calls: list[int]) -> None:
    detector = LoopDetector()
    assert not any(detector.add(Step(call, call)) for call in calls)


def test_results_are_signed_only_where_a_call_comes_again() -> None:
    signed: list[int] = []

    def step(call: int) -> Step:
        def sign() -> int:
            signed.append(call)
            return call

        return Step(call, sign)

    detector = LoopDetector()
    for call in range(1, 20):
        detector.add(step(call))
    assert signed == []
    detector.add(step(19))
    found = detector.add(step(19))
    assert signed == [19] * 3
    assert found is not None
    assert (found.kind, found.copies) == ("exact", 3)


def test_steps_of_which_nothing_is_known_are_never_a_loop() -> None:
    detector = LoopDetector()
    assert not any(detector.add(Step(0, 0)) for _ in range(100))
    assert not any(detector.add(Step(1, 0)) for _ in range(19))  # a result nobody told
