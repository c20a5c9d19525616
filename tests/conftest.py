"""Fixtures shared by all tests: a real engine, and a fresh migrated database for each test."""

from __future__ import annotations

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


@pytest.fixture
def store_settings(engine: Engine) -> Iterator[StoreSettings]:
    """Settings of an empty, migrated database of this test alone."""
    settings = engine.writer.with_database(f"test_{next(_numbers)}")
    create_database(settings)
    store = Store.connect(settings)
    migrate(store)
    yield settings
    store.execute(f"DROP DATABASE {settings.database} SYNC")
    store.close()


@pytest.fixture
def store(store_settings: StoreSettings) -> Iterator[Store]:
    store = Store.connect(store_settings)
    yield store
    store.close()
