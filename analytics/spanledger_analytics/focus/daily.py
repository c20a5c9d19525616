"""Keeps a folder of exports up to date: one Parquet file per project and day that is over.

``FOLDER/PROJECT/cost-and-usage/2026-11-18.parquet``. A file knows the rows of the ledger it was
written from, so a day is written anew when a late span, a new price or a deletion changed it, and
only then. What retention removed stays in the files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from spanledger_analytics.focus.files import write_tables
from spanledger_analytics.focus.rows import SCHEMA, Days, day_table, start_s
from spanledger_analytics.retention.policy import first_second
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

DATASET = "cost-and-usage"
_NS_PER_S = 10**9
_STAMP = b"spanledger.ledger_version"
_NO_ROWS = "none"


class FocusExportJob:
    """Writes the days whose money changed.

    Args:
        store: the telemetry store.
        folder: where; made when it is not there.
        projects: names of projects, asked at every run.
        now_ns: the clock, UTC nanoseconds.
        floors: by project the first day (YYYYMMDD) of which retention has removed no money.
        days: how many days back are looked at.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        projects: Callable[[], Iterable[str]],
        now_ns: Callable[[], int],
        floors: Callable[[], Mapping[str, int]],
        days: int = 62,
    ) -> None:
        self._store = store
        self._folder = folder
        self._projects = projects
        self._now_ns = now_ns
        self._floors = floors
        self._days = days

    def run_once(self) -> list[Path]:
        """Write what changed and return the files, in order.

        Raises:
            OSError: the folder cannot be written.
            StorageError: the store or the state database refused or did not answer.
        """
        today = datetime.fromtimestamp(self._now_ns() // _NS_PER_S, UTC).date()
        days = Days(today - timedelta(days=self._days), today - timedelta(days=1))
        written: list[Path] = []
        for project in self._projects():
            stamps = self._stamps(project, days)
            # Read after the rows: a floor is raised before any row is removed.
            floor_s = first_second(self._floors().get(project, 19700101))
            for day in days:
                if start_s(day) < floor_s:
                    continue
                file = self._file(project, day)
                # A file of a day that has lost all its rows is emptied.
                stamp = stamps.get(day, _NO_ROWS if file.exists() else "")
                if _stamp_of(file) != stamp:
                    self._write(project, day, file, stamp)
                    written.append(file)
        return written

    def _stamps(self, project: str, days: Days) -> dict[date, str]:
        rows = self._store.rows("focus_stamps", days.period(project))
        return {cast("date", row["day"]): cast("str", row["stamp"]) for row in rows}

    def _file(self, project: str, day: date) -> Path:
        return self._folder / project / DATASET / f"{day}.parquet"

    def _write(self, project: str, day: date, file: Path, stamp: str) -> None:
        table = day_table(self._store, project, day)
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = write_tables(file, SCHEMA, [table], {_STAMP.decode(): stamp})
        log.info("FOCUS export: %s rows of %s in %s", rows, day, file)


def _stamp_of(file: Path) -> str:
    """Return the stamp of the rows a file was written from, empty when it is none of ours."""
    try:
        found = pq.read_schema(file).metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return ""
    return found.get(_STAMP, b"").decode()
