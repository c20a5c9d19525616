"""A database that tests were given is as new for the next one, whatever they did to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.databases import Databases

SCHEMA = """
SELECT name, replaceAll(create_table_query, database || '.', '') AS definition
FROM system.tables WHERE database = currentDatabase() ORDER BY name
"""
FULL = """
SELECT DISTINCT table FROM system.parts
WHERE database = currentDatabase() AND active AND rows > 0
"""


@pytest.fixture(scope="module")
def own(engine: Engine) -> Iterator[Databases]:
    databases = Databases(engine.writer)
    yield databases
    databases.close()


@pytest.mark.parametrize(
    "harm",
    [
        "INSERT INTO touches (project) VALUES ('x')",
        "ALTER TABLE spans ADD COLUMN added String",
        "ALTER TABLE ledger RENAME COLUMN session_id TO away",
        "ALTER TABLE touches DELETE WHERE 1",
        "DROP TABLE traces SYNC",
        "DROP VIEW ledger_current SYNC",
        "CREATE OR REPLACE VIEW ledger_current AS SELECT 1 AS one",
        "CREATE TABLE stranger (n UInt8) ENGINE = MergeTree ORDER BY n",
        "INSERT INTO migrations SELECT 9999, 'later', '', 'done', now64(3)",
    ],
)
def test_what_a_test_did_is_undone(own: Databases, harm: str) -> None:
    store = own.take()
    name, before = store.settings.database, store.sql_rows(SCHEMA)
    records = store.sql_rows("SELECT * FROM migrations FINAL ORDER BY number")
    store.execute(harm)
    own.give_back(store)
    again: Store = own.take()
    assert again.settings.database == name
    assert again.sql_rows(SCHEMA) == before
    assert [row["table"] for row in again.sql_rows(FULL)] == ["migrations"]
    rest = again.sql_rows("SELECT * EXCEPT changed_at FROM migrations FINAL ORDER BY number")
    assert rest == [{k: v for k, v in row.items() if k != "changed_at"} for row in records]
    own.give_back(again)


def test_what_a_test_left_alone_is_not_made_anew(own: Databases) -> None:
    tables = "SELECT name, uuid FROM system.tables WHERE database = currentDatabase()"
    store = own.take()
    before = store.sql_rows(tables)
    store.execute("INSERT INTO touches (project) VALUES ('x')")
    own.give_back(store)
    again = own.take()
    assert again.sql_rows(tables) == before  # or each test would pay for tables
    own.give_back(again)
