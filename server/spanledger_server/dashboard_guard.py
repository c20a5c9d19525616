"""Who may open the dashboard, where it is started: nothing is open by accident."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spanledger_dashboard.access.secret import secret_of
from spanledger_dashboard.access.settings import (
    AUTH,
    DATA,
    SECRET,
    AccessSettings,
    DashboardAuth,
)
from spanledger_dashboard.settings import SettingsError
from spanledger_server.errors import UsageError
from spanledger_server.guard import is_loopback, loopback_of, placed

if TYPE_CHECKING:
    from spanledger_collector.edge.tls import TlsFiles

_STATE = "SPANLEDGER_STATE_URL"


@dataclass(frozen=True, slots=True)
class DashboardGuard:
    """How the dashboard is guarded.

    Attributes:
        auth: how people sign in; none: only on loopback.
        data: directory of the instance; keeps the secret of the sessions, which of them were
            signed out, and the accounts where no state database is named.
        state_url: the state database, as it was given.
        tls: used where people sign in.
    """

    auth: DashboardAuth
    data: Path
    state_url: str = ""
    tls: TlsFiles | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody signs in."""
        return self.auth is DashboardAuth.NONE

    @property
    def is_tls(self) -> bool:
        """Whether it speaks TLS."""
        return self.tls is not None and not self.is_open

    def host_of(self, host: str) -> str:
        """Return where it listens when everything else listens on ``host``."""
        return loopback_of(host) if self.is_open else host

    def options(self) -> list[str]:
        """Return the options that give a child process the same guard."""
        options = [f"--auth={self.auth}", f"--data={self.data}"]
        if self.tls and self.is_tls:
            options += [f"--tls-cert={self.tls.cert}", f"--tls-key={self.tls.key}"]
        return options

    def tls_options(self) -> list[str]:
        """Return the options of the dashboard's own command."""
        if self.tls is None or not self.is_tls:
            return []
        return ["--tls-cert", str(self.tls.cert), "--tls-key", str(self.tls.key)]

    def check(self) -> None:
        """Return if everything that signing in needs is told, before anything starts.

        Raises:
            UsageError: something is missing or cannot be read.
        """
        given = {SECRET: "-" * 32, _STATE: "told to it later", **os.environ, AUTH: self.auth}
        try:
            AccessSettings.from_environment(given)
        except SettingsError as error:
            raise UsageError(str(error)) from None

    def prepare(self, host: str) -> None:
        """Set the environment of this process for the dashboard that will run in it.

        Raises:
            UsageError: it would be open to others, or something it needs is missing.
        """
        self._check_listening(host)
        os.environ[AUTH] = self.auth
        if self.state_url:
            os.environ[_STATE] = self.state_url
        try:
            if not self.is_open:
                self._find_state()
                data = self.data.expanduser().absolute()
                os.environ[DATA] = str(data)
                if not os.environ.get(SECRET):
                    os.environ[SECRET] = secret_of(data)
            AccessSettings.from_environment()
        except SettingsError as error:
            raise UsageError(str(error)) from None

    def _check_listening(self, host: str) -> None:
        """Refuse what the dashboard itself refuses, with the command for this instance."""
        if self.is_open and not is_loopback(host):
            add = placed("spanledger accounts add NAME --role admin", self.data, self.state_url)
            raise UsageError(
                f"Without sign-in the dashboard listens on loopback only, not on {host}. Make an "
                f"account with `{add}` and give --auth accounts (or --auth oidc), or listen on "
                "127.0.0.1."
            )

    def _find_state(self) -> None:
        from spanledger_storage.state import sqlite_url

        if os.environ.get(_STATE):
            return
        file = self.data.expanduser().absolute() / "state.db"
        if not file.exists():
            raise UsageError(
                f"The accounts are in the state database, and {file} does not exist: name the "
                "directory of the instance with --data, or the database with --state-url."
            )
        os.environ[_STATE] = sqlite_url(file)
