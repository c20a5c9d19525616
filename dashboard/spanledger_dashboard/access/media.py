"""Whose downloads are whose: a link to a file opens it for the account it was made for alone.

Streamlit serves files to everybody who knows their address. The memory they lie in is asked for
an id whenever a file is made, by a page or for a download that was clicked: that is where the
account is noted.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING

from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from spanledger_dashboard.access.people import Denied, later_viewer, viewer

if TYPE_CHECKING:
    from streamlit.runtime.media_file_storage import MediaFileKind

_MAX_KEPT = 50_000

connected: ContextVar[str] = ContextVar("connected", default="")
"""The account behind the connection whose messages are being handled."""


class Owners:
    """Which accounts a file was made for, and which account each of Streamlit's sessions is of."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def note_file(self, file_id: str, account: str) -> None:
        """Remember that a file was made for an account."""
        with self._lock:
            self._files[file_id] = self._files.pop(file_id, frozenset()) | {account}
            _shorten(self._files)

    def note_session(self, session_id: str, account: str) -> None:
        """Remember that pages of a session are shown to an account."""
        if self._sessions.get(session_id) != account:
            with self._lock:
                self._sessions[session_id] = account
                _shorten(self._sessions)

    def owns_file(self, account: str, file_id: str) -> bool:
        """Return whether a file was made for an account."""
        return account in self._files.get(file_id, frozenset())

    def may_resume(self, account: str, session_id: str) -> bool:
        """Return whether an account may go on with a session, if it is known whose it is."""
        return self._sessions.get(session_id, account) == account


def _shorten(kept: OrderedDict[str, frozenset[str]] | OrderedDict[str, str]) -> None:
    while len(kept) > _MAX_KEPT:
        kept.popitem(last=False)


def track(owners: Owners) -> None:
    """Note from now on whom every file of this process is made for."""
    make = MemoryMediaFileStorage.load_and_get_id

    def load_and_get_id(
        self: MemoryMediaFileStorage,
        path_or_data: str | bytes,
        mimetype: str,
        kind: MediaFileKind,
        filename: str | None = None,
    ) -> str:
        file_id = make(self, path_or_data, mimetype, kind, filename)
        owners.note_file(file_id, connected.get() or _of_the_page())
        return file_id

    MemoryMediaFileStorage.load_and_get_id = load_and_get_id  # type: ignore[method-assign]  # no hook


def check_later(project: str) -> Callable[[], None]:
    """Return a check for a file of a project that is made when the page no longer runs.

    It raises Denied unless the page's session still lasts, may still see the project, and is of the
    account that asks for the file.
    """
    look = later_viewer()

    def check() -> None:
        person = look()
        if (connected.get() or person.name) != person.name or not person.may_see(project):
            raise Denied(f"Project {project} is not open to you, or it does not exist.")

    return check


def _of_the_page() -> str:
    try:
        return viewer().name
    except Denied:
        return ""  # nobody's: nobody gets it
