"""The parts of a difference: hand-computed where one can, and their laws everywhere."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_analytics.change.decomposition import (
    FACTORS,
    UNEXPLAINED,
    Change,
    ModelUse,
    Period,
    explain,
)

_CLASSES: tuple[str, ...] = ("uncached", "cache_read", "cache_write", "output")


def use(uncached: int = 0, read: int = 0, write: int = 0, out: int = 0, *, usd: str) -> ModelUse:
    """Use of a model at so many dollars per million uncached tokens; reads at a tenth."""
    rate = Decimal(usd) / 1_000_000
    tokens = dict(zip(_CLASSES, (uncached, read, write, out), strict=True))
    rates = dict(zip(_CLASSES, (rate, rate / 10, rate * Decimal("1.25"), rate * 5), strict=True))
    return ModelUse(tokens, {kind: rates[kind] * n for kind, n in tokens.items()})


def parts(before: Period, now: Period) -> dict[str, Decimal]:
    return {name: part for name, part in explain(before, now).parts.items() if part}


BASE = Period(calls=20, tasks=10, models={"a": use(8_000_000, out=1_000_000, usd="1")})
# 8 + 5 = 13 dollars


@pytest.mark.parametrize(
    ("now", "factor", "usd"),
    [
        # Twice as much of everything: only tasks moved.
        (
            Period(calls=40, tasks=20, models={"a": use(16_000_000, out=2_000_000, usd="1")}),
            "tasks",
            "13",
        ),
        # As many tasks, twice the calls.
        (
            Period(calls=40, tasks=10, models={"a": use(16_000_000, out=2_000_000, usd="1")}),
            "calls",
            "13",
        ),
        # Prompts half as long again: 4 M tokens at one dollar.
        (
            Period(calls=20, tasks=10, models={"a": use(12_000_000, out=1_000_000, usd="1")}),
            "prompts",
            "4",
        ),
        # Answers twice as long: 1 M tokens at five dollars.
        (
            Period(calls=20, tasks=10, models={"a": use(8_000_000, out=2_000_000, usd="1")}),
            "answers",
            "5",
        ),
        # The same tokens by a model at half the price.
        (
            Period(calls=20, tasks=10, models={"b": use(8_000_000, out=1_000_000, usd="0.5")}),
            "models",
            "-6.5",
        ),
        # Half of the prompt from the cache: 4 M tokens at 0.1 instead of 1.
        (
            Period(
                calls=20, tasks=10, models={"a": use(4_000_000, 4_000_000, out=1_000_000, usd="1")}
            ),
            "cache",
            "-3.6",
        ),
        # The model became 10 % dearer.
        (
            Period(calls=20, tasks=10, models={"a": use(8_000_000, out=1_000_000, usd="1.1")}),
            "prices",
            "1.3",
        ),
    ],
)
def test_what_alone_moved_is_the_whole_difference(now: Period, factor: str, usd: str) -> None:
    assert parts(BASE, now) == {factor: Decimal(usd)}


def test_two_factors_share_what_they_did_together() -> None:
    # 2 → 3 tasks at 5 → 9 dollars: 17 more. Tasks: 1 x mean(5, 9); prices: 4 x mean(2, 3).
    before = Period(calls=2, tasks=2, models={"a": use(2_000_000, usd="5")})
    now = Period(calls=3, tasks=3, models={"a": use(3_000_000, usd="9")})
    assert parts(before, now) == {"tasks": Decimal(7), "prices": Decimal(10)}


def test_three_factors_share_by_the_mean_over_their_orders() -> None:
    # Tasks 1 → 2, calls per task 1 → 3, dollars per call 1 → 2. In two of the six orders a factor
    # moves first, in two last, and in two after one of the others.
    before = Period(calls=1, tasks=1, models={"a": use(1_000_000, usd="1")})
    now = Period(calls=6, tasks=2, models={"a": use(6_000_000, usd="2")})
    found = parts(before, now)
    tasks = Fraction(1 * 2 + 3 + 2 + 6 * 2, 6)
    calls = Fraction(2 * 2 + 4 + 4 + 8 * 2, 6)
    prices = Fraction(1 * 2 + 2 + 3 + 6 * 2, 6)
    assert tasks + calls + prices == 11
    for name, exact in {"tasks": tasks, "calls": calls, "prices": prices}.items():
        assert abs(Fraction(found[name]) - exact) <= Fraction(1, 10**12)
    assert sum(found.values()) == 11


def test_what_is_new_came_by_volume_and_mix_not_by_price() -> None:
    now = Period(calls=5, tasks=5, models={"a": use(1_000_000, 1_000_000, out=9, usd="3")})
    nothing = Period(calls=0, tasks=0, models={})
    change = explain(nothing, now)
    assert {n: p for n, p in change.parts.items() if p} == {"tasks": change.now_usd}
    idle = Period(calls=0, tasks=4, models={})
    assert set(parts(idle, now)) == {"tasks", "calls"}


def test_without_tasks_calls_stand_alone() -> None:
    now = Period(calls=40, models={"a": use(16_000_000, out=2_000_000, usd="1")})
    change = explain(BASE, now)
    assert "tasks" not in change.parts
    assert change.parts["calls"] == Decimal(13)
    # Calls whose tasks began earlier are not "infinitely many per task".
    assert "tasks" not in explain(BASE, Period(calls=1, tasks=0, models={})).parts


def test_costs_without_tokens_keep_their_names() -> None:
    odd = ModelUse({"output": 5}, {"output": Decimal(1), "uncached": Decimal("0.25")})
    now = Period(calls=1, tasks=1, models={"a": odd}, other_usd={"fees": Decimal(2)})
    before = Period(calls=1, tasks=1, models={}, other_usd={"fees": Decimal(3)})
    found = parts(before, now)
    assert found["fees"] == -1
    assert found[UNEXPLAINED] == Decimal("0.25")
    assert sum(found.values()) == explain(before, now).difference == Decimal("0.25")


def test_nothing_at_all_is_no_change() -> None:
    nothing = Period(calls=0, tasks=0, models={})
    change = explain(nothing, nothing)
    assert change.before_usd == 0
    assert change.difference == 0
    assert parts(nothing, nothing) == {}


_money = st.integers(0, 10**16).map(lambda pico: Decimal(pico).scaleb(-12))
_counts = st.one_of(st.just(0), st.integers(0, 10**10))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    """Anything, also what cannot be: tokens without calls, costs without tokens."""
    names = draw(st.sets(st.sampled_from("abc")))
    kinds = st.sampled_from(_CLASSES)
    models: dict[Hashable, ModelUse] = {
        name: ModelUse(draw(st.dictionaries(kinds, _counts)), draw(st.dictionaries(kinds, _money)))
        for name in sorted(names)
    }
    return Period(
        calls=draw(_counts),
        models=models,
        tasks=draw(st.none() | _counts),
        other_usd=draw(st.dictionaries(st.sampled_from(["fees", UNEXPLAINED]), _money)),
    )


def spend(period: Period) -> Decimal:
    costs = [usd for use in period.models.values() for usd in use.costs_usd.values()]
    return sum((*costs, *period.other_usd.values()), Decimal(0))


def nonzero(values: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: value for name, value in values.items() if value}


@settings(max_examples=40, deadline=None)
@given(periods(), periods())
def test_parts_add_up_to_the_picodollar_and_swapping_negates(before: Period, now: Period) -> None:
    change: Change = explain(before, now)
    assert change.before_usd == spend(before)
    assert change.now_usd == spend(now)
    assert sum(change.parts.values(), Decimal(0)) == spend(now) - spend(before)
    assert all(part == part.quantize(Decimal("1e-12")) for part in change.parts.values())
    back = explain(now, before)
    assert nonzero(back.parts) == {n: -p for n, p in nonzero(change.parts).items()}
    assert not nonzero(explain(now, now).parts)


@settings(max_examples=20, deadline=None)
@given(periods(), st.integers(2, 9))
def test_more_of_the_same_is_only_volume(period: Period, times: int) -> None:
    whole = Period(period.calls, period.models, period.tasks)
    models: dict[Hashable, ModelUse] = {
        name: ModelUse(
            {k: n * times for k, n in use.tokens.items()},
            {k: usd * times for k, usd in use.costs_usd.items()},
        )
        for name, use in whole.models.items()
    }
    tasks = None if whole.tasks is None else whole.tasks * times
    more = Period(whole.calls * times, models, tasks)
    moved = set(parts(whole, more)) - {UNEXPLAINED}
    # Tokens without calls are no use that has a size; everything else grew as a whole.
    if whole.calls:
        assert moved <= {"tasks", "calls"}
        assert len(moved) <= 1
    assert set(FACTORS) >= moved
