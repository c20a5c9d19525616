"""Where the state database of an instance is, for the commands beside it."""

from __future__ import annotations

import sys
from pathlib import Path

from spanledger_server.errors import UsageError
from spanledger_storage.price_state import StateEngine
from spanledger_storage.state import migrate_state, open_state, open_state_reader, sqlite_url


def state_reader_of(data: Path, state_url: str) -> StateEngine:
    """Return the state database to read from; an empty one where no instance has run yet."""
    if state_url:
        return open_state_reader(state_url)
    file = _state_file(data)
    if file.exists():
        return open_state_reader(sqlite_url(file))
    empty = open_state("sqlite://")
    migrate_state(empty)
    return empty


def state_writer_of(data: Path, state_url: str) -> StateEngine:
    """Return the state database to change.

    Raises:
        UsageError: no instance has run on the directory; what is written in the wrong place would
            be missed without a word.
    """
    if not state_url and not _state_file(data).exists():
        raise UsageError(
            f"No instance has run on {data.expanduser()} yet: start `spanledger up` once, or name "
            "the directory with --data or the database with --state-url."
        )
    return open_state(state_url or sqlite_url(_state_file(data)))


def state_maker_of(data: Path, state_url: str) -> StateEngine:
    """Return the state database to change, made and said so where no instance has run yet.

    For what is set up before the first start: projects, keys and accounts.

    Raises:
        UsageError: the directory cannot be written.
    """
    from spanledger_server.run_file import RunFile  # slow to load

    file = _state_file(data)
    if not state_url and not file.exists():
        directory = RunFile(file.parent)
        directory.acquire()  # an instance that starts just now makes it, too
        try:
            migrate_state(open_state(sqlite_url(file)))
        finally:
            directory.release()
        print(f"No instance has run on {file.parent} yet: made its state.db.", file=sys.stderr)
    return state_writer_of(data, state_url)


def _state_file(data: Path) -> Path:
    return data.expanduser().absolute() / "state.db"
