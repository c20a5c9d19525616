"""Rules and channels as they are now: files are read again when they change.

A mistake changes nothing of what was read before. At the first reading, nothing was: then all
that has no mistake holds, and the engine decides nothing about the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from spanledger_alerts.channels import load_channels
from spanledger_alerts.errors import ChannelConfigError
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
        read: returns what has no mistake, and all mistakes.

    Attributes:
        problem: the mistakes that there are now; empty: none.
    """

    def __init__(
        self, name: str, stamp: Callable[[], Stamp], read: Callable[[], tuple[_T, list[str]]]
    ) -> None:
        self._name = name
        self._stamp = stamp
        self._read = read
        self._found: _T | None = None
        self._seen: Stamp | None = None
        self.problem = ""

    def __call__(self) -> _T:
        """Return what holds now; a mistake is logged once, and what held before goes on."""
        stamp = self._stamp()
        if self._found is None or stamp != self._seen:
            self._seen = stamp
            found, mistakes = self._read()
            self.problem = "\n".join(mistakes)
            if self._found is None:
                self._found = found
                self._complain("%s with a mistake are left out: %s")
            elif mistakes:
                self._complain("%s are as before: %s")
            else:
                self._found = found
        return self._found

    def _complain(self, text: str) -> None:
        if self.problem:
            log.error(text, self._name, self.problem)


def rule_book(settings: AlertSettings, state: AlertState) -> Book[list[Rule]]:
    """Return the rules: built-in ones, then those of the folder, then those of the dashboard."""
    folder = None if settings.folder is None else settings.folder / "rules"

    def stamp() -> Stamp:
        return (_stamps(folder), tuple(state.rule_texts().items()))

    def read() -> tuple[list[Rule], list[str]]:
        of_files, wrong = of_folder(folder) if folder is not None else ([], [])
        of_dashboard, wrong_there = of_texts(state.rule_texts())
        return merged(built_in(), of_files, of_dashboard), [*wrong, *wrong_there]

    return Book("alert rules", stamp, read)


def channel_book(settings: AlertSettings) -> Book[Mapping[str, ConfiguredChannel]]:
    """Return the channels of the folder's file."""
    file = settings.channels_file
    none: Mapping[str, ConfiguredChannel] = {}

    def read() -> tuple[Mapping[str, ConfiguredChannel], list[str]]:
        try:
            return (load_channels(file) if file is not None else none), []
        except ChannelConfigError as error:
            return none, [str(error)]

    return Book("alert channels", lambda: (_stamp(file),), read)


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
