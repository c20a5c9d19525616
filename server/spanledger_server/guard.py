"""Who may talk to what listens: keys, TLS, and the rule that nothing is open by accident."""

from __future__ import annotations

import ipaddress
import os
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from spanledger_server.errors import UsageError

if TYPE_CHECKING:
    from spanledger_collector.access.keys import KeyRing
    from spanledger_collector.access.senders import Access
    from spanledger_collector.edge.tls import TlsFiles
    from spanledger_storage.price_state import StateEngine
    from spanledger_storage.project_settings import Project

INGEST_KEY = "SPANLEDGER_INGEST_KEY"
"""A key for containers: scope ingest, not in the state database, never an option."""
MAKE_KEY = "spanledger keys create --project default --scope ingest"


class Auth(StrEnum):
    """Whether requests need a key."""

    NONE = "none"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Guard:
    """How a role that listens is guarded.

    Attributes:
        auth: whether requests need a key.
        data: directory of the instance; its ``state.db`` holds the keys without ``state_url``.
        state_url: the state database, as it was given.
        tls: None: plain text.
    """

    auth: Auth
    data: Path
    state_url: str = ""
    tls: TlsFiles | None = None

    def options(self) -> list[str]:
        """Return the options that give a child process the same guard."""
        options = [f"--auth={self.auth}"]
        if self.tls:
            options += [f"--tls-cert={self.tls.cert}", f"--tls-key={self.tls.key}"]
        if self.tls and self.tls.client_ca:
            options.append(f"--tls-client-ca={self.tls.client_ca}")
        return options

    @property
    def make_key(self) -> str:
        """The command that makes a key for this role's senders."""
        return placed(MAKE_KEY, self.data, self.state_url)

    @classmethod
    def of(
        cls,
        host: str,
        auth: Auth | None,
        data: Path,
        state_url: str,
        tls: TlsFiles | None = None,
    ) -> Guard:
        """Return the guard for an address; ``auth`` None: open on loopback, else keys.

        Raises:
            UsageError: open, and not on loopback.
        """
        chosen = auth or (Auth.NONE if is_loopback(host) else Auth.KEYS)
        guard = cls(chosen, data, state_url, tls)
        if chosen is Auth.NONE and not is_loopback(host):
            raise UsageError(
                f"Without keys only loopback is listened on, not {host}. Make a key with "
                f"`{guard.make_key}` and leave --auth none out, or listen on 127.0.0.1."
            )
        return guard

    def key_ring(self, project: Project | None = None) -> KeyRing:
        """Return the keys, loaded; ``project`` is that of the key in the environment.

        Raises:
            StateError: the state database does not answer, and is needed: requests need a key, or
                it is there, so that it may hold settings of privacy that must not be missed.
        """
        from spanledger_collector.access.keys import KeyRing
        from spanledger_storage.projects import Keys, Projects
        from spanledger_storage.state import open_state_reader, sqlite_url

        file = self._state_file
        engine = open_state_reader(self.state_url or sqlite_url(file))
        ring = KeyRing(
            Projects(engine),
            Keys(engine),
            static_key=_ingest_key() if project else "",
            static_project=project,
        )
        if self.auth is Auth.KEYS or self.state_url or file.exists():
            ring.load()
        else:
            ring.refresh()
        return ring

    def state_writer(self) -> StateEngine | None:
        """Return the state database, to write; None: it is not given, and no instance has run."""
        from spanledger_storage.state import open_state_writer, sqlite_url

        if not (self.state_url or self._state_file.exists()):
            return None
        return open_state_writer(self.state_url or sqlite_url(self._state_file))

    @property
    def _state_file(self) -> Path:
        return self.data.expanduser().absolute() / "state.db"

    def collector_access(self, ring: KeyRing, project: Project) -> Access:
        """Return what decides about the requests of a collector; ``project``: without a key."""
        from spanledger_collector.access.senders import KeyAccess, OpenAccess

        return KeyAccess(ring) if self.auth is Auth.KEYS else OpenAccess(project, ring)

    def demand_ingest_key(self, ring: KeyRing) -> None:
        """Return if there is a key to send with, or none is needed.

        Raises:
            UsageError: nobody could send anything; the message says how to make a key.
        """
        if self.auth is Auth.KEYS and not ring.can_ingest():
            raise UsageError(
                "Requests need a key, and there is none with the scope ingest: make one with "
                f"`{self.make_key}`, or set {INGEST_KEY}. Without keys only loopback is listened "
                "on."
            )


def placed(command: str, data: Path, state_url: str) -> str:
    """Return a command with the option without which it would not find this instance."""
    if state_url:
        is_known = state_url == os.environ.get("SPANLEDGER_STATE_URL")
        return command if is_known else f"{command} --state-url URL"  # it may hold a password
    known = Path(os.environ.get("SPANLEDGER_DATA", "~/.spanledger")).expanduser()
    data = data.expanduser()
    return command if data == known else f"{command} --data {shlex.quote(str(data))}"


def sender_headers() -> dict[str, str]:
    """Return the header with the key of the environment, for our own commands that send."""
    key = _ingest_key()
    return {"x-api-key": key} if key else {}


def _ingest_key() -> str:
    return os.environ.get(INGEST_KEY, "").strip()  # files of secrets end in a line break


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name: nobody knows what it will stand for


def loopback_of(host: str) -> str:
    """Return the address itself if it is of loopback, else one that is."""
    return host if is_loopback(host) else "127.0.0.1"


def tls_files(cert: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """Return the files of TLS, checked; None when none is given.

    Raises:
        UsageError: one is given without the others that it needs.
        TlsError: one cannot be used.
    """
    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise UsageError("TLS needs both --tls-cert FILE and --tls-key FILE.")
    from spanledger_collector.edge.tls import TlsFiles

    files = TlsFiles(cert.expanduser(), key.expanduser(), client_ca and client_ca.expanduser())
    files.check()
    return files
