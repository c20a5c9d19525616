"""Usage that only metrics tell of, as ledger entries: one per hour, service, session and model.

Metrics repeat what spans and logs say, so they count where these are silent. An hour's points cover
the time from the first one's start (a cumulative point: from the point before it) to the last one's
end. If the ledger holds any call of the same session, or of the same service where not both name a
session, and of the same model, in an hour that this window touches or in one next to it, the metric
adds nothing: a call and its export differ by up to a minute, long calls by more, and twice is worse
than not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import NamedTuple, cast

from spanledger_analytics import _rows
from spanledger_analytics._context import Context
from spanledger_analytics.calls import Call
from spanledger_analytics.entries import Entry, entry_id, ledger_entry
from spanledger_analytics.entry_prices import price_entries
from spanledger_analytics.ledger import read_entries, write_entries
from spanledger_analytics.metric_tokens import (
    METRICS,
    MetricUsage,
    Stream,
    UsageKey,
    is_same_model,
    usage_of,
)
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.spans import Span
from spanledger_storage.store import Store

_HOUR_S = 3_600
_NS = 10**9
_LONGEST_SILENCE_S = 7 * 86_400  # of a stream that does not say when it began
_LONGEST_NAME = 256  # of a model, as for spans
_LAST_HOUR_S = 2**32 - 1  # where DateTime ends, in 2106


def recompute_metric_usage(
    store: Store,
    project: str,
    hours: Collection[int],
    *,
    version: int,
    book: PriceBook,
    not_before: int = 0,
) -> frozenset[int]:
    """Derive the entries known from metrics again; return the hours in which they changed.

    1. Find the hours whose points or calls may have changed with ``hours``.
    2. Read how much every stream grew in each of them, and what the ledger holds around it.
    3. Compare with what is stored; write new versions and tombstones.

    Running it again writes nothing.

    Args:
        store: The telemetry store.
        project: The project.
        hours: UTC start hours (UNIX seconds) in which metric points or ledger entries changed.
        version: UTC nanoseconds, greater than at any earlier call.
        book: Prices.
        not_before: UTC start hour (UNIX seconds); points of earlier hours were removed, so what
            the ledger says of those hours stays.

    Raises:
        StoreError: the store refused or did not answer; running again is safe.
    """
    if not hours:
        return frozenset()
    params = {"project": project, "metrics": list(METRICS), "hours": sorted(set(hours))}
    due = _rows.integers(store.arrow("metric_usage_hours", params), "hour")
    # Times beyond DateTime's end share an hour that is none, and are no usage of this century.
    return frozenset(
        hour
        for hour in due
        if hour % _HOUR_S == 0
        and hour >= not_before
        and _recompute(store, project, hour, version=version, book=book)
    )


def _recompute(store: Store, project: str, hour: int, *, version: int, book: PriceBook) -> bool:
    usage = usage_of(_read_streams(store, project, hour))
    known = _Known.read(store, project, hour, usage)
    entries = [_entry(project, hour, one) for one in usage if not known.covers(one)]
    params = {"project": project, "hour": hour}
    stored = read_entries([store.arrow("metric_usage_stored", params)])
    priced = price_entries(entries, stored.rows, book)
    written, removed = write_entries(store, stored, priced, version)
    return bool(written or removed)


class _Row(NamedTuple):
    """One row of ``metric_usage_streams``."""

    series_id: str
    stream_ns: int
    metric: str
    temporality: str
    service_name: str
    environment: str
    scope_name: str
    attributes: tuple[tuple[str, str], ...]
    from_ns: int
    to_ns: int
    first_ns: int
    first_amount: Decimal
    first_calls: int
    previous_ns: int
    grown: Decimal
    grown_calls: int


class _Point(NamedTuple):
    """The last point of a cumulative stream before an hour."""

    time_ns: int
    amount: Decimal
    calls: int


_Previous = dict[tuple[str, int], _Point]


def _read_streams(store: Store, project: str, hour: int) -> list[Stream]:
    params = {"project": project, "metrics": list(METRICS), "hour": hour}
    table = store.arrow("metric_usage_streams", params)
    rows = [_Row._make(row) for row in _rows.columns_of(table, _Row._fields)]
    lost = [row for row in rows if _began_before(row, hour)]
    previous = _read_previous(store, project, hour, lost)
    return [_stream(row, previous.get((row.series_id, row.stream_ns))) for row in rows]


def _began_before(row: _Row, hour: int) -> bool:
    """Tell whether an earlier point may lie further back than the hour before this one."""
    return (
        row.temporality != "delta"
        and not row.previous_ns
        and row.stream_ns < (hour - _HOUR_S) * _NS
    )


def _read_previous(store: Store, project: str, hour: int, rows: Sequence[_Row]) -> _Previous:
    found: _Previous = {}
    for part in _rows.batches(rows):
        params = {
            "project": project,
            "metrics": sorted({row.metric for row in part}),
            "from_hour": min(_looked_from(row, hour) for row in part),
            "before_hour": hour,
            "series_ids": [row.series_id for row in part],
            "streams_ns": [row.stream_ns for row in part],
        }
        table = store.arrow("metric_usage_previous", params)
        fields = ("series_id", "stream_ns", *_Point._fields)
        for series_id, stream_ns, *point in _rows.columns_of(table, fields):
            found[cast("tuple[str, int]", (series_id, stream_ns))] = _Point._make(point)
    return found


def _looked_from(row: _Row, hour: int) -> int:
    """Return the UTC start hour (UNIX seconds) from which on a stream may have earlier points."""
    if not row.stream_ns:
        return max(0, hour - _LONGEST_SILENCE_S)
    return row.stream_ns // _NS // _HOUR_S * _HOUR_S


def _stream(row: _Row, previous: _Point | None) -> Stream:
    """Return by how much a stream grew, and since when.

    The first point of a stream counts in full. Without a start nobody knows since when it counts,
    so it only tells where to begin.
    """
    amount, calls, from_ns = row.grown, row.grown_calls, row.from_ns
    if row.temporality != "delta":
        if row.previous_ns:
            from_ns = row.previous_ns
        elif previous:
            is_restart = row.first_amount < previous.amount
            amount += row.first_amount - (0 if is_restart else previous.amount)
            calls += row.first_calls - (0 if is_restart else previous.calls)
            from_ns = previous.time_ns
        elif row.stream_ns:
            amount += row.first_amount
            calls += row.first_calls
        else:
            from_ns = row.first_ns
    return Stream(
        row.metric,
        row.service_name,
        row.environment,
        row.scope_name,
        dict(row.attributes),
        amount,
        max(0, calls),
        min(from_ns, row.to_ns),
        row.to_ns,
    )


class _Call(NamedTuple):
    """One row of ``metric_usage_covered``."""

    hour: int
    service_name: str
    model: str
    request_model: str
    session_id: str
    is_other_session: bool


class _Known:
    """The calls that spans and logs told of around an hour."""

    def __init__(self, calls: Iterable[_Call]) -> None:
        self._by_service: defaultdict[str, list[_Call]] = defaultdict(list)
        self._by_session: defaultdict[str, list[_Call]] = defaultdict(list)
        for call in calls:
            self._by_service[call.service_name].append(call)
            if call.session_id:
                self._by_session[call.session_id].append(call)

    @classmethod
    def read(cls, store: Store, project: str, hour: int, usage: Sequence[MetricUsage]) -> _Known:
        """Read what may cover any of this usage."""
        if not usage:
            return cls(())
        params = {
            "project": project,
            "from_hour": min(map(_first_hour, usage)),
            "to_hour": min(hour + _HOUR_S, _LAST_HOUR_S),
            "services": sorted({one.key.service_name for one in usage}),
            "sessions": sorted({one.key.session_id for one in usage if one.key.session_id}),
        }
        table = store.arrow("metric_usage_covered", params)
        return cls(map(_Call._make, _rows.columns_of(table, _Call._fields)))

    def covers(self, usage: MetricUsage) -> bool:
        """Tell whether spans or logs told of calls that this usage may be of."""
        key, first = usage.key, _first_hour(usage)
        names = (key.request_model, key.response_model)
        return any(
            call.hour >= first and is_same_model(names, (call.model, call.request_model))
            for call in self._near(key)
        )

    def _near(self, key: UsageKey) -> Iterable[_Call]:
        """Return calls of the same session, and those of the service that may be of it."""
        of_service = self._by_service[key.service_name]
        if not key.session_id:
            return of_service
        unnamed = [c for c in of_service if not c.session_id and not c.is_other_session]
        return [*self._by_session[key.session_id], *unnamed]


def _first_hour(usage: MetricUsage) -> int:
    return max(0, usage.from_ns // _NS // _HOUR_S * _HOUR_S - _HOUR_S)


def _entry(project: str, hour: int, usage: MetricUsage) -> Entry:
    """Return the ledger row of what was used in an hour, to be priced as one sum."""
    digest = blake2b("\0".join(usage.key).encode(), digest_size=16).hexdigest()
    return ledger_entry(project, _call(hour, usage))._replace(
        entry_id=entry_id(project, f"metric/{hour}", digest)
    )


def _call(hour: int, usage: MetricUsage) -> Call:
    """Return the hour's use as one call, marked as a sum; ``attempts`` says of how many."""
    key = usage.key
    is_long = max(len(key.request_model), len(key.response_model)) > _LONGEST_NAME
    primary = Span("", "", role=key.kind, start_ns=hour * _NS, end_ns=hour * _NS)
    return Call(
        kind=key.kind,
        primary=primary,
        sources=(),
        dialects=(),
        tokens=usage.tokens,
        usage_source="metric",
        status="ok",
        error_type="",
        context=Context(
            agent_name=key.agent_name, session_id=key.session_id, user_id=usage.user_id
        ),
        service_name=key.service_name,
        environment=key.environment,
        provider=key.provider,
        request_model=key.request_model[:_LONGEST_NAME],
        response_model=key.response_model[:_LONGEST_NAME],
        service_tier="",
        region="",
        ttft_ns=None,
        stream=None,
        attempts=usage.calls,
        response_id="",
        request_id="",
        reported_cost_usd=usage.reported_cost_usd,
        has_many_scopes=False,
        flags=("aggregate", "long_model_name") if is_long else ("aggregate",),
    )
