"""The cost explorer as people see it: none, one and many rows, hostile names, every control."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_storage.state import migrate_state, open_state
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "<img src=x onerror=alert(1)> **b** :red[r] $x$ 'q' \\"
OPUS, HAIKU = "claude-opus-4-5", "claude-haiku-4-5"
_DAY_S = 86_400


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str | list[str]) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/cost.py")
    app.run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    """The page, once it is sure that nothing failed."""
    assert not app.exception
    assert not app.error
    return app


def again(app: AppTest, **state: object) -> AppTest:
    """The page after somebody changed some of its controls."""
    for key, value in state.items():
        app.session_state[key] = value
    return sound(app.run())


def text(app: AppTest) -> str:
    """Everything written as text on the page."""
    blocks = [*app.markdown, *app.caption, *app.text, *app.warning, *app.info, *app.subheader]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def table(app: AppTest, number: int = 0) -> pd.DataFrame:
    frame = app.dataframe[number].value
    return frame.set_index(frame.columns[0])


def test_without_data_it_says_how_to_send_some(app: AppTest) -> None:
    assert "No data yet" in text(page(app))


def test_one_row_is_all_there_is(app: AppTest, seed: Seeder) -> None:
    seed.usage()
    seed.insert()
    shown = page(app)
    assert "$0.250 spend · by model (all 1) · per hour" in text(shown).replace("**", "")
    assert list(table(shown).index) == ["claude-sonnet-4-5", "Total"]


def test_names_that_are_not_shown_are_summed(app: AppTest, seed: Seeder) -> None:
    for number in range(1, 13):  # 1 + … + 12 = 78 dollars; the five dearest are 50 of them
        seed.usage(model=f"model-{number:02}", total_cost_usd=Decimal(number), hours_ago=number)
    seed.usage(model="unpriced", total_cost_usd=Decimal(0), calls=7, unpriced_calls=7)
    seed.usage(model="llama", total_cost_usd=Decimal(0), calls=3, self_hosted_calls=3)
    seed.insert()
    shown = table(page(app, top="5"))
    assert list(shown.index) == [
        *(f"model-{n:02}" for n in (12, 11, 10, 9, 8)),
        "9 others",
        "Total",
    ]
    assert list(shown["Spend"]) == [12, 11, 10, 9, 8, 28, 78]
    assert list(shown["Calls"]) == [10, 10, 10, 10, 10, 80, 130]
    assert shown["Share"].iloc[-2] == pytest.approx(28 / 78)
    assert "7 calls not priced, not in the dollars" in text(app)
    assert "3 calls on own machines, with the GPU time used" in text(app)


def test_one_call_is_no_calls(app: AppTest, seed: Seeder) -> None:
    seed.usage(calls=3, unpriced_calls=1, calls_without_usage=1, self_hosted_calls=1)
    seed.insert()
    shown = text(page(app))
    for said in ("1 call not priced", "1 call without token counts", "1 call on own machines"):
        assert said in shown
    assert "1 calls" not in shown


def test_a_cost_nobody_knows_is_a_dash(app: AppTest, seed: Seeder) -> None:
    seed.usage(total_cost_usd=Decimal(0), unpriced_calls=10)
    seed.insert()
    assert table(page(app))["Spend"].isna().all()


def test_ratios_are_sums_over_sums(app: AppTest, seed: Seeder) -> None:
    # 10 % of 1,000 and 90 % of 10: the mean of ratios would be 50 %.
    seed.usage(model=OPUS, input_tokens=1_000, cache_read_tokens=100)
    seed.usage(model=OPUS, input_tokens=10, cache_read_tokens=9, hours_ago=2)
    seed.insert()
    shown = table(page(app, measure="Cache hit rate"))
    assert list(shown["Cache hit rate"]) == pytest.approx([109 / 1010] * 2)
    assert "Share" not in shown


def test_two_dimensions_by_period_with_totals(app: AppTest, seed: Seeder) -> None:
    for agent, model, hours_ago, usd in (
        ("a", OPUS, 1, 4), ("a", OPUS, 2, 2), ("a", HAIKU, 1, 1), ("b", OPUS, 2, 3),
    ):  # fmt: skip
        seed.usage(agent_name=agent, model=model, hours_ago=hours_ago, total_cost_usd=Decimal(usd))
    seed.insert()
    shown = page(app, group="Agent", group2="Model", show="Table").dataframe[0].value
    assert list(zip(shown["Agent"], shown["Model"], strict=True)) == [
        ("a", OPUS), ("b", OPUS), ("a", HAIKU), ("Total", ""),
    ]  # fmt: skip
    assert list(shown["Total"]) == [6, 3, 1, 10]
    assert list(shown.iloc[:, -3]) == [2, 3, 0, 5]  # two hours ago
    assert list(shown.iloc[:, -2]) == [4, 0, 1, 5]


def test_filters_alternate_within_a_kind_and_narrow_across(app: AppTest, seed: Seeder) -> None:
    for agent, model, usd in (
        ("a", OPUS, 1), ("a", HAIKU, 2), ("b", OPUS, 4), ("", OPUS, 8), ("a", "other", 16),
    ):  # fmt: skip
        seed.usage(agent_name=agent, model=model, total_cost_usd=Decimal(usd))
    seed.insert()
    only = [f"model: {OPUS}", f"model: {HAIKU}", "agent: a"]
    assert table(page(app, only=only))["Spend"].iloc[-1] == 3
    assert table(again(app, only=["agent: (none)"]))["Spend"].iloc[-1] == 8
    assert "Nothing matches these filters" in text(again(app, only=["agent: nobody"]))
    assert "narrows nothing" in text(again(app, only=["colour: red", EVIL]))
    assert not app.exception


def test_hostile_names_stay_text(app: AppTest, seed: Seeder) -> None:
    seed.usage(model=EVIL, agent_name=EVIL, hours_ago=1)
    seed.usage(model="", agent_name="", hours_ago=30)
    seed.insert()
    for shape in ("Bars", "Lines", "Treemap", "Table"):
        shown = page(app, show=shape, group2="Agent", vs="The period before")
        assert any(str(name).startswith(EVIL[:20]) for name in table(shown).index)
    again(app, only=[f"model: {EVIL}"], show="Bars", vs="nothing")
    assert table(app)["Spend"].iloc[-1] == 0.25


def test_what_only_the_ledger_knows(app: AppTest, seed: Seeder) -> None:
    for user, usd in (("u1", "0.5"), ("u2", "0.25"), ("u1", "0.125")):
        seed.entry(seed.span("ab" * 16, "1" * 16), usd, user_id=user)
    seed.entry(seed.span("ab" * 16, "1" * 16), None, user_id="u3")
    seed.insert()
    shown = table(page(app, group="User"))
    assert list(shown.index) == ["u1", "u2", "u3", "Total"]
    assert list(shown["Spend"])[:2] == [0.625, 0.25]
    assert pd.isna(shown["Spend"].iloc[2])  # not priced is not free
    assert table(again(app, every="5 minutes"))["Spend"].iloc[-1] == 0.875


def seed_tasks(seed: Seeder) -> None:
    """Four tasks: two of agent a (one of two traces), one of b, one without an outcome."""
    for number, (agent, task, outcome, usd) in enumerate(
        (("a", "t1", "", "1"), ("a", "t1", "completed", "2"), ("a", "", "failed", "3"),
         ("b", "t2", "completed", "4"), ("b", "", "", "10"))
    ):  # fmt: skip
        trace = f"{number:032x}"
        span = seed.span(trace, f"{number:016x}", agent_name=agent, at_s=-600 + number)
        seed.entry(span, usd, model=OPUS)
        seed.trace(trace, agent_name=agent, task_id=task, outcome=outcome)
    seed.usage(agent_name="a", model=OPUS, total_cost_usd=Decimal(6), calls=3)
    seed.usage(agent_name="b", model=OPUS, total_cost_usd=Decimal(14), calls=2)
    seed.insert()


def test_tasks_and_what_one_costs(app: AppTest, seed: Seeder) -> None:
    seed_tasks(seed)
    shown = table(page(app, measure="Spend per task", group="Agent"))
    assert list(shown.index) == ["b", "a", "Total"]
    assert list(shown["Spend per task"]) == [7, 3, 5]
    assert list(shown["Tasks"]) == [2, 2, 4]
    # Tasks with an outcome: a 1 + 2 + 3 for one completed, b 4 for one.
    shown = table(again(app, measure="Spend per completed task"))
    assert shown["Spend per completed task"].iloc[-1] == 5
    # By model a task may count several times, so the dollars of each are of all tasks.
    shown = table(again(app, measure="Spend per task", group="Model"))
    assert list(shown["Spend per task"]) == [5, 5]
    assert "of 4 tasks" in text(app)
    assert "Tasks cannot be told by model" in text(again(app, measure="Tasks"))


def test_a_task_is_let_through_by_its_first_attempt_and_whole(app: AppTest, seed: Seeder) -> None:
    for number, (agent, usd) in enumerate((("a", "1"), ("b", "2"))):
        trace = f"{number:032x}"
        span = seed.span(trace, f"{number:016x}", agent_name=agent, at_s=-600 + number)
        seed.entry(span, usd, model=OPUS)
        seed.trace(trace, agent_name=agent, task_id="t", outcome="completed")
    seed.insert()
    shown = table(page(app, measure="Spend per task", group="Agent", only=["agent: a"]))
    assert list(shown["Spend per task"]) == [3, 3]
    assert "Nothing matches these filters" in text(again(app, only=["agent: b"]))


def seed_change(seed: Seeder) -> None:
    """Two days apart: agent a made 2, then 3 calls at a dollar; b only then, c only now."""
    for at_s, agent, count in ((-2, "a", 2), (-2, "b", 1), (-1, "a", 3), (-1, "c", 1)):
        for number in range(count):
            # Well inside "24h" and the day before, whatever the minute of the hour.
            seconds = at_s * _DAY_S + _DAY_S // 2 + number
            trace = f"{agent}{-at_s}{number}".ljust(32, "0")
            span = seed.span(trace, f"{number:016x}", agent_name=agent, at_s=seconds)
            seed.entry(
                span, "1", tokens=(1000, 0), uncached_tokens=1000, cache_read_tokens=0,
                uncached_cost_usd=Decimal("0.75"), cache_read_cost_usd=Decimal(0),
                output_cost_usd=Decimal(0), fees_cost_usd=Decimal("0.25"),
            )  # fmt: skip
            seed.trace(trace)
        seed.usage(
            agent_name=agent, hours_ago=-at_s * 24 - 12, calls=count, total_cost_usd=Decimal(count)
        )
    seed.insert()


def test_a_difference_is_explained_and_adds_up(app: AppTest, seed: Seeder) -> None:
    seed_change(seed)
    shown = page(app, group="Agent", vs="The period before")
    # 3 → 4 tasks of one call: 0.75 dollars of tokens more, and 0.25 of fees.
    assert "Spend rose by $1.00 (+33%)" in text(shown)
    assert "+$0.750 more tasks, +$0.250 more fees." in text(shown)
    changes = table(shown)
    assert set(changes.index[:3]) == {"a", "b", "c"}
    figures = dict(
        zip(changes.index, changes[["Before", "Now", "Change"]].to_numpy().tolist(), strict=True)
    )
    assert figures == {"a": [2, 3, 1], "b": [1, 0, -1], "c": [0, 1, 1], "Total": [3, 4, 1]}
    assert "Calls rose by 1 (+33%)" in text(again(app, measure="Calls"))


def test_the_change_by_name_is_a_file(
    app: AppTest, seed: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: dict[str, Callable[[], bytes]] = {}

    def button(_label: str, data: Callable[[], bytes], key: str, **_options: object) -> None:
        offered[key] = data

    monkeypatch.setattr(st, "download_button", button)
    seed_change(seed)
    page(app, group="Agent", vs="The period before")
    found = pd.read_csv(io.BytesIO(offered["download-cost-change-csv"]()), dtype=str)
    then, now = sorted(found["period_start"].unique())
    spent = found.set_index(["agent_name", "period_start"])["total_cost_usd"].map(Decimal)
    assert spent[spent != 0].to_dict() == {
        ("a", then): 2, ("b", then): 1, ("a", now): 3, ("c", now): 1
    }  # fmt: skip


def test_periods_that_overlap_are_not_compared(app: AppTest, seed: Seeder) -> None:
    seed_change(seed)
    shown = page(app, range="30d", vs="A week earlier")
    assert "These periods overlap" in text(shown)
    assert "Choose the first day" in text(again(app, vs="Another period"))


def test_a_chart_comes_back_as_it_was_saved(
    app: AppTest, seed: Seeder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    monkeypatch.setenv("SPANLEDGER_STATE_URL", url)
    migrate_state(open_state(url))
    seed.usage(agent_name="a")
    seed.insert()
    page(app, group="Agent", measure="Tokens", only=["agent: a"], range="7d")
    again(app, **{"saved-cost-name": "tokens of a"})
    app.button(key="saved-cost-save").click()
    sound(app.run())
    again(app, group="Model", measure="Spend", only=[], range="24h")
    app.button(key="saved-cost-0-load").click()
    sound(app.run())
    assert list(table(app).index) == ["a", "Total"]
    assert list(table(app)["Tokens"]) == [12_000, 12_000]
    assert app.session_state["only"] == ["agent: a"]
    assert app.session_state["range"] == "7d"
