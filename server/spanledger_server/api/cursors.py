"""Cursors: opaque to whoever gets them, and good for the question they came from alone.

A cursor opens nothing: whose rows are read is for the key to say, at every request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from spanledger_server.errors import UsageError

_VERSION = 1
_LONGEST = 4_096
_FOREIGN = (
    "The cursor is not of this question: give the parameters of the page it came from, and nothing "
    "but the cursor changed; or leave it out to begin anew."
)


@dataclass(frozen=True, slots=True)
class Place:
    """The row a page ended with: its time (unix ns) and id."""

    after_ns: int
    after_id: str


BEGINNING = Place(-1, "")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins, in a period that stays as the first page had it."""

    place: Place
    from_s: int
    to_s: int

    def text(self, question: str) -> str:
        """Return it as answered; ``question``: the digest of what was asked."""
        place = self.place
        parts = [_VERSION, question, self.from_s, self.to_s, place.after_ns, place.after_id]
        written = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(written).decode().rstrip("=")

    @classmethod
    def of(cls, text: str, question: str) -> Cursor:
        """Return what a cursor says.

        Raises:
            UsageError: it is none, or one of another question.
        """
        parts = _parts(text)
        match parts:
            case [version, digest, int(from_s), int(to_s), int(after_ns), str(after_id)]:
                is_ours = version == _VERSION and digest == question
                is_sane = 0 <= from_s <= to_s < 2**32 and 0 <= after_ns < 2**63
                if is_ours and is_sane and "\x00" not in after_id:
                    return cls(Place(after_ns, after_id), from_s, to_s)
            case _:
                pass
        raise UsageError(_FOREIGN)


def digest(asked: Mapping[str, object]) -> str:
    """Return what names a question: whose rows, which, under which filters."""
    written = json.dumps(asked, sort_keys=True, default=str).encode()
    return hashlib.blake2b(written, digest_size=9).hexdigest()


def _parts(text: str) -> list[object]:
    if len(text) > _LONGEST:
        raise UsageError(_FOREIGN)
    try:
        padded = text + "=" * (-len(text) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise UsageError(_FOREIGN) from None
    return cast("list[object]", found) if isinstance(found, list) else []
