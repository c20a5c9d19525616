"""Keeps a folder of exports up to date: one Parquet file per project and day that is over.

``FOLDER/PROJECT/cost-and-usage/2026-11-18.parquet``. A file knows the version of the ledger it was
written from, so a day is written anew when a late span or a new price changed it, and only then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from spanledger_analytics.focus.files import write_tables
from spanledger_analytics.focus.rows import SCHEMA, Days, day_table
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

DATASET = "cost-and-usage"
_NS_PER_S = 10**9
_VERSION = b"spanledger.ledger_version"


class FocusExportJob:
    """Writes the days whose money changed.

    Args:
        store: the telemetry store.
        folder: where; made when it is not there.
        projects: names of projects, asked at every run.
        now_ns: the clock, UTC nanoseconds.
        days: how many days back are looked at.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        projects: Callable[[], Iterable[str]],
        now_ns: Callable[[], int],
        days: int = 62,
    ) -> None:
        self._store = store
        self._folder = folder
        self._projects = projects
        self._now_ns = now_ns
        self._days = days

    def run_once(self) -> list[Path]:
        """Write what changed and return the files, in order.

        Raises:
            OSError: the folder cannot be written.
            StoreError: the store refused or did not answer.
        """
        today = datetime.fromtimestamp(self._now_ns() // _NS_PER_S, UTC).date()
        days = Days(today - timedelta(days=self._days), today - timedelta(days=1))
        written: list[Path] = []
        for project in self._projects():
            for row in self._store.rows("focus_versions", days.period(project)):
                file = self._file(project, row["day"])
                version = str(row["version"])
                if _version_of(file) != version:
                    self._write(project, row["day"], file, version)
                    written.append(file)
        return written

    def _file(self, project: str, day: object) -> Path:
        return self._folder / project / DATASET / f"{day}.parquet"

    def _write(self, project: str, day: object, file: Path, version: str) -> None:
        assert isinstance(day, date)
        table = day_table(self._store, project, day)
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = write_tables(file, SCHEMA, [table], {_VERSION.decode(): version})
        log.info("FOCUS export: %s rows of %s in %s", rows, day, file)


def _version_of(file: Path) -> str:
    """Return the version a file was written from, empty when it is none of ours."""
    try:
        found = pq.read_schema(file).metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return ""
    return found.get(_VERSION, b"").decode()
