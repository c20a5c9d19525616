"""What segments say, as far as it is stored; it is looked up only for requests that lost tokens."""

from __future__ import annotations

from collections.abc import Mapping

from spanledger_analytics.cache.texts import Segment


class Contents:
    """Segments by hash; those asked for and not known yet are noted."""

    __slots__ = ("_known", "missing")

    def __init__(self) -> None:
        self._known: dict[bytes, Segment | None] = {}
        self.missing: set[bytes] = set()
        """Hashes that were asked for since the last ``add``."""

    def get(self, digest: bytes) -> Segment | None:
        """Return a segment; None: nobody stored it, or it was not looked up yet."""
        if digest not in self._known:
            self.missing.add(digest)
            return None
        return self._known[digest]

    def add(self, found: Mapping[bytes, Segment]) -> None:
        """Keep what was found of the missing; the others are not stored."""
        for digest in self.missing:
            self._known[digest] = found.get(digest)
        self.missing.clear()
