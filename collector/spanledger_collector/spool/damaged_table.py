"""Reads what can be read from a table of a damaged spool file."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from spanledger_collector.spool.batches import PAGE_BYTES
from spanledger_collector.spool.file import SpoolRow

# Questions about one unreadable stretch; what is left then is taken for lost.
_MOST_PROBES = 20_000
_LEAST_ROW_BYTES = 40
_LAST = 2**62


@dataclass(slots=True)
class Tally:
    """How many requests were brought over, and how many numbers could not be read."""

    salvaged: int = 0
    damaged: int = 0

    def count(self, row: SpoolRow) -> None:
        """Count a row that was read."""
        if row.is_whole():
            self.salvaged += 1
        else:
            self.damaged += 1


class DamagedTable:
    """One table, ``requests`` or ``dead_letters``, of a file that cannot be read everywhere.

    Rows are read in the order of their numbers. Where that fails, the next number from which
    reading works again is searched for, and the stretch between is halved until every row in it
    was read or stands alone as unreadable. Where the tree was joined anew (``is_joined``), lost
    pages are not in it: then requests whose numbers are missing count as unreadable.
    """

    def __init__(
        self,
        source: sqlite3.Connection,
        table: str,
        tally: Tally,
        position: int = 1,
        *,
        is_joined: bool = False,
    ) -> None:
        self.name = table
        self.tally = tally
        self.position = position  # every row before was yielded
        self._source = source
        known = _ask(source, f"PRAGMA table_info({table})", column=1)
        columns = ["seq, project, received_ns, spans, crc32, body"]
        columns += ["signal"] if "signal" in known else ["'traces'"]
        columns += ["reason"] if "reason" in known else ["''"]
        self._sql = (
            f"SELECT {', '.join(columns)} FROM {table} WHERE seq BETWEEN ? AND ? ORDER BY seq"
        )
        self._pages = _number(source, "PRAGMA page_count") or 0
        page_bytes = _number(source, "PRAGMA page_size") or PAGE_BYTES
        self._most_rows_of_page = page_bytes // _LEAST_ROW_BYTES
        # What was frozen first and is not finished is the oldest request there is.
        frozen = _number(source, "SELECT min(first_seq) FROM batches")
        self._first = frozen if table == "requests" else None
        last = _number(source, "SELECT seq FROM sqlite_sequence WHERE name = 'requests'")
        most = (self._first or position) + self._pages * self._most_rows_of_page
        self._high = most if last is None else last
        self._has_gaps = table == "requests" and is_joined

    def rows(self) -> Iterator[SpoolRow]:
        """Yield every row that can be read, counting in the tally those that cannot."""
        was_read = self.position > 1
        while True:
            failed = False
            for row in self._read(self.position, _LAST):
                failed = row is None
                if row is not None:
                    if self._has_gaps:
                        self._count_gap(row.seq, was_read=was_read)
                    self.position, was_read = row.seq + 1, True
                    yield row
            if not failed and self._has_gaps:
                self._count_gap(self._high + 1, was_read=was_read)
            if not failed or self.position > self._high:
                return
            end = self._next_readable(self.position)
            yield from self._islands(self.position, end - 1) if was_read else self._beginning(end)
            self.position = end

    def _count_gap(self, seq: int, *, was_read: bool) -> None:
        """Count requests that are missing before a number; before the first, finished ones are."""
        end = min(seq, self._high + 1)
        if was_read or self._first is not None:
            begin = self.position if was_read else self._first or 0
            self.tally.damaged += max(0, end - begin)
        elif seq > self._high:  # nothing was read: the one page of rows there was may be lost
            self.tally.damaged += min(self._high, self._most_rows_of_page)

    def _beginning(self, end: int) -> Iterator[SpoolRow]:
        """Yield what can be read before ``end``, when nothing was: mostly requests long stored."""
        before = self.tally.damaged
        if self._first is not None and self._first < end:
            yield from self._islands(1, self._first - 1)
            self.tally.damaged = before
            yield from self._islands(self._first, end - 1)
        else:
            yield from self._islands(1, end - 1)
            self.tally.damaged = min(self.tally.damaged, before + self._most_rows_of_page)

    def _read(self, low: int, high: int) -> Iterator[SpoolRow | None]:
        """Yield the rows of a range in order; None, at the end, when reading failed."""
        try:
            for values in self._source.execute(self._sql, (low, high)):
                row = SpoolRow.of(values)
                if not low <= row.seq <= high:  # a tree that leads round in a circle
                    yield None
                    return
                yield row
                low = row.seq + 1
        except (sqlite3.Error, OverflowError):
            yield None

    def _is_readable(self, seq: int) -> bool:
        """Return whether the first row at or after a number can be read, or there is none."""
        return next(self._read(seq, self._high), True) is not None

    def _next_readable(self, failed: int) -> int:
        """Return a number after ``failed`` from which reading works, past the end if there is none.

        Steps double until one works, then the gap is halved: a page lost in the middle of a
        million requests costs some forty questions.
        """
        step, bad, good = 1, failed, self._high + 1
        while failed + step <= self._high:
            if self._is_readable(failed + step):
                good = failed + step
                break
            bad = failed + step
            step *= 2
        while good - bad > 1:
            middle = (bad + good) // 2
            bad, good = (bad, middle) if self._is_readable(middle) else (middle, good)
        return good

    def _islands(self, low: int, high: int) -> Iterator[SpoolRow]:
        """Yield what can be read between two numbers, by halves, the large ones first."""
        ranges, probes = deque([(low, high)]), 0
        while ranges and probes < _MOST_PROBES:
            first, last = ranges.popleft()
            probes += 1
            for row in self._read(first, last):
                if row is None:
                    break
                yield row
                first = row.seq + 1
            else:
                continue
            if first == last:
                self.tally.damaged += 1
            elif first < last:
                middle = (first + last) // 2
                ranges += [(first, middle), (middle + 1, last)]
        left = sum(last - first + 1 for first, last in ranges)
        self.tally.damaged += min(left, self._pages)


def _ask(source: sqlite3.Connection, sql: str, column: int = 0) -> list[object]:
    """Return one column of a result, nothing when it cannot be read."""
    try:
        return [row[column] for row in source.execute(sql).fetchall()]
    except sqlite3.Error:
        return []


def _number(source: sqlite3.Connection, sql: str) -> int | None:
    """Return the number that a statement results in, None when there is none."""
    return next((found for found in _ask(source, sql) if isinstance(found, int)), None)
