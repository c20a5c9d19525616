from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from spanledger_storage.errors import ConfigError, MigrationError, StateError
from spanledger_storage.state import (
    Heartbeats,
    Watermarks,
    metadata,
    migrate_state,
    open_state,
    open_state_reader,
    sqlite_url,
)
from tests.ports import free_port


def test_migrations_from_empty_equal_the_declared_tables(state: sa.Engine) -> None:
    with state.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_migrating_twice_keeps_what_is_stored(state: sa.Engine) -> None:
    Watermarks(state).set("ledger", 5)
    migrate_state(state)
    assert Watermarks(state).get("ledger") == 5


@pytest.mark.parametrize("name", ["what?x=1", "a#b", "50%3F", "two words", "?uri=true"])
def test_the_file_is_in_its_folder_whatever_that_is_called(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "state.db"
    file.parent.mkdir()
    url = sqlite_url(file)
    migrate_state(open_state(url))
    Watermarks(open_state(url)).set("ledger", 5)
    assert Watermarks(open_state_reader(url)).get("ledger") == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_position_is_overwritten_and_an_unknown_job_has_none(state: sa.Engine) -> None:
    marks = Watermarks(state)
    assert marks.get("ledger") is None
    marks.set("ledger", 1)
    marks.set("ledger", 2**62)
    assert marks.get("ledger") == 2**62


def test_newest_beat_counts_and_silent_processes_are_forgotten(state: sa.Engine) -> None:
    beats = Heartbeats(state)
    day_ns = 86_400 * 10**9
    beats.beat("worker", "a", 1)
    assert beats.newest("worker") == 1
    beats.beat("collector", "b", 3 * day_ns)
    assert beats.newest("worker") is None
    assert beats.newest("collector") == 3 * day_ns


def test_a_newer_database_is_refused(state: sa.Engine) -> None:
    with state.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(MigrationError, match="9999"):
        migrate_state(state)


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense"])
def test_other_databases_are_refused_with_the_reason(url: str) -> None:
    with pytest.raises(ConfigError):
        open_state(url)


@pytest.mark.parametrize("place", ["sqlite:////nowhere/state.db", "postgresql+psycopg://u:pw@{}/x"])
def test_a_database_that_is_away_is_told_in_one_line(place: str) -> None:
    with pytest.raises(StateError, match="cannot be used") as told:
        migrate_state(open_state(place.format(f"127.0.0.1:{free_port()}")))
    assert "\n" not in str(told.value)
    assert "pw" not in str(told.value)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.touch(mode=0o644)  # of an earlier version
    engine = open_state(f"sqlite:///{file}")
    migrate_state(engine)
    with engine.connect():
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"no database" * 1_000)
    with pytest.raises(StateError, match=rf"{file} cannot be used: file is not a database.*copy"):
        migrate_state(open_state(f"sqlite:///{file}"))


def test_a_file_that_cannot_be_written_is_refused_though_its_schema_is_the_newest(
    tmp_path: Path,
) -> None:
    url = sqlite_url(tmp_path / "state.db")
    migrate_state(open_state(url))
    with pytest.raises(StateError, match="cannot be used: attempt to write a readonly database"):
        migrate_state(open_state_reader(url))
