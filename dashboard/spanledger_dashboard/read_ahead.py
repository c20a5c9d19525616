"""Reads begun together: the store answers several at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from spanledger_dashboard.settings import SettingsError
from spanledger_storage.errors import ConfigError, StateError, StoreError

_AT_ONCE = 4
_pool = ThreadPoolExecutor(_AT_ONCE, "read-ahead")
# Of its own: a trace does not wait for what pages read ahead.
_together = ThreadPoolExecutor(_AT_ONCE, "read-together")

T = TypeVar("T")


def read_ahead(*reads: Callable[[], object]) -> None:
    """Begin calls of cached functions without a spinner; returns at once.

    Where the page asks for the same, it waits for the read that runs already. What fails is read
    again by the page, which says why.
    """
    for read in reads:
        _pool.submit(_read, read)


def begin(read: Callable[[], T]) -> Future[T]:
    """Begin a read that needs no page around it; its result or error comes when asked for."""
    return _together.submit(read)


def _read(read: Callable[[], object]) -> None:
    with contextlib.suppress(ConfigError, SettingsError, StateError, StoreError):
        read()
