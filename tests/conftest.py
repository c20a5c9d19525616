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
    """An empty, migrated database of its own, dropped afterwards."""
    settings = engine.writer.with_database(f"test_{next(_numbers)}")
    create_database(settings)
    store = Store.connect(settings)
    migrate(store)
    try:
        yield store
    finally:
        store.execute(f"DROP DATABASE {settings.database} SYNC")
        store.close()


@pytest.fixture
def store(engine: Engine) -> Iterator[Store]:
    with fresh_store(engine) as store:
        yield store


@pytest.fixture
def store_settings(store: Store) -> StoreSettings:
    """Settings of the same database that `store` is connected to."""
    return store.settings
