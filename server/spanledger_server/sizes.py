"""Sizes of disk and memory as people write them."""

from __future__ import annotations

from pydantic import ByteSize, TypeAdapter, ValidationError

from spanledger_server.errors import UsageError

_SIZE = TypeAdapter(ByteSize)
_LEAST_BYTES = 1 << 20


def spool_bytes(text: str) -> int | None:
    """Return the bytes that ``--max-spool-bytes`` says; see ``size_bytes``."""
    return size_bytes(text, "--max-spool-bytes")


def size_bytes(text: str, option: str) -> int | None:
    """Return the bytes that an option says, None when it says nothing.

    G is 10^9 and GiB 2^30 bytes, and so on.

    Raises:
        UsageError: no size, or less than 1 MiB.
    """
    if not text:
        return None
    try:
        size = int(_SIZE.validate_python(text))
    except (ValidationError, OverflowError):
        size = 0
    if size < _LEAST_BYTES:
        raise UsageError(
            f"{option} must be a size of at least 1 MiB, as in 20G, 512MiB or 1000000000, "
            f"not {text[:80]!r}."
        )
    return size
