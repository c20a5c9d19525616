"""A store with both jobs, for the tests of retention."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger_storage.retention_state import RetentionState
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.analytics.expiring import World


@pytest.fixture
def world(store: Store, tmp_path: Path) -> Iterator[World]:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    yield World(store, RetentionState(engine))
    engine.dispose()
