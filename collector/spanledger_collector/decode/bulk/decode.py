"""The ordinary spans of a batch as rows of ``spans``, and the ones left to read one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from spanledger_collector import dialects
from spanledger_collector.decode.bulk import arrow
from spanledger_collector.decode.bulk.arrow import Indexes, Mask
from spanledger_collector.decode.bulk.attributes import Attributes
from spanledger_collector.decode.bulk.content import Said, find_odd_content, sign_tools, take_tools
from spanledger_collector.decode.bulk.spans import (
    TABULAR,
    Reading,
    identify,
    promote,
    read_roles,
    settle_rows,
)
from spanledger_collector.decode.bulk.wire import Requests, read_requests
from spanledger_collector.decode.carried import CARRIED
from spanledger_collector.decode.columns import TEMPLATE, TYPES, Array, Maps, empty_lists
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.decode.resources import resource_columns
from spanledger_collector.decode.values import LAST_HOUR_S, MAX_TIME_NS, read_attributes, render_all
from spanledger_collector.dialects.base import Dialect
from spanledger_collector.dialects.openinference import OPENINFERENCE

if TYPE_CHECKING:
    from spanledger_collector.decode.decode import Body

FEWEST_SPANS = 500
"""Below this, arrays cost more than they save."""
LEAST_SHARE = 0.5
"""Where fewer of the spans are ordinary, finding out does not pay."""
_HOUR_NS = 3_600_000_000_000
_Groups = Mapping[str, tuple[Dialect, Mask]]


@dataclass(frozen=True, slots=True)
class Bulk:
    """What was read at once.

    Attributes:
        spans: rows of ``spans``, in the order of the table's key.
        is_read: of each request, which of its spans in order are among the rows.
        touches: the number of these rows by project, trace and start hour in seconds since 1970.
        rooted: project and trace of those without a parent.
    """

    spans: pa.Table
    is_read: list[Mask]
    touches: dict[tuple[str, str, int], int]
    rooted: set[tuple[str, str]]


def read_at_once(bodies: Sequence[Body], messages: MessageStore, ingested_ms: int) -> Bulk | None:
    """Return the rows of the spans that tables alone can read; None: too few of them.

    Args:
        bodies: trace requests.
        messages: takes up what was said.
        ingested_ms: written to ``ingested_at``, in milliseconds since 1970.

    Raises:
        ValueError: a payload is not a trace request.
    """
    requests = read_requests([body.payload for body in bodies])
    if len(requests.spans) < max(FEWEST_SPANS, 1):
        return None
    attributes = Attributes(requests)
    origin = _Origin(bodies, requests)
    dialect = _dialects(requests, attributes, origin.dialects)
    plain = _plain(requests, attributes, dialect)
    if plain.sum() < LEAST_SHARE * len(plain) or not plain.any():
        return None
    spans = _in_key_order(requests, plain, origin)
    rows = np.full(len(plain), -1)
    rows[spans] = np.arange(len(spans))
    reading = Reading(requests, attributes, rows, spans, np.zeros(len(spans), np.bool_))
    dialect = dialect[spans]
    reading.columns.update(origin.columns(spans, ingested_ms))
    groups = {
        dialects.REGISTRY[n].name: (dialects.REGISTRY[n], dialect == n)
        for n in np.unique(dialect).tolist()
    }
    _read_columns(reading, groups)
    said = _read_content(reading, groups, messages, origin.projects(spans))
    return _finish(reading, said, len(bodies))


class _Origin:
    """Bodies, resources and scopes, and the columns that come from them."""

    def __init__(self, bodies: Sequence[Body], requests: Requests) -> None:
        self._requests = requests
        self._resource = requests.scope_resource[requests.span_scope]
        of_body = [bodies[n] for n in requests.resource_body.tolist()]
        self._projects = [body.project for body in of_body]
        self._received = np.array([body.received_ns for body in of_body], np.uint64)
        self._maps = Maps()
        self._columns: list[dict[str, str]] = []
        numbers: dict[bytes, int] = {}
        self._number: list[int] = []
        for serialized in cast("list[bytes]", requests.resources.to_pylist()):
            if serialized not in numbers:
                numbers[serialized] = len(numbers)
                attributes = read_attributes(Resource.FromString(serialized).attributes)
                self._maps.append(render_all(attributes))
                self._columns.append(resource_columns(attributes))
            self._number.append(numbers[serialized])
        self._scopes = [
            InstrumentationScope.FromString(serialized)
            for serialized in cast("list[bytes]", requests.scopes.to_pylist())
        ]
        self.dialects = [dialects.of_scope(scope.name) for scope in self._scopes]

    def projects(self, spans: Indexes) -> list[str]:
        """Return the projects of some spans."""
        return [self._projects[n] for n in self._resource[spans].tolist()]

    def project_order(self) -> Indexes:
        """Return a number for the project of every span that sorts as the project does."""
        places = {project: n for n, project in enumerate(sorted(set(self._projects)))}
        of_resource = np.array([places[project] for project in self._projects], np.int64)
        return of_resource[self._resource]

    def columns(self, spans: Indexes, ingested_ms: int) -> dict[str, Array]:
        """Return the columns that a span has from where it came."""
        scope, resource = self._requests.span_scope[spans], self._resource[spans]
        result: dict[str, Array] = {"project": _spread(self._projects, resource)}
        number = np.array(self._number, np.int64)[resource]
        for name in self._columns[0]:
            result[name] = _spread([columns[name] for columns in self._columns], number)
        result["scope_name"] = _spread([made.name for made in self._scopes], scope)
        result["scope_version"] = _spread([made.version for made in self._scopes], scope)
        result["ingested_at"] = arrow.repeat(ingested_ms, TYPES["ingested_at"], len(spans))
        result["version"] = arrow.array(self._received[resource])
        result["resource_attributes"] = arrow.take(self._maps.array(), number)
        return result


def _spread(texts: Sequence[str], places: Indexes) -> Array:
    return arrow.take(arrow.array(texts, pa.string()), places)


def _dialects(
    requests: Requests, attributes: Attributes, of_scope: Sequence[Dialect | None]
) -> Indexes:
    """Return the place in the registry of each span's dialect, as ``dialects.of_span`` does."""
    registry = {dialect.name: place for place, dialect in enumerate(dialects.REGISTRY)}
    spans = len(requests.spans)
    marked = np.full(spans, len(registry) - 1)
    translated, untranslated = np.zeros(spans, np.bool_), np.zeros(spans, np.bool_)
    for key in attributes.keys:
        place = dialects.MARKERS.get(key)
        if place is not None:
            with_key = attributes.spans[attributes.of(key)]
            marked[with_key] = np.minimum(marked[with_key], place)
        if key == dialects.TRANSLATED:
            translated[attributes.spans[attributes.of(key)]] = True
        elif key in dialects.UNTRANSLATED:
            untranslated[attributes.spans[attributes.of(key)]] = True
    places = [-1 if known is None else registry[known.name] for known in of_scope]
    known = np.array(places, np.int64)[requests.span_scope]
    translation = registry[OPENINFERENCE.name]
    known[(known >= 0) & translated & ~untranslated] = translation
    return np.where(known >= 0, known, marked)


def _plain(requests: Requests, attributes: Attributes, dialect: Indexes) -> Mask:
    """Tell the spans that a table can read: no events, no links, no repeated key."""
    tabular = np.array([known.name in TABULAR for known in dialects.REGISTRY])
    plain = tabular[dialect] & ~attributes.repeated()
    plain &= arrow.sizes(arrow.child(requests.spans, "trace_id")) == 16
    for name in ("events", "links"):
        plain &= np.diff(arrow.pieces(arrow.child(requests.spans, name))[0]) == 0
    for key in ("logfire.span_type", CARRIED):
        plain[attributes.spans[attributes.of(key)]] = False
    return plain


def _in_key_order(requests: Requests, plain: Mask, origin: _Origin) -> Indexes:
    """Return the plain spans in the order of the table's key, which saves the engine sorting."""
    spans = np.flatnonzero(plain)
    every = arrow.numbers(arrow.child(requests.spans, "start_time"))[spans]
    start = np.minimum(every, np.uint64(MAX_TIME_NS)).astype(np.int64)
    ids = arrow.take(arrow.child(requests.spans, "trace_id"), spans)
    trace = np.frombuffer(arrow.data(ids), ">u8", 2 * len(spans)).reshape(-1, 2)
    project = origin.project_order()[spans]
    return spans[np.lexsort((start, trace[:, 1], trace[:, 0], start // _HOUR_NS, project))]


def _read_columns(reading: Reading, groups: _Groups) -> None:
    identify(reading)
    promote(reading, groups)
    places = np.zeros(reading.size, np.int64)
    for number, (_, among) in enumerate(groups.values(), 1):
        places[among] = number
    reading.columns["dialect"] = arrow.words(places, ("", *groups))
    for name in TEMPLATE:
        if name not in reading.columns:
            reading.columns[name] = arrow.repeat(TEMPLATE[name], TYPES[name], reading.size)
    read_roles(reading, groups)
    settle_rows(reading)
    for dialect, among in groups.values():
        find_odd_content(reading, dialect.content, among)


def _read_content(
    reading: Reading, groups: _Groups, messages: MessageStore, projects: Sequence[str]
) -> Said:
    said = Said(reading, messages, projects)
    for dialect, among in groups.values():
        ordinary = among & ~reading.odd
        said.read(dialect.content, ordinary)
        take_tools(reading, dialect.content, ordinary, said.held)
    sign_tools(reading)
    return said


def _finish(reading: Reading, said: Said, bodies: int) -> Bulk:
    arrays = {name: reading.columns[name] for name in TEMPLATE}
    nothing = empty_lists(reading.size)
    arrays["flags"] = nothing["flags"]
    arrays["input_messages"] = said.lists(said.inputs)
    arrays["output_messages"] = said.lists(said.outputs)
    arrays["attributes"] = _attributes_map(reading, said.held)
    arrays["resource_attributes"] = reading.columns["resource_attributes"]
    arrays.update({name: array for name, array in nothing.items() if name not in arrays})
    table = pa.table(arrays)
    if reading.odd.any():
        table = table.take(arrow.array(np.flatnonzero(~reading.odd)))
    return Bulk(table, _read_by_body(reading, bodies), *_touches(table))


def _read_by_body(reading: Reading, bodies: int) -> list[Mask]:
    requests = reading.requests
    is_read = np.zeros(len(reading.rows), np.bool_)
    is_read[reading.spans[~reading.odd]] = True
    of_span = requests.resource_body[requests.scope_resource[requests.span_scope]]
    ends = np.cumsum(np.bincount(of_span, minlength=bodies))
    return np.split(is_read, ends[:-1])


def _touches(spans: pa.Table) -> tuple[dict[tuple[str, str, int], int], set[tuple[str, str]]]:
    """Return what ``Bulk`` tells of rows, whose order is that of the key."""
    start = np.asarray(spans["start_time"].cast(pa.int64()).to_numpy())
    hour = np.minimum(start // _HOUR_NS * 3_600, LAST_HOUR_S)
    # Not group_by, which loads what takes longer to load than all this takes.
    projects, project = _numbered(spans, "project")
    traces, trace = _numbered(spans, "trace_id")
    is_other = [np.diff(column, prepend=-1) != 0 for column in (project, trace, hour)]
    first = np.flatnonzero(np.logical_or.reduce(is_other))
    touches = Counter[tuple[str, str, int]]()
    sizes = np.diff(first, append=len(hour))
    for row, size in zip(first.tolist(), sizes.tolist(), strict=True):
        touches[projects[project[row]], traces[trace[row]], int(hour[row])] += size
    roots = np.flatnonzero(arrow.sizes(spans["parent_span_id"].combine_chunks()) == 0).tolist()
    return touches, {(projects[project[row]], traces[trace[row]]) for row in roots}


def _numbered(spans: pa.Table, name: str) -> tuple[list[str], Indexes]:
    """Return the distinct texts of a column, and of each row the place among them."""
    texts, places = arrow.distinct(spans[name].combine_chunks())
    return cast("list[str]", texts.to_pylist()), arrow.counts(places)


def _attributes_map(reading: Reading, held: Mask) -> Array:
    """Return the attributes of each row that are not held elsewhere."""
    attributes, spans = reading.attributes, reading.spans
    first = attributes.starts[spans]
    lengths = attributes.starts[spans + 1] - first
    ends = np.cumsum(lengths)
    indexes = np.repeat(first - ends + lengths, lengths) + np.arange(lengths.sum())
    kept = ~held[indexes]
    counts = np.bincount(np.repeat(np.arange(len(spans)), lengths)[kept], minlength=len(spans))
    indexes = indexes[kept]
    keys = arrow.take(arrow.array(attributes.keys, pa.string()), attributes.codes[indexes])
    return arrow.maps(counts, keys, attributes.rendered(indexes))
