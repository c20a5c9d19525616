"""What tells items apart that redaction makes alike: a keyed hash of what they were before.

Nobody without the secret of the project can tell from it what was taken out, or make one that fits.
"""

from __future__ import annotations

from hashlib import blake2b

from spanledger_collector.decode.carried import RECORD_HASH
from spanledger_collector.privacy.attributes import Pairs, pairs_of

_LENGTH_BYTES = 4


def identity(key: bytes, pairs: Pairs, *more: bytes) -> bytes:
    """Return a keyed hash of 16 bytes of attributes, whatever their order, and of what else is."""
    said = sorted(pair.SerializeToString(deterministic=True) for pair in pairs)
    parts = (*more, *said)  # with their lengths: none can pass for two others
    data = b"".join(len(part).to_bytes(_LENGTH_BYTES) + part for part in parts)
    return blake2b(data, digest_size=16, key=key).digest()


def set_apart(pairs: Pairs, digest: bytes) -> None:
    """Add to the attributes of an item what tells it from others that look alike now."""
    pairs.extend(pairs_of({RECORD_HASH: digest}))
