"""Planted cache breaks, sent through real dialects into a real engine: each is named rightly."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spanledger_analytics.cache.causes import WITHOUT_LOSS
from spanledger_collector.decode.decode import Body
from spanledger_storage.store import Store
from tests.analytics.cache_planted import CLEAN, PLANTED, Rendered, planted
from tests.analytics.caches import RECEIVED_NS, Caches
from tests.decoded import recorded

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "otlp"


def assert_right(rendered: list[Rendered], wrong: list[str]) -> None:
    planted_breaks = sum(bool(one.turn.expect) for one in rendered)
    right = 1 - len(wrong) / planted_breaks
    assert planted_breaks > 100
    assert right >= 0.95, f"{right:.1%} of {planted_breaks} right: {Counter(wrong)}"
    assert not [one for one in wrong if "invented" in one]


@pytest.fixture
def caches(store: Store) -> Caches:
    return Caches(store)


def key(rendered: Rendered) -> tuple[str, str]:
    return rendered.span.trace_id.hex(), rendered.span.span_id.hex()


def judged(rendered: list[Rendered], rows: dict[tuple[str, str], dict[str, Any]]) -> list[str]:
    """What is wrong: causes that are not those planted, and losses that nobody planted."""
    wrong: list[str] = []
    for one in rendered:
        row = rows[key(one)]
        assert row["input_tokens"] == one.usage[0]
        assert row["cache_read_tokens"] == one.usage[1]
        found = (row["cause"], row["detail"] if one.turn.detail else "")
        if one.turn.expect and found != (one.turn.expect, one.turn.detail):
            wrong.append(f"{one.scope} {one.turn.model} {one.turn.expect} is called {found}")
        if not one.turn.expect and row["cause"] not in WITHOUT_LOSS:
            wrong.append(f"{one.scope} {one.turn.model} invented {found} {row['lost_tokens']}")
    return wrong


def test_planted_breaks_are_named_rightly(caches: Caches) -> None:
    """At least 95 of 100, of every class in every dialect; all others are conversations."""
    rendered = planted(PLANTED + CLEAN, range(1))
    caches.put(rendered)
    caches.derive()
    assert_right(rendered, judged(rendered, caches.rows()))


def test_shuffled_doubled_and_late_calls_give_the_same_rows(caches: Caches, store: Store) -> None:
    rendered = planted(
        PLANTED + CLEAN, range(1), ("claude-sonnet-4-5",), dialects=("openinference",)
    )
    caches.put(rendered)
    caches.derive()
    expected = caches.rows()
    assert caches.derive() == 0
    for table in ("spans", "ledger", "cache_calls", "touches", "trace_hours", "traces"):
        store.execute(f"TRUNCATE TABLE {table} SYNC")
    again = Caches(store)
    order = rendered * 2
    random.Random(7).shuffle(order)
    for start in range(0, len(order), 60):
        again.put(order[start : start + 60])
        again.derive()
    assert again.rows() == expected
    restarted = Caches(store)  # remembers nothing
    assert restarted.derive() == 0
    assert restarted.rows() == expected


def test_recordings_get_no_invented_break(caches: Caches) -> None:
    """Their doubles answer with fixed token counts and never cache: nothing in them is a break."""
    files = sorted(RECORDINGS.glob("*/*.traces.bin"))
    caches.put_bodies([Body("p", recorded(file), RECEIVED_NS) for file in files])
    caches.derive()
    rows = caches.rows().values()
    assert len(rows) > 300
    invented = [row for row in rows if row["cause"] not in WITHOUT_LOSS]
    assert invented == []
