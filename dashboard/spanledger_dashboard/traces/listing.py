"""The list of traces: what narrows it, its order, its pages, and how it spreads over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import cast

import pyarrow as pa

from spanledger_storage.store import Store

PAGE_SIZE = 50
EXPORT_LIMIT = 100_000
# As shown and in the address: as dashboard_traces.sql knows it.
SORTS = {
    "Newest": "newest",
    "Most expensive": "cost",
    "Slowest": "duration",
    "Most tokens": "tokens",
    "Most spans": "spans",
    "Most errors": "errors",
}
STATUSES = ("ok", "error", "open")

Row = dict[str, object]
Keys = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """What the list is narrowed to; empty, None and a minimum of 0 narrow nothing.

    Attributes:
        from_s: unix seconds; traces that started then or later.
        to_s: unix seconds; and before then.
        spans_to_s: unix seconds; none of their spans starts later.
        status: ok, error (at least one span failed) or open (the root span has not arrived).
        text: part of the name, or the first digits of the trace id.
        tool: called in it.
        attribute: of one of its spans, or of their resource.
        attribute_value: of that attribute; empty: any.
        is_found_only: only those in ``found``, which may be none.
        found: trace ids.
    """

    project: str
    from_s: int
    to_s: int
    spans_to_s: int
    agent: str = ""
    model: str = ""
    service: str = ""
    environment: str = ""
    user: str = ""
    session: str = ""
    status: str = ""
    outcome: str = ""
    tool: str = ""
    min_cost_usd: Decimal | None = None
    max_cost_usd: Decimal | None = None
    min_tokens: int = 0
    max_tokens: int | None = None
    min_duration_ns: int = 0
    max_duration_ns: int | None = None
    text: str = ""
    attribute: str = ""
    attribute_value: str = ""
    is_found_only: bool = False
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins; hashable, and short enough for an address.

    Attributes:
        keys: of the row to go on from; empty: from the first row.
        is_before: whether the page lies above that row.
    """

    keys: Keys = ()
    is_before: bool = False

    @classmethod
    def read(cls, after: str, before: str) -> Place:
        """Return the place an address names; the first page where it names none."""
        for text, is_before in ((after, False), (before, True)):
            parts = text.split(".")
            if len(parts) == _KEYS and all(_is_key(part) for part in parts):
                return cls(tuple(int(part) for part in parts), is_before)
        return cls()


@dataclass(frozen=True, slots=True)
class TracePage:
    """One page of the list.

    Attributes:
        rows: columns as in dashboard_traces.sql.
        before: the place for the page above, as in an address; None: this is the first.
        after: the same for the page below; None: this is the last.
    """

    rows: list[Row]
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Facets:
    """Names the list can be narrowed to, and when its traces end (unix seconds)."""

    agents: tuple[str, ...]
    models: tuple[str, ...]
    services: tuple[str, ...]
    environments: tuple[str, ...]
    outcomes: tuple[str, ...]
    last_end_s: int


@dataclass(frozen=True, slots=True)
class SpanFacets:
    """Tools called and attributes seen on spans."""

    tools: tuple[str, ...]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TraceBucket:
    """Matching traces that started in one bucket; ``cost_usd`` None: nothing is priced."""

    start_s: int
    traces: int
    failed_traces: int
    cost_usd: Decimal | None
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class TraceTotals:
    """What all matching traces sum up to; ``cost_usd`` None: nothing is priced."""

    traces: int
    failed_traces: int
    cost_usd: Decimal | None
    unpriced_calls: int


def load_page(
    store: Store, narrowed: TraceFilter, sort: str, place: Place, page_size: int = PAGE_SIZE
) -> TracePage:
    """Read one page; the first one when nothing or too little lies above the place."""
    # One more than shown says whether the list goes on.
    rows = store.rows("dashboard_traces", _params(narrowed, sort, place, page_size + 1))
    has_more, rows = len(rows) > page_size, rows[:page_size]
    if place.keys and (not rows or (place.is_before and len(rows) < page_size)):
        return load_page(store, narrowed, sort, Place(), page_size)
    if place.is_before:
        return _page(rows[::-1], has_above=has_more, has_below=True)
    return _page(rows, has_above=bool(place.keys), has_below=has_more)


def load_export(store: Store, narrowed: TraceFilter, sort: str) -> pa.Table:
    """Read the first ``EXPORT_LIMIT`` that match, in order; columns as in dashboard_traces.sql."""
    table = store.arrow("dashboard_traces", _params(narrowed, sort, Place(), EXPORT_LIMIT))
    start = table["start_ms"].cast(pa.timestamp("ms", "UTC"))
    kept = table.drop_columns(["start_ms", "keys"])
    return kept.add_column(0, "start_time", start)


def load_histogram(store: Store, narrowed: TraceFilter, bucket_s: int) -> list[TraceBucket]:
    """Read how the matching traces spread over time; buckets without any are left out."""
    rows = store.rows(
        "dashboard_traces_histogram", {**_filter_params(narrowed), "bucket_s": bucket_s}
    )
    return [
        TraceBucket(
            start_s=cast("int", row["bucket_s"]),
            traces=cast("int", row["traces"]),
            failed_traces=cast("int", row["failed_traces"]),
            cost_usd=cast("Decimal | None", row["total_cost_usd"]),
            unpriced_calls=cast("int", row["unpriced_calls"]),
        )
        for row in rows
    ]


def totals(buckets: Sequence[TraceBucket]) -> TraceTotals:
    """Return the sums of all buckets."""
    costs = [b.cost_usd for b in buckets if b.cost_usd is not None]
    return TraceTotals(
        traces=sum(b.traces for b in buckets),
        failed_traces=sum(b.failed_traces for b in buckets),
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        unpriced_calls=sum(b.unpriced_calls for b in buckets),
    )


def load_facets(store: Store, project: str, from_s: int, to_s: int) -> Facets:
    """Read the names traces of a project carry in a time range."""
    row = store.rows(
        "dashboard_trace_facets", {"project": project, "from_s": from_s, "to_s": to_s}
    )[0]
    return Facets(
        agents=_names(row, "agents"),
        models=_names(row, "models"),
        services=_names(row, "services"),
        environments=_names(row, "environments"),
        outcomes=_names(row, "outcomes"),
        last_end_s=cast("int", row["last_end_s"]),
    )


def load_span_facets(store: Store, project: str, from_s: int, to_s: int) -> SpanFacets:
    """Read the tools and attributes that spans of a project carry in a time range."""
    row = store.rows("dashboard_span_facets", {"project": project, "from_s": from_s, "to_s": to_s})[
        0
    ]
    return SpanFacets(tools=_names(row, "tools"), attributes=_names(row, "attributes"))


_KEYS = 3
_KEY_DIGITS = 38


def _is_key(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= _KEY_DIGITS


def _page(rows: list[Row], *, has_above: bool, has_below: bool) -> TracePage:
    if not rows:
        return TracePage(rows)
    return TracePage(
        rows,
        before=_address(rows[0]) if has_above else None,
        after=_address(rows[-1]) if has_below else None,
    )


def _address(row: Row) -> str:
    return ".".join(str(key) for key in cast("Sequence[int]", row["keys"]))


def _params(narrowed: TraceFilter, sort: str, place: Place, page_size: int) -> dict[str, object]:
    return {
        **_filter_params(narrowed),
        "sort": sort,
        "place": list(place.keys),
        "is_before": place.is_before,
        "page_size": page_size,
    }


def _filter_params(narrowed: TraceFilter) -> dict[str, object]:
    return {**asdict(narrowed), "found": list(narrowed.found)}


def _names(row: Row, column: str) -> tuple[str, ...]:
    return tuple(cast("list[str]", row[column]))
