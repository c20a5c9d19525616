"""What a key looks like and may do: ``sl_<id>_<secret>``, and its scopes.

The id is public: it finds the row and may be shown. The secret is 192 random bits, so one round of
SHA-256 keeps it as well as a slow hash would keep a password, at no cost per request
(https://cheatsheetseries.owasp.org/cheatsheets/Cryptographic_Storage_Cheat_Sheet.html).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

PREFIX = "sl_"
_ID_BYTES = 6
_SECRET_BYTES = 24
_FORM = re.compile(r"sl_([0-9a-f]{12})_([0-9a-f]{48})", re.ASCII)


class Scope(StrEnum):
    """What a key may do.

    INGEST: send telemetry of its project. READ: read what its project has. ADMIN: read every
    project. None includes another.
    """

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in the clear; it is never stored.

    Attributes:
        id: 12 hex digits, public.
        secret: 48 hex digits.
    """

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """What the user keeps and sends."""
        return f"{PREFIX}{self.id}_{self.secret}"

    @classmethod
    def new(cls) -> ApiKey:
        """Return a random key."""
        return cls(secrets.token_hex(_ID_BYTES), secrets.token_hex(_SECRET_BYTES))

    @classmethod
    def parse(cls, text: str) -> ApiKey | None:
        """Return the parts of a key, None when the text has another form."""
        match = _FORM.fullmatch(text)
        return cls(match[1], match[2]) if match else None


def scopes_text(scopes: Iterable[Scope]) -> str:
    """Return scopes as words, always in the same order."""
    chosen = set(scopes)
    return " ".join(scope for scope in Scope if scope in chosen)


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret, as it is stored: 64 hex digits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def matches(secret: str, stored: str) -> bool:
    """Return whether a secret is the one a digest was made of, in constant time."""
    return hmac.compare_digest(digest(secret), stored)
