"""Schema changes: numbered, each run once, never edited."""

from decimal import Decimal
from pathlib import Path

import pytest

from spanledger_analytics.spans import Span
from spanledger_analytics.trajectory_keys import trace_keys
from spanledger_storage import migrations
from spanledger_storage.engine import Engine
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


def test_all_migrations_from_empty_make_the_recorded_schema(engine: Engine, store: Store) -> None:
    """After a deliberate change: delete schema.sql, run once, review the difference."""
    settings = engine.writer.with_database("from_empty")
    migrations.create_database(settings)
    migrated = Store.connect(settings)
    assert migrations.migrate(migrated) == migrations.all_migrations()
    schema = created(migrated)
    migrated.execute("DROP DATABASE from_empty SYNC")
    migrated.close()
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(schema)
        pytest.fail("schema.sql was missing and is written now: review it")
    assert schema == SNAPSHOT.read_text()
    assert created(store) == schema  # what all other tests run on


def test_running_twice_changes_nothing(store: Store) -> None:
    before = store.sql_rows("SELECT * FROM migrations FINAL ORDER BY number")
    assert migrations.pending(store) == []
    assert migrations.migrate(store) == []
    assert store.sql_rows("SELECT * FROM migrations FINAL ORDER BY number") == before


def test_an_edited_migration_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    known = migrations.all_migrations()
    edited = Migration(1, known[0].name, known[0].sql + " -- edited")
    monkeypatch.setattr(migrations, "all_migrations", lambda: [edited, *known[1:]])
    with pytest.raises(MigrationError, match="another text of migration 0001_create_spans"):
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


def test_added_columns_may_be_there_already(store: Store) -> None:
    """An interruption may come after a statement and before it is recorded."""
    for migration in migrations.all_migrations()[_BEFORE_TRACES:]:
        if "ADD COLUMN" in migration.sql:
            store.execute(migration.sql)


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


_BEFORE_TRACES = 32  # migrations of a store in which every trace was a trajectory of its own


def test_trajectories_of_old_become_traces_that_the_jobs_tie(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations.all_migrations()
    monkeypatch.setattr(migrations, "all_migrations", lambda: known[:_BEFORE_TRACES])
    settings = engine.writer.with_database("before_traces")
    migrations.create_database(settings)
    store = Store.connect(settings)
    migrations.migrate(store)
    _fill_as_of_old(store)
    monkeypatch.setattr(migrations, "all_migrations", lambda: known)
    migrations.migrate(store)
    columns = "name, llm_calls, total_cost_usd, active_ns"
    found = store.sql_rows(f"SELECT trace_id, {columns} FROM traces FINAL ORDER BY trace_id")
    cost = Decimal("0.5")
    row = {"name": "run", "llm_calls": 3, "total_cost_usd": cost, "active_ns": 9 * 10**9}
    assert found == [{"trace_id": one, **row} for one in ("a", "b", "c")]
    alone = store.sql_rows(
        f"SELECT trajectory_id, trace_ids, {columns} FROM trajectories FINAL ORDER BY trajectory_id"
    )
    assert alone == [{"trajectory_id": t, "trace_ids": [t], **row} for t in ("a", "b", "c")]
    keys = store.sql_rows("SELECT kind, key, trace_id FROM trajectory_keys FINAL ORDER BY ALL")
    spans = [
        Span("a", "1", session_id="s"),
        Span("b", "1", session_id="s"),
        Span("c", "1", linked=f"{'d' * 32}{'1' * 16}", trajectory_id="f" * 32, workflow_id="w"),
    ]
    assert {(k["trace_id"], (k["kind"], k["key"])) for k in keys} == {
        (trace, key) for trace, found in trace_keys(spans).items() for key in found
    }
    touched = store.sql_rows("SELECT trace_id FROM touches ORDER BY trace_id")
    assert [row["trace_id"] for row in touched] == ["a", "c"]  # one of each tie
    store.execute("DROP DATABASE before_traces SYNC")
    store.close()


def _fill_as_of_old(store: Store) -> None:
    for trace, session, attributes, links in (
        ("a", "s", "map()", "[]"),
        ("b", "s", "map()", "[]"),
        (
            "c",
            "",
            f"map('spanledger.trajectory.id', '{'f' * 32}', 'temporalWorkflowID', 'w')",
            f"['{'d' * 32}']",
        ),
    ):
        store.execute(
            "INSERT INTO spans (project, trace_id, span_id, session_id, start_time, attributes,"
            f" links.trace_id, links.span_id, links.attributes) SELECT 'p', '{trace}', '1',"
            f" '{session}', '2026-01-01 00:00:01', CAST({attributes} AS Map(String, String)),"
            f" {links} AS l, arrayMap(x -> '{'1' * 16}', l), arrayMap(x -> map(), l)"
        )
        store.execute(f"INSERT INTO trace_hours VALUES ('p', '{trace}', '2026-01-01 00:00:00')")
        store.execute(
            "INSERT INTO trajectories (project, trajectory_id, trace_ids, name, start_time,"
            f" end_time, llm_calls, total_cost_usd, version) VALUES ('p', '{trace}', ['{trace}'],"
            " 'run', '2026-01-01 00:00:01', '2026-01-01 00:00:10', 3, 0.5, 7)"
        )
