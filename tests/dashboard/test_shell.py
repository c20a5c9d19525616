"""What surrounds every page: pickers that survive, links that hold all, failures in words."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_dashboard import failures, navigation, pickers, times
from spanledger_dashboard.access import Denied, SignedOut, Viewer
from spanledger_storage.account_roles import Role
from spanledger_storage.errors import StoreError
from spanledger_storage.projects import Projects
from spanledger_storage.state import migrate_state, open_state
from tests.dashboard.seed import Seeder
from tests.variants import first

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
HOUR_S = 3600
# A page with a range that reads little, and one without.
WITH, WITHOUT = "data_quality", "prices"


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def go(app: AppTest, name: str, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page(f"app_pages/{name}.py")
    app.run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.error, *app.info, *app.subheader]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def param(app: AppTest, name: str) -> str | None:
    found = app.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def click(app: AppTest, key: str) -> None:
    app.button(key=key).click().run()
    assert not app.exception


def window(app: AppTest) -> tuple[int, int]:
    """The bounds in the address, unix seconds."""
    first, last = param(app, "from"), param(app, "to")
    assert first is not None
    assert last is not None
    return int(first), int(last)


def seed_two_projects(seed: Seeder) -> None:
    seed.usage(project="default", calls=11)
    seed.usage(project="other", calls=22)
    seed.insert()


# Project


def test_the_project_is_kept_over_pages_with_and_without_the_picker(
    app: AppTest, seed: Seeder
) -> None:
    seed_two_projects(seed)
    go(app, WITH, project="other", range="7d")
    assert app.selectbox(key="project").value == "other"
    del app.query_params["project"], app.query_params["range"]
    go(app, WITHOUT)
    go(app, WITH)
    assert app.selectbox(key="project").value == "other"
    assert param(app, "project") == "other"
    assert (param(app, "range"), app.session_state["range"]) == ("7d", "7d")


def test_a_project_in_the_address_counts_also_on_a_page_without_the_picker(
    app: AppTest, seed: Seeder
) -> None:
    seed_two_projects(seed)
    go(app, WITHOUT, project="other")
    del app.query_params["project"]
    go(app, WITH)
    assert app.selectbox(key="project").value == "other"


@pytest.mark.parametrize("projects", [frozenset({"other"}), frozenset({"default", "other"}), None])
def test_where_people_sign_in_the_address_says_the_project(
    app: AppTest, seed: Seeder, monkeypatch: pytest.MonkeyPatch, projects: frozenset[str] | None
) -> None:
    seed_two_projects(seed)
    person = Viewer("ann", Role.ADMIN, projects)
    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: lambda: person)
    start = "other" if projects == frozenset({"other"}) else "default"
    go(app, WITH, range="7d")
    assert (app.selectbox(key="project").value, param(app, "project")) == (start, start)
    if start == "default":
        app.selectbox(key="project").set_value("other").run()
    go(app, "trace")  # a page without the picker that is open to all
    go(app, WITH)
    assert (app.selectbox(key="project").value, param(app, "project")) == ("other", "other")


def test_where_people_sign_in_a_link_to_their_first_project_keeps_it(
    app: AppTest, seed: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_two_projects(seed)
    person = Viewer("ann", Role.VIEWER, frozenset({"other"}))
    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: lambda: person)
    go(app, WITH, project="other", range="7d")
    assert (app.selectbox(key="project").value, param(app, "project")) == ("other", "other")


def test_a_project_that_is_not_there_is_said_to_be_none(app: AppTest, seed: Seeder) -> None:
    seed_two_projects(seed)
    go(app, WITH, project="othr**")
    assert "There is no project othr**." in shown(app)
    assert not app.metric
    [offered] = [str(e.proto.body) for e in app.get("html") if 'class="projects"' in e.proto.body]
    assert '<a href="?project=other" target="_self">other</a>' in offered


def test_a_project_that_was_made_can_be_chosen_before_it_has_data(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    migrate_state(open_state(url))
    Projects(open_state(url)).create("shop", "ann", 1)
    monkeypatch.setenv("SPANLEDGER_STATE_URL", url)
    go(app, WITH)
    assert app.selectbox(key="project").options == ["default", "shop"]
    assert any("spanledger demo" in code.value for code in app.code)
    app.selectbox(key="project").set_value("shop").run()
    # Without a key of its own everything, the demo too, goes to the default project.
    assert not any("spanledger demo" in code.value for code in app.code)
    assert any("keys create --project shop " in str(caption.value) for caption in app.caption)


# Time range


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> int:
    """The pickers' clock, in the middle of an hour."""
    now_s = int(datetime(2026, 3, 4, 12, 30, tzinfo=UTC).timestamp())
    monkeypatch.setattr("spanledger_dashboard.scope.now_s", lambda: now_s)
    return now_s


def test_a_link_opens_a_range_of_its_own(app: AppTest, noon: int) -> None:
    go(app, WITH, range="custom", **{"from": str(noon - 5 * HOUR_S), "to": str(noon - 2 * HOUR_S)})
    assert app.session_state["range"] == "custom"
    assert window(app) == (noon - 5 * HOUR_S, noon - 2 * HOUR_S)
    assert app.session_state["bounds-from"] == datetime(2026, 3, 4, 7, 30)  # noqa: DTZ001 (a clock)
    assert app.session_state["bounds-to"] == datetime(2026, 3, 4, 10, 30)  # noqa: DTZ001 (the same)
    assert app.selectbox(key="refresh").disabled


def test_bounds_alone_are_enough_for_a_link(app: AppTest, noon: int) -> None:
    go(app, WITH, **{"from": str(noon - 5 * HOUR_S), "to": str(noon - 2 * HOUR_S)})
    assert app.session_state["range"] == "custom"


@pytest.mark.parametrize("bounds", first([("x", "1"), ("9" * 30, "1"), ("1", "1"), ("-5", "9")], 2))
def test_bounds_that_cannot_be_leave_a_usual_range(
    app: AppTest, noon: int, bounds: tuple[str, str]
) -> None:
    go(app, WITH, range="custom", **{"from": bounds[0], "to": bounds[1]})
    length_s = window(app)[1] - window(app)[0]
    assert length_s == 24 * HOUR_S
    assert window(app)[1] == noon + HOUR_S // 2  # the end of the bar that is not over


def test_custom_begins_with_what_is_on_the_screen_and_is_applied(app: AppTest, noon: int) -> None:
    go(app, WITH, range="6h")
    control: Any = app.get("button_group")[0]
    control.set_value("custom").run()
    assert not app.exception
    assert window(app) == (noon + 300 - 6 * HOUR_S, noon + 300)  # whole bars
    app.session_state["bounds-from"] = datetime(2026, 3, 4, 12)  # noqa: DTZ001 (a clock)
    app.session_state["bounds-to"] = datetime(2026, 3, 1, 6)  # noqa: DTZ001 (in any order)
    next(b for b in app.button if b.label == "Show").click().run()
    assert not app.exception
    assert window(app) == (noon - HOUR_S // 2 - 78 * HOUR_S, noon - HOUR_S // 2)


def test_steps_lead_back_and_forth_and_end_at_now(app: AppTest, noon: int) -> None:
    go(app, WITH, range="6h")
    assert app.button(key="later").disabled
    start = noon - noon % 300 + 300 - 6 * HOUR_S
    click(app, "earlier")
    assert window(app) == (start - 6 * HOUR_S, start)
    click(app, "earlier")
    assert window(app) == (start - 12 * HOUR_S, start - 6 * HOUR_S)
    click(app, "later")
    assert window(app) == (start - 6 * HOUR_S, start)
    click(app, "later")
    assert app.session_state["range"] == "6h"
    assert param(app, "from") is None
    assert app.button(key="later").disabled


def test_a_range_of_ones_own_is_kept_over_pages(app: AppTest, noon: int) -> None:
    bounds = {"from": str(noon - 5 * HOUR_S), "to": str(noon - 2 * HOUR_S)}
    go(app, WITH, range="custom", **bounds)
    for name in ("range", *bounds):
        del app.query_params[name]
    go(app, WITHOUT)
    go(app, WITH)
    assert {name: param(app, name) for name in bounds} == bounds
    assert param(app, "range") == "custom"


def test_the_range_is_on_the_readers_clock(
    app: AppTest, noon: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "timezone", "America/New_York")
    bounds = {"from": str(noon - 5 * HOUR_S), "to": str(noon - 2 * HOUR_S)}
    go(app, WITH, range="custom", **bounds)
    assert app.session_state["bounds-from"] == datetime(2026, 3, 4, 2, 30)  # noqa: DTZ001 (a clock)
    next(b for b in app.button if b.label == "Show").click().run()
    assert {name: param(app, name) for name in bounds} == bounds


def test_nothing_in_the_range_offers_the_longest(app: AppTest, seed: Seeder) -> None:
    seed.span("ab" * 16, "1" * 16, at_s=-60, role="agent")
    seed.insert()
    go(app, WITH, range="1h")
    assert "Nothing in this time range" in shown(app)
    click(app, "longest-range")
    assert app.session_state["range"] == "30d"
    assert not [b for b in app.button if b.key == "longest-range"]


# Looking again


def test_looking_again_runs_the_page_but_not_the_run_that_drew_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[str] = []
    state: dict[str, bool] = {pickers._FULL_RUN: True}
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(st, "rerun", lambda: runs.append("again"))
    pickers._look_again()
    assert runs == []
    pickers._look_again()
    assert runs == ["again"]


# Signing in again


def test_the_way_to_sign_in_again_leads_to_what_was_chosen(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended() -> Viewer:
        raise SignedOut

    monkeypatch.setattr("spanledger_dashboard.access.people.later_viewer", lambda: ended)
    monkeypatch.setattr(type(st.context), "url", "https://host.test/traces")  # as Streamlit has it
    app.query_params["project"] = "a&b c"
    app.query_params["tag"] = ["x", "y"]
    app.run()
    [way] = [str(e.proto.body) for e in app.get("html") if 'class="sign-in"' in e.proto.body]
    href = way.split('href="')[1].split('"')[0]
    [wanted] = parse_qs(urlsplit(unescape(href)).query)["next"]
    assert urlsplit(wanted).path == "/traces"
    assert parse_qs(urlsplit(wanted).query) == {"project": ["a&b c"], "tag": ["x", "y"]}


# Pages


def test_every_page_has_a_place_in_the_menu() -> None:
    assert {entry.section for entry in navigation.PAGES.values()} <= set(navigation.SECTIONS)
    for entry in navigation.PAGES.values():
        assert (navigation.FOLDER / entry.file).exists()


def test_what_is_about_all_projects_is_for_who_sees_all() -> None:
    some, everything = (
        Viewer("a", Role.EDITOR, frozenset({"x"})),
        Viewer("b", Role.VIEWER, None),
    )
    closed = {p.url_path for p in navigation.PAGES.values() if not p.is_open_to(some)}
    assert closed >= {"prices", "sql"}
    assert all(p.is_open_to(everything) for p in navigation.PAGES.values())


# Failures and times


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreError("x", permanent=True, code=159), ["longer than", "shorter time range"]),
        (StoreError("x", permanent=True, code=241), ["more memory", "shorter time range"]),
        (StoreError("x", permanent=True, code=60), ["another schema", "`spanledger migrate`"]),
        (StoreError("x", permanent=False, code=202), ["busy", "tries again every 10 seconds"]),
        (StoreError("x", permanent=False), ["did not answer", "may be starting"]),
        (StoreError("x", permanent=True, code=1), ["could not answer this question", "fault"]),
        (Denied("Not for you."), ["Not for you"]),
    ],
)
def test_a_failure_says_what_happened_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: list[str]
) -> None:
    said: list[str] = []

    def say(text: str, **_: Any) -> None:
        said.append(text.replace("\\", ""))

    monkeypatch.setattr(st, "error", say)
    monkeypatch.setattr(st, "caption", say)
    with failures.explained():
        raise error
    assert all(word in said[0] for word in words)


def test_a_fault_of_a_page_is_named_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    monkeypatch.setattr(st, "error", lambda text, **_: said.append(text))
    with caplog.at_level(logging.ERROR):
        assert failures.show_fault(KeyError("secret column"))
    assert "KeyError" in said[0]
    assert "secret" not in said[0]
    assert "secret column" in caplog.text


def test_moments_are_told_in_utc() -> None:
    assert times.utc(0) == "1970-01-01 00:00:00 UTC"
