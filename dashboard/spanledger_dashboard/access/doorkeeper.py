"""Knows whose a session is: a signed cookie, held against the accounts as they are now.

The cookie carries the account's name and its stamp, never a role: what somebody may do is looked
up. A session ends when its time is over, when people sign out, and when the stamp no longer is the
account's: after a new password, and when the account is removed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import cast

from itsdangerous import BadSignature, URLSafeTimedSerializer

from spanledger_dashboard.access.attempts import Attempts
from spanledger_dashboard.access.media import Owners
from spanledger_dashboard.access.people import Viewer
from spanledger_dashboard.access.settings import AccessSettings, DashboardAuth, Grant
from spanledger_dashboard.access.signed_out import EndedSessions
from spanledger_storage.account_roles import Role
from spanledger_storage.accounts import Account, Accounts, account_name
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.passwords import matches
from spanledger_storage.state import open_state_reader

COOKIE = "spanledger_session"
_FRESH_S = 2.0

Clock = Callable[[], float]


class AccountBook:
    """A copy of the accounts, at most two seconds old while the state database answers."""

    def __init__(self, accounts: Accounts, clock: Clock = time.monotonic) -> None:
        self._accounts = accounts
        self._clock = clock
        self._known: dict[str, Account] = {}
        self._read_at: float | None = None
        self._reading = threading.Lock()

    @property
    def is_fresh(self) -> bool:
        """Whether :meth:`find` answers from memory."""
        return self._read_at is not None and self._clock() - self._read_at < _FRESH_S

    @property
    def is_empty(self) -> bool:
        """Whether there is no account at all."""
        self._refresh()
        return not self._known

    def find(self, name: str) -> Account | None:
        """Return an account or None; from the last copy while the database is away.

        Raises:
            StateError: it has not answered once.
        """
        self._refresh()
        return self._known.get(name)

    def _refresh(self) -> None:
        if self.is_fresh:
            return
        # One reads; whoever comes meanwhile goes on with what is known, if anything is.
        if not self._reading.acquire(blocking=self._read_at is None):
            return
        try:
            if not self.is_fresh:
                self._known = {account.name: account for account in self._accounts.all()}
                self._read_at = self._clock()
        except StateError:
            if self._read_at is None:
                raise
            self._read_at = self._clock()
        finally:
            self._reading.release()


class Doorkeeper:
    """Signs people in and out, and knows whose a session is."""

    def __init__(self, settings: AccessSettings, book: AccountBook) -> None:
        self.settings = settings
        self.book = book
        self.attempts = Attempts()
        self.owners = Owners()
        self._sessions = self._serializer("session")
        self._forms = self._serializer("form")
        self._signed_out = EndedSessions(settings.data)

    def viewer_of(self, cookie: str | None) -> Viewer | None:
        """Return whose session a cookie is, None when it is nobody's (any more).

        Raises:
            StateError: the state database has not answered once.
        """
        said = self._read(cookie)
        if said is None or said["how"] != self.settings.auth or said["id"] in self._signed_out:
            return None
        account = self.book.find(said["name"])
        if account is not None:
            if not hmac.compare_digest(said["stamp"], account.stamp):
                return None
            return Viewer(account.name, account.role, _projects(account.role, account.projects))
        grant = self._grant(said["name"])
        if grant is None or said["stamp"]:
            return None
        return Viewer(said["name"], grant.role, grant.projects)

    def open_with_password(self, name: str, password: str) -> str | None:
        """Return a new session's cookie, None when name and password do not belong together.

        Takes as long for a name that is not there; so slow that it belongs in a thread.
        """
        try:
            account = self.book.find(account_name(name))
        except ConfigError:
            account = None
        stored = account.password if account else None
        if not matches(password, stored) or account is None:
            return None
        return self._open(account.name, account.stamp)

    def open_with_email(self, email: str) -> str | None:
        """Return a new session's cookie for a verified address, None when nobody let it in."""
        try:
            name = account_name(email)
        except ConfigError:
            return None
        account = self.book.find(name)
        if account is None and self._grant(name) is None:
            return None
        return self._open(name, account.stamp if account else "")

    def sign_out(self, cookie: str | None) -> None:
        """End one session, also where a copy of its cookie is kept."""
        said = self._read(cookie)
        if said is not None:
            self._signed_out.add(said["id"], time.time() + self.settings.session_s)

    def form_token(self, nonce: str) -> str:
        """Return what a form carries so that only pages of ours can send it."""
        return self._forms.dumps(nonce)

    def is_form_token(self, token: str, nonce: str, max_age_s: int = 3600) -> bool:
        """Return whether a token was made for a nonce, and lately."""
        try:
            found = cast("str", self._forms.loads(token, max_age=max_age_s))
        except BadSignature:
            return False
        return bool(nonce) and hmac.compare_digest(str(found), nonce)

    def _open(self, name: str, stamp: str) -> str:
        said = {
            "name": name,
            "stamp": stamp,
            "how": str(self.settings.auth),
            "id": secrets.token_hex(8),
        }
        return self._sessions.dumps(said)

    def _read(self, cookie: str | None) -> dict[str, str] | None:
        if not cookie:
            return None
        try:
            said = self._sessions.loads(cookie, max_age=self.settings.session_s)
        except BadSignature:  # also what expired
            return None
        return cast("dict[str, str]", said)

    def _grant(self, email: str) -> Grant | None:
        oidc = self.settings.oidc
        if self.settings.auth is not DashboardAuth.OIDC or oidc is None:
            return None
        return oidc.grant(email)

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self.settings.secret,
            salt=f"spanledger-{purpose}",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )


def _projects(role: Role, projects: frozenset[str] | None) -> frozenset[str] | None:
    return None if role is Role.ADMIN else projects


@lru_cache(maxsize=8)
def doorkeeper(settings: AccessSettings) -> Doorkeeper:
    """Return the doorkeeper of this process: gate and pages ask the same one."""
    return Doorkeeper(settings, AccountBook(Accounts(open_state_reader(settings.state_url))))
