"""The log that SQLite keeps beside the spool's file, looked at before SQLite does.

What was acknowledged may be there only. SQLite takes the log to end at the first page that does not
match its checksum, and forgets the rest without a word: right for a log that a crash cut off, wrong
for one that was damaged later. https://www.sqlite.org/fileformat.html#the_write_ahead_log
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER_BYTES, _FRAME_BYTES = 32, 24
_LITTLE, _BIG = 0x377F0682, 0x377F0683
_PAGE_BYTES = frozenset(1 << n for n in range(9, 17))
_CUT = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class _Frame:
    """A page in the log.

    Attributes:
        number: of the page, from 1.
        is_commit: whether a transaction ends with it.
        is_whole: whether its checksum is right.
        place: where its content is in the log.
    """

    number: int
    is_commit: bool
    is_whole: bool
    place: int


@dataclass(frozen=True, slots=True)
class _Log:
    data: bytes
    page_bytes: int
    frames: list[_Frame]
    has_header: bool
    """Whether the checksum of its beginning is right."""

    def first_broken(self) -> int:
        """Return which frame is the first that is not whole; their number: all are."""
        broken = (n for n, frame in enumerate(self.frames) if not frame.is_whole)
        return next(broken, len(self.frames))

    def last_commit(self, end: int) -> int:
        """Return how many frames there are up to the last commit of those before ``end``."""
        commits = (n for n in range(end - 1, -1, -1) if self.frames[n].is_commit)
        return next(commits, -1) + 1


def damage(path: Path) -> str | None:
    """Return what is wrong with the log of a file that nobody has open; None: nothing is.

    Raises:
        OSError: it cannot be read.
    """
    log = _read(path)
    if log is None or not any(frame.is_commit for frame in log.frames):
        return None
    if not path.exists() or not path.stat().st_size:
        return "the file is empty, and its log is not"
    if not log.has_header:
        return "the beginning of its log is damaged"
    # Also where the power went while this was being written, and nobody was told that it had been:
    # what is left looks the same, and reading it row by row loses nothing.
    if any(frame.is_commit for frame in log.frames[log.first_broken() + 1 :]):
        return "its log is damaged before its end"
    return None


def pages(path: Path) -> dict[int, bytes]:
    """Return the whole pages in a file's log, up to the last commit, by number; the newest of each.

    Raises:
        OSError: it cannot be read.
    """
    log = _read(path)
    if log is None:
        return {}
    size, end = log.page_bytes, log.last_commit(len(log.frames))
    return {
        frame.number: log.data[frame.place : frame.place + size]
        for frame in log.frames[:end]
        if frame.is_whole
    }


def write_into(copy: Path, path: Path, *, before_damage: bool = False) -> int:
    """Write the whole pages in a file's log, up to the last commit, into a copy of the file.

    Returns the size of its pages in bytes; 0: there is no log.

    Args:
        copy: of the file.
        path: the file.
        before_damage: stop at the last commit before the first page that is not whole.
    """
    log = _read(path)
    if log is None:
        return 0
    end = log.last_commit(log.first_broken() if before_damage else len(log.frames))
    with copy.open("r+b") as file:
        for frame in log.frames[:end]:
            if frame.is_whole:
                file.seek((frame.number - 1) * log.page_bytes)
                file.write(log.data[frame.place : frame.place + log.page_bytes])
    return log.page_bytes


def _read(path: Path) -> _Log | None:
    """Return the log of a file; None: there is none, or nothing in it."""
    try:
        data = Path(f"{path}-wal").read_bytes()
    except FileNotFoundError:
        return None
    page_bytes = int.from_bytes(data[8:12], "big")
    order = {_LITTLE: "little", _BIG: "big"}.get(int.from_bytes(data[:4], "big"))
    if order is None or page_bytes not in _PAGE_BYTES:
        order, page_bytes = "little", _distance(data)
    if len(data) < _HEADER_BYTES + _FRAME_BYTES + page_bytes or not page_bytes:
        return None
    has_header = _sums(data[24:32]) == _checksum((0, 0), data[:24], order)
    return _Log(data, page_bytes, list(_frames(data, page_bytes, order, has_header)), has_header)


def _distance(data: bytes) -> int:
    """Return the size of pages by where the first frame's salts come again; 0: they do not."""
    salts = data[_HEADER_BYTES + 8 : _HEADER_BYTES + 16]
    for size in sorted(_PAGE_BYTES):
        at = _HEADER_BYTES + _FRAME_BYTES + size + 8
        if any(salts) and data[at : at + 8] == salts:
            return size
    return 0


def _frames(data: bytes, page_bytes: int, order: str, has_header: bool) -> Iterator[_Frame]:
    """Yield the frames; those that are left from earlier rounds of the log have other salts."""
    header = _HEADER_BYTES
    sums = _sums(data[24:32])
    salts = data[16:24] if has_header else data[header + 8 : header + 16]
    for at in range(header, len(data) - page_bytes - _FRAME_BYTES + 1, _FRAME_BYTES + page_bytes):
        head = data[at : at + _FRAME_BYTES]
        place = at + _FRAME_BYTES
        number = int.from_bytes(head[:4], "big")
        is_of_now = head[8:16] == salts and number > 0
        before, sums = sums, _sums(head[16:24])
        # By the sum written before it, not the one it should have: each frame speaks for itself.
        # The first one behind a broken header cannot.
        is_whole = is_of_now and (
            (not has_header and at == header)
            or sums == _checksum(before, head[:8] + data[place : place + page_bytes], order)
        )
        yield _Frame(number, is_of_now and any(head[4:8]), is_whole, place)


def _sums(written: bytes) -> tuple[int, int]:
    return int.from_bytes(written[:4], "big"), int.from_bytes(written[4:], "big")


def _checksum(before: tuple[int, int], data: bytes, order: str) -> tuple[int, int]:
    words = array("I", data)
    if order != sys.byteorder:
        words.byteswap()
    first, second = before
    pairs = iter(words)
    for even, odd in zip(pairs, pairs, strict=True):
        first = (first + even + second) & _CUT
        second = (second + odd + first) & _CUT
    return first, second
