"""Which of a store's files hold given bytes, while its engine goes on moving and removing them."""

import os
from pathlib import Path

from spanledger_storage.store import Store


def clean_at_once(store: Store, table: str) -> None:
    """Let the engine remove replaced parts of a table within a second, not within minutes."""
    store.execute(
        f"ALTER TABLE {table} MODIFY SETTING old_parts_lifetime = 1, cleanup_delay_period = 1,"
        " cleanup_delay_period_random_add = 0, max_cleanup_delay_period = 1"
    )
    store.execute(f"DETACH TABLE {table} SYNC")  # its cleaning begins anew
    store.execute(f"ATTACH TABLE {table}")


def holding(store: Store, needle: bytes) -> set[str]:
    """The tables in whose files bytes occur, as they are on the disk."""
    rows = store.sql_rows(
        "SELECT name, data_paths FROM system.tables WHERE database = currentDatabase()"
    )
    return {
        str(row["name"])
        for row in rows
        for place in row["data_paths"]  # type: ignore[attr-defined]  # a list of paths
        if _is_within(Path(place), needle)
    }


def _is_within(folder: Path, needle: bytes) -> bool:
    # os.walk passes over a folder that is removed while it is read; Path.rglob raises.
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                if needle in Path(directory, name).read_bytes():
                    return True
            except FileNotFoundError:  # the engine removed it meanwhile
                continue
    return False
