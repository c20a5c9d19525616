"""How people sign in, as the environment says it.

| name                          | default          | meaning                                       |
|-------------------------------|------------------|-----------------------------------------------|
| SPANLEDGER_DASHBOARD_AUTH     | none             | none, accounts or oidc                        |
| SPANLEDGER_PUBLIC_URL         | none             | address in people's browsers, as https://…    |
| SPANLEDGER_SESSION_SECRET     | file in the data | signs sessions; 32 characters or more         |
| SPANLEDGER_SESSION_HOURS      | 168              | hours until people sign in again              |
| SPANLEDGER_DATA               | none             | directory that keeps who signed out           |
| SPANLEDGER_OIDC_ISSUER        | none             | URL of the identity provider                  |
| SPANLEDGER_OIDC_CLIENT_ID     | none             | as registered there                           |
| SPANLEDGER_OIDC_CLIENT_SECRET | none             | as registered there                           |
| SPANLEDGER_OIDC_DOMAINS       | none             | who without an account may do what, by domain |
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from spanledger_dashboard.settings import SettingsError
from spanledger_storage.account_roles import Role

AUTH = "SPANLEDGER_DASHBOARD_AUTH"
SECRET = "SPANLEDGER_SESSION_SECRET"
PUBLIC_URL = "SPANLEDGER_PUBLIC_URL"
VARIABLES = (
    PUBLIC_URL,
    SECRET,
    "SPANLEDGER_SESSION_HOURS",
    "SPANLEDGER_OIDC_ISSUER",
    "SPANLEDGER_OIDC_CLIENT_ID",
    "SPANLEDGER_OIDC_CLIENT_SECRET",
    "SPANLEDGER_OIDC_DOMAINS",
)
"""What is read here and is no option of a command."""

DATA = "SPANLEDGER_DATA"
MIN_SECRET = 32
_DEFAULT_HOURS = 168
_GIVEN = "the identity provider gave it"
_DOMAIN = re.compile(r"([a-z0-9.-]+)=(viewer|editor|admin)(?::([\w.,*-]+))?")
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class DashboardAuth(StrEnum):
    """Whether people sign in, and how."""

    NONE = "none"
    ACCOUNTS = "accounts"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Grant:
    """What people of a domain may do who have no account; ``projects`` None: in all of them."""

    role: Role
    projects: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """The identity provider.

    Attributes:
        metadata_url: its discovery document.
        domains: what people without an account may do, by the domain of their e-mail address.
    """

    metadata_url: str
    client_id: str
    client_secret: str = field(repr=False)
    domains: tuple[tuple[str, Grant], ...] = ()

    def grant(self, email: str) -> Grant | None:
        """Return what somebody without an account may do, None: nothing."""
        name, _, domain = email.rpartition("@")
        return dict(self.domains).get(domain) if name else None


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """How people sign in.

    Attributes:
        public_url: scheme and host as in people's browsers, no slash at the end; "": not told.
        session_s: seconds until people sign in again.
        data: directory that keeps which sessions were signed out; "": they are kept in memory.
    """

    auth: DashboardAuth = DashboardAuth.NONE
    public_url: str = ""
    secret: str = field(default="", repr=False)
    session_s: int = _DEFAULT_HOURS * 3600
    state_url: str = field(default="", repr=False)
    oidc: OidcSettings | None = None
    data: str = ""

    @property
    def is_open(self) -> bool:
        """Whether nobody signs in."""
        return self.auth is DashboardAuth.NONE

    @classmethod
    def from_environment(cls, given: Mapping[str, str] = os.environ) -> AccessSettings:
        """Return the settings the environment gives.

        Raises:
            SettingsError: one is missing or cannot be read; says which and what it looks like.
        """
        auth = _auth(given.get(AUTH) or DashboardAuth.NONE)
        public_url = _public_url(given.get(PUBLIC_URL, ""))
        if auth is DashboardAuth.NONE:
            return cls(public_url=public_url)
        return cls(
            auth=auth,
            public_url=public_url,
            secret=_secret(given.get(SECRET, "")),
            session_s=_hours(given.get("SPANLEDGER_SESSION_HOURS", "")) * 3600,
            state_url=_required(given, "SPANLEDGER_STATE_URL", "the accounts are in it"),
            oidc=_oidc(given, public_url) if auth is DashboardAuth.OIDC else None,
            data=given.get(DATA, ""),
        )


def is_loopback(host: str) -> bool:
    """Return whether an address is reached from this machine alone."""
    try:
        return host in _LOOPBACK_NAMES or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_listening(host: str, auth: DashboardAuth) -> None:
    """Return if the dashboard may listen there.

    Raises:
        SettingsError: it would be open to everybody who reaches the machine.
    """
    if auth is DashboardAuth.NONE and not is_loopback(host):
        raise SettingsError(
            f"Without sign-in the dashboard listens on loopback only, not on {host}. Make an "
            "account with `spanledger accounts add NAME --role admin` and give --auth accounts "
            "(or --auth oidc), or listen on 127.0.0.1."
        )


def _auth(text: str) -> DashboardAuth:
    if text not in list(DashboardAuth):
        raise SettingsError(f"{AUTH} must be {', '.join(DashboardAuth)}, not {text[:40]!r}.")
    return DashboardAuth(text)


def _public_url(text: str) -> str:
    if not text:
        return ""
    parts = urlsplit(text)
    is_plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise SettingsError(
            f"{PUBLIC_URL} must be like https://spanledger.example.com, without a path, "
            f"not {text[:80]!r}."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _secret(text: str) -> str:
    if len(text) < MIN_SECRET:
        raise SettingsError(
            f"{SECRET} must have at least {MIN_SECRET} characters: it signs the sessions. "
            "`openssl rand -hex 32` makes one."
        )
    return text


def _hours(text: str) -> int:
    if not text:
        return _DEFAULT_HOURS
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 8760:
        raise SettingsError(
            f"SPANLEDGER_SESSION_HOURS must be a whole number from 1 to 8760, not {text[:40]!r}."
        )
    return int(text)


def _required(given: Mapping[str, str], name: str, why: str) -> str:
    value = given.get(name, "")
    if not value:
        raise SettingsError(f"{name} is not set: {why}.")
    return value


def _oidc(given: Mapping[str, str], public_url: str) -> OidcSettings:
    issuer = _required(given, "SPANLEDGER_OIDC_ISSUER", "people sign in there").rstrip("/")
    if not public_url:
        raise SettingsError(
            f"{PUBLIC_URL} is not set: the identity provider sends people back there."
        )
    known = "/.well-known/openid-configuration"
    return OidcSettings(
        metadata_url=issuer if issuer.endswith(known) else issuer + known,
        client_id=_required(given, "SPANLEDGER_OIDC_CLIENT_ID", _GIVEN),
        client_secret=_required(given, "SPANLEDGER_OIDC_CLIENT_SECRET", _GIVEN),
        domains=tuple(_domains(given.get("SPANLEDGER_OIDC_DOMAINS", ""))),
    )


def _domains(text: str) -> Iterator[tuple[str, Grant]]:
    for word in text.split():
        match = _DOMAIN.fullmatch(word)
        if not match or (match[2] != Role.ADMIN and not match[3]):
            raise SettingsError(
                "SPANLEDGER_OIDC_DOMAINS must be like example.com=viewer:shop,web (*: every "
                f"project), words separated by spaces, not {word[:80]!r}."
            )
        role, names = Role(match[2]), match[3] or "*"
        everywhere = role is Role.ADMIN or names == "*"
        yield match[1], Grant(role, None if everywhere else frozenset(names.split(",")))
