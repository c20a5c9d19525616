"""Reading and writing the state database; what it refuses is said with what to do."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from spanledger_storage.errors import StateError

# Threads of one process queue here in order, instead of asking SQLite again and again.
_turn = threading.Lock()


@contextmanager
def explained(what: str) -> Generator[None]:
    """Raise StateError, with what to do, for whatever the database says about ``what``."""
    try:
        yield
    except SQLAlchemyError as error:
        raise StateError(
            f"{what} of the state database cannot be used: {_reason(error)} Is it of an older "
            "version (run `spanledger migrate`), or read-only?"
        ) from error


def _reason(error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    said = f"{type(error).__name__}: {' '.join(str(cause).split())}."
    # https://www.postgresql.org/docs/current/errcodes-appendix.html: insufficient_privilege
    if getattr(cause, "sqlstate", "") == "42501":
        said += (
            " Its role lacks the right: as the owner of the tables, GRANT SELECT ON ALL TABLES "
            "IN SCHEMA public TO this role; see docs/operations.md."
        )
    return said


@contextmanager
def reading(engine: sa.Engine, what: str) -> Generator[sa.Connection]:
    """Open a connection to read ``what`` with.

    Raises:
        StateError: the database does not answer, or lacks the tables.
    """
    with explained(what), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine, what: str) -> Generator[sa.Connection]:
    """Open one change of ``what``; it is stored as a whole when the block ends, or not at all.

    Raises:
        StateError: the database does not answer, or lacks the tables.
    """
    is_sqlite = engine.dialect.name == "sqlite"
    if is_sqlite:
        _turn.acquire()
    try:
        with explained(what), engine.connect() as connection:
            if is_sqlite:
                # Before anything is read: what is read then stays true until it is written.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()
    finally:
        if is_sqlite:
            _turn.release()
