"""What the engine keeps about itself never outgrows the data: it keeps nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from spanledger_storage import migrations
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent
_INSERTS = 300
_OWN_TABLES = (
    "SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree'"
)


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    """The tables of a shared one would show what other tests did."""
    engine = Engine(EngineSettings(tmp_path / "engine", free_port()))
    engine.start()
    yield engine
    engine.stop()


def test_many_inserts_leave_nothing_but_their_rows(own_engine: Engine, tmp_path: Path) -> None:
    create_database(own_engine.writer)
    store = Store.connect(own_engine.writer)
    store.execute(
        "CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n"
        " SETTINGS non_replicated_deduplication_window = 100, old_parts_lifetime = 1"
    )
    for number in range(_INSERTS):
        store.insert("t", pa.table({"n": pa.array([number], pa.int64())}), token=str(number))
    store.execute("SYSTEM FLUSH LOGS")
    assert store.sql_rows(_OWN_TABLES) == []
    bytes_of_its_own = "SELECT sum(bytes_on_disk) AS b FROM system.parts WHERE database = 'system'"
    assert store.sql_rows(bytes_of_its_own) == [{"b": 0}]
    assert store.sql_rows("SELECT count() AS c FROM t") == [{"c": _INSERTS}]
    assert (tmp_path / "engine" / "engine.log").stat().st_size < 100_000
    store.close()


def test_logs_that_an_earlier_version_kept_are_removed_at_the_start(tmp_path: Path) -> None:
    engine = Engine(EngineSettings(tmp_path, free_port()))
    engine.start()
    create_database(engine.writer)
    store = Store.connect(engine.writer)
    store.execute("CREATE TABLE system.metric_log (n Int64) ENGINE = MergeTree ORDER BY n")
    store.execute("INSERT INTO system.metric_log SELECT number FROM numbers(1000)")
    assert store.sql_rows(_OWN_TABLES) == [{"name": "metric_log"}]
    store.close()
    engine.stop()
    engine.start()
    store = Store.connect(engine.writer)
    assert store.sql_rows(_OWN_TABLES) == []
    store.close()
    engine.stop()


def test_the_configuration_names_no_log(tmp_path: Path) -> None:
    config = ROOT / "storage" / "spanledger_storage" / "engine_config.xml"
    assert [e.tag for e in ET.parse(config).getroot() if e.tag.endswith("_log")] == []


def test_our_own_tables_that_grow_with_traffic_alone_have_an_end(store: Store) -> None:
    [touches] = store.sql_rows("SHOW CREATE TABLE touches")
    text = str(next(iter(touches.values())))
    assert "toIntervalDay(7)" in text
    assert "ttl_only_drop_parts = 1" in text


def test_replaced_files_are_kept_against_power_loss_and_no_longer(store: Store) -> None:
    rows = store.sql_rows(
        "SELECT name, create_table_query AS made FROM system.tables"
        " WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'migrations'"
    )
    assert len(rows) > 10
    assert [row["name"] for row in rows if "old_parts_lifetime = 480" not in str(row["made"])] == []


@pytest.mark.endurance
def test_messages_are_moved_into_days_without_loss(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrations 0020 to 0024, on a store that holds messages, each interrupted once."""
    moving = [m for m in migrations.all_migrations() if 20 <= m.number <= 24]
    for table in ("messages", "migrations"):
        store.execute(f"DROP TABLE {table} SYNC")
    [create] = [m for m in migrations.all_migrations() if m.number == 2]
    store.execute(create.sql)
    store.execute(
        "INSERT INTO messages SELECT 'p', leftPad(toString(number), 16, '0'), 'user',"
        " toString(number), toDateTime('2026-01-01', 'UTC') + number * 7200 FROM numbers(5000)"
    )
    monkeypatch.setattr(migrations, "all_migrations", lambda: moving)
    execute = store.execute

    def failing(sql: str, *args: object) -> None:
        execute(sql, *args)  # type: ignore[arg-type]  # as the original
        if sql in broken:
            broken.remove(sql)
            raise KeyboardInterrupt

    broken = [m.sql for m in moving]
    monkeypatch.setattr(store, "execute", failing)
    while broken:
        with pytest.raises(KeyboardInterrupt):
            migrate(store)
    migrate(store)
    [row] = store.sql_rows(
        "SELECT uniqExact(hash) AS h, sum(toUInt64(content)) AS s, uniqExact(_partition_id) AS days"
        " FROM messages FINAL"
    )
    assert row == {"h": 5000, "s": 4999 * 5000 // 2, "days": 417}
    assert store.sql_rows("EXISTS messages_by_day") == [{"result": 0}]
