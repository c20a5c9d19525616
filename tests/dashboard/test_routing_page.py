"""The Routing page: nothing, one route, cascades and hostile names, against sums by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.routing.reading import load_routes
from spanledger_dashboard.routing import data
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "<img src=x onerror=alert(1)> **b** :red[r] $x$ 'q' \\"
HAIKU, OPUS = "claude-haiku-4-5", "claude-opus-4-5"


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=60)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/routing.py")
    app.run()
    assert not app.exception
    assert not app.error
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.warning, *app.subheader]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("**", "")


def table(app: AppTest, column: str) -> pd.DataFrame:
    for shown in app.dataframe:
        if column in shown.value.columns:
            frame: pd.DataFrame = shown.value
            return frame
    raise AssertionError(column)


def attempt(seed: Seeder, number: int, task: str, model: str, outcome: str, cost: str,
            **columns: Any) -> None:  # fmt: skip
    trace = f"{number:032x}"
    agent = columns.pop("agent_name", "support")
    span = seed.span(trace, f"{number:016x}", agent_name=agent, at_s=-600 + number)
    seed.entry(span, cost, model=model)
    seed.trace(
        trace, task_id=task, outcome=outcome, main_model=model, workflow_name="refund",
        inference_cost_usd=Decimal(cost), **columns,
    )  # fmt: skip


def test_without_data_it_says_how_to_get_some(app: AppTest) -> None:
    assert "No data yet" in text(page(app))


def test_one_route_says_what_is_not_known(app: AppTest, seed: Seeder) -> None:
    attempt(seed, 1, "", HAIKU, "", "0.01")
    seed.insert()
    [row] = table(page(app), "Success").to_dict("records")
    assert (row["Class of task"], row["Model"]) == ("support · refund", HAIKU)
    assert (row["Calls"], row["Per call"], row["Attempts"]) == (1, 0.01, 1)
    assert row["Success"] is None or pd.isna(row["Success"])
    assert row["Against baseline"] == "too few tasks"
    assert "No task was tried again at a dearer model" in text(app)


def test_routes_estimates_and_cascades(app: AppTest, seed: Seeder) -> None:
    for number in range(40):
        done = number % 4 != 0
        attempt(
            seed, 2 * number + 1, f"t{number}", HAIKU, "completed" if done else "failed", "0.01"
        )
        if not done:
            attempt(seed, 2 * number + 2, f"t{number}", OPUS, "completed", "0.10")
    seed.insert()
    found = table(page(app), "Success").set_index("Model")
    assert found["Attempts"].to_dict() == {HAIKU: 40, OPUS: 10}
    assert found.loc[HAIKU, "Success"] == 0.75
    assert found.loc[HAIKU, "On stronger"] == 0.25
    assert found.loc[HAIKU, "Per completed"] == pytest.approx(0.4 / 30)
    assert found.loc[HAIKU, "Against baseline"] == "baseline"
    assert found.loc[OPUS, "Against baseline"] == "too few tasks"
    [cascade] = table(app, "Breaks even at").to_dict("records")
    assert (cascade["First"], cascade["Then"], cascade["Verdict"]) == (HAIKU, OPUS, "pays")
    assert cascade["Breaks even at"] == pytest.approx(0.9)
    assert cascade["Both, on average"] == pytest.approx(0.01 + 0.25 * 0.10)
    # 50 calls of 400 uncached, 600 cached and 200 output tokens; at Haiku's $1, $0.10 and $5.
    estimates = table(app, "Same tokens").set_index("Model")
    assert estimates.loc[HAIKU, "Same tokens"] == pytest.approx(50 * (400 + 60 + 1000) / 1e6)
    assert estimates.loc[HAIKU, "Difference"] == pytest.approx(0.073 - 1.4)
    assert "cost $1.40" in text(app)
    assert "An estimate, not a forecast" in text(app)


def test_many_routes_and_hostile_names(app: AppTest, seed: Seeder) -> None:
    for number in range(1, 40):
        attempt(seed, number, "", f"model-{number}", "completed", "0.01")
    attempt(seed, 41, EVIL, EVIL, "failed", "1", agent_name=EVIL)
    attempt(seed, 42, EVIL, "model-1", "completed", "5", agent_name=EVIL)
    seed.insert()
    page(app)
    assert len(table(app, "Success")) == 41
    shown = "".join(str(b.value) for b in (*app.markdown, *app.caption))
    assert "**b**" not in shown
    assert "<img" not in shown.replace("\\<img", "")
    app.selectbox(key="class").select(f"{EVIL} · refund").run()
    assert not app.exception
    assert table(app, "Success")["Attempts"].tolist() == [1, 1]


def test_routes_beyond_the_most_that_are_shown_are_counted(
    app: AppTest, seed: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):  # the dearer, the fewer attempts
        for other in range(6 - number):
            attempt(seed, number * 10 + other, "", f"m{number}", "completed", str(number))
    seed.insert()
    held = list[bool]()

    def noted(*args: Any) -> Any:
        held.append(data._LOCK.locked())
        return load_routes(*args)

    monkeypatch.setattr(data, "ROUTES", 2)
    monkeypatch.setattr(data, "load_routes", noted)
    found = table(page(app), "Success").set_index("Model")
    assert found["Attempts"].to_dict() == found["Calls"].to_dict() == {"m1": 5, "m2": 4}
    assert found["Per call"].to_dict() == {"m1": 1, "m2": 2}
    assert "2 of 5 routes" in text(app)
    assert held == [False]  # the price book is not kept from others while the store answers
