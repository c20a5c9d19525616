"""A store with both jobs, for the tests of retention."""

import pytest
import sqlalchemy as sa

from spanledger_storage.retention_state import RetentionState
from spanledger_storage.store import Store
from tests.analytics.expiring import World


@pytest.fixture
def world(store: Store, state: sa.Engine) -> World:
    return World(store, RetentionState(state))
