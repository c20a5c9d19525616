"""`spanledger accounts` as a user types it, and the rules by which the dashboard starts."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer

from spanledger_dashboard.access.secret import secret_of
from spanledger_dashboard.access.settings import (
    AUTH,
    DATA,
    SECRET,
    VARIABLES,
    AccessSettings,
    DashboardAuth,
    Grant,
)
from spanledger_dashboard.settings import SettingsError
from spanledger_server import cli
from spanledger_server.dashboard_guard import DashboardGuard
from spanledger_server.errors import UsageError
from spanledger_storage.account_roles import Role
from spanledger_storage.accounts import Accounts
from spanledger_storage.passwords import Cost, matches
from spanledger_storage.projects import Projects

PASSWORD = "correct horse"


@dataclass
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def state(state: sa.Engine) -> sa.Engine:
    Projects(state).create("shop", "ann", 1)
    return state


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (AUTH, DATA, "SPANLEDGER_STATE_URL", "SPANLEDGER_STORE_URL", *VARIABLES):
        # Set first, so that what a test's code sets itself is taken away again.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr("spanledger_storage.passwords.hashed.__defaults__", (Cost(4, 8, 1),))


@pytest.fixture
def run(
    state: sa.Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Type a command; ``typed`` is what is on standard input."""
    assert state
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))

    def type_in(*words: str, typed: str = f"{PASSWORD}\n") -> Done:
        monkeypatch.setattr(sys, "argv", ["spanledger", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return Done(int(ended.value.code or 0), shown.out, shown.err)

    return type_in


def rows(run: Run) -> list[dict[str, Any]]:
    return list(json.loads(run("accounts", "list", "--format", "json").out))


def test_an_account_is_made_with_the_password_from_standard_input(
    run: Run, state: sa.Engine
) -> None:
    done = run("accounts", "add", "Bob@example.com", "--project", "shop")
    assert done.code == 0, done.err
    assert "bob@example.com may sign in as viewer, shop." in done.out
    [found] = Accounts(state).all()
    assert matches(PASSWORD, found.password)
    [row] = rows(run)
    assert (row["role"], row["projects"], row["signs_in_by"]) == ("viewer", "shop", "password")
    assert "scrypt" not in run("accounts", "list").out


def test_roles_projects_and_passwords_are_changed(run: Run, state: sa.Engine) -> None:
    run("accounts", "add", "bob", "--role", "editor", "--all-projects", "--no-password")
    assert rows(run)[0]["signs_in_by"] == "OIDC"
    done = run("accounts", "set-role", "bob", "--role", "viewer", "--project", "shop")
    assert "bob is viewer, shop." in done.out
    assert "another password" in run("accounts", "set-password", "bob").out
    assert matches(PASSWORD, Accounts(state).all()[0].password)
    assert "has ended" in run("accounts", "sign-out", "bob").out
    assert "no account any more" in run("accounts", "remove", "bob").out
    assert "Make one: spanledger accounts add" in run("accounts", "list").out
    log = run("projects", "log", "--format", "csv").out
    assert "account bob" in log
    assert PASSWORD not in log


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "bob"], "--project PROJECT, or --all-projects"),
        (["add", "bob", "--project", "shop", "--all-projects"], "--all-projects"),
        (["add", "bob", "--role", "admin", "--project", "shop"], "An admin sees every project"),
        (["add", "b b", "--all-projects"], "1 to 80 characters"),
        (["add", "bob", "--project", "shp"], "no project 'shp'"),
        (["set-role", "bob", "--role", "admin"], "no account 'bob'"),
        (["remove", "bob"], "no account 'bob'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run: Run, words: list[str], message: str) -> None:
    done = run("accounts", *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert rows(run) == []


@pytest.mark.parametrize(("typed", "message"), [("", "standard input"), ("short\n", "10 to 1000")])
def test_a_password_is_demanded_and_never_repeated(run: Run, typed: str, message: str) -> None:
    done = run("accounts", "add", "bob", "--all-projects", typed=typed)
    assert (done.code, message in done.err) == (2, True)
    assert "short" not in done.err.replace("too short", "")


# Starting the dashboard


def test_commands_that_are_named_find_the_same_directory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPANLEDGER_DATA")
    place = ("--data", str(tmp_path))
    made = f"spanledger accounts add NAME --data {tmp_path}"
    assert f"Make one: {made}" in run("accounts", "list", *place).out
    store = ("--store-url", "clickhouse://127.0.0.1:1/x")
    done = run("dashboard", "--host", "0.0.0.0", *store, *place)
    assert f"`spanledger accounts add NAME --role admin --data {tmp_path}`" in done.err
    done = run("dashboard", "--host", "0.0.0.0", *store, "--state-url", "sqlite:////x")
    assert "`spanledger accounts add NAME --role admin --state-url URL`" in done.err


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "dashboard.example.com"])
def test_beyond_loopback_nobody_is_let_in_without_signing_in(run: Run, host: str) -> None:
    done = run("dashboard", "--host", host, "--store-url", "clickhouse://127.0.0.1:1/x")
    assert done.code == 2
    assert "`spanledger accounts add NAME --role admin`" in done.err
    assert "--auth accounts" in done.err
    assert host in done.err


def test_the_secret_of_a_directory_is_made_once_and_is_its_owners_alone(
    tmp_path: Path, state: sa.Engine
) -> None:
    assert state
    guard = DashboardGuard(DashboardAuth.ACCOUNTS, tmp_path)
    guard.prepare("0.0.0.0")
    first = os.environ.pop(SECRET)
    assert len(first) == 64
    assert (tmp_path / "session.secret").stat().st_mode & 0o777 == 0o600
    guard.prepare("127.0.0.1")
    assert os.environ[SECRET] == first
    settings = AccessSettings.from_environment()
    assert (settings.auth, settings.session_s) == (DashboardAuth.ACCOUNTS, 7 * 86_400)
    assert first not in repr(settings)


def test_the_directory_keeps_who_signed_out(tmp_path: Path, state: sa.Engine) -> None:
    assert state
    DashboardGuard(DashboardAuth.ACCOUNTS, tmp_path).prepare("127.0.0.1")
    assert AccessSettings.from_environment().data == str(tmp_path)


def test_a_secret_that_was_never_written_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "session.secret"
    path.touch()
    first = secret_of(tmp_path)
    assert len(first) == 64
    assert secret_of(tmp_path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_start_that_ends_while_the_secret_is_written_harms_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            secret_of(tmp_path)
    assert len(secret_of(tmp_path)) == 64


def test_where_files_cannot_be_linked_the_secret_is_kept_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _no_links)
    assert len(secret_of(tmp_path)) == 64
    assert secret_of(tmp_path) == secret_of(tmp_path)


def test_of_two_starts_at_once_both_use_the_secret_that_was_there_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, link = tmp_path / "session.secret", os.link

    def late(made: str, place: Path) -> None:
        path.write_text("f" * 64)
        link(made, place)

    monkeypatch.setattr(os, "link", late)
    assert secret_of(tmp_path) == "f" * 64


def test_a_secret_too_short_is_named_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "session.secret"
    path.write_text("short")
    with pytest.raises(SettingsError, match=re.escape(str(path))):
        secret_of(tmp_path)


def _interrupted(_descriptor: int) -> None:
    raise KeyboardInterrupt


def _no_links(*_paths: object) -> None:
    raise PermissionError


def test_without_a_state_database_there_is_nobody_to_let_in(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--state-url"):
        DashboardGuard(DashboardAuth.ACCOUNTS, tmp_path).prepare("127.0.0.1")


def test_an_open_dashboard_stays_on_loopback_in_plain_text(tmp_path: Path) -> None:
    open_one = DashboardGuard(DashboardAuth.NONE, tmp_path)
    assert open_one.host_of("0.0.0.0") == "127.0.0.1"
    guarded = DashboardGuard(DashboardAuth.ACCOUNTS, tmp_path)
    assert guarded.host_of("0.0.0.0") == "0.0.0.0"
    assert guarded.options() == ["--auth=accounts", f"--data={tmp_path}"]


OIDC = {
    "SPANLEDGER_OIDC_ISSUER": "https://id.example.com/",
    "SPANLEDGER_OIDC_CLIENT_ID": "spanledger",
    "SPANLEDGER_OIDC_CLIENT_SECRET": "s3cret",
    "SPANLEDGER_PUBLIC_URL": "https://sl.example.com/",
    "SPANLEDGER_OIDC_DOMAINS": "example.com=viewer:shop,web ops.example.com=admin",
    AUTH: "oidc",
    SECRET: "x" * 32,
    "SPANLEDGER_STATE_URL": "sqlite://",
}


def test_the_provider_is_read_from_the_environment() -> None:
    settings = AccessSettings.from_environment(OIDC)
    assert settings.oidc is not None
    assert settings.public_url == "https://sl.example.com"
    known = "https://id.example.com/.well-known/openid-configuration"
    assert settings.oidc.metadata_url == known
    assert settings.oidc.grant("a@example.com") == Grant(Role.VIEWER, frozenset({"shop", "web"}))
    assert settings.oidc.grant("a@ops.example.com") == Grant(Role.ADMIN, None)
    assert settings.oidc.grant("a@evil.example.com") is None
    assert settings.oidc.grant("example.com") is None
    assert "s3cret" not in repr(settings)
    assert AccessSettings.from_environment({**OIDC, "SPANLEDGER_OIDC_ISSUER": known}) == settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (AUTH, "password", "none, accounts, oidc"),
        (SECRET, "short", "32 characters"),
        ("SPANLEDGER_PUBLIC_URL", "sl.example.com", "like https://"),
        ("SPANLEDGER_PUBLIC_URL", "https://sl.example.com/path", "without a path"),
        ("SPANLEDGER_PUBLIC_URL", "", "is not set"),
        ("SPANLEDGER_OIDC_ISSUER", "", "is not set"),
        ("SPANLEDGER_OIDC_CLIENT_SECRET", "", "is not set"),
        ("SPANLEDGER_OIDC_DOMAINS", "example.com", "example.com=viewer:shop"),
        ("SPANLEDGER_OIDC_DOMAINS", "example.com=viewer", "example.com=viewer:shop"),
        ("SPANLEDGER_OIDC_DOMAINS", "example.com=owner:shop", "example.com=viewer:shop"),
        ("SPANLEDGER_SESSION_HOURS", "0", "1 to 8760"),
        ("SPANLEDGER_SESSION_HOURS", "a day", "1 to 8760"),
        ("SPANLEDGER_STATE_URL", "", "is not set"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_looks_like(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        AccessSettings.from_environment({**OIDC, name: value})
    assert name in str(refused.value)


def test_up_checks_how_people_sign_in_before_anything_starts(run: Run) -> None:
    done = run("up", "--dashboard-auth", "oidc", "--engine-port", "0")
    assert (done.code, "SPANLEDGER_OIDC_ISSUER is not set" in done.err) == (2, True)


@pytest.mark.usefixtures("state")
def test_a_provider_without_the_library_for_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from spanledger_dashboard.access.oidc import Provider

    settings = AccessSettings.from_environment(OIDC)
    assert settings.oidc is not None
    monkeypatch.setitem(sys.modules, "authlib.integrations.starlette_client", None)
    with pytest.raises(SettingsError, match=r"spanledger-server\[oidc\]"):
        Provider(settings.oidc, settings.public_url)


def test_every_command_of_accounts_takes_the_place_of_the_accounts() -> None:
    group = getattr(typer.main.get_command(cli.app), "commands")["accounts"]  # noqa: B009
    for command in group.commands.values():
        options = {option for p in command.params for option in p.opts}
        assert {"--data", "--state-url"} <= options
