"""How many bytes each table holds on disk."""

from __future__ import annotations

from typing import NamedTuple

from spanledger_storage.store import Store


class TableSize(NamedTuple):
    """One table; ``old_bytes`` were replaced and are removed by the engine within minutes."""

    table: str
    is_ours: bool
    rows: int
    bytes: int
    old_bytes: int
    detached_parts: int


class Sizes(NamedTuple):
    """All tables, the largest first."""

    tables: tuple[TableSize, ...]

    @property
    def bytes(self) -> int:
        """Bytes in use."""
        return sum(size.bytes for size in self.tables)

    @property
    def system_bytes(self) -> int:
        """Bytes in use by tables that the store keeps about itself."""
        return sum(size.bytes for size in self.tables if not size.is_ours)


def read_sizes(store: Store) -> Sizes:
    """Return the sizes of our tables, and of those the store keeps about itself.

    Raises:
        StoreError: the store refused or did not answer.
    """
    return Sizes(
        tuple(
            TableSize(
                str(row["table_name"]),
                row["database_name"] != "system",
                int(str(row["rows"])),
                int(str(row["bytes"])),
                int(str(row["old_bytes"])),
                int(str(row["detached_parts"])),
            )
            for row in store.rows("retention_sizes")
        )
    )
