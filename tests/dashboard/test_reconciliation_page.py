"""The Reconciliation page: nothing, one cell, many, hostile names, and what its buttons ask for."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.reconciliation.result import Cell
from spanledger_dashboard.reconciliation import charts
from spanledger_dashboard.reconciliation.data import squares
from spanledger_dashboard.reconciliation.square import clicked
from spanledger_storage.price_state import StateEngine
from spanledger_storage.reconciliation_state import PostingRow, ReconciliationState
from spanledger_storage.store import Store
from tests.reconciled import cell, put, share

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "<img src=x onerror=alert(1)> **b** :red[r] $x$ 'q' \\"
Args = tuple[str, dict[str, str]]


@pytest.fixture
def app(store_url: str, state: StateEngine) -> AppTest:
    assert store_url
    assert state
    return AppTest.from_file(str(APP), default_timeout=60)


@pytest.fixture
def today(now_s: int) -> date:
    return datetime.fromtimestamp(now_s, UTC).date()


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/reconciliation.py")
    app.run()
    assert not app.exception
    assert not app.error
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def table(app: AppTest, first_column: str) -> pd.DataFrame:
    for shown in app.dataframe:
        if shown.value.columns[0] == first_column:
            frame: pd.DataFrame = shown.value
            return frame
    raise AssertionError(first_column)


def one_cell(today: date) -> Cell:
    return cell(
        "1", "1.4", share("price_book", "0.3", said="dearer", calls=2),
        share("unexplained", "0.1", "low", "nothing says why"), day=today, scope="proj_a",
        quantities=("1000000", "1000000", "1000000"),
    )  # fmt: skip


def test_without_reports_it_says_how_to_import_them(app: AppTest) -> None:
    shown = text(page(app))
    assert "Nothing to reconcile in" in shown
    assert "spanledger invoices import" in shown


def test_one_cell_from_the_answer_to_its_arithmetic(
    app: AppTest, store: Store, today: date
) -> None:
    one = one_cell(today)
    put(store, one)
    assert cards(page(app)) == {
        "Billed": "$1.40", "Ledger": "$1.00", "Difference": "+$0.400", "Matched": "71.42%",
        "Unexplained": "$0.100",
    }  # fmt: skip
    [row] = table(app, "Day").to_dict("records")
    assert (row["Why"], row["Unexplained"]) == ("Price book, Unexplained", 0.1)
    shown = text(app)
    assert "spanledger prices set openai gpt-5.5 --output" in shown
    page(app, cell=one.cell_id)
    assert cards(app)["By price"] == "+$0.400"
    causes = table(app, "Cause")
    assert causes["Cause"].tolist()[0] == "Unexplained", "what nothing explains comes first"
    assert len(app.dataframe) == 3, "both sides, causes, calls"
    page(app, cell="0" * 32)
    assert "no such cell" in text(app)


def test_a_square_of_the_matrix_opens_its_cells(app: AppTest, store: Store, today: date) -> None:
    one = one_cell(today)
    other = cell("2", "2.5", share("tax", "0.5"), day=today, token_class="cache_read")
    put(store, one, other, cell("1", "9", share("tax", "8"), day=today, model="another"))
    page(app, on=today.isoformat(), of="openai: gpt-5.5", by="Model")
    assert cards(app) == {
        "Billed": "$3.90", "Ledger": "$3.00", "Difference": "+$0.900", "Unexplained": "$0.100",
    }  # fmt: skip
    assert table(app, "Cause")["Net"].tolist() == [0.1, 0.5, 0.3]
    assert table(app, "Cause")["Sure"].sum() == pytest.approx(0.8)
    assert len(table(app, "Day")) == 2
    page(app, of=EVIL)
    assert "no such square" in text(app)
    page(app, on="2026-13-77")
    assert "Difference" in cards(app), "what cannot be a square shows the month"


def test_a_click_names_row_and_day_of_the_matrix(today: date) -> None:
    made = [cell("1", "2", day=today, model=f"m-{n}") for n in range(3)]
    rows = squares(made, "Model")
    days = charts.days_of(today - timedelta(days=3), today)
    places = charts.matrix_places(rows, days)
    targets = charts.matrix(rows, days).to_dict()["data"][1]
    assert len(targets["x"]) == len(places) == 3
    assert clicked({"points": [{"point_index": 1}]}, places) == places[1] == ("openai: m-1", today)
    assert clicked({"points": [{"point_index": 99}]}, places) is None
    assert clicked({}, places) is None


def test_many_cells_of_many_providers_and_hostile_names(
    app: AppTest, store: Store, today: date
) -> None:
    first = today.replace(day=1)
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    cells = [
        cell("1", "1.5", share("price_book", "0.5"), day=day, model=f"m-{n}", provider=provider)
        for day in days
        for n in range(20)
        for provider in ("openai", "anthropic")
    ]
    evil = cell("0", "9", share("unexplained", "9", said=EVIL), day=today, model=EVIL, scope=EVIL,
                api_key=EVIL, provider=EVIL)  # fmt: skip
    put(store, *cells, evil)
    page(app)
    assert cards(app)["Difference"] == "+$" + f"{Decimal('0.5') * len(cells) + 9:.2f}"
    assert "more rows have smaller differences" in text(app)
    assert len(table(app, "Day")) == min(len(cells) + 1, 1_000)
    assert EVIL[:20] not in "".join(str(m.value) for m in (*app.markdown, *app.caption))
    app.selectbox(key="provider").select("openai").run()
    assert set(table(app, "Day")["Provider"]) == {"openai"}
    page(app, cell=evil.cell_id)
    assert EVIL[:20] not in "".join(
        str(m.value) for m in (*app.markdown, *app.caption, *app.subheader)
    )


def test_a_correction_is_asked_for_with_who_and_what(
    app: AppTest, store: Store, state: StateEngine, today: date
) -> None:
    put(store, one_cell(today))
    page(app)
    button = next(b for b in app.button if str(b.key).startswith("apply-"))
    assert any("One click" in str(m.value) for m in app.markdown), "how it is done"
    button.click().run()
    [row] = ReconciliationState(state).log("default")
    assert (row.kind, row.status, row.provider) == ("apply", "asked", "openai")
    assert row.who
    what = json.loads(row.what)
    assert (what["kind"], what["model"], what["token_class"]) == ("rate", "gpt-5.5", "output")
    assert table(app, "When")["State"].tolist() == ["Waiting"]


def test_a_month_is_posted_only_when_somebody_is_sure(
    app: AppTest, store: Store, state: StateEngine, today: date
) -> None:
    put(store, one_cell(today))
    page(app)
    assert app.button(key="post-adjustments").disabled
    app.checkbox(key="post-open").check().run()
    app.button(key="post-adjustments").click().run()
    [row] = ReconciliationState(state).log("default")
    assert (row.kind, row.first_day) == ("post", today.replace(day=1).isoformat())
    month = f"{today:%Y-%m}"
    ReconciliationState(state).put_posting(PostingRow("default", month, "", "ann", 1))
    page(app)
    assert "showback equals the bill" in text(app)
    app.button(key="post-adjustments").click().run()
    assert ReconciliationState(state).log("default")[0].kind == "unpost"
