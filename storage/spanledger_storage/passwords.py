"""Passwords as they are stored: scrypt with a salt each, its parameters beside it.

A stored text is ``scrypt$LOG2_N$R$P$SALT$HASH`` (salt and hash in base64), so that stronger
parameters can be chosen later without asking anybody for a new password.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass

from spanledger_storage.errors import ConfigError

MIN_LENGTH = 10
# Hashing what is longer would be work that anybody can ask for.
MAX_LENGTH = 1_000
_SALT_BYTES = 16
_HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """How much work one password takes: 128 * R * 2**LOG2_N bytes, P times in turn."""

    log2_n: int
    r: int
    p: int

    @property
    def memory_bytes(self) -> int:
        """Memory while it runs, with room for what OpenSSL adds."""
        return 128 * self.r * ((1 << self.log2_n) + self.p + 2) + 1_048_576


# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt
COST = Cost(log2_n=15, r=8, p=3)


def hashed(password: str, cost: Cost = COST) -> str:
    """Return what to store of a password.

    Raises:
        ConfigError: it is too short or too long; says the limits, never the password.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise ConfigError(
            f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters, not {len(password)}."
        )
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _digest(password, salt, cost)
    return f"scrypt${cost.log2_n}${cost.r}${cost.p}${_text(salt)}${_text(digest)}"


def matches(password: str, stored: str | None) -> bool:
    """Return whether a password is the one a stored text was made of, in constant time.

    Without a stored text the same work is done for nothing: how long an answer takes does not
    tell which accounts there are.
    """
    if len(password) > MAX_LENGTH:
        return False
    cost, salt, digest = _parts(stored) if stored else (COST, b"\0" * _SALT_BYTES, b"")
    return hmac.compare_digest(_digest(password, salt, cost), digest)


def _digest(password: str, salt: bytes, cost: Cost) -> bytes:
    # The same characters typed on another system may be other code points.
    text = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(
        text,
        salt=salt,
        n=1 << cost.log2_n,
        r=cost.r,
        p=cost.p,
        maxmem=cost.memory_bytes,
        dklen=_HASH_BYTES,
    )


def _parts(stored: str) -> tuple[Cost, bytes, bytes]:
    _, log2_n, r, p, salt, digest = stored.split("$")
    cost = Cost(int(log2_n), int(r), int(p))
    return cost, base64.b64decode(salt), base64.b64decode(digest)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
