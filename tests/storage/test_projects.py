"""Projects and keys in the state database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from spanledger_storage.api_keys import ApiKey, Scope, digest, matches, scopes_text
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.project_settings import Limits, Privacy, ProjectSettings
from spanledger_storage.projects import Keys, Projects
from spanledger_storage.state import metadata, migrate_state, open_state, open_state_reader
from tests.postgres import migrated_database

LIMITED = ProjectSettings(limits=Limits(items_per_s=5), privacy=Privacy(drop_keys=("a", "b*")))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    with migrated_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_state(url)
    migrate_state(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def projects(engine: sa.Engine) -> Projects:
    return Projects(engine)


@pytest.fixture
def keys(engine: sa.Engine) -> Keys:
    return Keys(engine)


def test_the_migrations_make_the_declared_tables(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_the_default_project_is_there_with_a_salt_of_its_own(projects: Projects) -> None:
    [row] = projects.all()
    assert (row.project.name, row.project.settings) == ("default", ProjectSettings())
    assert len(row.project.salt) == 32
    other = projects.create("other", "ann", 1)
    assert len(other.project.salt) == 32
    assert other.project.salt != row.project.salt
    assert repr(other.project.salt) not in repr(other)


def test_settings_come_back_as_they_were_set(projects: Projects) -> None:
    projects.create("shop", "ann", 1)
    projects.set("shop", LIMITED, "bob", 2)
    assert projects.get("shop").project.settings == LIMITED
    assert projects.get("default").project.settings == ProjectSettings()
    assert [row.project.name for row in projects.all()] == ["default", "shop"]


def test_setting_the_same_again_leaves_no_trace(projects: Projects) -> None:
    projects.set("default", LIMITED, "ann", 1)
    projects.set("default", LIMITED, "ann", 2)
    assert (projects.revision(), len(projects.log())) == (1, 1)


@pytest.mark.parametrize("name", ["", "-x", "a b", "a" * 65, "ü", "x\n", "a/b"])
def test_a_name_that_cannot_be_one_is_refused(projects: Projects, name: str) -> None:
    with pytest.raises(ConfigError, match="1 to 64"):
        projects.create(name, "ann", 1)
    assert projects.revision() == 0


def test_an_unknown_project_is_answered_with_the_known_ones(projects: Projects, keys: Keys) -> None:
    projects.create("shop", "ann", 1)
    for attempt in (
        lambda: projects.get("shpo"),
        lambda: projects.set("shpo", LIMITED, "ann", 1),
        lambda: keys.create("shpo", [Scope.READ], "ann", 1),
    ):
        with pytest.raises(ConfigError, match="'shpo'; there are default, shop"):
            attempt()
    with pytest.raises(ConfigError, match="already"):
        projects.create("shop", "ann", 2)
    assert projects.revision() == 1


def test_a_key_is_kept_as_the_sha256_of_its_secret_alone(
    keys: Keys, engine: sa.Engine, projects: Projects
) -> None:
    row, key = keys.create("default", [Scope.READ, Scope.INGEST], "ann", 7, label="ci")
    keys.revoke(row.id, "bob", 8)
    with engine.connect() as connection:
        stored = connection.execute(sa.text("SELECT * FROM api_keys")).mappings().one()
        everything = str(stored) + str(
            connection.execute(sa.text("SELECT * FROM project_log")).all()
        )
    assert stored["secret_sha256"] == hashlib.sha256(key.secret.encode()).hexdigest()
    assert stored["scopes"] == "ingest read"
    assert key.secret not in everything
    assert key.text == f"sl_{row.id}_{key.secret}"
    for shown in (repr(row), repr(key), str(projects.log())):
        assert key.secret not in shown
        assert stored["secret_sha256"] not in shown
    assert projects.all()[0].project.salt.hex() not in str(projects.log())


def test_a_key_holds_until_it_expires_or_is_revoked(keys: Keys) -> None:
    brief, _ = keys.create("default", [Scope.INGEST], "ann", 1, expires_at_ns=10)
    lasting, _ = keys.create("default", [Scope.INGEST], "ann", 2)
    assert [brief.is_live(t) for t in (9, 10)] == [True, False]
    gone = keys.revoke(lasting.id, "bob", 5)
    assert (gone.revoked_at_ns, gone.is_live(6)) == (5, False)
    assert keys.revoke(lasting.id, "eve", 9) == gone
    assert keys.all() == [brief, gone]
    with pytest.raises(ConfigError, match="keys list"):
        keys.revoke("nope", "bob", 5)
    with pytest.raises(ConfigError, match="ingest, read, admin"):
        keys.create("default", [], "ann", 1)


def test_the_log_says_who_did_what_and_cannot_be_changed(
    projects: Projects, keys: Keys, engine: sa.Engine
) -> None:
    projects.create("shop", "ann", 1)
    projects.set("shop", LIMITED, "bob", 2)
    row, _ = keys.create("shop", [Scope.ADMIN], "cay", 3)
    keys.revoke(row.id, "dan", 4)
    told = [(entry.who, entry.action, entry.object, entry.revision) for entry in projects.log()]
    assert told == [
        ("dan", "revoke", f"key {row.id}", 4),
        ("cay", "create", f"key {row.id}", 3),
        ("bob", "set", "project shop", 2),
        ("ann", "create", "project shop", 1),
    ]
    assert '"items_per_s":5' in projects.log()[2].after
    for statement in ("UPDATE project_log SET who = 'me'", "DELETE FROM project_log"):
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(sa.text(statement))
    assert len(projects.log(limit=2)) == 2


def test_changes_at_the_same_time_follow_each_other(url: str, projects: Projects) -> None:
    def create_many(thread: int) -> None:
        own = open_state(url)
        for n in range(5):
            Keys(own).create("default", [Scope.INGEST], f"{thread}", n)
        own.dispose()

    threads = [threading.Thread(target=create_many, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert projects.revision() == 15
    assert [entry.revision for entry in projects.log()] == list(range(15, 0, -1))


def test_a_reader_reads_and_cannot_write(url: str, projects: Projects) -> None:
    projects.create("shop", "ann", 1)
    reader = open_state_reader(url)
    try:
        assert len(Projects(reader).all()) == 2
        with pytest.raises(StateError, match=r"read-?only"):
            Projects(reader).create("more", "eve", 2)
    finally:
        reader.dispose()


def test_settings_of_a_newer_version_are_an_error_not_a_guess(
    projects: Projects, engine: sa.Engine
) -> None:
    newer = sa.text("UPDATE projects SET settings = :settings")
    with engine.begin() as connection:
        connection.execute(newer, {"settings": '{"privacy":{"erase":1}}'})
    with pytest.raises(StateError, match=r"default cannot be read \(privacy.erase\)"):
        projects.all()


def test_a_scope_of_a_newer_version_opens_nothing(keys: Keys, engine: sa.Engine) -> None:
    keys.create("default", [Scope.READ], "ann", 1)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE api_keys SET scopes = 'read everything'"))
    assert keys.all()[0].scopes == {Scope.READ}


def test_missing_tables_are_said_with_what_to_do(tmp_path: Path) -> None:
    engine = open_state_reader(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(StateError, match="spanledger migrate"):
        Projects(engine).revision()
    engine.dispose()


def test_keys_are_random_and_read_back() -> None:
    made = [ApiKey.new() for _ in range(100)]
    assert len({key.text for key in made}) == 100
    for key in made:
        assert ApiKey.parse(key.text) == key
        assert matches(key.secret, digest(key.secret))
        assert not matches(made[0].secret + "0", digest(made[0].secret))


@given(st.text())
def test_any_text_is_parsed_or_is_no_key(text: str) -> None:
    for given_text in (text, f"sl_{text}", f"sl_0123456789ab_{text}"):
        key = ApiKey.parse(given_text)
        assert key is None or key.text == given_text
    assert not matches(text, digest("another"))


def test_scopes_are_told_in_one_order() -> None:
    assert scopes_text([Scope.ADMIN, Scope.INGEST, Scope.ADMIN]) == "ingest admin"
