"""Dead letters: requests that cannot be decoded or stored, kept until somebody acts.

They wait in the spool until the store takes them into its table ``dead_letters``. A letter's id
follows from its content, so that moving it twice, or once more out of a salvaged spool, makes no
second letter. Of several rows of a letter the one with the newest ``version`` holds: the first has
the receive time of the request, each later state the time of the change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import pyarrow as pa

TABLE = "dead_letters"


class LetterState(StrEnum):
    """What became of a dead letter."""

    OPEN = "open"
    RETRIED = "retried"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A request set aside.

    Attributes:
        body: as received, in protobuf; empty once it was stored or dropped.
        size_bytes: of the body as received.
        spool_id: names the spool it came from, ``seq`` its place there.
        version: nanoseconds since 1970 of the last change of ``state`` or ``reason``.
    """

    letter_id: str
    project: str
    signal: str
    received_ns: int
    items: int
    size_bytes: int
    body: bytes
    reason: str
    spool_id: str
    seq: int
    version: int
    state: LetterState = LetterState.OPEN

    @classmethod
    def of(
        cls,
        project: str,
        signal: str,
        received_ns: int,
        items: int,
        body: bytes,
        reason: str,
        *,
        spool_id: str,
        seq: int,
    ) -> DeadLetter:
        """Return the letter of a request that was just set aside."""
        head = f"{project}\n{signal}\n{received_ns}\n".encode("utf-8", "replace")
        return cls(
            letter_id=hashlib.blake2b(head + body, digest_size=16).hexdigest(),
            project=project,
            signal=signal,
            received_ns=received_ns,
            items=items,
            size_bytes=len(body),
            body=body,
            reason=reason,
            spool_id=spool_id,
            seq=seq,
            version=received_ns,
        )

    def closed(self, state: LetterState, now_ns: int) -> DeadLetter:
        """Return the letter as retried or dropped: its body is not needed any more."""
        return replace(self, state=state, body=b"", version=max(now_ns, self.version + 1))

    def refused(self, reason: str, now_ns: int) -> DeadLetter:
        """Return the letter, still open, with the reason of the newest attempt."""
        return replace(self, reason=reason, version=max(now_ns, self.version + 1))


_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("project", pa.string()),
    ("letter_id", pa.string()),
    ("signal", pa.string()),
    ("state", pa.string()),
    ("received_at", pa.timestamp("ns", "UTC")),
    ("spool_id", pa.string()),
    ("seq", pa.uint64()),
    ("items", pa.uint64()),
    ("bytes", pa.uint64()),
    ("reason", pa.string()),
    ("body", pa.binary()),
    ("version", pa.uint64()),
]
_SCHEMA = pa.schema(_COLUMNS)


def rows_of(letters: Sequence[DeadLetter]) -> pa.Table:
    """Return the rows of table ``dead_letters``."""
    columns: list[list[object]] = [
        [letter.project for letter in letters],
        [letter.letter_id for letter in letters],
        [letter.signal for letter in letters],
        [letter.state for letter in letters],
        [letter.received_ns for letter in letters],
        [letter.spool_id for letter in letters],
        [letter.seq for letter in letters],
        [letter.items for letter in letters],
        [letter.size_bytes for letter in letters],
        [letter.reason for letter in letters],
        [letter.body for letter in letters],
        [letter.version for letter in letters],
    ]
    arrays = [
        pa.array(column, pa.int64()).cast(field.type)
        if pa.types.is_timestamp(field.type)
        else pa.array(column, field.type)
        for column, field in zip(columns, _SCHEMA, strict=True)
    ]
    return pa.table(arrays, schema=_SCHEMA)


def token_of(letters: Sequence[DeadLetter]) -> str:
    """Return the name of an insert of these letters in these states; equal for equal letters."""
    names = "\n".join(f"{letter.letter_id} {letter.version}" for letter in letters)
    return f"letters-{hashlib.blake2b(names.encode(), digest_size=16).hexdigest()}"
