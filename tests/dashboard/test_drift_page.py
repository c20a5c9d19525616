"""The Drift page with none, one and many checks, hostile names, and too little data."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.drift.rows import _SCHEMA  # pyright: ignore[reportPrivateUsage]  # the job's own columns
from spanledger_dashboard.drift.data import first_days, load_checks, read_shift, worst
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"
DAY_S = 86_400
SHARES = [
    {"name": "search", "before": 0.7, "now": 0.2, "psi": 0.6},
    {"name": EVIL, "before": 0.3, "now": 0.8, "psi": 0.5},
]


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/drift.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.error]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def day(now_s: int, back: int) -> date:
    return datetime.fromtimestamp((now_s // DAY_S - back) * DAY_S, UTC).date()


def check(now_s: int, back: int = 1, **columns: Any) -> dict[str, Any]:
    """A drift of the planner's tools, a day ago."""
    row: dict[str, Any] = {
        "project": "default", "day": day(now_s, back), "agent_name": "planner",
        "agent_version": "1.0", "feature": "tools", "compared_with": "same_version",
        "verdict": "drift", "trajectories": 60, "reference_trajectories": 800, "actions": 400,
        "reference_actions": 5_000, "statistic": 40.0, "p_value": 0.001, "q_value": 0.002,
        "effect": 0.4, "psi": 1.1, "usual_effect": None, "shares": json.dumps(SHARES), "version": 1,
    }  # fmt: skip
    return row | columns


def too_little(now_s: int, back: int = 1, **columns: Any) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(("statistic", "p_value", "q_value", "effect", "psi"))
    lacking = {"verdict": "not_enough_data", "trajectories": 3, "actions": 9, "shares": "{}"}
    return check(now_s, back, **{**empty, **lacking, **columns})


def put(store: Store, *rows: dict[str, Any]) -> None:
    table = pa.Table.from_pylist(list(rows), schema=_SCHEMA)
    store.insert("drift_checks", table, token=f"checks-{id(rows)}")


def test_without_checks_it_says_when_there_will_be_some(app: AppTest, seed: Seeder) -> None:
    seed.span("ab" * 16, f"{1:016x}")
    seed.insert()
    assert "No agent has been compared in these days yet" in text(page(app))


def test_one_drift_names_the_actions_that_changed_most(
    app: AppTest, store: Store, now_s: int
) -> None:
    put(store, check(now_s))
    shown = page(app)
    assert cards(shown)["Drifted"] == "1"
    assert cards(shown)["New versions"] == "0"
    row = shown.dataframe[0].value.iloc[0]
    assert (row["Verdict"], row["Agent"], row["Effect"]) == ("▲ Drift", "planner", 0.4)
    assert "search 70.0% → 20.0%" in text(shown)
    raw = "\n".join(str(m.value) for m in shown.markdown)
    assert "<img" not in raw.replace(r"\<img", "")
    assert all("<img" not in chart.proto.spec for chart in shown.get("plotly_chart"))


def test_too_little_data_is_shown_as_such(app: AppTest, store: Store, now_s: int) -> None:
    put(store, too_little(now_s))
    shown = page(app)
    assert cards(shown)["Without enough data"] == "1"
    assert "No feature had enough data" in text(shown)
    shown.toggle[0].set_value(True).run()
    assert list(shown.dataframe[0].value["Verdict"]) == ["· Not enough data"]
    assert "It takes 300 of 50 on both sides" in text(shown)


def test_many_agents_versions_and_days(app: AppTest, store: Store, now_s: int) -> None:
    rows = [
        check(now_s, back, agent_name=f"a{n}", verdict="no_drift", feature=feature, effect=0.01)
        for n in range(8) for back in range(1, 10) for feature in ("tools", "tool_errors")
    ]  # fmt: skip
    quantiles = {"p10": 1.0, "p50": 2.0, "p90": 3.0, "mean": 2.5}
    shares = json.dumps({"before": quantiles, "now": quantiles | {"p50": 9.0}})
    rows += [
        check(now_s, 2, agent_name="a3", agent_version="2.0", verdict="expected", feature="steps",
              compared_with="other_versions", psi=None, effect=0.9, shares=shares),
        check(now_s, 1, agent_name=EVIL, agent_version=EVIL),
    ]  # fmt: skip
    put(store, *rows)
    shown = page(app)
    assert cards(shown) | {"Agents": "9", "Drifted": "1", "New versions": "1"} == cards(shown)
    assert shown.dataframe[0].value.iloc[0]["Agent"] == EVIL
    fresh = AppTest.from_file(str(APP), default_timeout=30)
    shown = page(fresh, agent="a3")
    assert set(shown.dataframe[0].value["Agent"]) == {"a3"}
    assert "New versions: 2.0 on" in text(shown)
    assert shown.dataframe[0].value.iloc[0]["Verdict"] == "◇ New version"
    assert list(shown.dataframe[1].value["On the day"]) == ["1", "9", "3", "2.5"]


def test_what_was_stored_is_read_as_it_is(store: Store, now_s: int) -> None:
    put(
        store, check(now_s, 2), too_little(now_s, 1), check(now_s, 40), check(now_s, 1, project="o")
    )
    found = load_checks(store, "default", now_s - 10 * DAY_S, now_s)
    assert [(c.verdict, c.p_value) for c in found] == [("drift", 0.001), ("not_enough_data", None)]
    assert worst(found) == "drift"
    assert first_days(found) == {}
    assert read_shift("{}").shares == ()
