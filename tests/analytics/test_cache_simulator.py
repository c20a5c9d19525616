"""The replayed cache against a provider written apart from it, and against cases worked by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger_analytics.cache.advice import (
    AS_IT_IS,
    LONG,
    NO_CACHE,
    PINGED,
    SHORT,
    STABLE,
    Priced,
    advise,
)
from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.limits import CacheRules, rules_for
from spanledger_analytics.cache.rates import Rates
from spanledger_analytics.cache.simulator import Keeping, Replayed, replay, replayed_calls
from tests.analytics.cache_planted import (
    S,
    Scenario,
    cold_start,
    growing,
    history_compacted,
    history_rewritten,
    planted,
    stable,
    system_changed,
    timestamp,
    tools_changed,
    ttl,
    went_back,
)
from tests.analytics.cache_prompts import decoded

MARKED = rules_for("anthropic", "claude-sonnet-4-5")
ITSELF = rules_for("openai", "gpt-4o")
# $3 a million: a read costs 0.30, a write 3.75, or 6 for an hour.
RATES = Rates(*(Fraction(n) for n in (3_000_000, 3_000_000, 300_000, 3_750_000, 3_750_000,
                                      6_000_000)))  # fmt: skip
STABLE_OR_NOT = (
    stable, ttl, went_back, cold_start, tools_changed, timestamp, system_changed,
    history_rewritten, history_compacted,
)  # fmt: skip


def call(at_s: int, *nodes: int, tokens: tuple[int, ...] = (), marks: tuple[int, ...] = ()) -> (
    Replayed
):  # fmt: skip
    """A call of two seconds; by default each segment has 2,000 tokens and the last is marked."""
    sizes = tokens or tuple(2_000 * (n + 1) for n in range(len(nodes)))
    return Replayed(at_s * S, (at_s + 2) * S, nodes, sizes, marks or (len(nodes),))


def used(calls: list[Replayed], rules: CacheRules, keeping: Keeping) -> list[tuple[int, int]]:
    return [(one.read, one.written) for one in replay(calls, rules, keeping).used]


@pytest.mark.parametrize("scenario", STABLE_OR_NOT)
def test_replay_reads_what_a_provider_with_marked_blocks_gave(scenario: Scenario) -> None:
    rendered = planted((scenario,), range(2), ("claude-sonnet-4-5",), dialects=("otel_genai",))
    prompts, texts = decoded(rendered)
    told = {one.span.span_id.hex(): one.usage for one in rendered}
    for trace in {one.entry.trace_id for one in prompts}:
        mine = sorted(
            (one for one in prompts if one.entry.trace_id == trace), key=lambda one: one.order
        )
        made = replay(replayed_calls(mine, texts), MARKED, Keeping(300))
        for prompt, one in zip(mine, made.used, strict=True):
            total, read, written = told[prompt.entry.span_id]
            assert one.read == pytest.approx(read, abs=total * 0.02)  # where heads end is estimated
            assert one.read + one.written == read + written


def test_replay_of_automatic_caching_is_within_a_segment_of_what_was_read() -> None:
    rendered = planted((stable, ttl, went_back), range(2), ("gpt-4o",), dialects=("otel_genai",))
    prompts, texts = decoded(rendered)
    told = {one.span.span_id.hex(): one.usage for one in rendered}
    for trace in {one.entry.trace_id for one in prompts}:
        mine = sorted(
            (one for one in prompts if one.entry.trace_id == trace), key=lambda one: one.order
        )
        made = replay(replayed_calls(mine, texts), ITSELF, Keeping(600))
        for prompt, one in zip(mine, made.used, strict=True):
            assert one.read % 128 == 0
            assert abs(one.read - told[prompt.entry.span_id][1]) <= 128


def test_a_read_starts_the_lifetime_anew() -> None:
    calls = [call(at, 1) for at in (0, 250, 500, 750)]
    assert used(calls, MARKED, Keeping(300)) == [(0, 2_000), (2_000, 0), (2_000, 0), (2_000, 0)]
    late = [call(0, 1), call(303, 1)]
    assert used(late, MARKED, Keeping(300)) == [(0, 2_000), (0, 2_000)]
    assert used(late, MARKED, Keeping(3_600)) == [(0, 2_000), (2_000, 0)]


def test_nothing_is_read_before_the_first_answer_begins_nor_below_the_minimum() -> None:
    assert used([call(0, 1), call(1, 1)], MARKED, Keeping(300)) == [(0, 2_000), (0, 2_000)]
    small = [call(at, 1, tokens=(1_000,)) for at in (0, 10)]
    assert used(small, MARKED, Keeping(300)) == [(0, 0), (0, 0)]


def test_what_is_cached_by_itself_is_read_from_any_place_in_whole_steps() -> None:
    calls = [call(0, 1, 2, 3), call(10, 1, 2, 9)]
    assert used(calls, ITSELF, Keeping(600)) == [(0, 5_888), (3_968, 1_920)]
    assert used(calls, MARKED, Keeping(300)) == [(0, 6_000), (0, 6_000)]  # the end alone is marked


def test_keep_alive_reads_are_counted_and_paid() -> None:
    """A head of 2,000 tokens, used at 0, 1,000 and 1,100 seconds."""
    calls = [call(at, 1, 10 + at, marks=(1, 2)) for at in (0, 1_000, 1_100)]
    kept = replay(calls, MARKED, Keeping(300, pings=11))
    assert [one.read for one in kept.used] == [0, 2_000, 2_000]
    assert kept.pinged_tokens == 3 * 2_000  # after 300, 600 and 900 seconds
    assert replay(calls, MARKED, Keeping(300)).used[1].read == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4_000), st.lists(st.integers(0, 3), min_size=1, max_size=5)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([MARKED, ITSELF]),
)
def test_a_longer_lifetime_never_reads_less(
    said: list[tuple[int, list[int]]], rules: CacheRules
) -> None:
    calls: list[Replayed] = []
    for at, segments in sorted(said):
        nodes = tuple(hash(tuple(segments[: n + 1])) for n in range(len(segments)))
        calls.append(call(at, *nodes))
    short, long = (replay(calls, rules, Keeping(ttl_s)).used for ttl_s in (300, 3_600))
    for one, other, sent in zip(short, long, calls, strict=True):
        assert one.read <= other.read <= sent.tokens[-1]
        assert other.read + other.written <= sent.tokens[-1]


def _priced(prompts: list[Prompt]) -> list[Priced]:
    billed = []
    for prompt in prompts:
        entry = prompt.entry
        pico = entry.uncached * 3_000_000 + entry.read * 300_000 + entry.write * 3_750_000
        billed.append(Priced(prompt, RATES, Decimal(pico) / 10**12))
    return billed


def _advice(scenario: Scenario, unstable: tuple[int, ...] = ()) -> tuple[str, dict[str, Decimal]]:
    prompts, texts = decoded(
        planted((scenario,), range(1), ("claude-sonnet-4-5",), dialects=("otel_genai",))
    )
    found = advise(_priced(prompts), MARKED, texts, unstable)
    assert found is not None
    assert found.present.name == SHORT
    assert found.replayed_tokens == pytest.approx(found.read_tokens, rel=0.05)
    return found.best.name, {option.name: option.cost_usd for option in found.options}


def test_advice_follows_from_the_pauses() -> None:
    def paused(seed: str, model: str) -> list[object]:
        [lane] = stable(seed, model)
        slow = tuple(replace(turn, at_s=turn.at_s * 60) for turn in lane.turns)  # twenty minutes
        return [replace(lane, turns=slow)]

    best, costs = _advice(paused)  # type: ignore[arg-type]
    assert best == LONG
    assert costs[LONG] < costs[NO_CACHE] < costs[SHORT]
    best, costs = _advice(stable)
    assert best == SHORT
    assert costs[SHORT] < costs[LONG]


def test_advice_against_caching_what_is_never_read() -> None:
    def once(seed: str, model: str) -> list[object]:
        lanes = [stable(f"{seed}{n}", model)[0] for n in range(4)]
        return [replace(lane, turns=lane.turns[:1], agent="one") for lane in lanes]

    best, costs = _advice(once)  # type: ignore[arg-type]
    assert best == NO_CACHE
    assert costs[SHORT] / costs[NO_CACHE] == Decimal("1.25")


def test_advice_to_make_a_head_stable_is_what_its_breaks_cost() -> None:
    def clock(seed: str, model: str) -> list[object]:
        turns = [
            replace(turn, system=f"It is {10 + number}:00.\n{turn.system}")
            for number, turn in enumerate(growing(seed, model, 5))
        ]
        [lane] = stable(seed, model)
        return [replace(lane, turns=tuple(turns))]

    best, costs = _advice(clock, unstable=(1,))  # type: ignore[arg-type]
    assert best == STABLE
    assert costs[STABLE] < costs[NO_CACHE] < costs[SHORT]
    assert PINGED in costs
    assert AS_IT_IS
