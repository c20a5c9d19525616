"""What the commands on prices work with: the state database, the store, the clock, the user."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from spanledger_analytics.price_book.input import NS_PER_S, parse_time
from spanledger_server.errors import UsageError
from spanledger_server.run_file import running_instance
from spanledger_server.state_database import state_reader_of, state_writer_of
from spanledger_server.stores import reader_of
from spanledger_storage.price_state import PriceState, StateEngine
from spanledger_storage.store import Store, StoreSettings


def open_reader(data: Path, state_url: str) -> StateEngine:
    """Return the state database to read from; an empty one where no instance has run yet."""
    return state_reader_of(data, state_url)


def open_writer(data: Path, state_url: str) -> PriceState:
    """Return the price tables to change; raises UsageError where no instance has run yet."""
    return PriceState(state_writer_of(data, state_url))


@contextmanager
def open_store(data: Path, store_url: str) -> Generator[Store]:
    """Open the store of a running instance or of an address, to read.

    Raises:
        UsageError: neither is there.
    """
    data = data.expanduser()
    url = os.environ.get("SPANLEDGER_READ_STORE_URL") or store_url
    settings = StoreSettings.from_url(url) if url else reader_of(running_instance(data), data)
    with closing(Store.connect(settings)) as store:
        yield store


@contextmanager
def store_if_any(data: Path, store_url: str) -> Generator[Store | None]:
    """Open the store like :func:`open_store`; None, and a word about it, where there is none."""
    with ExitStack() as stack:
        try:
            store = stack.enter_context(open_store(data, store_url))
        except UsageError as error:
            print(f"The ledger was not looked at: {error}", file=sys.stderr)
            store = None
        yield store


def now_ns() -> int:
    """Return the clock in whole seconds, as UTC nanoseconds: what people can read and repeat."""
    return time.time_ns() // NS_PER_S * NS_PER_S


def moment(text: str, option: str) -> int:
    """Return the moment an option gives, the present where it is empty."""
    return parse_time(text, option) if text else now_ns()


def user(by: str) -> str:
    """Return who makes a change: as given, else the user of the operating system."""
    if by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return f"uid {os.getuid()}"
