"""Causes of cache breaks as pure functions: many seeds, and with content switched off."""

from __future__ import annotations

import random

from spanledger_analytics.cache.causes import SENTENCES, WITHOUT_LOSS
from tests.analytics.cache_planted import CLEAN, PLANTED, Rendered, planted
from tests.analytics.cache_prompts import decoded, rows_of

# What hashes alone can tell: which segment changed, and not how.
_BY_HASHES = {
    "tools_reordered": "prompt_changed",
    "tools_changed": "prompt_changed",
    "dynamic_text": "prompt_changed",
    "system_changed": "prompt_changed",
    "image": "history_rewritten",
}


def key(one: Rendered) -> tuple[str, str]:
    return one.span.trace_id.hex(), one.span.span_id.hex()


def test_every_planted_cause_of_many_seeds() -> None:
    rendered = planted(PLANTED + CLEAN, range(3, 4))
    rows = rows_of(*decoded(rendered))
    breaks = [one for one in rendered if one.turn.expect]
    right = [one for one in breaks if rows[key(one)].cause == one.turn.expect]
    invented = [
        one for one in rendered if not one.turn.expect and rows[key(one)].cause not in WITHOUT_LOSS
    ]
    assert len(right) >= 0.95 * len(breaks)
    assert invented == []


def test_hashes_alone_tell_where_a_prompt_changed_and_invent_nothing() -> None:
    rendered = planted(PLANTED + CLEAN, range(5, 6))
    prompts, _ = decoded(rendered)
    rows = rows_of(prompts, {})
    breaks = [one for one in rendered if one.turn.expect and one.turn.detail != "user_id"]
    right = [
        one
        for one in breaks
        if rows[key(one)].cause == _BY_HASHES.get(one.turn.expect, one.turn.expect)
    ]
    invented = [
        one for one in rendered if not one.turn.expect and rows[key(one)].cause not in WITHOUT_LOSS
    ]
    assert len(right) >= 0.9 * len(breaks), f"{len(right)} of {len(breaks)} right"
    assert invented == []


def test_order_and_repetition_of_calls_change_nothing() -> None:
    prompts, texts = decoded(planted(PLANTED, range(1), ("gpt-4o",)))
    shuffled = prompts * 2
    random.Random(3).shuffle(shuffled)
    assert rows_of(shuffled, texts) == rows_of(prompts, texts)


def test_every_loss_has_a_sentence() -> None:
    planted_causes = {
        turn.expect
        for scenario in PLANTED
        for lane in scenario("x", "gpt-4o")
        for turn in lane.turns
    }
    assert planted_causes - set(WITHOUT_LOSS) <= SENTENCES.keys()
