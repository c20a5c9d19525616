"""Which messages are in the store for sure: conversations repeat theirs in every call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from spanledger_storage.messages import STORED_AGAIN_AFTER_S

Key = tuple[str, bytes]
"""Project and hash of a message."""
TextKey = tuple[str, str, bytes]
"""Project, role and digest of a text that holds messages."""

_WINDOW_NS = STORED_AGAIN_AFTER_S * 10**9
_DAY_NS = 86_400 * 10**9
_MOST_MESSAGES = 50_000
_MOST_TEXTS = 20_000


@dataclass(slots=True)
class _Generation:
    """What was stored from one moment on (UTC nanoseconds)."""

    since_ns: int
    messages: set[Key] = field(default_factory=set[Key])
    texts: dict[TextKey, list[bytes]] = field(default_factory=dict[TextKey, list[bytes]])
    """While it is the young one, their messages are in it or in the old one."""


class RecentMessages:
    """Messages stored within the last minute, and the texts they were found in.

    Use from one thread. The clock is that of the batches: ``stored_at`` of the rows. A day's
    messages are stored in that day (they expire by day), so a new day begins with nothing.
    """

    def __init__(self) -> None:
        self._young = _Generation(0)
        self._old = _Generation(0)

    def advance(self, now_ns: int) -> None:
        """Forget what is older than the window at ``now_ns``; also when the clock was set back."""
        age_ns = now_ns - self._young.since_ns
        is_new_day = now_ns // _DAY_NS != self._young.since_ns // _DAY_NS
        if not 0 <= age_ns < _WINDOW_NS or is_new_day:
            self._young, self._old = _Generation(now_ns), _Generation(now_ns)
        elif age_ns >= _WINDOW_NS // 2 or self._is_full():
            self._young, self._old = _Generation(now_ns), self._young
        if now_ns - self._old.since_ns >= _WINDOW_NS:
            self._old = _Generation(now_ns)
            self._young.texts.clear()  # their messages may have been among the old ones

    def _is_full(self) -> bool:
        young = self._young
        return len(young.messages) >= _MOST_MESSAGES or len(young.texts) >= _MOST_TEXTS

    def holds(self, key: Key) -> bool:
        """Return whether a message is in the store."""
        return key in self._young.messages or key in self._old.messages

    def messages_of(self, key: TextKey) -> list[bytes] | None:
        """Return the messages of a text, where all of them are in the store."""
        young = self._young
        if (hashes := young.texts.get(key)) is not None:
            return hashes
        hashes = self._old.texts.get(key)
        if hashes is None:
            return None
        project, old = key[0], self._old.messages
        for one in hashes:
            message = project, one
            if message not in young.messages and message not in old:
                return None
        return hashes

    def add(self, messages: Iterable[Key], texts: dict[TextKey, list[bytes]]) -> None:
        """Take up what a batch has stored; ``advance`` was called with its time."""
        self._young.messages.update(messages)
        self._young.texts.update(texts)
