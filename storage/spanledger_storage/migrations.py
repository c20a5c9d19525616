"""Brings the store's schema up to date: numbered ``.sql`` files, each run once, in order."""

from __future__ import annotations

import hashlib
import re
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from itertools import zip_longest

from spanledger_storage.errors import MigrationError, StoreError
from spanledger_storage.store import Store, StoreSettings

_DIRECTORY = files("spanledger_storage") / "sql" / "migrations"
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_STATUS_TABLE = """
CREATE TABLE IF NOT EXISTS migrations
(
    number UInt32,
    name String,
    checksum String COMMENT 'SHA-256 of the file',
    status LowCardinality(String) COMMENT 'started done',
    changed_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(changed_at)
ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: ``NNNN_verb_noun.sql`` with one statement, never edited after release."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def all_migrations() -> list[Migration]:
    """Return every migration of the package, in order.

    Raises:
        MigrationError: a file name has another form, or a number is missing or used twice.
    """
    found: list[Migration] = []
    for entry in sorted(_DIRECTORY.iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".sql"):
            continue
        match = _NAME.match(entry.name)
        if match is None:
            raise MigrationError(f"{entry.name}: a migration is named NNNN_verb_noun.sql.")
        sql = entry.read_text(encoding="utf-8")
        found.append(Migration(int(match[1]), entry.name[:-4], sql))
    numbers = [m.number for m in found]
    if numbers != list(range(1, len(found) + 1)):
        raise MigrationError(f"Migration numbers must run from 1 without gaps; found {numbers}.")
    return found


def create_database(settings: StoreSettings) -> None:
    """Create the database of ``settings`` when it is missing.

    Raises:
        StoreError: the server does not answer or refuses.
    """
    with closing(Store.connect(settings.with_database("default"))) as server:
        name = settings.database.replace("`", "``")
        server.execute(f"CREATE DATABASE IF NOT EXISTS `{name}`")


def pending(store: Store) -> list[Migration]:
    """Return the migrations that did not run yet, in order; reads only.

    Raises:
        MigrationError: one that ran was edited since, or is unknown to this version.
    """
    known = all_migrations()
    done = _recorded(store)
    by_number = {m.number: m for m in known}
    for number, (name, checksum, status) in done.items():
        migration = by_number.get(number)
        if migration is None:
            raise MigrationError(
                f"The store has migration {name}, which this version does not know: "
                "it was written by a newer Spanledger. Upgrade this installation."
            )
        if status == "done" and migration.checksum != checksum:
            raise MigrationError(
                f"The store was made with another text of migration {name} than this version has: "
                "by one from before its release. Use the version that made it, or another data "
                "directory or database."
            )
    return [m for m in known if done.get(m.number, ("", "", ""))[2] != "done"]


def migrate(store: Store) -> list[Migration]:
    """Run what is pending and return it. Running twice changes nothing.

    A migration that was interrupted runs again: each is one statement, and a ``CREATE`` whose
    object is already there counts as done.

    Raises:
        MigrationError: see :func:`pending`, or a statement failed; the message says which.
    """
    store.execute(_STATUS_TABLE)
    todo = pending(store)
    interrupted = {
        number for number, (_, _, status) in _recorded(store).items() if status != "done"
    }
    if todo:
        _record(store, (todo[0], "started"))
    for migration, following in zip_longest(todo, todo[1:]):
        try:
            store.execute(migration.sql)
        except StoreError as error:
            if not (migration.number in interrupted and error.code == _TABLE_ALREADY_EXISTS):
                raise MigrationError(f"Migration {migration.name} failed: {error}") from error
        # With one insert: on a new store the notes would take as long as what they are about.
        _record(store, (migration, "done"), *([(following, "started")] if following else []))
    return todo


_TABLE_ALREADY_EXISTS = 57
_UNKNOWN_TABLE = 60


def _recorded(store: Store) -> dict[int, tuple[str, str, str]]:
    """Return number → (name, checksum, status); empty on a store that was never migrated."""
    try:
        rows = store.sql_rows("SELECT number, name, checksum, status FROM migrations FINAL")
    except StoreError as error:
        if error.code == _UNKNOWN_TABLE:
            return {}
        raise
    return {
        int(str(r["number"])): (str(r["name"]), str(r["checksum"]), str(r["status"])) for r in rows
    }


def _record(store: Store, *said: tuple[Migration, str]) -> None:
    rows = ", ".join(
        f"({migration.number}, '{migration.name}', '{migration.checksum}', '{status}', now64(3))"
        for migration, status in said
    )
    store.execute(f"INSERT INTO migrations VALUES {rows}")
