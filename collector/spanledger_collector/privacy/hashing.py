"""Keyed hashes: equal values stay equal in a project, and nobody can look them up in a table."""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import blake2b, sha256

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_FORM = re.compile(r"hmac-sha256:[0-9a-f]{32}", re.ASCII)
_OWN_SALT = secrets.token_bytes(32)


def usable_salt(salt: bytes) -> bytes:
    """Return the salt of a project, or this process's own for a project without one.

    An empty key would make the hashes guessable; with this one they are just not comparable
    across restarts.
    """
    return salt or _OWN_SALT


def is_hashed(text: str) -> bool:
    """Return whether a text is what ``hashed`` returns."""
    return len(text) == 44 and _FORM.fullmatch(text) is not None


def hashed(value: AnyValue, salt: bytes) -> str:
    """Return ``hmac-sha256:<32 hex digits>`` of a value; the text 1 and the number 1 differ."""
    # The serialisation starts with the number of the field that is set: a tag of the type.
    data = _ordered(value).SerializeToString(deterministic=True)
    return f"hmac-sha256:{hmac.digest(salt, data, sha256)[:16].hex()}"


def _ordered(value: AnyValue) -> AnyValue:
    """Return the value with the keys of its maps sorted, which have no order."""
    kind = value.WhichOneof("value")
    if kind == "kvlist_value":
        made = AnyValue()
        made.kvlist_value.SetInParent()
        pairs = sorted(value.kvlist_value.values, key=lambda pair: pair.key)
        made.kvlist_value.values.extend(
            KeyValue(key=pair.key, value=_ordered(pair.value)) for pair in pairs
        )
        return made
    if kind == "array_value":
        made = AnyValue()
        made.array_value.SetInParent()
        made.array_value.values.extend(map(_ordered, value.array_value.values))
        return made
    return value


def message_key(salt: bytes) -> bytes:
    """Return the key of a project for hashes of what was said."""
    return sha256(b"spanledger content\0" + salt).digest()


def keyed(digests: list[bytes], key: bytes) -> bytes:
    """Return hashes of 16 bytes each, made of other hashes, one after the other."""
    return b"".join(blake2b(digest, digest_size=16, key=key).digest() for digest in digests)
