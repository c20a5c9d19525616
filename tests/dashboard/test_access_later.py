"""Rights that change while a page is open, and sessions that ended before a restart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
import streamlit as st
from streamlit.testing.v1 import AppTest

from spanledger_dashboard import connection
from spanledger_dashboard.access import Denied, SignedOut, signed_out
from spanledger_dashboard.access.doorkeeper import COOKIE, AccountBook, Doorkeeper
from spanledger_dashboard.access.media import connected
from spanledger_dashboard.access.settings import AccessSettings, DashboardAuth
from spanledger_dashboard.settings import SettingsError
from spanledger_storage.account_roles import Role
from spanledger_storage.accounts import Accounts
from spanledger_storage.passwords import Cost, hashed
from spanledger_storage.projects import Projects
from spanledger_storage.saved_views import SavedViews
from spanledger_storage.state import migrate_state, open_state

PASSWORD = "correct horse"
SETTINGS = AccessSettings(auth=DashboardAuth.ACCOUNTS, secret="s" * 32)


@dataclass
class Office:
    """Ann's open page; what an admin does holds at once."""

    engine: sa.Engine
    keeper: Doorkeeper
    cookie: str
    now_s: float = 0.0

    def set_role(self, role: Role, project: str) -> None:
        Accounts(self.engine).set_role("ann", role, [project], "root", 2)
        self.now_s += 2

    def saved(self) -> list[str]:
        return [view.name for view in SavedViews(self.engine).of("traces", "alpha")]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    engine = open_state(url)
    migrate_state(engine)
    for name in ("alpha", "beta"):
        Projects(engine).create(name, "root", 1)
    stored = hashed(PASSWORD, Cost(4, 8, 1))
    Accounts(engine).add("ann", Role.EDITOR, ["alpha"], stored, "root", 1)
    keeper = Doorkeeper(SETTINGS, AccountBook(Accounts(engine), lambda: made.now_s))
    made = Office(engine, keeper, "")
    made.cookie = keeper.open_with_password("ann", PASSWORD) or ""
    SavedViews(engine).save("traces", "alpha", "mine", {"a": 1}, who="ann")
    monkeypatch.setenv("SPANLEDGER_DASHBOARD_AUTH", "accounts")
    monkeypatch.setenv("SPANLEDGER_SESSION_SECRET", "s" * 32)
    monkeypatch.setenv("SPANLEDGER_STATE_URL", url)
    monkeypatch.setenv("SPANLEDGER_STORE_URL", "clickhouse://x:y@127.0.0.1:1/none")
    monkeypatch.setattr(
        "spanledger_dashboard.access.doorkeeper.doorkeeper", lambda _settings: keeper
    )
    context = SimpleNamespace(cookies={COOKIE: made.cookie}, timezone="UTC")
    monkeypatch.setattr(st, "context", context)
    yield made
    engine.dispose()


# Saving


def test_rights_that_were_taken_away_hold_for_what_a_page_kept(office: Office) -> None:
    views = connection.saved_views()
    assert views is not None
    views.save("traces", "alpha", "second", {}, who="ann")
    office.set_role(Role.VIEWER, "alpha")
    with pytest.raises(Denied, match="look, not save"):
        views.save("traces", "alpha", "third", {}, who="ann")
    with pytest.raises(Denied):
        views.remove("traces", "alpha", "mine")
    assert {view.name for view in views.of("traces", "alpha")} == {"mine", "second"}
    office.set_role(Role.EDITOR, "beta")
    with pytest.raises(Denied, match="not open to you"):
        views.of("traces", "alpha")
    office.keeper.sign_out(office.cookie)
    with pytest.raises(SignedOut):
        views.save("traces", "beta", "third", {}, who="ann")
    assert set(office.saved()) == {"mine", "second"}


def saved_menu() -> None:
    from spanledger_dashboard.saved_views_ui import show_saved

    show_saved("traces", "alpha", lambda: {"a": 2}, lambda content: None)


@pytest.mark.parametrize("still_may", [True, False])
def test_a_button_of_before_deletes_nothing_any_more(office: Office, still_may: bool) -> None:
    page = AppTest.from_function(saved_menu).run()
    page = page.button(key="saved-traces-0-delete").click().run()
    sure = page.button(key="saved-traces-0-sure")
    if not still_may:
        office.set_role(Role.VIEWER, "alpha")
    page = sure.click().run()
    assert not page.exception
    assert office.saved() == ([] if still_may else ["mine"])
    said = [e.value for e in page.error]
    assert len(said) == (0 if still_may else 1)
    assert all("may look, not save" in text for text in said)


# Downloads


def downloads() -> None:
    import pyarrow as pa

    from spanledger_dashboard.downloads import show_downloads

    show_downloads("rows", lambda: pa.table({"a": [1]}), what="Rows.", project="alpha")
    show_downloads("current", lambda: pa.table({"a": [2]}), what="Rows.")


@pytest.fixture
def offered(office: Office, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], bytes]]:
    """What the buttons of ann's open page make when they are clicked, by their key."""
    made: dict[str, Callable[[], bytes]] = {}

    def button(_label: str, data: Callable[[], bytes], key: str, **_options: object) -> None:
        made[key] = data

    monkeypatch.setattr(st, "download_button", button)
    page = AppTest.from_function(downloads)
    page.session_state["project"] = "alpha"
    assert not page.run().exception
    return made


def test_a_file_is_made_while_its_project_is_open(
    offered: dict[str, Callable[[], bytes]],
) -> None:
    assert offered["download-rows-csv"]().split() == [b'"a"', b"1"]
    assert offered["download-current-csv"]().split() == [b'"a"', b"2"]
    assert offered["download-rows-parquet"]().startswith(b"PAR1")


def test_an_open_page_makes_no_file_of_a_project_that_was_closed(
    office: Office, offered: dict[str, Callable[[], bytes]]
) -> None:
    office.set_role(Role.EDITOR, "beta")
    for make in offered.values():
        with pytest.raises(Denied, match="alpha"):
            make()


def test_a_page_that_was_signed_out_makes_no_file(
    office: Office, offered: dict[str, Callable[[], bytes]]
) -> None:
    office.keeper.sign_out(office.cookie)
    with pytest.raises(SignedOut):
        offered["download-rows-csv"]()


@pytest.mark.parametrize(("account", "may"), [("ann", True), ("bea", False)])
def test_a_file_is_made_for_nobody_else(
    offered: dict[str, Callable[[], bytes]], account: str, may: bool
) -> None:
    token = connected.set(account)
    try:
        if may:
            assert offered["download-rows-csv"]()
        else:
            with pytest.raises(Denied):
                offered["download-rows-csv"]()
    finally:
        connected.reset(token)


# Signing out


def test_who_signed_out_stays_out_after_a_restart(office: Office, tmp_path: Path) -> None:
    def restarted() -> Doorkeeper:
        return Doorkeeper(replace(SETTINGS, data=str(tmp_path)), office.keeper.book)

    first = restarted()
    other = first.open_with_password("ann", PASSWORD)
    first.sign_out(office.cookie)
    again = restarted()
    assert again.viewer_of(office.cookie) is None
    assert again.viewer_of(other) is not None
    assert (tmp_path / "sessions.ended").stat().st_mode & 0o777 == 0o600
    again.sign_out(other)
    last = restarted()
    assert [last.viewer_of(cookie) for cookie in (office.cookie, other)] == [None, None]


def test_signing_out_holds_at_once_in_every_dashboard_that_shares_the_directory(
    office: Office, tmp_path: Path
) -> None:
    def dashboard() -> Doorkeeper:
        return Doorkeeper(replace(SETTINGS, data=str(tmp_path)), office.keeper.book)

    first, second = dashboard(), dashboard()
    cookies = [office.cookie, *(first.open_with_password("ann", PASSWORD) for _ in range(2))]
    assert second.viewer_of(cookies[0]) is not None
    first.sign_out(cookies[0])
    assert second.viewer_of(cookies[0]) is None
    second.sign_out(cookies[1])
    for keeper in (first, second, dashboard()):
        seen = [keeper.viewer_of(cookie) is not None for cookie in cookies]
        assert seen == [False, False, True]


def test_sessions_that_are_over_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1_000.0]
    monkeypatch.setattr("spanledger_dashboard.access.signed_out.time.time", lambda: now_s[0])
    ended = signed_out.EndedSessions(str(tmp_path / "made"))
    ended.add("a", 1_010)
    ended.add("b", 2_000)
    now_s[0] = 1_500.0
    assert "a" in signed_out.EndedSessions(str(tmp_path / "made"))
    ended.add("c", 2_000)
    kept = signed_out.EndedSessions(str(tmp_path / "made"))
    assert [key in kept for key in "abc"] == [False, True, True]
    assert [p.name for p in (tmp_path / "made").iterdir()] == ["sessions.ended"]


def test_who_signed_out_stays_out_where_nothing_can_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ended = signed_out.EndedSessions(str(tmp_path / "made"))
    (tmp_path / "made").touch()  # where the directory would be
    ended.add("a", 4e9)
    assert "a" in ended
    assert "cannot be written" in caplog.text


def test_a_record_that_cannot_be_read_opens_no_session(tmp_path: Path) -> None:
    (tmp_path / "sessions.ended").mkdir()
    with pytest.raises(SettingsError, match=r"sessions\.ended"):
        signed_out.EndedSessions(str(tmp_path))
