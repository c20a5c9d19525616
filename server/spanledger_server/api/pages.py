"""A page: as many rows as were asked for, from one place on, read without reading everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spanledger_server.api.cursors import BEGINNING, Place
from spanledger_server.api.formats import Format
from spanledger_server.api.resources import Part, Question, parts_of_hours
from spanledger_server.api.rows import Rows
from spanledger_storage.store import Store

_FIRST_LOOK_ROWS = 50_000
_GROWTH = 8


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and where the next page begins; None: there is none."""

    rows: Rows
    next: Place | None


def read_page(store: Store, question: Question, place: Place, limit: int, fmt: Format) -> Page:
    """Return the rows after a place.

    The newest hours are read first, then ever larger parts of what is before them, until the page
    is full: sorting a year for the newest hundred would take as long as the year is large.

    Raises:
        StoreError: the store does not answer.
    """
    found: Rows | None = None
    for part in _parts(store, question, place):
        missing = limit + 1 - (len(found) if found is not None else 0)
        rows = question.read(store, part, place, missing, fmt)
        found = rows if found is None else found.joined(rows)
        if len(found) > limit:
            break
    if found is None:
        nothing = Part(question.period.from_s, question.period.from_s)
        return Page(question.read(store, nothing, BEGINNING, 0, fmt), None)
    rows = found.first(limit)
    if len(found) <= limit:
        return Page(rows, None)
    return Page(rows, question.resource.place_of(rows.last(question.resource.keys)))


def _parts(store: Store, question: Question, place: Place) -> Iterator[Part]:
    """Return the parts of the period to look into, the newest first; none where nothing is."""
    from_s, to_s = question.period.from_s, question.period.to_s
    if question.resource.table is None or question.resource.splits == "hash":
        yield Part(from_s, to_s)
        return
    if place.after_ns >= 0:
        to_s = min(to_s, place.after_ns // 1_000_000_000 + 1)
    if to_s <= from_s:
        return
    hours = question.hours(store, from_s, to_s)
    for part, _ in parts_of_hours(hours, (from_s, to_s), _FIRST_LOOK_ROWS, _GROWTH):
        yield part
