"""The pages Invoices and Mappings: figures against the sample reports, and who may change them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.invoices.formats.invoice_totals import checked_text
from spanledger_analytics.invoices.job import InvoiceUploadJob
from spanledger_analytics.reconciliation.actions import Actions
from spanledger_analytics.reconciliation.run import reconcile
from spanledger_dashboard import format as fmt
from spanledger_dashboard.access import Denied, Viewer
from spanledger_dashboard.invoices import opened
from spanledger_dashboard.invoices.opened import OpenInvoices
from spanledger_storage.account_roles import Role
from spanledger_storage.invoice_state import InvoiceState, MappingRow, PullRow
from spanledger_storage.reconciliation_state import ReconciliationState
from spanledger_storage.store import Store
from tests.invoicing import SAMPLES, import_path

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
EVIL = "=cmd|' /C calc'!A0 `x` **b** <img src=x>"
COSTS = """start_time,end_time,amount_value,amount_currency,line_item,project_id,organization_id
{day},{after},1.25,usd,"gpt-4o-2024-08-06, output",proj_a,org-a
{day},{after},2.50,usd,"{text}",proj_b,org-a
"""


@pytest.fixture
def app(store_url: str, state: sa.Engine) -> AppTest:
    assert store_url
    assert state
    return AppTest.from_file(str(APP), default_timeout=30)


def costs_of_today(tmp_path: Path) -> Path:
    now = datetime.now(UTC)
    day = int(datetime(now.year, now.month, now.day, tzinfo=UTC).timestamp())
    path = tmp_path / "costs.csv"
    path.write_text(COSTS.format(day=day, after=day + 86_400, text=EVIL))
    return path


def page(app: AppTest, name: str, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(f"app_pages/{name}.py")
    app.run()
    assert not app.exception
    assert not app.error
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.subheader, *app.code, *app.title]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "").replace("\u2060", "")


def cards(app: AppTest) -> dict[str, str]:
    return {m.label: m.value for m in app.metric}


def as_viewer(monkeypatch: pytest.MonkeyPatch, role: Role, *projects: str) -> None:
    person = Viewer("ann", role, frozenset(projects or ("default",)))
    monkeypatch.setattr(opened, "viewer", lambda: person)


def test_who_may_not_import_is_not_asked_to(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Viewer("ann", Role.VIEWER, frozenset(("default",)))
    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: lambda: person)
    said = text(page(app, "invoices"))
    assert "A report is imported where the product runs" in said
    assert "Hand in" not in said


def test_nothing_imported_says_how_to_begin(app: AppTest) -> None:
    assert "spanledger invoices import FILE" in text(page(app, "invoices"))
    assert "Hand in a provider’s report here" in text(app)
    assert not app.selectbox(key="refresh").disabled
    said = text(page(app, "mappings", range="custom", **{"from": "1795255200", "to": "1795270000"}))
    assert not app.selectbox(key="refresh").disabled  # a month is not over with the last range
    assert "Nothing was imported yet" in said
    assert "spanledger invoices import" in said
    assert "Every line is understood" not in said


def test_a_month_adds_up_and_says_what_waits(
    app: AppTest, store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    import_path(store, state, costs_of_today(tmp_path), now_ns=time.time_ns())
    now_ns = time.time_ns()
    InvoiceState(state).keep_pull(
        PullRow("default", "openai.costs", now_ns, None, now_ns, 2, "answered 401")
    )
    shown = cards(page(app, "invoices"))
    assert shown["Billed"] == "$3.75"
    assert shown["Waits for a mapping"] == "$2.50"
    assert shown["Pulls that fail"] == "1"
    imports = next(t for t in app.dataframe if "File" in t.value.columns)
    assert imports.value["File"].tolist() == ["costs.csv"]
    assert imports.value["Amount"].tolist() == ["3.75 USD"]


def test_an_import_shows_its_lines_and_which_import_counts(
    app: AppTest, store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    [outcome] = import_path(store, state, costs_of_today(tmp_path), now_ns=time.time_ns())
    page(app, "invoices", **{"import": outcome.row.import_id})
    lines = next(t for t in app.dataframe if "Class" in t.value.columns).value
    assert lines["Class"].tolist() == ["output", "unmapped"]
    assert lines["Text"].tolist() == ["gpt-4o-2024-08-06, output", EVIL]
    days = next(t for t in app.dataframe if "Counts" in t.value.columns).value
    assert days["Counts"].tolist() == ["this one"]


def test_an_import_is_deleted_after_a_second_look(
    app: AppTest, store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    [outcome] = import_path(store, state, costs_of_today(tmp_path), now_ns=time.time_ns())
    page(app, "invoices", **{"import": outcome.row.import_id})
    assert "2 lines of" in text(app)
    app.button(key="delete-import-now").click().run()
    [asked] = ReconciliationState(state).log("default")
    assert (asked.kind, asked.status, json.loads(asked.what)) == (
        "delete", "asked", {"import": outcome.row.import_id},
    )  # fmt: skip
    assert "Deletion was asked for" in text(app)
    assert not any(one.key == "delete-import-now" for one in app.button), "it is asked for once"
    Actions(store, state, time.time_ns, reconcile).run_once()
    page(app, "invoices", **{"import": outcome.row.import_id})
    assert [str(one.value)[:10] for one in app.warning] == ["Deleted by"]
    assert cards(page(app, "invoices", **{"import": ""}))["Billed"] == fmt.UNKNOWN


def test_who_may_only_look_deletes_nothing(
    store: Store, state: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [outcome] = import_path(store, state, costs_of_today(tmp_path), now_ns=time.time_ns())
    for role, project in ((Role.VIEWER, "default"), (Role.EDITOR, "another")):
        as_viewer(monkeypatch, role, project)
        with pytest.raises(Denied):
            OpenInvoices(state).delete("default", outcome.row)
    assert not ReconciliationState(state).log("default")


def test_an_invoice_total_is_kept_and_compared(
    app: AppTest, store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    import_path(store, state, costs_of_today(tmp_path), now_ns=time.time_ns())
    name, content = checked_text(
        {"provider": "openai", "month": f"{datetime.now(UTC):%Y-%m}", "amount": "4.75",
         "currency": "usd"}
    )  # fmt: skip
    OpenInvoices(state).hand_in("default", name, content, {"format": "invoice-totals"})
    InvoiceUploadJob(store, state, time.time_ns).run_once()
    today = datetime.now(UTC).date()
    reconcile(store, state, "default", today, today, time.time_ns())
    assert cards(page(app, "invoices"))["Billed"] == "$3.75", "a total is no line"
    page(app, "reconciliation")
    table = next(t for t in app.dataframe if "Its lines" in t.value.columns).value
    assert table["Invoice"].tolist() == ["4.75 USD"]
    assert (table["Its lines"][0], table["Difference"][0]) == ("$3.75", "+$1.00")
    assert table["Agrees"][0] == "✓ yes"


def test_an_import_of_another_project_is_not_shown(
    app: AppTest, store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    [outcome] = import_path(
        store, state, costs_of_today(tmp_path), project="other", now_ns=time.time_ns()
    )
    shown = page(app, "invoices", **{"import": outcome.row.import_id})
    assert "no such import" in text(shown)
    assert "costs.csv" not in text(shown)
    assert cards(page(app, "invoices", **{"import": ""}))["Billed"] == "—"


def test_a_text_is_mapped_in_place_and_leaves_the_queue(
    app: AppTest, store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    import_path(store, state, costs_of_today(tmp_path), now_ns=time.time_ns())
    page(app, "mappings")
    queue = next(t for t in app.dataframe if "Meter" in t.value.columns).value
    assert queue["Text"].tolist() == [EVIL]
    assert queue["US dollars"].tolist() == ["$2.50"]
    OpenInvoices(state).map(MappingRow("default", "line", "openai", EVIL, {"token_class": "tool"}))
    shown = page(app, "mappings")
    assert "Every line is understood" in text(shown)
    made = next(t for t in app.dataframe if "Stands for" in t.value.columns).value
    assert made["Stands for"].tolist() == ["class tool"]


def test_whoever_may_only_look_changes_nothing(
    state: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = OpenInvoices(state)
    row = MappingRow("default", "line", "openai", "x", {"token_class": "tool"})
    as_viewer(monkeypatch, Role.VIEWER)
    with pytest.raises(Denied):
        found.map(row)
    with pytest.raises(Denied):
        found.hand_in("default", "x.csv", b"x", {})
    with pytest.raises(Denied):
        found.imports("other")


def test_lines_are_not_sent_into_a_project_that_is_not_open(
    state: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_viewer(monkeypatch, Role.EDITOR)
    row = MappingRow("default", "scope", "openai", "proj_a", {"project": "other"})
    with pytest.raises(Denied):
        OpenInvoices(state).map(row)
    assert InvoiceState(state).mappings("default", removed=True) == []


def test_a_file_handed_in_is_imported_by_the_worker_or_says_why_not(
    app: AppTest, store: Store, state: sa.Engine
) -> None:
    found = OpenInvoices(state)
    found.hand_in("default", "good.json", (SAMPLES / "openai_costs.json").read_bytes(), {})
    found.hand_in("default", "bad.csv", b"day,cost\n2026-11-01,1\n", {})
    job = InvoiceUploadJob(store, state, time.time_ns)
    assert [job.run_once(), job.run_once(), job.run_once()] == [True, True, False]
    states = {row.name: row for row in found.uploads("default")}
    assert (states["good.json"].state, states["bad.csv"].state) == ("done", "failed")
    assert "59.70 USD" in states["good.json"].outcome
    assert "no format we know" in states["bad.csv"].outcome
    page(app, "invoices")
    shown = next(t for t in app.dataframe if "Handed in" in t.value.columns).value
    assert sorted(shown["State"]) == ["✓ Read", "✕ Not imported"]
