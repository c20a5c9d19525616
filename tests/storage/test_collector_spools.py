from pathlib import Path

import pytest
import sqlalchemy as sa

from spanledger_storage.collector_spools import CollectorSpools, Waiting
from spanledger_storage.errors import StateError

S = 10**9
DAY = 86_400 * S


@pytest.fixture
def spools(state: sa.Engine) -> CollectorSpools:
    return CollectorSpools(state)


def test_nobody_told_is_not_the_same_as_nothing_waits(spools: CollectorSpools) -> None:
    assert spools.waiting(10 * S) is None
    spools.note("one", 0, None, 10 * S)
    assert spools.waiting(10 * S) == Waiting(0, 0)


def test_what_waits_in_all_spools_is_counted_and_the_oldest_is_told(
    spools: CollectorSpools,
) -> None:
    spools.note("one", 3, 10 * S, 100 * S)
    spools.note("two", 4, 40 * S, 100 * S)
    spools.note("three", 0, None, 100 * S)
    assert spools.waiting(102 * S) == Waiting(7, 90)
    spools.note("one", 1, 80 * S, 104 * S)
    assert spools.waiting(104 * S) == Waiting(5, 60)


def test_what_waits_in_a_silent_collector_grows_older(spools: CollectorSpools) -> None:
    spools.note("one", 3, 100 * S, 101 * S)
    assert spools.waiting(130 * S) == Waiting(3, 1)
    assert spools.waiting(131 * S) == Waiting(3, 31)
    assert spools.waiting(700 * S) == Waiting(3, 600)


def test_a_spool_that_nobody_told_of_for_a_day_is_forgotten(spools: CollectorSpools) -> None:
    spools.note("gone", 3, 1 * S, 2 * S)
    assert spools.waiting(2 * S + DAY) is not None
    assert spools.waiting(3 * S + DAY) is None
    spools.note("one", 0, None, 3 * S + DAY)
    assert spools.waiting(2 * S) == Waiting(0, 0)  # it is not there any more


def test_a_database_of_an_older_version_is_said_to_be_one(tmp_path: Path) -> None:
    older = CollectorSpools(sa.create_engine(f"sqlite:///{tmp_path / 'older.db'}"))
    with pytest.raises(StateError, match="spanledger migrate"):
        older.waiting(0)
    with pytest.raises(StateError, match="OperationalError"):
        older.note("one", 0, None, 0)
