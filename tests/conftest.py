"""Fixtures shared by all tests: a real engine, and a fresh migrated database for each test."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Iterator

import pytest

from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store, StoreSettings

_numbers = itertools.count(1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(EngineSettings(tmp_path_factory.mktemp("engine"), free_port()))
    engine.start()
    yield engine
    engine.stop()


@contextlib.contextmanager
def fresh_store(engine: Engine) -> Iterator[Store]:
    """An empty, migrated database that nobody else uses, emptied for the next test afterwards.

    One that a test has altered beyond its rows is dropped: migrating takes longer than most tests.
    """
    idle = _idle.setdefault(engine.writer.url, [])
    schema = _schemas.get(engine.writer.url, "")
    if idle:
        store = Store.connect(engine.writer.with_database(idle.pop()))
    else:
        settings = engine.writer.with_database(f"test_{next(_numbers)}")
        create_database(settings)
        store = Store.connect(settings)
        migrate(store)
        schema = _schemas.setdefault(engine.writer.url, _schema(store))
    try:
        yield store
    finally:
        if _schema(store) == schema:
            _empty(store)
            idle.append(store.settings.database)
        else:
            store.execute(f"DROP DATABASE {store.settings.database} SYNC")
        store.close()


_idle: dict[str, list[str]] = {}  # engine → databases that are migrated and empty
_schemas: dict[str, str] = {}  # engine → what the schema of a migrated database looks like


def _schema(store: Store) -> str:
    """Everything of a database that emptying its tables would leave behind."""
    rows = store.sql_rows(
        """
        SELECT toString(cityHash64(arraySort(groupArray(definition)))) AS schema FROM (
            SELECT name || replaceAll(create_table_query, database || '.', '') AS definition
            FROM system.tables WHERE database = currentDatabase()
            UNION ALL SELECT concat('mutation', table, mutation_id) FROM system.mutations
            WHERE database = currentDatabase()
            UNION ALL SELECT concat('detached', table, name) FROM system.detached_parts
            WHERE database = currentDatabase())
        """
    )
    return str(rows[0]["schema"])


def _empty(store: Store) -> None:
    tables = store.sql_rows(
        "SELECT name FROM system.tables WHERE database = currentDatabase() "
        "AND engine LIKE '%MergeTree' AND name != 'migrations' AND name IN "
        "(SELECT table FROM system.parts WHERE database = currentDatabase())"  # also old parts
    )
    for table in tables:
        store.execute(f"TRUNCATE TABLE `{table['name']}` SYNC")


@pytest.fixture
def store(engine: Engine) -> Iterator[Store]:
    with fresh_store(engine) as store:
        yield store


@pytest.fixture
def store_settings(store: Store) -> StoreSettings:
    """Settings of the same database that `store` is connected to."""
    return store.settings
