"""The first page of a spool's file, which says where its tables begin, taken from a new file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import BinaryIO, NamedTuple

from spanledger_collector.spool.batches import PAGE_BYTES
from spanledger_collector.spool.file import OLD_PAGE_BYTES, connect

# First byte of a page of a tree: https://www.sqlite.org/fileformat.html#b_tree_pages
_INDEX_PAGES = {b"\x02", b"\x0a"}
_TABLE_PAGES = {b"\x05", b"\x0d"}


def exchange_first_page(copy: Path, directory: Path, page_bytes: int) -> None:
    """Put the first page of a new file, which says where tables begin, into a copy of a file.

    ``page_bytes`` are those of its log, which may hold too few pages to tell; 0: it has none.
    """
    with copy.open("r+b") as damaged:
        known = (*OLD_PAGE_BYTES, PAGE_BYTES)
        sizes = [size for size in known if size == page_bytes] or known
        pages = [_first_page(directory / f"{size}.db", size) for size in sizes]
        # A multiple of the right size finds trees, too, where rows are small: the smallest is it.
        page = max(pages, key=lambda page: _trees(damaged, page))
        header = bytearray(page.content)
        # The number of pages, and no free ones: https://www.sqlite.org/fileformat.html#the_database_header
        # SQLite refuses a file that ends before one of its tables begins.
        count = max(copy.stat().st_size // len(header), *page.tables, *page.indexes)
        damaged.truncate(count * len(header))
        header[28:32] = count.to_bytes(4, "big")
        header[32:40] = bytes(8)
        damaged.seek(0)
        damaged.write(header)


class _FirstPage(NamedTuple):
    """The first page of a file, and the numbers of the pages, from 1, at which trees begin."""

    content: bytes
    tables: list[int]
    indexes: list[int]


def _first_page(donor: Path, page_bytes: int) -> _FirstPage:
    """Return it of a new file, made with pages of so many bytes."""
    with closing(connect(donor, page_bytes)) as new:
        roots: dict[str, list[int]] = {"table": [], "index": []}
        for kind, root in new.execute(
            "SELECT type, rootpage FROM sqlite_master WHERE rootpage > 0"
        ):
            roots[kind].append(root)
    with donor.open("rb") as file:
        return _FirstPage(file.read(page_bytes), roots["table"], roots["index"])


def _trees(file: BinaryIO, page: _FirstPage) -> tuple[int, int]:
    """Return how many indexes and how many tables begin in a file where they do in a new one."""
    size = len(page.content)
    kinds = ((page.indexes, _INDEX_PAGES), (page.tables, _TABLE_PAGES))
    indexes, tables = (
        sum(_byte(file, (root - 1) * size) in known for root in roots) for roots, known in kinds
    )
    return indexes, tables


def _byte(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(1)
