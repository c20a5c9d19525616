"""Own prices in the state database, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from spanledger_storage.errors import StateError
from spanledger_storage.price_state import (
    ContractRow,
    ExchangeRateRow,
    PriceChange,
    PriceState,
    RateRow,
)
from spanledger_storage.state import metadata, migrate_state, open_state, open_state_reader
from tests.postgres import migrated_database


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state of mine.db'}"
        return
    with migrated_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_state(url)
    migrate_state(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def state(engine: sa.Engine) -> PriceState:
    return PriceState(engine)


def rate(price: str = "2.50") -> RateRow:
    return RateRow(
        "openai", "gpt-4o", "input", Decimal(price), 1_000_000, "USD", "", "", 0, 5, None
    )


def contract() -> ContractRow:
    return ContractRow("acme", "openai", "", Decimal("0.85"), Decimal("1e6"), 5, 9)


def test_the_migrations_make_the_declared_tables(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_what_is_stored_comes_back_exactly(state: PriceState) -> None:
    fine = "0.000000000000000001"
    with state.change("ann", 7) as change:
        change.add(rate(fine))
        change.add(contract())
        change.add(ExchangeRateRow("EUR", Decimal("1.0812"), 5, "ECB"))
    [stored] = state.rates()
    assert (stored.id, stored.price, stored.created_at_ns) == (1, Decimal(fine), 7)
    assert state.contracts()[0].commitment_usd == 1_000_000
    assert state.exchange_rates()[0].usd == Decimal("1.0812")
    assert state.revision() == 1


def test_a_change_that_fails_leaves_nothing(state: PriceState) -> None:
    with state.change("ann", 1) as change:
        change.add(contract())

    def add_both(then: Callable[[PriceChange], object]) -> None:
        with state.change("ann", 2) as change:
            change.add(rate())
            then(change)

    with pytest.raises(StateError):
        add_both(lambda change: change.add(contract()))
    with pytest.raises(ZeroDivisionError):
        add_both(lambda _: 1 // 0)
    assert (state.rates(), state.revision(), len(state.log())) == ([], 1, 1)


def test_a_change_without_content_leaves_no_trace(state: PriceState) -> None:
    with state.change("ann", 1) as change:
        assert change.rows(RateRow) == []
    assert (state.revision(), state.log()) == (0, [])


def test_what_ended_or_was_withdrawn_can_still_be_shown(state: PriceState) -> None:
    with state.change("ann", 1) as change:
        first, second = change.add(rate()), change.add(rate("3"))
    with state.change("bob", 2) as change:
        change.close(first, 8)
        change.withdraw(second)
    [held] = state.rates()
    assert (held.id, held.effective_to_ns, held.price) == (first.id, 8, Decimal("2.50"))
    assert [row.id for row in state.rates(withdrawn=True)] == [first.id, second.id]
    assert state.rates(withdrawn=True)[1].withdrawn_at_ns == 2


def test_the_log_says_who_changed_what_and_cannot_be_changed(
    state: PriceState, engine: sa.Engine
) -> None:
    with state.change("ann", 1) as change:
        added = change.add(rate())
    with state.change("bob", 2) as change:
        change.close(added, 8)
    closed, made = state.log()
    assert (made.who, made.action, made.object, made.before) == ("ann", "add", "rate 1", None)
    assert (closed.who, closed.action, closed.revision, closed.at_ns) == ("bob", "close", 2, 2)
    assert '"effective_to_ns": null' in str(closed.before)
    assert '"effective_to_ns": 8' in closed.after
    for statement in ("UPDATE price_log SET who = 'me'", "DELETE FROM price_log"):
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(sa.text(statement))
    assert state.log(limit=1) == state.log(limit=None, after_revision=1) == [closed]
    assert state.log(limit=None) == [closed, made]


def test_changes_at_the_same_time_follow_each_other(url: str, state: PriceState) -> None:
    seen: list[int] = []

    def add_many() -> None:
        own = open_state(url)
        for _ in range(10):
            with PriceState(own).change("ann", 1) as change:
                count = len(change.rows(RateRow))
                change.add(rate())
                seen.append(count)
        own.dispose()

    threads = [threading.Thread(target=add_many) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # Whoever counted the rows knew of every change before.
    assert sorted(seen) == list(range(30))
    assert state.revision() == 30


def test_a_reader_reads_and_cannot_write(url: str, state: PriceState) -> None:
    with state.change("ann", 1) as change:
        change.add(rate())
    engine = open_state_reader(url)
    reader = PriceState(engine)
    assert len(reader.rates()) == 1
    with pytest.raises(StateError, match=r"read-?only"), reader.change("eve", 2):
        pass
    engine.dispose()


def test_missing_tables_are_said_with_what_to_do(tmp_path: Path) -> None:
    for engine in (
        open_state(f"sqlite:///{tmp_path / 'new.db'}"),
        open_state_reader(f"sqlite:///{tmp_path / 'none.db'}"),
    ):
        with pytest.raises(StateError, match="spanledger migrate"):
            PriceState(engine).rates()
        engine.dispose()
    assert not (tmp_path / "none.db").exists()
