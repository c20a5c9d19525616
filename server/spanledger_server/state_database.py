"""Where the state database of an instance is, for the commands beside it."""

from __future__ import annotations

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


def _state_file(data: Path) -> Path:
    return data.expanduser().absolute() / "state.db"
