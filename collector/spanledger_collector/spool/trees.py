"""Trees of a damaged file: where their upper pages are lost, what is below is joined anew.

SQLite finds rows only from the root of their table on; the pages that lead on to others are few,
and each of them lost would take along the rows of very many.
https://www.sqlite.org/fileformat.html#b_tree_pages
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from spanledger_collector.signals import Signal

_INTERIOR, _LEAF = 5, 13
_EMPTY_LEAF = bytes((_LEAF, 0, 0, 0, 0, 0, 0, 0))
_MOST_CELL_BYTES = 2 + 4 + 9  # its place, the page below, and the largest number there
_DEEPEST = 20  # https://www.sqlite.org/limits.html: no tree of SQLite's is deeper
# Serial types: https://www.sqlite.org/fileformat.html#record_format
_NULL, _INTEGERS, _FIRST_BLOB, _FIRST_TEXT = 0, {1, 2, 3, 4, 5, 6, 8, 9}, 12, 13
_SIGNALS = [[_FIRST_TEXT + 2 * len(signal)] for signal in Signal]
_REQUEST_COLUMNS = 6  # before that of the signal, which earlier versions had not


class Leaf(NamedTuple):
    """A page of rows: its number, those of its first and last row, and how many there are."""

    page: int
    first: int
    last: int
    rows: int = 0


class Pages:
    """The pages of a file, those in its log before those in the file.

    Args:
        file: opened for reading, and for writing where trees are joined.
        page_bytes: how large they are.
        log: newer pages, by number.
    """

    def __init__(
        self, file: BinaryIO, page_bytes: int, log: Mapping[int, bytes] | None = None
    ) -> None:
        self.page_bytes = page_bytes
        self._file = file
        self._log = log or {}
        self.count = max(file.seek(0, 2) // page_bytes, *self._log, 1)

    def read(self, number: int, size: int | None = None) -> bytes:
        """Return a page from 1, or its first bytes; as much of it as there is."""
        if number in self._log:
            return self._log[number][:size]
        self._file.seek((number - 1) * self.page_bytes)
        return self._file.read(self.page_bytes if size is None else size)

    def write(self, number: int, content: bytes) -> None:
        """Write a page to the file, filled up with zeros."""
        self._file.seek((number - 1) * self.page_bytes)
        self._file.write(content.ljust(self.page_bytes, b"\0"))
        self.count = max(self.count, number)


def is_torn(pages: Pages, root: int) -> bool:
    """Return whether upper pages of a tree are lost, all leaves of which are equally deep."""
    level, seen = [root], set[int]()
    for _ in range(_DEEPEST):
        if not seen.isdisjoint(level) or not all(1 < n <= pages.count for n in level):
            return True
        kinds = {pages.read(number, 1)[:1] for number in level}
        if bytes((_LEAF,)) in kinds:
            return False  # some leaves may be lost: their neighbours are not
        if kinds != {bytes((_INTERIOR,))}:
            return True
        seen.update(level)
        level = [child for number in level for child in _children(pages.read(number))]
        if len(set(level)) < len(level):
            return True
    return True


def join(pages: Pages, table: str, root: int) -> None:
    """Make a tree of all leaves of a table, ``requests`` or ``dead_letters``, below its root.

    The file may grow by a few pages; its first page says how many there are then. Free pages are
    left out, as far as the first page still tells them.
    """
    level = _apart([leaf for leaf in _leaves(pages) if _table_of(pages, leaf.page) == table])
    most = (pages.page_bytes - 12) // _MOST_CELL_BYTES
    while len(level) > most:
        parts = -(-len(level) // most)
        ends = [len(level) * n // parts for n in range(parts + 1)]
        level = [_joined(pages, pages.count + 1, level[a:b]) for a, b in pairwise(ends)]
    if len(level) > 1:
        _joined(pages, root, level)
    else:
        pages.write(root, pages.read(level[0].page) if level else _EMPTY_LEAF)
    header = bytearray(pages.read(1))
    header[28:32] = pages.count.to_bytes(4, "big")
    pages.write(1, bytes(header))


def _joined(pages: Pages, number: int, below: Sequence[Leaf]) -> Leaf:
    """Write the page above others, the last of which has a place of its own."""
    *others, last = below
    cells = [leaf.page.to_bytes(4, "big") + _varint(leaf.last) for leaf in others]
    places, end = list[int](), pages.page_bytes
    for cell in cells:
        end -= len(cell)
        places.append(end)
    head = bytes((_INTERIOR, 0, 0)) + len(cells).to_bytes(2, "big")
    head += (end % 65_536).to_bytes(2, "big") + b"\0" + last.page.to_bytes(4, "big")
    head += b"".join(place.to_bytes(2, "big") for place in places)
    pages.write(number, head.ljust(end, b"\0") + b"".join(reversed(cells)))
    return Leaf(number, below[0].first, last.last)


def _children(content: bytes) -> Iterator[int]:
    count = int.from_bytes(content[3:5], "big")
    for at in range(12, min(12 + 2 * count, len(content) - 1), 2):
        place = int.from_bytes(content[at : at + 2], "big")
        yield int.from_bytes(content[place : place + 4], "big")
    yield int.from_bytes(content[8:12], "big")


def _leaves(pages: Pages) -> Iterator[Leaf]:
    """Yield the pages of rows that are in use."""
    free = _free(pages)
    for number in range(2, pages.count + 1):
        if number in free or pages.read(number, 1) != bytes((_LEAF,)):
            continue
        content = pages.read(number)
        first, last = (_row_number(content, place) for place in _ends(content))
        if 0 < first <= last:
            yield Leaf(number, first, last, min(_row_count(content), last - first + 1))


def _apart(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Return leaves in their order, and of those that overlap the ones that hold most rows.

    Pages out of use may hold rows that were moved, and a damaged page any numbers. This is the
    scheduling of weighted intervals (Kleinberg and Tardos, Algorithm Design, 6.1).
    """
    ordered = sorted(leaves, key=lambda one: (one.last, one.first))
    ends = [leaf.last for leaf in ordered]
    most, before = [0], list[int]()
    for n, leaf in enumerate(ordered):
        before.append(bisect_left(ends, leaf.first, 0, n))
        most.append(max(most[n], most[before[n]] + leaf.rows))
    found, n = list[Leaf](), len(ordered)
    while n:
        n -= 1
        if most[n + 1] > most[n]:
            found.append(ordered[n])
            n = before[n]
    return found[::-1]


def _free(pages: Pages) -> set[int]:
    """Return the pages that are not in use.

    https://www.sqlite.org/fileformat.html#the_freelist
    """
    free = set[int]()
    trunk = int.from_bytes(pages.read(1)[32:36], "big")
    while 1 < trunk <= pages.count and trunk not in free:
        content = pages.read(trunk)
        count = min(int.from_bytes(content[4:8], "big"), pages.page_bytes // 4 - 2)
        free.add(trunk)
        free.update(int.from_bytes(content[8 + 4 * n : 12 + 4 * n], "big") for n in range(count))
        trunk = int.from_bytes(content[:4], "big")
    return free


def _ends(content: bytes) -> tuple[int, int]:
    """Return where the first and the last row of a leaf are; past its end: it has none."""
    count = _row_count(content)
    if not count:
        return len(content), len(content)
    first, last = content[8:10], content[6 + 2 * count : 8 + 2 * count]
    return int.from_bytes(first, "big"), int.from_bytes(last, "big")


def _row_count(content: bytes) -> int:
    return max(0, min(int.from_bytes(content[3:5], "big"), (len(content) - 8) // 2))


def _row_number(content: bytes, place: int) -> int:
    _, place = _read_varint(content, place)
    number, _ = _read_varint(content, place)
    return number


def _table_of(pages: Pages, number: int) -> str:
    """Return of which table the rows of a leaf are, by what their columns hold."""
    content = pages.read(number)
    _, place = _read_varint(content, _ends(content)[0])
    _, place = _read_varint(content, place)
    size, after = _read_varint(content, place)
    types = list[int]()
    while after < min(place + size, len(content)):
        kind, after = _read_varint(content, after)
        types.append(kind)
    seq, project, *numbers, body = (types + [-1] * _REQUEST_COLUMNS)[:_REQUEST_COLUMNS]
    is_row = seq == _NULL and _is_text(project) and _INTEGERS.issuperset(numbers)
    if not is_row or body < _FIRST_BLOB or body % 2:
        return ""
    told = types[_REQUEST_COLUMNS:]
    if not told or told in _SIGNALS:
        return "requests"
    return "dead_letters" if all(map(_is_text, told)) else ""


def _is_text(kind: int) -> bool:
    return kind >= _FIRST_TEXT and kind % 2 == 1


def _read_varint(content: bytes, place: int) -> tuple[int, int]:
    """Return a number of SQLite's variable length, and where the next begins."""
    number = 0
    for n, byte in enumerate(content[place : place + 9]):
        if n == 8:
            return number << 8 | byte, place + 9
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + n + 1
    return 0, len(content)


def _varint(number: int) -> bytes:
    """Return a number below 2**56, of requests counted from 1, as SQLite writes it."""
    found = [number & 0x7F]
    while number := number >> 7:
        found.append(number & 0x7F | 0x80)
    return bytes(reversed(found))
