"""Room on the disk of the local engine: how much stays free, and merges that wait when it goes.

The server inside the chdb-core wheel (26.9) takes a failed write for one that worked. Where the
disk ends in the midst of an insert or a merge, the part is committed with empty files: acknowledged
rows are gone, for a merge when its sources are removed after some minutes. So inserts and merges
only begin while there is room to spare (``keep_free_space_bytes``), and merges, which may take
long, are broken off as soon as others use that room up.
https://clickhouse.com/docs/engines/table-engines/mergetree-family/mergetree#table_engine-mergetree-multiple-volumes
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

_MOST_BYTES, _LEAST_BYTES = 512 << 20, 64 << 20
_OF_VOLUME, _OF_SMALL_VOLUME = 0.025, 0.2
_EASED = 1.25


def kept_free_bytes(directory: Path) -> int:
    """Return the room on the disk that the engine does not begin to write into.

    Half of what collectors leave free: they stop first, and what they took can be stored.
    """
    total = shutil.disk_usage(directory).total
    least = min(_LEAST_BYTES, int(total * _OF_SMALL_VOLUME))
    return min(_MOST_BYTES, max(least, int(total * _OF_VOLUME)))


class MergePause:
    """Breaks merges off while others use the room up, and lets them begin again after that.

    Args:
        directory: on the disk of the engine.
        ask: runs a statement on the engine; None: it did not work.
    """

    def __init__(self, directory: Path, ask: Callable[[str], str | None]) -> None:
        self._directory = directory
        self._ask = ask
        self._kept_bytes = kept_free_bytes(directory)
        self._is_on = False

    def look(self) -> None:
        """Look at the disk, and act; cheap, to be called several times a second."""
        try:
            free_bytes = shutil.disk_usage(self._directory).free
        except OSError:
            return  # the next look will tell
        if self._is_on and free_bytes >= self._kept_bytes * _EASED:
            self._is_on = self._ask("SYSTEM START MERGES") is None
        elif not self._is_on and free_bytes < self._kept_bytes:
            self._is_on = self._ask("SYSTEM STOP MERGES") is not None
            log.warning(
                "the disk of %s has %d bytes left: nothing is stored or merged until there are %d",
                self._directory, free_bytes, int(self._kept_bytes * _EASED),
            )  # fmt: skip
