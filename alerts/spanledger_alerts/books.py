"""Rules and channels as they are now: files are read again when they change.

A mistake changes nothing of what was read before: of rules, nothing at all while there is one; of
channels, nothing of those that have one. At the first reading, nothing was: then all that has no
mistake holds, and the engine decides nothing about the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from spanledger_alerts.channels import read_channel, written_channels
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
        read: returns what holds now, and all mistakes; it is given what held before, if anything
            did.

    Attributes:
        problem: the mistakes that there are now; empty: none.
    """

    def __init__(
        self,
        name: str,
        stamp: Callable[[], Stamp],
        read: Callable[[_T | None], tuple[_T, list[str]]],
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
            found, mistakes = self._read(self._found)
            problem = "\n".join(mistakes)
            if problem and problem != self.problem:
                how = "left out" if self._found is None else "as before"
                log.error("%s with a mistake are %s: %s", self._name, how, problem)
            self._found, self.problem = found, problem
        return self._found


def rule_book(settings: AlertSettings, state: AlertState) -> Book[list[Rule]]:
    """Return the rules: built-in ones, then those of the folder, then those of the dashboard."""
    folder = None if settings.folder is None else settings.folder / "rules"

    def stamp() -> Stamp:
        return (_stamps(folder), tuple(state.rule_texts().items()))

    def read(before: list[Rule] | None) -> tuple[list[Rule], list[str]]:
        of_files, wrong = of_folder(folder) if folder is not None else ([], [])
        of_dashboard, wrong_there = of_texts(state.rule_texts())
        mistakes = [*wrong, *wrong_there]
        if mistakes and before is not None:
            return before, mistakes
        return merged(built_in(), of_files, of_dashboard), mistakes

    return Book("alert rules", stamp, read)


@dataclass(frozen=True, slots=True)
class Channels:
    """The channels of a file.

    Attributes:
        ready: those that can be used, by name.
        unread: names of those that have had a mistake from the start on; None: the file has one
            itself, so that nobody knows a name.
    """

    ready: Mapping[str, ConfiguredChannel]
    unread: frozenset[str] | None = frozenset()

    @property
    def names(self) -> list[str]:
        """Names of all, sorted."""
        return sorted(self.ready.keys() | (self.unread or ()))


def channel_book(settings: AlertSettings) -> Book[Channels]:
    """Return the channels of the folder's file."""
    source = _ChannelFile(settings.channels_file)
    return Book("alert channels", source.stamp, source.read)


class _ChannelFile:
    """A file of channels, and the files of secrets that were missing when it was read."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._missed: list[Path] = []

    def stamp(self) -> Stamp:
        return (_stamp(self._file), *map(_stamp, self._missed))

    def read(self, before: Channels | None) -> tuple[Channels, list[str]]:
        """Return the channels: each that has a mistake as it was before, where it was."""
        try:
            written = written_channels(self._file) if self._file is not None else {}
        except ChannelConfigError as error:
            return before or Channels({}, None), [str(error)]
        ready: dict[str, ConfiguredChannel] = {}
        mistakes: list[str] = []
        self._missed = []
        for name, raw in written.items():
            try:
                ready[name] = read_channel(name, raw)
            except ChannelConfigError as error:
                mistakes.append(str(error))
                self._missed += _secret_files(raw)
                if before is not None and name in before.ready:
                    ready[name] = before.ready[name]
        return Channels(ready, frozenset(written.keys() - ready.keys())), mistakes


def _secret_files(raw: Mapping[str, object]) -> list[Path]:
    """Return the files that a channel refers to: once they are there, it may be read."""
    texts = [value for value in raw.values() if isinstance(value, str)]
    return [Path(text.removeprefix("file:")) for text in texts if text.startswith("file:")]


def _stamps(folder: Path | None) -> Stamp:
    if folder is None or not folder.is_dir():
        return ()
    return tuple((path.name, _stamp(path)) for path in sorted(folder.iterdir()))


def _stamp(file: Path | None) -> Stamp:
    try:
        found = file.stat() if file is not None else None
    except (OSError, ValueError):  # a path that no system takes is a ValueError
        found = None
    return () if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
