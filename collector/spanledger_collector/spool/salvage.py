"""A damaged spool file is set aside, and its requests are brought into a fresh one, row by row.

Nothing is deleted: the file keeps its bytes under another name, and what could not be read from it
is counted. A request that had been stored before comes again under a new batch name, so the store's
deduplication tokens do not know it; its rows still replace themselves, because their keys and
their version follow from the request's bytes and its receive time, which are kept. A salvage that
was interrupted goes on where it was; the few rows it may bring over twice are harmless likewise.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from spanledger_collector.spool import trees, wal
from spanledger_collector.spool.damaged_table import DamagedTable, Tally
from spanledger_collector.spool.file import (
    DAMAGED_BODY,
    INSERT_REQUEST,
    SpoolRow,
    bury,
    connect,
)
from spanledger_collector.spool.first_page import exchange_first_page

log = logging.getLogger(__name__)

_DAMAGED = "-damaged-"
_MARKER = "-renaming"
"""Ends the name of an empty file that is there while a file is being set aside."""
_LONELY = "-alone"
_MENDING = "mending-"
_GROUP_ROWS = 200
_GROUP_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was brought over from one damaged file.

    Attributes:
        file: name of the file, which was kept.
        salvaged: requests and dead letters brought over.
        damaged: requests that could not be read, about: who cannot be read cannot be counted.
    """

    file: str
    salvaged: int
    damaged: int


def set_aside(path: Path, now_ns: int) -> Path:
    """Rename a damaged file and what SQLite keeps beside it; return its new name.

    Raises:
        OSError: it cannot be renamed; :func:`finish_setting_aside` goes on with it.
    """
    path.touch()  # it may be gone, and its log there
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now_ns / 1e9))
    target = path.with_name(f"{path.stem}{_DAMAGED}{stamp}-{now_ns % 10**9:09d}{path.suffix}")
    _rename(path, target)
    return target


def finish_setting_aside(path: Path) -> bool:
    """Complete a renaming that a crash interrupted between two files; return whether one was.

    A log whose file somebody removed is renamed: a later start must not take it for that of
    another file.

    Raises:
        OSError: it cannot be renamed.
    """
    target = half_set_aside(path)
    if target:
        _rename(path, target)
    for marker in _beside(path, _MARKER):
        marker.unlink()
    for lonely in _lonely_logs(path):
        log.warning("the file of %s is gone: it cannot be salvaged, and is kept", lonely)
        lonely.rename(f"{lonely}{_LONELY}")
    return target is not None


def half_set_aside(path: Path) -> Path | None:
    """Return the name that a crash kept a file from getting, its log maybe not; None: nothing did.

    Certain by the marker. Earlier versions left none: a log without a file is of ``path``, unless
    that has one of its own or is newer.
    """
    if not path.exists():
        return None
    has_log = _has_log(path)
    for marker in _beside(path, _MARKER):
        target = Path(str(marker).removesuffix(_MARKER))
        if not target.exists() and not (has_log and _has_log(target)):
            return target
    for lonely in _lonely_logs(path):
        target = Path(str(lonely).removesuffix("-wal"))
        if not has_log and not _is_newer(path, target):
            return target
    return None


def _lonely_logs(path: Path) -> list[Path]:
    """Return the logs set aside whose file is not there."""
    logs = _beside(path, "-wal")
    return [log_file for log_file in logs if not Path(str(log_file).removesuffix("-wal")).exists()]


def _rename(path: Path, target: Path) -> None:
    """Give a file and what is beside it a name, the file last; a crash may come after any step."""
    marker = Path(f"{target}{_MARKER}")
    marker.touch()
    _sync(path.parent)
    for suffix in ("-wal", "-shm", ""):
        old, new = Path(f"{path}{suffix}"), Path(f"{target}{suffix}")
        with suppress(FileNotFoundError):
            if suffix == "-wal" and _has_log(target):
                old.unlink()  # empty: made by a process that looked at the file since
            else:
                old.rename(new)
        _sync(path.parent)
    marker.unlink()
    _sync(path.parent)


def _sync(directory: Path) -> None:
    """Make what was renamed in a directory last through a power cut."""
    number = os.open(directory, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(number)
    finally:
        os.close(number)


def _beside(path: Path, suffix: str = "") -> list[Path]:
    """Return the files that were set aside, or those of them that end so, the oldest first."""
    return sorted(path.parent.glob(f"{path.stem}{_DAMAGED}*{path.suffix}{suffix}"))


def _has_log(path: Path) -> bool:
    try:
        return Path(f"{path}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def _is_newer(path: Path, target: Path) -> bool:
    """Return whether a file, which has no log, was made after a name had been given to another.

    Then it names that one or a later one, which was salvaged into it; names sort by time.
    """
    uri = f"{path.absolute().as_uri()}?immutable=1"
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(uri, uri=True)) as file:
        sql = "SELECT 1 FROM salvages WHERE file >= ? LIMIT 1"
        return bool(file.execute(sql, (target.name,)).fetchall())
    return False


def remove_copies(path: Path) -> None:
    """Remove the copies that a salvage was mending when its process was killed."""
    for directory in path.parent.glob(f"{_MENDING}*"):
        shutil.rmtree(directory, ignore_errors=True)


def salvage_pending(path: Path) -> list[Salvage]:
    """Bring over the requests of every file set aside beside ``path`` that was not finished yet.

    Raises:
        sqlite3.Error, OSError: the fresh file cannot be written, for example on a full disk; what
            was not brought over stays where it is, and calling again goes on with it.
    """
    damaged = _beside(path)
    if not damaged:
        return []
    with closing(connect(path)) as fresh:
        # The newest first: its notes say which of the others were salvaged into it.
        files = reversed(damaged)
        return [_salvage(file, fresh) for file in files if not _is_ended(file, fresh)]


def _is_ended(file: Path, fresh: sqlite3.Connection) -> bool:
    sql = "SELECT 1 FROM salvages WHERE file = ? AND ended_ns > 0"
    return fresh.execute(sql, (file.name,)).fetchone() is not None


def _salvage(file: Path, fresh: sqlite3.Connection) -> Salvage:
    """Bring over what a damaged file holds, from where an earlier attempt ended."""
    fresh.execute("INSERT OR IGNORE INTO salvages (file) VALUES (?)", (file.name,))
    [(*places, salvaged, damaged)] = fresh.execute(
        "SELECT requests_to, dead_letters_to, salvaged, damaged FROM salvages WHERE file = ?",
        (file.name,),
    ).fetchall()
    tally = Tally(salvaged, damaged)
    with closing(_readings(file)) as readings:
        for source, joined in readings:
            _copy_notes(source, fresh)
            for n, name in enumerate(("requests", "dead_letters")):
                table = DamagedTable(source, name, tally, places[n], is_joined=name in joined)
                _copy(table, fresh, file.name)
                places[n] = table.position
    fresh.execute(
        "UPDATE salvages SET damaged = ?, ended_ns = ? WHERE file = ?",
        (tally.damaged, time.time_ns(), file.name),
    )
    log.error(
        "the spool file was damaged and is kept as %s: %d requests salvaged, about %d could not be "
        "read",
        file,
        tally.salvaged,
        tally.damaged,
    )
    return Salvage(file.name, tally.salvaged, tally.damaged)


def _copy(source: DamagedTable, fresh: sqlite3.Connection, file: str) -> None:
    """Insert the rows of a damaged table, many to a commit; those that cannot be used are buried.

    Dead letters pass through ``requests`` for a number that nothing else will have.
    """
    for group in _groups(source.rows()):
        fresh.execute("BEGIN IMMEDIATE")
        try:
            for row in group:
                reason = row.reason or ("" if row.is_whole() else DAMAGED_BODY)
                source.tally.count(row)
                seq = fresh.execute(INSERT_REQUEST, row.values()).lastrowid
                if reason:
                    bury(fresh, int(seq or 0), reason)
            fresh.execute(
                f"UPDATE salvages SET {source.name}_to = ?, salvaged = ?, damaged = ?"
                " WHERE file = ?",
                (source.position, source.tally.salvaged, source.tally.damaged, file),
            )
            fresh.execute("COMMIT")
        except BaseException:
            if fresh.in_transaction:
                fresh.execute("ROLLBACK")
            raise


def _groups(rows: Iterator[SpoolRow]) -> Iterator[list[SpoolRow]]:
    group, size = list[SpoolRow](), 0
    for row in rows:
        group.append(row)
        size += len(row.body)
        if len(group) >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _copy_notes(source: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    """Remember what was salvaged before, or it would be brought over once more."""
    with suppress(sqlite3.DatabaseError):
        columns = "file, salvaged, damaged, ended_ns"
        for file, *numbers in source.execute(f"SELECT {columns} FROM salvages").fetchall():
            if isinstance(file, str) and all(isinstance(number, int) for number in numbers):
                fresh.execute(
                    f"INSERT INTO salvages ({columns}) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET ended_ns = max(ended_ns, excluded.ended_ns)",
                    (file, *numbers),
                )


class _Reading(NamedTuple):
    """A file that can be read, and which of its tables were joined anew."""

    source: sqlite3.Connection
    joined: Collection[str] = ()


def _readings(file: Path) -> Generator[_Reading, None, None]:
    """Open a damaged file without changing it; one that SQLite cannot read, as a mended copy.

    Where the log is damaged, twice: as it was before, and then with every page that is whole, for
    the rows behind. Such pages may be of different moments, and rows moved between them missing.
    """
    has_damaged_log = wal.damage(file) is not None
    if not has_damaged_log:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as source:
            if _has_requests(source) and not _torn_tables(source, file, wal.pages(file)):
                yield _Reading(source)
                return
    with TemporaryDirectory(prefix=_MENDING, dir=file.parent) as directory:
        copy = Path(directory) / "copy.db"
        if has_damaged_log:
            shutil.copyfile(file, copy)
            wal.write_into(copy, file, before_damage=True)
            torn = _join_trees(copy)
            if torn is not None:
                with closing(sqlite3.connect(copy, isolation_level=None)) as source:
                    yield _Reading(source, torn)
        shutil.copyfile(file, copy)
        page_bytes = wal.write_into(copy, file)
        torn = _join_trees(copy)
        if torn is None:
            exchange_first_page(copy, Path(directory), page_bytes)
            torn = _join_trees(copy)
        with closing(sqlite3.connect(copy, isolation_level=None)) as source:
            yield _Reading(source, torn or ())


def _join_trees(copy: Path) -> Collection[str] | None:
    """Make whole the trees whose upper pages are lost; return which, None: no table is known."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as source:
        if not _has_requests(source):
            return None
        torn, page_bytes = _torn_tables(source, copy), _page_bytes(source)
    with copy.open("r+b") as file:
        for name, root in torn.items():
            trees.join(trees.Pages(file, page_bytes), name, root)
    return torn


def _torn_tables(
    source: sqlite3.Connection, file: Path, log: Mapping[int, bytes] | None = None
) -> dict[str, int]:
    """Return the pages where those tables begin whose trees have lost upper pages."""
    sql = "SELECT name, rootpage FROM sqlite_master WHERE name IN ('requests', 'dead_letters')"
    with file.open("rb") as opened:
        pages = trees.Pages(opened, _page_bytes(source), log)
        return {name: root for name, root in source.execute(sql) if trees.is_torn(pages, root)}


def _page_bytes(source: sqlite3.Connection) -> int:
    [(size,)] = source.execute("PRAGMA page_size").fetchall()
    return int(size)


def _has_requests(source: sqlite3.Connection) -> bool:
    try:
        source.execute("SELECT seq FROM requests LIMIT 0")
    except sqlite3.DatabaseError:
        return False
    return True
