"""The Loops page with none, one and many, against sums made by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.store import Store
from tests.dashboard.found import TRACE, S, loop, put, span_ids
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"


@pytest.fixture
def app(store_url: str, state: sa.Engine) -> AppTest:
    assert store_url
    assert state
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/loops.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.error]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def test_without_loops_it_says_so(app: AppTest, seed: Seeder) -> None:
    seed.span(TRACE, f"{1:016x}")
    seed.insert()
    assert "No loops in this time range" in text(page(app))


def test_one_loop(app: AppTest, store: Store, seed: Seeder, now_s: int) -> None:
    seed.usage(agent_name="planner", total_cost_usd=Decimal(6))
    seed.insert()
    put(store, now_s, loop(now_s), loop(now_s, "other kind", kind="silent_failure"))
    shown = page(app)
    assert cards(shown)["Loops"] == "1"
    assert cards(shown)["Wasted"] == "$1.50"
    assert cards(shown)["Share of spend"] == "25.0%"
    groups = shown.dataframe[0].value
    row = groups.iloc[0]
    names = ("Agent", "Tool", "Loops", "Wasted", "Of its spend")
    assert [row[name] for name in names] == ["planner", "search", 1, 1.5, 0.25]
    assert list(shown.dataframe[1].value["Kind"]) == ["Same call, same result"]


def test_many_are_counted_once_and_what_people_said_is_left_out(
    app: AppTest, store: Store, state: sa.Engine, now_s: int
) -> None:
    alarm = loop(now_s, "no loop", code="near", evidence=span_ids(999))
    put(
        store, now_s, alarm,
        *(loop(now_s, str(n), evidence=span_ids(2 * n, 2 * n + 1)) for n in range(10, 30)),
        *(loop(now_s, f"in {n}", code="cycle", evidence=span_ids(2 * n), direct_usd=Decimal(1))
          for n in range(10, 30)),
        loop(now_s, "evil", title=EVIL, code="cycle", evidence=span_ids(500),
             subject={"agent_name": EVIL, "tool_name": EVIL}),
    )  # fmt: skip
    FindingStates(state).say("default", alarm.finding_id, "false_alarm", pattern=alarm.pattern,
                             who="ann", now_ns=now_s * S)  # fmt: skip
    shown = page(app)
    assert cards(shown)["Loops"] == "41"
    assert cards(shown)["Wasted"] == "$31.50"
    groups = shown.dataframe[0].value
    assert dict(zip(groups["Agent"], groups["Wasted"], strict=True)) == {"planner": 30, EVIL: 1.5}
    assert sum(shown.dataframe[1].value["Wasted"]) == 31.5
    bars = shown.get("plotly_chart")
    assert len(bars) == 2
    assert "<img" not in bars[0].proto.spec
    assert "1 that are muted, expected or false alarms are left out" in text(shown)


def test_what_later_calls_carried_is_added_to_no_other_loop(
    app: AppTest, store: Store, now_s: int
) -> None:
    put(
        store, now_s,
        loop(now_s, "one", evidence=span_ids(1, 2), carried_usd=Decimal(3),
             avoidable_usd=Decimal(4)),
        loop(now_s, "two", evidence=span_ids(5, 6), carried_usd=None, avoidable_usd=Decimal(1),
             direct_usd=Decimal(4)),
    )  # fmt: skip
    shown = page(app)
    assert (cards(shown)["Wasted"], cards(shown)["Avoidable"]) == ("$5.50", "$4.00")
    [row] = shown.dataframe[0].value.to_dict("records")
    assert (row["Wasted"], row["Avoidable"], row["Carried"]) == (5.5, 4, 3)
