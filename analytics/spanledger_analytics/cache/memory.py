"""Calls that the cache job read a little while ago: most changes bear on calls just before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spanledger_analytics.cache.calls import Prompt

_MOST_CALLS = 30_000  # some seconds of a large fleet, hours of a small one
_MOST_SEGMENTS = 250_000  # eight for each call, of which two or three are its own


class Memory:
    """Calls as they were read last, of one project, by entry id; the ones used longest ago leave.

    Who knows that a call changed, or that calls went away, says so: a call that is remembered is
    not read again.
    """

    def __init__(self, most_calls: int = _MOST_CALLS) -> None:
        self._most = most_calls
        self._calls: dict[str, Prompt] = {}
        self._segments: dict[bytes, bytes] = {}

    def find(self, entry_ids: Iterable[str]) -> dict[str, Prompt]:
        """Return those of the calls that are remembered."""
        found: dict[str, Prompt] = {}
        for entry_id in entry_ids:
            call = self._calls.pop(entry_id, None)
            if call is not None:
                found[entry_id] = self._calls[entry_id] = call
        return found

    def keep(self, calls: Mapping[str, Prompt]) -> None:
        """Remember calls, and forget others where they are too many."""
        for entry_id, call in calls.items():
            self._calls[entry_id] = call
        while len(self._calls) > self._most:
            del self._calls[next(iter(self._calls))]

    def forget(self, entry_ids: Iterable[str]) -> None:
        """Forget calls that changed."""
        for entry_id in entry_ids:
            self._calls.pop(entry_id, None)

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._segments.clear()

    def shared(self, segments: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Return segments as the same objects as of other calls: half the memory, soon compared."""
        if len(self._segments) > _MOST_SEGMENTS:
            self._segments.clear()
        known = self._segments
        return tuple([known.setdefault(one, one) for one in segments])
