"""The Allocation page: nothing, one rule, many owners and hostile names, against sums by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.allocation.changes import set_rule
from spanledger_storage.allocation_rules import AllocationRules, RuleRow
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "<img src=x onerror=alert(1)> **b** :red[r] $x$ 'q' \\"


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


@pytest.fixture
def rules(state: sa.Engine) -> AllocationRules:
    return AllocationRules(state)


def make(rules: AllocationRules, name: str, position: int = 500, **columns: Any) -> None:
    row = RuleRow("default", name, position, effective_from_s=0, **columns)
    with rules.change("ann", 1) as change:
        set_rule(change, row)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/allocation.py")
    app.run()
    assert not app.exception
    assert not app.error
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.warning, *app.subheader, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def table(app: AppTest, first_column: str) -> pd.DataFrame:
    for shown in app.dataframe:
        if shown.value.columns[0] == first_column:
            frame: pd.DataFrame = shown.value
            return frame.set_index(first_column)
    raise AssertionError(first_column)


def spend(seed: Seeder, number: int, agent: str, cost: str, **columns: Any) -> None:
    """One call now, its trace, and the hour of usage it stands for."""
    trace = f"{number:032x}"
    span = seed.span(trace, f"{number:016x}", agent_name=agent, at_s=0)
    seed.entry(span, cost, **columns)
    seed.trace(trace)
    model = {"model": columns["model"]} if "model" in columns else {}
    seed.usage(
        agent_name=agent, calls=1, input_tokens=1000, output_tokens=200,
        total_cost_usd=Decimal(cost), **model,
    )  # fmt: skip


def test_without_data_it_says_how_to_get_some(app: AppTest, rules: AllocationRules) -> None:
    shown = text(page(app))
    assert "No data yet" in shown
    assert "spanledger allocation set by-team --team dimension:team" in shown


def test_without_rules_everything_is_unallocated(
    app: AppTest, seed: Seeder, rules: AllocationRules
) -> None:
    spend(seed, 1, "support-bot", "3")
    seed.insert()
    page(app)
    assert cards(app)["Unallocated"] == cards(app)["Total"] == "$3.00"
    assert table(app, "Team").index.tolist() == ["Unallocated"]
    shown = text(app)
    assert "$3.00 meet no rule" in shown.replace("**", "")
    assert "spanledger allocation set support-bot --match agent=support-bot --team TEAM" in shown


def test_what_meets_no_rule_is_summed_also_where_it_is_not_listed(
    app: AppTest, seed: Seeder, rules: AllocationRules
) -> None:
    for number in range(1, 25):
        spend(seed, number, f"agent-{number:02}", str(number))
    seed.insert()
    page(app)
    # 1 + 2 + … + 24; the twelve dearest alone are 222.
    assert cards(app)["Unallocated"] == "$300.00"
    assert "$300.00 meet no rule, in 24 groups. The 12 largest" in text(app).replace("**", "")
    assert table(app, "Agent").index.tolist() == [f"agent-{n:02}" for n in range(24, 12, -1)]


def test_owners_bear_direct_and_shared_costs_that_add_up(
    app: AppTest, seed: Seeder, rules: AllocationRules
) -> None:
    make(rules, "platform", 10, conditions={"agent": "platform-*"}, pool="Platform", split="spend")
    make(rules, "team", 20, owner={"team": "dimension:team", "cost_center": "4711"})
    for number, (agent, cost, team) in enumerate(
        [("a", "3", "red"), ("b", "1", "blue"), ("platform-x", "2", ""), ("c", "0.5", "")], 1
    ):
        dimensions = [("team", team)] if team else []
        spend(seed, number, agent, cost, dimensions=dimensions)
    seed.insert()
    found = table(page(app), "Team")
    assert found["Direct"].tolist() == [3.0, 1.0, 0.5]
    assert found["Shared"].tolist() == [1.5, 0.5, 0.0]
    assert found.index.tolist() == ["red", "blue", "Unallocated"]
    assert found["Tasks"].tolist() == [0, 0, 4]  # traces of these tests tell no team
    assert cards(app) == {
        "Total": "$6.50", "Allocated": "92.3%", "Shared costs": "$2.00", "Unallocated": "$0.500",
    }  # fmt: skip
    pools = table(app, "Shared costs")
    assert pools.loc["Platform", "Split"] == "by direct spend, among teams"
    assert table(app, "Position")["Rule"].tolist() == ["platform", "team"]
    app.selectbox(key="by").select("Cost center").run()
    by_center = table(app, "Cost center")
    assert by_center["Total"].tolist() == [6.0, 0.5]
    assert by_center.index.tolist() == ["4711", "Unallocated"]


def test_many_owners_and_hostile_names(app: AppTest, seed: Seeder, rules: AllocationRules) -> None:
    make(rules, "team", 20, owner={"team": "dimension:team"}, note=EVIL)
    make(rules, "evil", 30, conditions={"agent": EVIL[:20] + "*"}, owner={"team": EVIL})
    for number in range(1, 31):
        spend(seed, number, f"agent-{number}", str(number), dimensions=[("team", f"t{number}")])
    spend(seed, 31, EVIL, "1000", model=EVIL)
    spend(seed, 32, EVIL[10:], "2000", model=EVIL)
    seed.insert()
    found = table(page(app, project="default"), "Team")
    assert len(found) == 32
    assert found.index[-1] == "Unallocated"
    assert found["Total"].sum() == 3000 + sum(range(1, 31))
    assert EVIL[:20] not in "".join(str(m.value) for m in (*app.markdown, *app.caption))


def test_a_month_without_spend_says_so(
    app: AppTest, seed: Seeder, rules: AllocationRules, now_s: int
) -> None:
    spend(seed, 1, "a", "1")
    seed.insert()
    months = page(app).selectbox(key="month").options
    assert len(months) == 24
    app.selectbox(key="month").select(months[5]).run()
    assert f"Nothing was spent in {months[5]}" in text(app)


def test_without_a_state_database_it_says_so(app: AppTest, seed: Seeder) -> None:
    spend(seed, 1, "a", "1")
    seed.insert()
    assert "not told where the state database is" in text(page(app))
