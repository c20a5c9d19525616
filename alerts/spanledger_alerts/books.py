"""Rules and channels as they are now: files are read again when they change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from spanledger_alerts.channels import load_channels
from spanledger_alerts.errors import AlertsError
from spanledger_alerts.notification import ConfiguredChannel
from spanledger_alerts.rule_files import built_in, merged, of_folder, of_texts
from spanledger_alerts.rules import Rule
from spanledger_alerts.settings import AlertSettings
from spanledger_storage.alert_state import AlertState

log = logging.getLogger(__name__)

_T = TypeVar("_T")
Stamp = tuple[object, ...]


class Book(Generic[_T]):
    """What was read last without a mistake.

    Args:
        name: for the log.
        stamp: returns what changes when the source does.
        read: reads the source, or raises AlertsError.
        otherwise: what holds while it was never read without a mistake.
    """

    def __init__(
        self, name: str, stamp: Callable[[], Stamp], read: Callable[[], _T], otherwise: _T
    ) -> None:
        self._name = name
        self._stamp = stamp
        self._read = read
        self._found = otherwise
        self._seen: Stamp | None = None
        self.problem = ""

    def __call__(self) -> _T:
        """Return what holds now; a mistake is logged once, and what held before goes on."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._found = self._read()
            except AlertsError as error:
                self.problem = str(error)
                log.error("%s are as before: %s", self._name, self.problem)
            else:
                self.problem = ""
        return self._found


def rule_book(settings: AlertSettings, state: AlertState) -> Book[list[Rule]]:
    """Return the rules: built-in ones, then those of the folder, then those of the dashboard."""
    folder = None if settings.folder is None else settings.folder / "rules"

    def stamp() -> Stamp:
        return (_stamps(folder), tuple(state.rule_texts().items()))

    def read() -> list[Rule]:
        of_files = of_folder(folder) if folder is not None else []
        return merged(built_in(), of_files, of_texts(state.rule_texts()))

    return Book("alert rules", stamp, read, built_in())


def channel_book(settings: AlertSettings) -> Book[Mapping[str, ConfiguredChannel]]:
    """Return the channels of the folder's file."""
    file = settings.channels_file
    none: Mapping[str, ConfiguredChannel] = {}

    def read() -> Mapping[str, ConfiguredChannel]:
        return load_channels(file) if file is not None else none

    return Book("alert channels", lambda: (_stamp(file),), read, none)


def _stamps(folder: Path | None) -> Stamp:
    if folder is None or not folder.is_dir():
        return ()
    return tuple((path.name, _stamp(path)) for path in sorted(folder.iterdir()))


def _stamp(file: Path | None) -> Stamp:
    try:
        found = file.stat() if file is not None else None
    except OSError:
        found = None
    return () if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
