"""Accounts are kept by name, with a role and projects, and their passwords only as scrypt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from spanledger_storage.account_roles import Role
from spanledger_storage.accounts import Accounts, account_name
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.passwords import COST, MAX_LENGTH, Cost, hashed, matches
from spanledger_storage.projects import Projects
from spanledger_storage.state import open_state

CHEAP = Cost(4, 8, 1)


@pytest.fixture
def state(state: sa.Engine) -> sa.Engine:
    Projects(state).create("shop", "ann", 1)
    return state


def test_an_account_is_found_again_as_it_was_made(state: sa.Engine) -> None:
    made = Accounts(state).add("Bob@Example.COM ", Role.VIEWER, ["shop"], "h", "ann", 5)
    assert made.name == "bob@example.com"
    assert Accounts(state).all() == [made]
    assert (made.role, made.created_at_ns) == (Role.VIEWER, 5)
    assert made.projects == frozenset({"shop"})


def test_a_name_is_taken_once_however_it_is_written(state: sa.Engine) -> None:
    Accounts(state).add("bob", Role.ADMIN, None, "h", "ann", 1)
    with pytest.raises(ConfigError, match="There is an account bob already"):
        Accounts(state).add("BOB", Role.VIEWER, [], "h", "ann", 2)
    assert account_name("ＢＯＢ") == "bob"  # the same letters, full width


@pytest.mark.parametrize("name", ["", " ", "a b", "a/b", "a<b", "a\nb", "x" * 81, 'a"b'])
def test_what_cannot_be_a_name_is_refused(state: sa.Engine, name: str) -> None:
    with pytest.raises(ConfigError, match="a word of 1 to 80 characters"):
        Accounts(state).add(name, Role.VIEWER, [], None, "ann", 1)


def test_a_project_that_does_not_exist_is_refused_with_those_that_do(state: sa.Engine) -> None:
    with pytest.raises(ConfigError, match=r"no project 'shp'; there are default, shop"):
        Accounts(state).add("bob", Role.VIEWER, ["shp"], None, "ann", 1)
    assert Accounts(state).all() == []


def test_another_role_keeps_the_sessions_and_another_password_ends_them(state: sa.Engine) -> None:
    book = Accounts(state)
    first = book.add("bob", Role.VIEWER, ["shop"], "old", "ann", 1)
    second = book.set_role("bob", Role.EDITOR, None, "ann", 2)
    assert (second.stamp, second.role, second.projects) == (first.stamp, Role.EDITOR, None)
    third = book.set_password("bob", "new", "ann", 3)
    assert third.password == "new"
    assert third.stamp != first.stamp
    assert book.end_sessions("bob", "ann", 4).stamp not in {first.stamp, third.stamp}


def test_an_account_made_again_is_another_one(state: sa.Engine) -> None:
    book = Accounts(state)
    first = book.add("bob", Role.VIEWER, ["shop"], "h", "ann", 1)
    book.remove("bob", "ann", 2)
    assert book.all() == []
    assert book.add("bob", Role.VIEWER, ["shop"], "h", "ann", 3).stamp != first.stamp


@pytest.mark.parametrize("change", ["remove", "set_password", "set_role", "end_sessions"])
def test_changing_what_is_not_there_says_how_to_find_what_is(state: sa.Engine, change: str) -> None:
    options: dict[str, list[object]] = {"set_password": ["h"], "set_role": [Role.VIEWER, None]}
    given = options.get(change, [])
    with pytest.raises(ConfigError, match="`spanledger accounts list`"):
        getattr(Accounts(state), change)("nobody", *given, "ann", 1)


def test_every_change_is_on_record_without_anything_secret(state: sa.Engine) -> None:
    book = Accounts(state)
    stored = hashed("a long password", CHEAP)
    made = book.add("bob", Role.VIEWER, ["shop"], stored, "ann", 1)
    book.set_role("bob", Role.ADMIN, None, "ann", 2)
    book.set_role("bob", Role.ADMIN, None, "ann", 2)  # the same: nothing to record
    book.set_password("bob", hashed("another password", CHEAP), "ann", 3)
    book.remove("bob", "ann", 4)
    log = [row for row in Projects(state).log() if row.object == "account bob"]
    assert [row.action for row in reversed(log)] == ["create", "set", "password", "remove"]
    assert json.loads(log[-1].after) == {"role": "viewer", "projects": ["shop"]}
    text = repr(log)
    assert "scrypt" not in text
    assert made.stamp not in text


def test_a_role_of_a_newer_version_may_do_the_least(state: sa.Engine) -> None:
    Accounts(state).add("bob", Role.ADMIN, None, "h", "ann", 1)
    with state.begin() as connection:
        connection.execute(sa.text("UPDATE accounts SET role = 'owner'"))
    [found] = Accounts(state).all()
    assert found.role is Role.VIEWER


def test_a_database_without_the_table_says_what_to_do(tmp_path: Path) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(StateError, match="spanledger migrate"):
        Accounts(engine).all()


def test_a_role_includes_those_before_it() -> None:
    assert Role.ADMIN.includes(Role.EDITOR)
    assert Role.EDITOR.includes(Role.VIEWER)
    assert Role.VIEWER.includes(Role.VIEWER)
    assert not Role.VIEWER.includes(Role.EDITOR)


# Passwords


def test_a_password_is_stored_with_its_own_salt_and_the_recommended_work() -> None:
    first, second = hashed("correct horse"), hashed("correct horse", CHEAP)
    assert first.startswith("scrypt$15$8$3$")
    assert first != hashed("correct horse", COST)
    assert "horse" not in first
    assert matches("correct horse", first)
    assert matches("correct horse", second)  # whatever work it was made with
    assert not matches("correct hors", second)


def test_the_same_letters_typed_elsewhere_are_the_same_password() -> None:
    assert matches("caf\u00e9 au lait", hashed("cafe\u0301 au lait", CHEAP))


def test_without_a_stored_password_the_same_work_is_done_and_nothing_matches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def scrypt(password: bytes, *, n: int, **_: object) -> bytes:
        asked.append(n)
        return bytes(32)

    monkeypatch.setattr("hashlib.scrypt", scrypt)
    assert not matches("correct horse", None)
    assert asked == [2**COST.log2_n]


@pytest.mark.parametrize("password", ["short", "x" * (MAX_LENGTH + 1)])
def test_a_password_too_short_or_too_long_is_refused_unquoted(password: str) -> None:
    with pytest.raises(ConfigError, match="10 to 1000 characters") as refused:
        hashed(password)
    assert password not in str(refused.value)
    assert not matches("x" * (MAX_LENGTH + 1), hashed("x" * MAX_LENGTH, CHEAP))
