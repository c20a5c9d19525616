"""Two trajectories side by side: aligned steps, differences, the first point where they part."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.golden.alignment import (
    DiffStep,
    Side,
    Totals,
    compare,
    first_divergence,
)
from spanledger_analytics.golden.content import golden_content, golden_side
from spanledger_dashboard.compare.diff_table import (
    diff_arrow,
    signed_count,
    signed_duration,
    signed_usd,
)
from spanledger_storage.saved_views import SavedViews
from tests.dashboard.seed import Seeder
from tests.processor_time import processor_s

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
A, B = "ab" * 16, "cd" * 16
ROOT, ASK, TOOL, AGAIN = (f"{n:016x}" for n in range(1, 5))
EVIL = "<img src=x onerror=alert(1)> **b**"


def step(role: str, what: str, **columns: Any) -> DiffStep:
    made: dict[str, Any] = {
        "agent": "bot", "name": "", "call_sig": 0, "answer": "", "has_failed": False,
        "cost_usd": None, "tokens": None, "duration_ns": 10, "span_id": what, **columns,
    }  # fmt: skip
    return DiffStep(role, what, **made)


def states(a: list[DiffStep], b: list[DiffStep]) -> list[str]:
    return [row.state for row in compare(a, b)]


def test_the_same_steps_are_the_same() -> None:
    run = [step("llm", "m", answer="x"), step("tool", "sql", call_sig=5), step("llm", "m")]
    rows = compare(run, run)
    assert [row.state for row in rows] == ["same"] * 3
    assert first_divergence(rows) is None


def test_other_words_are_no_other_way_and_other_arguments_are() -> None:
    a = [step("llm", "m", answer="x"), step("tool", "sql", call_sig=5), step("llm", "m")]
    b = [step("llm", "m", answer="y"), step("tool", "sql", call_sig=6), step("llm", "m")]
    rows = compare(a, b)
    assert [row.state for row in rows] == ["answer", "arguments", "same"]
    assert first_divergence(rows) == 1


def test_a_step_that_only_one_has_moves_the_rest_along() -> None:
    a = [step("llm", "m"), step("tool", "sql", call_sig=1), step("llm", "m"), step("tool", "mail")]
    b = [step("llm", "m"), step("llm", "m"), step("tool", "mail")]
    rows = compare(a, b)
    assert [(r.state, r.a and r.a.what, r.b and r.b.what) for r in rows] == [
        ("same", "m", "m"),
        ("only a", "sql", None),
        ("same", "m", "m"),
        ("same", "mail", "mail"),
    ]
    assert first_divergence(rows) == 1


def test_another_model_in_the_same_place_is_another_step_and_not_two() -> None:
    a = [step("llm", "big"), step("tool", "sql"), step("llm", "big")]
    b = [step("llm", "small"), step("tool", "sql"), step("llm", "small")]
    assert states(a, b) == ["other", "same", "other"]


def test_a_step_that_failed_in_one_of_them_parts_them() -> None:
    assert states([step("tool", "sql")], [step("tool", "sql", has_failed=True)]) == ["outcome"]


def test_differences_are_b_less_a_and_unknown_stays_unknown() -> None:
    a = step("llm", "m", cost_usd=Decimal("0.3"), tokens=100, duration_ns=7)
    b = step("llm", "m", cost_usd=Decimal("0.1"), tokens=None, duration_ns=9)
    (row,) = compare([a], [b])
    assert (row.cost_usd, row.tokens, row.duration_ns) == (Decimal("-0.2"), None, 2)
    (alone,) = compare([], [a])
    assert (alone.state, alone.cost_usd, alone.tokens) == ("only b", Decimal("0.3"), 100)
    assert compare([], []) == []


@pytest.mark.endurance
def test_long_loops_of_equal_steps_are_aligned_soon() -> None:
    a = [step("tool" if n % 2 else "llm", "x") for n in range(10_000)]
    b = [step("tool" if n % 2 else "llm", "x") for n in range(9_000)]
    b[10] = step("tool", "y")
    assert processor_s(lambda: compare(a, b), times=1) < 5
    rows = compare(a, b)
    assert first_divergence(rows) == 10
    assert sum(row.b is None for row in rows) == 1_000


def side(*steps: DiffStep) -> Side:
    return Side(A, "run", 5, Totals(Decimal("1.000000000001"), 2**60, 3, 4, 5, 6), steps)


def test_a_golden_trajectory_comes_back_as_it_was_saved() -> None:
    made = side(
        step("tool", EVIL, call_sig=2**64 - 1, cost_usd=Decimal("0.000000000001")),
        step("llm", "m", answer="0" * 16, has_failed=True, tokens=5),
    )
    back = golden_side(json.loads(json.dumps(golden_content(made))))
    assert back.is_golden
    assert (back.steps, back.totals, back.start_ns) == (made.steps, made.totals, made.start_ns)


@pytest.mark.parametrize(
    "content", [{}, {"totals": {}}, {"totals": 5, "texts": [], "steps": [[1]]}]
)
def test_what_is_no_golden_trajectory_is_said_to_be_none(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        golden_side(content)


def test_ten_thousand_steps_fit_what_can_be_saved() -> None:
    steps = [
        step("llm", "m", answer="0" * 16, span_id=f"{n:016x}", tokens=1) for n in range(10_000)
    ]
    assert len(json.dumps(golden_content(side(*steps)), separators=(",", ":"))) < 1_000_000


def test_differences_carry_their_sign() -> None:
    assert signed_usd(Decimal("0.0042")) == "+$0.00420"
    assert signed_usd(Decimal(-2)) == "-$2.00"
    assert [signed_usd(None), signed_usd(Decimal(0))] == ["—", "="]
    assert [signed_count(1_500), signed_count(-3), signed_count(None)] == ["+1,500", "-3", "—"]
    assert [signed_duration(2_000), signed_duration(-5), signed_duration(0)] == [
        "+2µs",
        "-5ns",
        "=",
    ]


def test_the_download_keeps_every_digit() -> None:
    a = step("llm", "m", cost_usd=Decimal("0.000000000001"), span_id=ASK)
    table = diff_arrow(compare([a], [])).to_pylist()
    assert table[0]["cost_usd_a"] == Decimal("0.000000000001")
    assert (table[0]["difference"], table[0]["span_id_b"]) == ("only a", None)


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


@pytest.fixture
def views(state: sa.Engine) -> SavedViews:
    return SavedViews(state)


def page(app: AppTest, name: str = "compare", **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(f"app_pages/{name}.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.warning, *app.info, *app.success, *app.error]
    blocks += [*app.subheader, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def seed_run(seed: Seeder, trace_id: str, *, at_s: int, tool: str, sig: int, cost: str) -> None:
    seed.span(
        trace_id, ROOT, name=f"run {EVIL}", role="agent", agent_name="bot", at_s=at_s, duration_s=5,
        call_sig=0,
    )  # fmt: skip
    ask = seed.span(trace_id, ASK, ROOT, at_s=at_s + 1, response_model="m", call_sig=0)
    seed.entry(ask, cost, model="m", tokens=(1000, 200))
    seed.span(
        trace_id, TOOL, ROOT, name=f"execute_tool {tool}", role="tool", tool_name=tool,
        at_s=at_s + 2, call_sig=sig,
    )  # fmt: skip
    seed.trace(trace_id)


@pytest.fixture
def two(seed: Seeder) -> None:
    seed_run(seed, A, at_s=-200, tool="sql", sig=1, cost="0.25")
    seed_run(seed, B, at_s=-100, tool=EVIL, sig=2, cost="0.375")
    seed.insert()


def test_without_traces_the_page_says_how_to_get_here(app: AppTest) -> None:
    assert "Nothing to compare yet" in text(page(app))


def test_a_trace_that_is_not_there_is_named(app: AppTest) -> None:
    shown = text(page(app, a=A, b=B))
    assert "A is not here" in shown
    assert A in shown


@pytest.mark.usefixtures("two")
def test_two_runs_are_told_apart_step_by_step(app: AppTest) -> None:
    shown = text(page(app, a=A, b=B))
    assert "$0.25 → **$0.375**" in shown.replace("0.250", "0.25")
    assert "+$0.125" in shown
    assert f"First difference at step 3**: A goes on with sql, B with {EVIL}" in shown
    table = app.dataframe[0].value
    assert table["Difference"].tolist() == ["= same", "= same", "≠ other step ◀ first"]
    assert table["Δ cost"].tolist()[1] == 0.125
    assert table["B"].tolist()[2] == f"⚙ {EVIL}"
    app.toggle(key="differences").set_value(True).run()
    assert app.dataframe[0].value["#"].tolist() == [3]
    assert not app.selectbox(key="refresh").disabled


@pytest.mark.usefixtures("two")
def test_with_one_trace_the_page_offers_others_of_its_name(app: AppTest) -> None:
    page(app, a=A)
    app.button(key=f"compare-{B}").click().run()
    assert not app.exception
    assert app.query_params["b"] == B
    assert "First difference" in text(app)
    app.button(key="swap").click().run()
    assert app.query_params["a"] == B
    assert "-$0.125" in text(app)


@pytest.mark.usefixtures("two")
def test_a_golden_run_outlives_its_spans(app: AppTest, views: SavedViews, seed: Seeder) -> None:
    page(app, "trace", trace_id=A)
    app.session_state["compare"] = True  # the menu is open
    app.run()
    app.text_input(key="golden-name").set_value("the good one")
    app.button(key="golden-save").click().run()
    assert not app.exception
    (saved,) = views.of("golden", "default")
    assert (saved.name, saved.content["trace_id"], saved.saved_by) == ("the good one", A, "local")

    for table in ("spans", "ledger", "traces"):
        seed.store.execute(
            f"ALTER TABLE {table} DELETE WHERE trace_id = '{A}' SETTINGS mutations_sync = 2"
        )
    again = AppTest.from_file(str(APP), default_timeout=30)
    shown = text(page(again, a=B, golden="the good one"))
    assert "golden" in shown
    assert "-$0.125" in shown
    assert again.dataframe[0].value["Difference"].tolist()[2] == "≠ other step ◀ first"


@pytest.mark.usefixtures("two")
def test_a_golden_name_that_is_not_known_is_said_to_be(app: AppTest, views: SavedViews) -> None:
    assert views.of("golden", "default") == []
    assert "B is not here" in text(page(app, a=A, golden="nothing"))
