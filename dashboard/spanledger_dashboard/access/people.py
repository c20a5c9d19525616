"""Who looks at a page, and what they may see there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spanledger_storage.account_roles import Role


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whoever the running page is for.

    Attributes:
        name: of the account; what people save carries it.
        projects: None: every project.
        is_signed_in: False in open mode, where nobody signs in.
    """

    name: str
    role: Role
    projects: frozenset[str] | None
    is_signed_in: bool = True

    @property
    def sees_everything(self) -> bool:
        """Whether every project is open to them; what is about all projects asks this."""
        return self.projects is None

    @property
    def may_save(self) -> bool:
        """Whether they may save views and golden trajectories."""
        return self.role.includes(Role.EDITOR)

    def may_see(self, project: str) -> bool:
        """Return whether a project is open to them."""
        return self.projects is None or project in self.projects


class Denied(Exception):
    """Somebody asked for what is not open to them; the message says so without telling more."""


class SignedOut(Denied):
    """The session of the page has ended: signed out, expired, or its account changed."""


ANYBODY = Viewer("local", Role.ADMIN, None, is_signed_in=False)
"""In open mode: whoever reaches the machine."""


def viewer() -> Viewer:
    """Return who the running page is for, as the accounts are now.

    Asked anew in every run of a page and of its fragments: a session that ended shows nothing more.

    Raises:
        SignedOut: the session has ended.
        SettingsError: it is not told how people sign in.
    """
    return later_viewer()()


def later_viewer() -> Callable[[], Viewer]:
    """Return what :func:`viewer` is for this page, to be asked also when none is running.

    What it gives raises the same.

    Raises:
        SettingsError: it is not told how people sign in.
    """
    # Imported here: the command line reads this package's settings and needs none of these.
    import streamlit as st

    from spanledger_dashboard.access.doorkeeper import COOKIE, doorkeeper
    from spanledger_dashboard.access.settings import AccessSettings

    settings = AccessSettings.from_environment()
    if settings.is_open:
        return lambda: ANYBODY
    keeper, session_id = doorkeeper(settings), _session_id()
    cookie = st.context.cookies.get(COOKIE)

    def look() -> Viewer:
        found = keeper.viewer_of(cookie)
        if found is None:
            raise SignedOut("Your session has ended.")
        keeper.owners.note_session(session_id, found.name)
        return found

    return look


def _session_id() -> str:
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    running = get_script_run_ctx(suppress_warning=True)
    return running.session_id if running else ""
