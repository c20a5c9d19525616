"""The SQL page: what it runs, what it shows, what it refuses, and how a query is given up."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_dashboard.sql import chart as sql_chart
from spanledger_dashboard.sql import console as sql_console
from spanledger_dashboard.sql.chart import Plan, first_plan
from spanledger_storage.engine import DATABASE, Engine
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.saved_views import SavedViews
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.dashboard import process
from tests.dashboard.seed import Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "<img src=x onerror=alert(1)> **b** :red[r]"


@pytest.fixture
def main_store(engine: Engine) -> Iterator[Store]:
    """The database the reading user has grants on, emptied afterwards."""
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    migrate(store)
    yield store
    for table in (
        "spans",
        "traces",
        "trajectories",
        "ledger",
        "usage_hourly",
        "touches",
        "trace_hours",
    ):
        store.execute(f"TRUNCATE TABLE {DATABASE}.{table} SYNC")
    store.close()


@pytest.fixture
def app(
    engine: Engine, main_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AppTest:
    assert main_store
    monkeypatch.setenv("SPANLEDGER_STORE_URL", process.store_url(engine.reader))
    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate_state(open_state(url))
    monkeypatch.setenv("SPANLEDGER_STATE_URL", url)
    return AppTest.from_file(str(APP), default_timeout=30)


def sql(app: AppTest, query: str | None = None, **params: str) -> AppTest:
    """The page, with a query that was run."""
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/sql.py")
    app.run()
    if query is not None:
        app.text_area(key="sql").input(query)
        next(b for b in app.button if b.label == "Run").click().run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.error, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def result(app: AppTest) -> list[dict[str, object]]:
    [frame] = [d.value for d in app.dataframe if "Type" not in d.value.columns]
    return cast("list[dict[str, object]]", frame.to_dict("records"))


def test_it_opens_with_an_example_its_limits_and_the_schema(app: AppTest) -> None:
    shown = text(sql(app))
    assert "What did each model cost per day?" in str(app.text_area(key="sql").value)
    assert "at most 10,000 rows, 64 MiB of result, 2 GiB of memory" in shown
    assert app.selectbox(key="sql-table").options[:4] == [
        "traces",
        "trajectories",
        "ledger_current",
        "usage_hourly",
    ]
    columns = app.dataframe[0].value.set_index("Column")
    assert columns.loc["agents", "Type"] == "Array(String)"
    app.selectbox(key="sql-table").select("ledger_current").run()
    columns = app.dataframe[0].value.set_index("Column")
    assert "NULL: unknown" in str(columns.loc["total_cost_usd", "What it is"])


def test_the_pickers_fill_in_project_and_time(app: AppTest, main_store: Store, now_s: int) -> None:
    seed = Seeder(main_store, now_s)
    for n, (project, at_s) in enumerate((("one", -60), ("one", -3 * 86_400), ("two", -60))):
        seed.span(f"{n:032x}", f"{1:016x}", project=project, name=EVIL, at_s=at_s)
        seed.trace(f"{n:032x}", total_cost_usd=Decimal("0.000000000001"))
    seed.insert()
    query = (
        "SELECT name, total_cost_usd FROM traces FINAL WHERE project = {project:String} "
        "AND start_time >= {from:DateTime} AND start_time < {to:DateTime}"
    )
    rows = result(sql(app, query, project="one"))
    assert rows == [{"name": EVIL, "total_cost_usd": Decimal("0.000000000001")}]
    assert "1 row ·" in text(app)


@pytest.mark.usefixtures("main_store")
def test_examples_run(engine: Engine) -> None:
    reader = Store.connect(engine.reader)
    values = {"project": "x", "from": "1763733600", "to": "1763740000"}
    for title in sql_console.EXAMPLES:
        text = sql_console.example(title)
        outcome = sql_console.run(reader, text, values, 10, waiting=lambda _: None)
        assert outcome.failure is None
        assert outcome.table is not None
        assert outcome.table.num_columns > 2
    reader.close()


def test_an_example_is_put_into_the_editor(app: AppTest) -> None:
    sql(app)
    app.button(key="sql-example-console_errors").click().run()
    assert str(app.text_area(key="sql").value).startswith("-- Which errors happen")


def test_more_rows_than_the_limit_are_cut_and_said_to_be(app: AppTest) -> None:
    rows = result(sql(app, "SELECT number FROM numbers(1000000)"))
    assert len(rows) == sql_console.ROW_LIMIT
    assert "The first 10,000 rows" in text(app)


FAILURES = [
    ("SELECT 1\nFORM spans WHERE", "Syntax error", 2, "2 | FORM spans WHERE"),
    ("SELECT nam\nFROM spans", "Unknown expression", 1, "1 | SELECT nam\n           ^"),
    ("SELECT 1 FROM nowhere", "Unknown table", 1, "1 | SELECT 1 FROM nowhere\n" + " " * 18 + "^"),
    ("SELECT {other:String}", "Substitution `other` is not set", 1, "^"),
    ("SELECT throwIf(1, '<b>no</b>')", "<b>no</b>", None, None),
    ("DROP TABLE spans", "DROP is not possible here", None, None),
    ("SELECT 1 SETTINGS max_threads = 1", "SETTINGS is not possible here", None, None),
    ("SELECT file('/etc/passwd')", "file() is not possible here", None, None),
    ("   ", "There is no query", None, None),
    ("SELECT 1 " + "x" * 20_000, "at most 20,000 characters", None, None),
]


@pytest.mark.usefixtures("main_store")
def test_a_failure_is_readable_and_has_its_place(engine: Engine) -> None:
    reader = Store.connect(engine.reader)
    for query, message, line, marked in FAILURES:
        failure = sql_console.run(reader, query, {}, 5, waiting=lambda _: None).failure
        assert failure is not None
        assert message in failure.message
        assert not re.search(r"DB::Exception|\(version|Code: |In scope", failure.message)
        assert failure.line == line
        assert (marked or "") in (sql_console.excerpt(query, failure) or "")
    reader.close()


def test_a_failure_is_shown_as_text(app: AppTest) -> None:
    sql(app, f"SELECT throwIf(1, '{EVIL}')")
    assert EVIL in app.error[0].value.replace("\\", "")
    assert EVIL not in app.error[0].value


def test_a_query_ends_at_its_time_limit(app: AppTest) -> None:
    sql(app)
    app.selectbox(key="sql-seconds").select(5)
    app.text_area(key="sql").input(
        "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
    )
    next(b for b in app.button if b.label == "Run").click().run(timeout=20)
    assert "Timeout exceeded" in text(app)


def test_a_result_is_drawn_as_chosen(app: AppTest) -> None:
    sql(app, "SELECT toDate('2026-01-01') + number AS day, number % 2 AS kind, number * 2 AS n "
             "FROM numbers(6)")  # fmt: skip
    app.segmented_control(key="sql-view").set_value("Chart").run()
    assert app.selectbox(key="sql-chart-x").value == "day"
    app.selectbox(key="sql-chart-y").select("n")
    app.selectbox(key="sql-chart-by").select("kind")
    app.selectbox(key="sql-chart-kind").select("Bar").run()
    assert not app.exception
    assert len(app.get("plotly_chart")) == 1


def test_a_figure_holds_the_numbers_of_the_result() -> None:
    table = pa.table(
        {
            "day": [dt.date(2026, 1, 1), dt.date(2026, 1, 2), dt.date(2026, 1, 1)],
            "model": ["a", "a", "<b>"],
            "usd": [Decimal("1.5"), None, Decimal("7")],
        }
    )
    assert first_plan(table) == Plan("Line", "day", "usd", "model")
    figure, left_out = sql_chart.figure(table, Plan("Bar", "day", "usd", "model"))
    assert left_out == 0
    assert [(t["name"], t["y"]) for t in figure.to_plotly_json()["data"]] == [
        ("‹b›", [7.0]),
        ("a", [1.5, None]),
    ]
    assert first_plan(pa.table({"a": ["x"]})) is None


def test_series_beyond_the_colours_are_left_out_and_counted() -> None:
    names = [f"m{n}" for n in range(12)]
    table = pa.table({"x": [1] * 12, "name": names, "y": list(range(12))})
    figure, left_out = sql_chart.figure(table, Plan("Line", "x", "y", "name"))
    assert left_out == 4
    assert [t["name"] for t in figure.to_plotly_json()["data"]][0] == "m11"


def test_a_query_is_saved_and_run_again(app: AppTest) -> None:
    sql(app, "SELECT 41 + 1 AS answer")
    app.text_input(key="saved-sql-name").input("the answer").run()
    app.button(key="saved-sql-save").click().run()
    app.text_area(key="sql").input("SELECT 1 AS other")
    next(b for b in app.button if b.label == "Run").click().run()
    app.button(key="saved-sql-0-load").click().run()
    assert app.text_area(key="sql").value == "SELECT 41 + 1 AS answer"
    assert result(app) == [{"answer": 42}]


def test_a_link_fills_the_editor_and_runs_nothing(app: AppTest) -> None:
    sql(app, None, sql="SELECT 1 AS linked")
    assert app.text_area(key="sql").value == "SELECT 1 AS linked"
    assert "Run the query to see its result here." in text(app)


def test_leaving_gives_the_query_up(engine: Engine, main_store: Store) -> None:
    assert main_store

    def leave(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sql_console.run(
            Store.connect(engine.reader),
            "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))",
            {},
            60,
            waiting=leave,
        )
    running: list[dict[str, object]] = []
    for _ in range(50):
        running = main_store.sql_rows(
            "SELECT count() AS c FROM system.processes WHERE user = 'reader' AND elapsed < 50 "
            "AND query LIKE '%sipHash64(number)%' AND sleep(0.05) = 0"
        )
        if running == [{"c": 0}]:
            break
    assert running == [{"c": 0}]


def test_what_is_saved_is_of_the_project(
    app: AppTest, main_store: Store, now_s: int, tmp_path: Path
) -> None:
    seed = Seeder(main_store, now_s)
    seed.span("aa" * 16, f"{1:016x}", project="one")
    seed.insert()
    sql(app, "SELECT 1", project="one")
    app.text_input(key="saved-sql-name").input("mine").run()
    app.button(key="saved-sql-save").click().run()
    views = SavedViews(open_state(f"sqlite:///{tmp_path / 'state.db'}"))
    assert [v.name for v in views.of("sql", "one")] == ["mine"]
    assert views.of("sql", "default") == []
