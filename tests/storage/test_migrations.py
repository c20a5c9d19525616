"""Schema changes: numbered, each run once, never edited."""

from pathlib import Path

import pytest

from spanledger_storage import migrations
from spanledger_storage.errors import MigrationError
from spanledger_storage.migrations import Migration
from spanledger_storage.store import Store

SNAPSHOT = Path(__file__).parent / "schema.sql"


def created(store: Store) -> str:
    """The schema as the engine reports it, one statement per object."""
    rows = store.sql_rows(
        "SELECT create_table_query AS q FROM system.tables"
        " WHERE database = currentDatabase() ORDER BY name"
    )
    text = "\n\n".join(str(row["q"]) for row in rows) + "\n"
    return text.replace(f"{store.settings.database}.", "")


def test_all_migrations_from_empty_make_the_recorded_schema(store: Store) -> None:
    """After a deliberate change: delete schema.sql, run once, review the difference."""
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(created(store))
        pytest.fail("schema.sql was missing and is written now: review it")
    assert created(store) == SNAPSHOT.read_text()


def test_running_twice_changes_nothing(store: Store) -> None:
    before = store.sql_rows("SELECT * FROM migrations FINAL ORDER BY number")
    assert migrations.pending(store) == []
    assert migrations.migrate(store) == []
    assert store.sql_rows("SELECT * FROM migrations FINAL ORDER BY number") == before


def test_an_edited_migration_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    known = migrations.all_migrations()
    edited = Migration(1, known[0].name, known[0].sql + " -- edited")
    monkeypatch.setattr(migrations, "all_migrations", lambda: [edited, *known[1:]])
    with pytest.raises(MigrationError, match="0001_create_spans was edited"):
        migrations.migrate(store)


def test_a_store_of_a_newer_version_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations.all_migrations()
    monkeypatch.setattr(migrations, "all_migrations", lambda: known[:-1])
    with pytest.raises(MigrationError, match="newer Spanledger"):
        migrations.pending(store)


def test_an_interrupted_migration_is_finished(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations.all_migrations()
    new = Migration(len(known) + 1, "9999_create_t", "CREATE TABLE t (n Int8) ENGINE = Memory")
    monkeypatch.setattr(migrations, "all_migrations", lambda: [*known, new])
    store.execute(
        f"INSERT INTO migrations VALUES ({new.number}, '{new.name}', '{new.checksum}',"
        " 'started', now64(3))"
    )
    store.execute(new.sql)  # it ran, and the process died before it was recorded
    assert migrations.migrate(store) == [new]
    assert migrations.pending(store) == []


def test_a_failing_migration_is_named_and_runs_again_when_mended(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations.all_migrations()
    broken = Migration(len(known) + 1, "9999_break", "CREATE TABEL t")
    monkeypatch.setattr(migrations, "all_migrations", lambda: [*known, broken])
    with pytest.raises(MigrationError, match="9999_break failed"):
        migrations.migrate(store)
    mended = Migration(broken.number, broken.name, "CREATE TABLE t (n Int8) ENGINE = Memory")
    monkeypatch.setattr(migrations, "all_migrations", lambda: [*known, mended])
    assert migrations.migrate(store) == [mended]
