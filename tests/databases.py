"""Migrated databases for tests, handed out empty and used again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spanledger_storage.errors import StoreError
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store, StoreSettings

_FOUND = """
SELECT
    name,
    toUnixTimestamp(metadata_modification_time) AS changed_s,
    toUnixTimestamp(now()) AS seen_s,
    name IN (SELECT table FROM system.mutations WHERE database = currentDatabase())
        OR name IN (SELECT table FROM system.detached_parts WHERE database = currentDatabase())
        OR name IN (
            SELECT table FROM system.parts
            WHERE database = currentDatabase() AND table = 'migrations' AND max_block_number > 1
        )
        AS is_altered,
    name IN (SELECT table FROM system.parts WHERE database = currentDatabase()) AS has_parts
FROM system.tables WHERE database = currentDatabase()
"""
_DEFINITIONS = """
SELECT name, replaceAll(create_table_query, database || '.', '') AS definition
FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}
"""  # takes the engine longer than all of the above: asked of what may be another
_RECORDS = "SELECT number, name, checksum, status FROM migrations FINAL ORDER BY number"
_numbers = itertools.count(1)


class _Found(NamedTuple):
    name: str
    changed_s: int  # when it was defined, in whole seconds
    seen_s: int
    is_altered: bool  # beyond its rows; of the migrations, more was inserted than the first part
    has_parts: bool  # old ones too


class Databases:
    """The databases of one engine.

    The first is migrated as a real one is; the others are made from the statements that it ended
    with, which takes a third of the time.
    """

    def __init__(self, server: StoreSettings) -> None:
        self._server = server
        self._idle: list[Store] = []
        self._known_s: dict[str, int] = {}  # of each database: what was defined later is another
        self._definitions: dict[str, str] = {}  # name → CREATE, in an order that works
        self._records = ""

    def take(self) -> Store:
        """Return a connection to an empty, migrated database that nobody else uses."""
        if self._idle:
            return self._idle.pop()
        settings = self._server.with_database(f"test_{next(_numbers)}")
        create_database(settings)
        store = Store.connect(settings)
        if self._definitions:
            self._make(store, list(self._definitions))
        else:
            migrate(store)
            self._remember(store)
        return store

    def give_back(self, store: Store) -> None:
        """Make a database as it was: what a test altered beyond its rows is made anew.

        The connection goes with it, open: opening one takes a third of what a test costs.
        """
        found = {one.name: one for one in _found(store)}
        for name in [one.name for one in found.values() if one.is_altered]:
            _drop(store, found, name)
        since_s = self._known_s[store.settings.database]
        redefined = [name for name, one in found.items() if one.changed_s >= since_s]
        for name, definition in _definitions(store, redefined).items():
            if definition != self._definitions.get(name):
                _drop(store, found, name)
        for name, one in found.items():
            if one.has_parts and name != "migrations":
                store.execute(f"TRUNCATE TABLE `{name}` SYNC")
        if missing := [name for name in self._definitions if name not in found]:
            self._make(store, missing)
        else:  # what was made in the second of _make need not be looked at each time
            self._known_s[store.settings.database] = next(iter(found.values())).seen_s
        self._idle.append(store)

    def close(self) -> None:
        """Close the connections to what nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _remember(self, store: Store) -> None:
        """Keep what a migrated database has; its records become one part, as in the others."""
        found = _definitions(store, [one.name for one in _found(store)])
        self._definitions = dict(
            sorted(found.items(), key=lambda one: one[1].startswith("CREATE VIEW"))
        )
        rows = store.sql_rows(_RECORDS)
        records = ", ".join(
            f"({row['number']}, '{row['name']}', '{row['checksum']}', '{row['status']}', now64(3))"
            for row in rows
        )
        self._records = f"INSERT INTO migrations VALUES {records}"
        store.execute("DROP TABLE migrations SYNC")
        self._make(store, ["migrations"])

    def _make(self, store: Store, names: Sequence[str]) -> None:
        made = _in_any_order(lambda name: store.execute(self._definitions[name]), names)
        if len(made) == len(self._definitions):  # views of views: the next time in one go
            self._definitions = {name: self._definitions[name] for name in made}
        if "migrations" in made:
            store.execute(self._records)
        self._known_s[store.settings.database] = int(time.time())


def _found(store: Store) -> list[_Found]:
    return [
        _Found(
            str(row["name"]),
            int(str(row["changed_s"])),
            int(str(row["seen_s"])),
            bool(row["is_altered"]),
            bool(row["has_parts"]),
        )
        for row in store.sql_rows(_FOUND)
    ]


def _definitions(store: Store, names: Sequence[str]) -> dict[str, str]:
    if not names:
        return {}
    rows = store.sql_rows(_DEFINITIONS, {"names": list(names)})
    return {str(row["name"]): str(row["definition"]) for row in rows}


def _drop(store: Store, found: dict[str, _Found], name: str) -> None:
    store.execute(f"DROP TABLE `{name}` SYNC")
    del found[name]


def _in_any_order(make: Callable[[str], None], names: Sequence[str]) -> list[str]:
    """Make things that may need each other; return the order in which it worked."""
    made: list[str] = []
    waiting = list(names)
    while waiting:
        failed: list[str] = []
        for name in waiting:
            try:
                make(name)
            except StoreError:
                if len(failed) + 1 == len(waiting):  # none of them could be made
                    raise
                failed.append(name)
            else:
                made.append(name)
        waiting = failed
    return made
