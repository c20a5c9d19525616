"""The Cache page with nothing, one call, and planted breaks, against figures made by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_dashboard.cache.data import Sums, added
from spanledger_storage.store import Store
from tests.analytics.cache_planted import (
    PLANTED,
    Rendered,
    Turn,
    planted,
    stable,
    timestamp,
)
from tests.analytics.caches import Caches

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"
RATE = Decimal(3) / 10**6  # claude-sonnet-4-5, per input token


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=60)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/cache.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def put(store: Store, rendered: list[Rendered]) -> None:
    caches = Caches(store, "default")
    caches.put(rendered)
    caches.derive()


def test_without_calls_it_says_how_to_send_some(app: AppTest) -> None:
    assert "Nothing has arrived in project" in text(page(app))


def test_one_call(app: AppTest, store: Store, now_s: int) -> None:
    rendered = planted((stable,), range(1), ("claude-sonnet-4-5",), dialects=("otel_genai",),
                       base_s=now_s - 3_000)[:1]  # fmt: skip
    put(store, rendered)
    shown = page(app)
    assert cards(shown)["Hit rate"] == "0.0%"
    assert cards(shown)["Stability"] == "—"  # nothing to compare with
    assert cards(shown)["Lost per day"].startswith("$0")
    assert "Nothing that had been cached was paid again" in text(shown)


def test_figures_and_causes_of_planted_breaks(app: AppTest, store: Store, now_s: int) -> None:
    scenarios = (stable, *PLANTED)
    rendered = planted(scenarios, range(1), ("claude-sonnet-4-5",), dialects=("otel_genai",),
                       base_s=now_s - 5_000)  # fmt: skip
    put(store, rendered)
    shown = page(app, range="24h")
    mine = [one for one in rendered if one.turn.model == "claude-sonnet-4-5"]
    total, read, written = (sum(one.usage[n] for one in rendered) for n in range(3))
    assert cards(shown)["Hit rate"] == f"{Decimal(read) * 100 / total:.1f}%"
    frames = [frame.value for frame in shown.dataframe]
    groups = next(frame for frame in frames if "Net saving" in frame)
    # r = 0.1 and w = 1.25: reads save 0.9, writes cost 0.25 of the rate.
    sonnet = groups[groups["Model"] == "claude-sonnet-4-5"]
    saved = sum((9 * Decimal(o.usage[1]) / 10 - Decimal(o.usage[2]) / 4) * RATE for o in mine)
    assert sonnet["Net saving"].sum() == pytest.approx(float(saved))
    assert sonnet["Calls"].sum() == len(mine)
    causes = next(frame for frame in frames if "Cause" in frame)
    assert list(causes["Lost"]) == sorted(causes["Lost"], reverse=True)
    assert {"Dynamic text: timestamp", "Tools reordered", "Lifetime passed"} <= set(causes["Cause"])
    assert written
    settings = next(frame for frame in frames if "Setting" in frame)
    assert {"No caching", "Lifetime of 5 minutes (present)"} <= set(settings["Setting"])
    advice = next(frame for frame in frames if "Advice" in frame)
    assert (advice["Would save"] >= 0).all()


def test_the_offending_text_is_shown_with_its_place(app: AppTest, store: Store, now_s: int) -> None:
    rendered = planted((timestamp,), range(1), ("claude-sonnet-4-5",), dialects=("otel_genai",),
                       base_s=now_s - 3_000)  # fmt: skip
    put(store, rendered)
    shown = text(page(app))
    assert "2026-11-21 17:02:03" in shown
    assert "2026-11-21 17:02:45" in shown
    assert f"as before for {len('You help. It is 2026-11-21 17:02:')} characters" in shown
    assert "move it out of the prompt's head" in shown


def test_names_and_texts_from_outside_stay_text(app: AppTest, store: Store, now_s: int) -> None:
    rendered = planted((_hostile,), range(1), ("claude-sonnet-4-5",), dialects=("otel_genai",),
                       base_s=now_s - 3_000)  # fmt: skip
    put(store, rendered)
    shown = page(app)
    raw = "\n".join(str(m.value) for m in [*shown.markdown, *shown.caption])
    assert "img" in raw
    for line in raw.splitlines():
        assert "<img" not in line.replace(r"\<img", "") or "`" in line
        assert ":red[" not in line or "`" in line


def _hostile(seed: str, model: str) -> list[Any]:
    from dataclasses import replace

    [lane] = timestamp(seed, model)
    turns: list[Turn] = [replace(t, system=f"{EVIL} {t.system}", tools=(EVIL,)) for t in lane.turns]
    return [replace(lane, turns=tuple(turns), agent=EVIL)]


def test_sums_keep_unknown_apart_from_zero() -> None:
    assert added([Sums(calls=1), Sums(calls=2)]).net_usd is None
    half = Sums(read_saving_usd=Decimal(1), write_extra_usd=Decimal(3))
    assert added([Sums(), half]).net_usd == -2
    writes = Sums(
        write_tokens=100, read_tokens=20, read_factor=0.1, write_5m_factor=1.25, write_1h_factor=2.0
    )
    assert writes.break_even_reads is not None
    assert round(writes.break_even_reads, 3) == Decimal("0.278")
    assert writes.reads_per_write == Decimal("0.2")
    assert json.dumps(str(Sums().reads_per_write)) == '"None"'
