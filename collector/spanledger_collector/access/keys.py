"""The keys and project settings in memory: no request waits for the state database."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from spanledger_collector.access.credentials import presented_keys
from spanledger_collector.errors import CollectorError, PermissionDenied, Unauthenticated
from spanledger_storage.api_keys import ApiKey, Scope, digest, matches, scopes_text
from spanledger_storage.errors import StateError
from spanledger_storage.project_settings import Project
from spanledger_storage.projects import KeyRow, Keys, Projects

log = logging.getLogger(__name__)

REFRESH_S = 2.0
MIN_STATIC_KEY = 24
"""Characters of a key that comes from the environment instead of the state database."""
_NOBODYS = "0" * 64  # compared with when an id is unknown, so that it takes as long

_NO_KEY = (
    "A key is needed: send it as `Authorization: Bearer KEY`, as the password of Basic "
    "authentication, or as `x-api-key: KEY`. `spanledger keys create` makes one."
)


class WeakKey(CollectorError):
    """A key from the environment that is too short to be one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a request may do, by the key it came with.

    Attributes:
        project: whose data it is.
        scopes: what the key may do.
        key_id: public id of the key; ``environment`` for the one that is given there.
    """

    project: Project
    scopes: frozenset[Scope]
    key_id: str

    def require(self, *scopes: Scope) -> Project:
        """Return the project.

        Raises:
            PermissionDenied: the key has none of the scopes.
        """
        if self.scopes.isdisjoint(scopes):
            raise PermissionDenied(
                f"Key {self.key_id} has the scope {scopes_text(self.scopes) or 'none'}, and this "
                f"needs {' or '.join(scopes)}: make another with `spanledger keys create "
                f"--project {self.project.name} --scope {scopes[0]}`."
            )
        return self.project


@dataclass(frozen=True, slots=True)
class _Copy:
    """Everything as it was at one revision; replaced as a whole."""

    revision: int | None = None
    projects: Mapping[str, Project] = field(default_factory=dict[str, Project])
    keys: Mapping[str, KeyRow] = field(default_factory=dict[str, KeyRow])


class KeyRing:
    """An in-memory copy of projects and keys, which one thread keeps up to date.

    While the state database is away the last copy stays in use. A change is known to every process
    after ``refresh_s`` at the latest.
    """

    def __init__(
        self,
        projects: Projects,
        keys: Keys,
        *,
        static_key: str = "",
        static_project: Project | None = None,
        refresh_s: float = REFRESH_S,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Args beyond the repositories.

        Args:
            projects: to read from.
            keys: to read from.
            static_key: a key that may send for ``static_project``; empty: none.
            static_project: used while the state database knows no project of its name.
            refresh_s: seconds between two looks.
            now_ns: UTC clock.

        Raises:
            WeakKey: ``static_key`` is too short.
        """
        if static_key and len(static_key) < MIN_STATIC_KEY:
            raise WeakKey(
                f"SPANLEDGER_INGEST_KEY must have at least {MIN_STATIC_KEY} characters; a good "
                "one: openssl rand -hex 24."
            )
        self._projects = projects
        self._keys = keys
        self._static = digest(static_key) if static_key else ""
        self._static_project = static_project or Project("default")
        self._refresh_s = refresh_s
        self._now_ns = now_ns
        self._copy = _Copy()
        self._is_behind = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="keys", daemon=True)

    def load(self) -> None:
        """Read everything if anything changed.

        Raises:
            StateError: the state database does not answer; the copy stays as it was.
        """
        # Before the rows: a change in between is then found at the next look.
        revision = self._projects.revision()
        if revision == self._copy.revision:
            return
        keys = {row.id: row for row in self._keys.all()}
        # After the keys: so every key's project is among them.
        projects = {row.project.name: row.project for row in self._projects.all()}
        self._copy = _Copy(revision, projects, keys)

    def start(self) -> None:
        """Begin to follow the state database."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the copy stays."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(1)  # it may be waiting for a database that is away

    def refresh(self) -> None:
        """Load, and say once that it failed and once that it works again."""
        try:
            self.load()
        except StateError as error:
            self._fall_behind(str(error))
        except Exception as error:  # the thread must live on: else no key could be revoked any more
            self._fall_behind(f"{type(error).__name__} in the copy of the keys")
        else:
            if self._is_behind:
                log.info("keys and project settings are up to date again")
            self._is_behind = False

    def project(self, default: Project) -> Project:
        """Return the project of this name with its settings, or the one given."""
        return self._copy.projects.get(default.name, default)

    def can_ingest(self) -> bool:
        """Return whether there is any key to send with."""
        now_ns = self._now_ns()
        rows = self._copy.keys.values()
        return bool(self._static) or any(
            row.is_live(now_ns) and Scope.INGEST in row.scopes for row in rows
        )

    def authenticate(self, headers: Mapping[str, str]) -> Grant:
        """Return what the key in the headers grants.

        Raises:
            Unauthenticated: there is none, or none that holds.
        """
        reasons = list[str]()
        for text in presented_keys(headers):
            found = self._look_up(text)
            if isinstance(found, Grant):
                return found
            reasons.append(found)
        raise Unauthenticated(reasons[0] if reasons else _NO_KEY)

    def _look_up(self, text: str) -> Grant | str:
        """Return what a key grants, or why it grants nothing."""
        if self._static and matches(text, self._static):
            project = self.project(self._static_project)
            return Grant(project, frozenset({Scope.INGEST}), "environment")
        key, copy = ApiKey.parse(text), self._copy
        row = copy.keys.get(key.id) if key else None
        is_right = matches(key.secret if key else text, row.secret_sha256 if row else _NOBODYS)
        if row is None or not is_right:
            return "The key is not known here. `spanledger keys list` shows which there are."
        if row.revoked_at_ns is not None:
            return f"Key {row.id} was revoked; `spanledger keys create` makes another."
        if row.is_expired(self._now_ns()):
            day = datetime.fromtimestamp((row.expires_at_ns or 0) / 1e9, UTC).date()
            return f"Key {row.id} expired on {day}; `spanledger keys create` makes another."
        return Grant(copy.projects[row.project], row.scopes, row.id)

    def _fall_behind(self, reason: str) -> None:
        if not self._is_behind:
            log.warning("keys and project settings stay as last read: %s", reason)
        self._is_behind = True

    def _loop(self) -> None:
        while not self._stopping.wait(self._refresh_s):
            self.refresh()
