"""Keys: how they are sent, held in memory, refreshed, revoked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from spanledger_collector.access.credentials import presented_keys
from spanledger_collector.access.keys import KeyRing, WeakKey
from spanledger_collector.access.senders import KeyAccess, OpenAccess
from spanledger_collector.errors import PermissionDenied, Unauthenticated
from spanledger_storage.api_keys import Scope
from spanledger_storage.errors import StateError
from spanledger_storage.project_settings import Limits, Project, ProjectSettings
from spanledger_storage.projects import Keys, Projects
from tests.instance import wait_until
from tests.keys import STATIC, State, basic, key_state


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with key_state(tmp_path) as state:
        yield state


FORMS: dict[str, Callable[[str], dict[str, str]]] = {
    "bearer": lambda key: {"authorization": f"Bearer {key}"},
    "bearer in small letters": lambda key: {"authorization": f"bearer  {key} "},
    "bearer encoded": lambda key: {"authorization": f"Bearer%20{key}"},
    "basic password": lambda key: {"authorization": basic(f"anybody:{key}")},
    "basic user": lambda key: {"authorization": basic(f"{key}:")},
    "basic user alone": lambda key: {"authorization": basic(key)},
    "basic encoded": lambda key: {"authorization": quote(basic(f"x:{key}"))},
    "basic without padding": lambda key: {"authorization": basic(f"x:{key}").rstrip("=")},
    "x-api-key": lambda key: {"x-api-key": key},
    "x-api-key encoded": lambda key: {"x-api-key": quote(f" {key}")},
    "x-api-key beside a proxy's": lambda key: {"authorization": basic("me:pw"), "x-api-key": key},
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_found_in_every_form(state: State, form: str) -> None:
    key = state.key(Scope.INGEST, project="shop")
    assert KeyAccess(state.ring).ingest(FORMS[form](key)).name == "shop"
    assert KeyAccess(state.ring).ingest(FORMS[form](STATIC)).name == "default"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Basic"},
        {"authorization": "Basic !!"},
        {"authorization": "Basic /w=="},  # not text
        {"authorization": "Digest username=x"},
        {"x-api-key": " "},
        {"authorization": basic("pk-lf-1:sk-lf-2")},
        {"x-api-key": "sl_0123456789ab_" + 48 * "0"},
        {"x-api-key": "sl_"},
        {"x-api-key": "\ud800\udcff\u0000%00%ED%A0%80é"},
        {"x-api-key": STATIC[:-1]},
    ],
)
def test_what_is_no_key_of_ours_is_refused_with_what_to_do(
    state: State, headers: dict[str, str]
) -> None:
    for ask in (KeyAccess(state.ring).ingest, KeyAccess(state.ring).read):
        with pytest.raises(Unauthenticated, match="spanledger keys"):
            ask(headers)


@given(st.dictionaries(st.sampled_from(["authorization", "x-api-key"]), st.text()))
def test_no_header_breaks_the_reading(headers: dict[str, str]) -> None:
    assert all(presented_keys(headers))


def test_a_key_with_one_digit_changed_is_unknown(state: State) -> None:
    key = state.key(Scope.INGEST)
    for place in (4, len(key) - 1):
        wrong = key[:place] + ("0" if key[place] != "0" else "1") + key[place + 1 :]
        with pytest.raises(Unauthenticated, match="not known"):
            KeyAccess(state.ring).ingest({"x-api-key": wrong})


def test_a_key_does_what_its_scopes_say(state: State) -> None:
    access = KeyAccess(state.ring)
    keys = {scope: {"x-api-key": state.key(scope, project="shop")} for scope in Scope}
    both = {"x-api-key": state.key(Scope.INGEST, Scope.READ)}
    assert access.ingest(keys[Scope.INGEST]).name == "shop"
    assert access.ingest(both).name == "default"
    access.read(keys[Scope.ADMIN])
    for headers in (keys[Scope.READ], keys[Scope.ADMIN]):
        with pytest.raises(PermissionDenied, match="--project shop --scope ingest"):
            access.ingest(headers)
    for headers in (keys[Scope.INGEST], keys[Scope.READ], both, {"x-api-key": STATIC}):
        with pytest.raises(PermissionDenied, match="needs admin"):
            access.read(headers)


def test_a_key_that_expired_or_was_revoked_says_so(state: State) -> None:
    access = KeyAccess(state.ring)
    brief = state.key(Scope.INGEST, expires_at_ns=2_000)
    gone = state.key(Scope.INGEST)
    access.ingest({"x-api-key": brief})
    state.now_ns = 2_000
    with pytest.raises(Unauthenticated, match=r"expired on 1970-01-01"):
        access.ingest({"x-api-key": brief})
    access.ingest({"x-api-key": gone})
    state.revoke(gone)
    state.ring.load()
    with pytest.raises(Unauthenticated, match="was revoked"):
        access.ingest({"x-api-key": gone})
    with pytest.raises(Unauthenticated, match="not known"):  # who has no secret is told nothing
        access.ingest({"x-api-key": gone[:-2] + "xx"})


def test_a_change_is_known_after_the_refresh(state: State) -> None:
    access, key = KeyAccess(state.ring), state.key(Scope.INGEST, project="shop")
    state.ring.start()
    state.revoke(key)
    wait_until(lambda: not _lets(access, key), timeout_s=5, every_s=0.005)
    made = Keys(state.engine).create("shop", [Scope.INGEST], "ann", 1)[1].text
    wait_until(lambda: _lets(access, made), timeout_s=5, every_s=0.005)
    limited = ProjectSettings(limits=Limits(items_per_s=7))
    Projects(state.engine).set("shop", limited, "ann", 1)
    wait_until(
        lambda: access.ingest({"x-api-key": made}).settings == limited, timeout_s=5, every_s=0.005
    )
    wait_until(lambda: OpenAccess(Project("shop"), state.ring).ingest({}).settings == limited)


def _lets(access: KeyAccess, key: str) -> bool:
    try:
        access.ingest({"x-api-key": key})
    except Unauthenticated:
        return False
    return True


def test_an_unchanged_database_costs_one_small_query(state: State) -> None:
    asked: list[str] = []
    sa.event.listen(state.reader, "before_cursor_execute", lambda *e: asked.append(e[2]))
    for _ in range(3):
        state.ring.refresh()
    assert len(asked) == 3 + 2  # the project that the fixture made is read once
    assert all("project_revision" in statement for statement in asked[-2:])


def test_the_last_copy_stays_while_the_database_is_away(
    state: State, caplog: pytest.LogCaptureFixture
) -> None:
    key = state.key(Scope.INGEST)
    content = state.file.read_bytes()
    state.engine.dispose()  # its last connection leaves the whole database in the one file
    state.reader.dispose()
    content = state.file.read_bytes()
    state.file.unlink()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            state.ring.refresh()
            state.reader.dispose()
        assert _lets(KeyAccess(state.ring), key)
        assert [r.levelname for r in caplog.records] == ["WARNING"]
        with pytest.raises(StateError):
            state.ring.load()
        state.file.write_bytes(content)
        state.ring.refresh()
    assert "up to date again" in caplog.text
    assert key not in caplog.text


def test_no_error_ends_the_refreshing(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    key = state.key(Scope.INGEST)
    broken = True

    def revision(projects: Projects) -> int:
        if broken:
            raise ZeroDivisionError
        return 99

    monkeypatch.setattr(Projects, "revision", revision)
    state.ring.start()
    state.revoke(key)
    wait_until(lambda: getattr(state.ring, "_is_behind"), every_s=0.005)  # noqa: B009 (private)
    broken = False
    wait_until(lambda: not _lets(KeyAccess(state.ring), key), every_s=0.005)


def test_a_short_key_in_the_environment_is_refused_without_quoting_it(state: State) -> None:
    projects, keys = Projects(state.reader), Keys(state.reader)
    with pytest.raises(WeakKey, match="24") as refused:
        KeyRing(projects, keys, static_key="hunter2hunter2hunter2hu")
    assert "hunter2" not in str(refused.value)
    KeyRing(projects, keys, static_key="h" * 24)


def test_open_access_takes_all_but_holds_our_keys_to_what_they_may(state: State) -> None:
    access = OpenAccess(Project("mine"), state.ring)
    sender = state.key(Scope.INGEST, project="shop")
    reader = state.key(Scope.ADMIN, project="shop")
    assert access.ingest({}).name == "mine"
    assert access.ingest({"authorization": basic("pk-lf-1:sk-lf-2")}).name == "mine"
    assert access.ingest({"x-api-key": sender}).name == "shop"
    access.read({})
    access.read({"x-api-key": reader})
    with pytest.raises(PermissionDenied):
        access.ingest({"x-api-key": reader})
    with pytest.raises(PermissionDenied):
        access.read({"x-api-key": sender})
    with pytest.raises(Unauthenticated):
        access.ingest({"x-api-key": sender[:-1]})
