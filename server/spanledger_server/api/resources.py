"""What can be listed: which statement reads it, and how its rows are told apart and cut up."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType

from spanledger_analytics.data_quality import Period
from spanledger_server.api.cursors import BEGINNING, Place
from spanledger_server.api.formats import STORE_FORMATS, STORE_SETTINGS, Format
from spanledger_server.api.row_types import Row
from spanledger_server.api.rows import Rows, read_rows, unix_ns
from spanledger_storage.statements import load
from spanledger_storage.store import Store

HOUR_S = 3_600
EVER = Period(0, 2**32 - 1)
"""All that the store's time type can hold: of what is not asked for by period."""
_IDS = 1 << 32  # trace ids are cut up by their first eight hexadecimal digits
# In which hours does a table hold rows of a project, and about how many? The newest first.
_HOURS = (
    "SELECT toUnixTimestamp(toStartOfHour({moment:Identifier})) AS hour_s, count() AS rows\n"
    "FROM {table:Identifier} WHERE project = {project:String} AND {moment:Identifier} >= "
    "toDateTime({from_s:Int64}, 'UTC') AND {moment:Identifier} < toDateTime({to_s:Int64}, 'UTC')\n"
    "GROUP BY hour_s ORDER BY hour_s DESC"
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a period: unix seconds, half open; trace ids, half open, empty: without a bound."""

    from_s: int
    to_s: int
    trace_from: str = ""
    trace_to: str = ""
    slice: int = 0
    slices: int = 1

    def params(self) -> dict[str, object]:
        """Return it as statements take it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Resource:
    """Something to list.

    Attributes:
        name: in the path and of a file.
        statement: reads its rows.
        row: the columns to answer.
        time: column of the time that rows are sorted by; empty: by the id alone.
        ids: columns that tell rows of one time apart.
        table: with its column of time, whose hours tell how much there is; None: one read answers
            all there is, or, cut up by hash, its rows are counted.
        splits: how rows of an hour are cut up further; by hash: all of them, whatever their hour.
        most_bytes: that one read may answer, as the store holds them; 0: as much as the store lets.
    """

    name: str
    statement: str
    row: type[Row]
    time: str
    ids: tuple[str, ...]
    table: tuple[str, str] | None = None
    splits: typing.Literal["trace", "second", "hash"] = "trace"
    most_bytes: int = 0

    def place_of(self, last: Mapping[str, str]) -> Place:
        """Return where the row after this one is looked for."""
        after_ns = unix_ns(last[self.time]) if self.time else 0
        return Place(after_ns, "/".join(last[name] for name in self.ids))

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns that a place is made of."""
        return (*((self.time,) if self.time else ()), *self.ids)


@dataclass(frozen=True, slots=True)
class Question:
    """What is read: a resource of a project in a period, under filters.

    ``columns`` are those answered; empty: all of the resource.
    """

    resource: Resource
    project: str
    period: Period
    filters: Mapping[str, object]
    columns: tuple[str, ...] = ()

    def read(self, store: Store, part: Part, place: Place, count: int, fmt: Format) -> Rows:
        """Return at most so many rows of a part of the period, from a place on."""
        params = self._params(part, place, count)
        settings = STORE_SETTINGS
        if self.resource.most_bytes:
            # Waited for, so that what is too large is refused and not broken off.
            most = {"max_result_bytes": self.resource.most_bytes, "result_overflow_mode": "throw"}
            settings = {**settings, **most, "wait_end_of_query": 1}
        answer = store.raw(self._sql(fmt), STORE_FORMATS[fmt], params, settings)
        return read_rows(answer, fmt)

    def count(self, store: Store) -> int:
        """Return how many rows the whole period has."""
        whole = Part(self.period.from_s, self.period.to_s)
        sql = f"SELECT count() AS rows\nFROM (\n{load(self.resource.statement)}\n)"
        [row] = store.sql_rows(sql, self._params(whole, BEGINNING, 2**63))
        return typing.cast("int", row["rows"])

    def _params(self, part: Part, place: Place, count: int) -> dict[str, object]:
        return {
            "project": self.project,
            **part.params(),
            "after_ns": place.after_ns,
            "after_id": place.after_id,
            "page_rows": count,
            **self.filters,
        }

    def hours(self, store: Store, from_s: int, to_s: int) -> list[tuple[int, int]]:
        """Return the hours with rows, the newest first, and about how many each holds."""
        assert self.resource.table is not None
        table, moment = self.resource.table
        params = {
            "project": self.project,
            "table": table,
            "moment": moment,
            "from_s": from_s,
            "to_s": to_s,
        }
        found = store.sql_rows(_HOURS, params)
        return [(typing.cast("int", r["hour_s"]), typing.cast("int", r["rows"])) for r in found]

    def _sql(self, fmt: Format) -> str:
        """Return the statement with the columns to answer, whose names are ours."""
        fields = self.resource.row.model_fields
        columns = [
            f"toJSONString({name}) AS {name}"
            if fmt is Format.CSV and _is_nested(fields[name].annotation)
            else name
            for name in self.columns or tuple(fields)
        ]
        return f"SELECT {', '.join(columns)}\nFROM (\n{load(self.resource.statement)}\n)"


def parts_of_hours(
    hours: list[tuple[int, int]], period: tuple[int, int], most_rows: int, growth: int = 1
) -> Iterator[tuple[Part, int]]:
    """Return spans of whole hours with about so many rows each, the newest first, and how many.

    Each next one may hold ``growth`` times as many. An hour is never cut here.
    """
    from_s, to_s = period
    start_s = end_s = 0
    held = 0
    for hour_s, rows in hours:
        if held and held + rows > most_rows:
            yield Part(max(start_s, from_s), min(end_s, to_s)), held
            held = 0
            most_rows *= growth
        end_s = end_s if held else hour_s + HOUR_S
        start_s, held = hour_s, held + rows
    if held:
        yield Part(max(start_s, from_s), min(end_s, to_s)), held


def cut(part: Part, rows: int, most_rows: int, splits: str) -> Iterator[Part]:
    """Return a part in pieces of about so many rows, taken to lie evenly."""
    pieces = -(-rows // most_rows)
    if pieces <= 1:
        yield part
    elif splits == "trace":
        pieces = min(pieces, _IDS)
        bounds = ["", *(f"{i * _IDS // pieces:08x}" for i in range(1, pieces)), ""]
        for low, high in zip(bounds, bounds[1:], strict=False):
            yield Part(part.from_s, part.to_s, low, high)
    else:
        width_s = max(1, (part.to_s - part.from_s) // pieces)
        for start_s in range(part.from_s, part.to_s, width_s):
            yield Part(start_s, min(start_s + width_s, part.to_s))


def _is_nested(annotation: object) -> bool:
    """Return whether a column is a list or a map, which CSV has no form of its own for."""
    origin = typing.get_origin(annotation)
    if origin is UnionType or origin is typing.Union:
        return any(_is_nested(one) for one in typing.get_args(annotation))
    return origin in (list, dict)
