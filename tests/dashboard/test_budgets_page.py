"""The Budgets page with none, one and many, against figures made by hand; and who may write."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

import spanledger_dashboard
from spanledger_analytics.budgets.job import BudgetJob
from spanledger_dashboard import connection
from spanledger_dashboard.access import Viewer
from spanledger_storage.account_roles import Role
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_requests import Reserve, Settle, Subject
from spanledger_storage.budgets import Budgets, BudgetTerms
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "x`; **b** :red[r] <img src=x>"
MONTHLY = BudgetTerms("Monthly", "project", "", "usd", "month", soft_limit=Decimal(8),
                      hard_limit=Decimal(10), owner="finance")  # fmt: skip


@pytest.fixture
def app(store_url: str, state: sa.Engine) -> AppTest:
    assert store_url
    assert state
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/budgets.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.code, *app.error]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def field(app: AppTest, label: str) -> TextInput:
    return next(one for one in app.text_input if one.label == label)


def press(app: AppTest, label: str) -> None:
    next(one for one in app.button if one.label == label).click().run()


def seen(*values: object) -> tuple[object, ...]:
    """Figures of any type, to compare with whole numbers."""
    return values


def make(state: sa.Engine, terms: BudgetTerms) -> str:
    return Budgets(state).create("default", terms, "me", time.time_ns()).id


def spend(seed: Seeder, usd: str, agent: str = "planner", **columns: str) -> None:
    span = seed.span("ab" * 16, f"{len(seed.rows):016x}", agent_name=agent, at_s=-1)
    seed.entry(span, usd, **columns)
    seed.usage(agent_name=agent)
    seed.insert()


def test_without_budgets_it_says_how_to_make_one(app: AppTest) -> None:
    shown = text(page(app))
    assert "No budgets yet" in shown
    assert "spanledger budgets set" in shown


def test_one_budget_shows_what_was_spent(
    app: AppTest, state: sa.Engine, store: Store, seed: Seeder
) -> None:
    budget = make(state, MONTHLY)
    spend(seed, "8.5")
    accounts = BudgetAccounts(state)
    now = time.time_ns()
    subject = Subject(agent="planner")
    accounts.reserve("default", Reserve("r", subject, {"usd": Decimal("0.25")}, {}, 600), now)
    settle = Settle("s", "", subject, None, {"usd": Decimal("0.5")}, now // 10**9)
    accounts.settle("default", [settle], now)
    BudgetJob(store, state, time.time_ns).run_once()

    page(app)
    table = app.dataframe[0].value
    assert list(table["Budget"]) == ["Monthly"]
    assert list(table["State"]) == ["▲ Over soft limit"]
    assert list(table["Spent"]) == ["$9.00"]
    assert list(table["Set aside"]) == ["$0.250"]
    assert list(table["Limit"]) == ["$10.00"]
    assert list(table["Used"]) == [90.0]
    breaches = app.dataframe[1].value
    assert list(breaches["What"]) == ["▲ Soft limit"]
    assert list(breaches["Most spent"]) == ["$9.00"]

    shown = page(app, budget=budget)
    assert cards(shown)["Spent"] == "$9.00"
    assert cards(shown)["Left"] == "$0.750"
    assert "owner finance" in text(shown)


def test_many_budgets_of_every_kind_and_hostile_names(
    app: AppTest, state: sa.Engine, store: Store, seed: Seeder
) -> None:
    evil = replace(MONTHLY, name=EVIL, scope="agent", selector=EVIL, owner=EVIL, note=EVIL)
    hostile = make(state, evil)
    for number in range(30):
        make(state, replace(MONTHLY, name=f"b{number}", measure="tokens", period="rolling",
                            rolling_s=3_600, soft_limit=None))  # fmt: skip
    make(state, replace(MONTHLY, name="off", is_active=False))
    make(state, replace(MONTHLY, name="zero", soft_limit=None, hard_limit=Decimal(0)))
    spend(seed, "1", EVIL)
    BudgetJob(store, state, time.time_ns).run_once()
    page(app)
    table = app.dataframe[0].value
    assert len(table) == 33
    states = dict(zip(table["Budget"], table["State"], strict=True))
    assert seen(states["off"], states[EVIL], states["zero"]) == (
        "⏸ Paused", "● Within", "■ Over hard limit",
    )  # fmt: skip
    spent = dict(zip(table["Budget"], table["Spent"], strict=True))
    assert seen(spent[EVIL], spent["b1"]) == ("$1.00", "1,200")
    shown = page(app, budget=hostile)
    assert f"for agent {EVIL}" in text(shown)
    assert cards(shown)["Spent"] == "$1.00"


def test_a_budget_that_is_gone_is_said(app: AppTest) -> None:
    assert "No such budget" in text(page(app, budget="0123"))


def test_an_editor_makes_and_removes_budgets(app: AppTest, state: sa.Engine) -> None:
    page(app)
    field(app, "Name").set_value("Mine")
    field(app, "Soft limit").set_value("not a number")
    press(app, "Make")
    assert "The soft limit is a number" in text(app)
    assert Budgets(state).of("default") == []
    field(app, "Soft limit").set_value("1,000")
    press(app, "Make")
    assert not app.exception
    [made] = Budgets(state).of("default")
    assert seen(made.terms.name, made.terms.soft_limit, made.terms.hard_limit) == (
        "Mine",
        1_000,
        None,
    )

    page(app, budget=made.id)
    press(app, "Remove")
    assert len(Budgets(state).of("default")) == 1
    press(app, "Remove it for everybody")
    assert Budgets(state).of("default") == []


@pytest.mark.parametrize("given", ["12,50", "0,5", "0,500", "1.000,50", "1,00,000", "1,000,5"])
def test_a_comma_that_may_be_a_decimal_one_makes_no_budget(
    app: AppTest, state: sa.Engine, given: str
) -> None:
    page(app)
    field(app, "Name").set_value("Mine")
    field(app, "Hard limit").set_value(given)
    press(app, "Make")
    assert f"The hard limit is a number such as 1234.50, not '{given}'" in text(app)
    assert Budgets(state).of("default") == []


@pytest.mark.parametrize(
    ("given", "limit"),
    [("1,234.50", "1234.5"), ("$12,345,678", "12345678"), ("12.50", "12.5"), (" $0.5 ", "0.5")],
)
def test_a_limit_is_taken_as_it_is_written(
    app: AppTest, state: sa.Engine, given: str, limit: str
) -> None:
    page(app)
    field(app, "Name").set_value("Mine")
    field(app, "Hard limit").set_value(given)
    press(app, "Make")
    [made] = Budgets(state).of("default")
    assert made.terms.hard_limit == Decimal(limit)


def test_a_viewer_looks_and_nothing_else(
    app: AppTest, state: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = make(state, MONTHLY)
    person = Viewer("ann", Role.VIEWER, frozenset({"default"}))
    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: lambda: person)
    page(app, budget=budget)
    assert not [b for b in app.button if b.label in ("Remove", "Save", "Make")]
    found = connection.budgets()
    assert found is not None
    with pytest.raises(Exception, match="may look"):
        found.remove("default", budget)
    with pytest.raises(Exception, match="not open"):
        found.of("other")
