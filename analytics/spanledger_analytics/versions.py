"""Which versions of a table have rows that were not looked at yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spanledger_analytics._rows import integers
from spanledger_analytics.touches import OVERLAP_US
from spanledger_storage.store import Store

_OVERLAP_NS = OVERLAP_US * 1_000


class Versions:
    """Hands out versions in their order, each when it has more rows than were seen of it.

    A repricing writes versions ahead of the clock, and what the ledger job writes meanwhile lies
    behind them. So the position never passes the clock, and versions of the last two minutes
    before it, and all after it, are remembered.

    Rows are counted, and read where there are more than were seen. A merge may take rows away while
    others come: so a version is read once more before it is forgotten.

    Args:
        store: the telemetry store.
        statement: returns ``version`` and ``rows`` of versions beyond ``since``, in their order.
        position_ns: everything up to here was handled.
        now_ns: the clock, UTC nanoseconds.
        most_rows: handed out together, but for a single version that has more.
    """

    def __init__(
        self,
        store: Store,
        statement: str,
        position_ns: int,
        now_ns: Callable[[], int],
        most_rows: int,
    ) -> None:
        self._store = store
        self._statement = statement
        self.position_ns = position_ns
        self._now_ns = now_ns
        self._most_rows = most_rows
        self._seen: dict[int, int] = {}

    def choose(self) -> dict[int, int]:
        """Return some versions to read, the oldest first, and how many rows there are of each.

        Of one that is read for the last time there are 0.

        Raises:
            StoreError: the store refused or did not answer.
        """
        oldest = max(0, self.position_ns - _OVERLAP_NS)
        found = {version: 0 for version in sorted(self._seen) if version <= oldest}
        table = self._store.arrow(self._statement, {"since": oldest})
        counted = zip(integers(table, "version"), integers(table, "rows"), strict=True)
        found |= {v: rows for v, rows in counted if rows > self._seen.get(v, 0)}
        chosen: dict[int, int] = {}
        total = 0
        for version, rows in found.items():
            total += rows or self._seen[version]
            if chosen and total > self._most_rows:
                break
            chosen[version] = rows
        return chosen

    def mark_read(self, versions: Mapping[int, int], newest: int = 0) -> list[int]:
        """Note how many rows were seen; return versions that were read for the last time.

        Args:
            versions: as ``choose`` returned them.
            newest: everything up to here was handled.
        """
        gone: list[int] = []
        for version, rows in versions.items():
            if rows:
                self._seen[version] = rows
            else:
                self._seen.pop(version, None)
                gone.append(version)
        self.position_ns = max(self.position_ns, min(newest, self._now_ns()))
        return gone
