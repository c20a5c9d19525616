"""Columns of ``spans`` from arrays of spans; spans that need more than tables are left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pyarrow as pa

from spanledger_collector.decode.bulk import arrow
from spanledger_collector.decode.bulk.arrow import Indexes, Mask
from spanledger_collector.decode.bulk.attributes import Attributes
from spanledger_collector.decode.bulk.wire import Requests
from spanledger_collector.decode.columns import TEMPLATE, TYPES, Array
from spanledger_collector.decode.settle import MAKER, PAUSES, SELLER
from spanledger_collector.decode.values import MAX_TIME_NS, Value
from spanledger_collector.dialects import REGISTRY
from spanledger_collector.dialects.base import Dialect, Sources
from spanledger_collector.dialects.otel_genai import INTERPRETED, interpret
from spanledger_collector.dialects.vocabulary import is_bedrock_id

KIND_NAMES = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_NAMES = ("unset", "ok", "error")
_SERVER, _CLIENT = 2, 3
_ERROR = 2
_LONGEST_NAME = 256
_YEAR_2000_NS = 946_684_800 * 10**9
_DAY_NS = 86_400 * 10**9
_TOKENS = frozenset(name for name in TEMPLATE if name.endswith("_tokens")) - {"max_tokens"}
_HEX = np.frombuffer(b"".join(b"%02x" % n for n in range(256)), np.uint16)


def _is_tabular(dialect: Dialect) -> bool:
    """Tell whether a dialect's keys have one best source per column, and little to interpret."""
    ranks = [(column, rank) for column, rank, _ in dialect.columns.values()]
    return dialect.interpret in (None, interpret) and len(set(ranks)) == len(ranks)


TABULAR = {dialect.name for dialect in REGISTRY if _is_tabular(dialect)}
"""Names of the dialects this package can read."""


@dataclass(slots=True)
class Reading:
    """Spans while their columns are made.

    Attributes:
        requests: all spans of the batch.
        attributes: their attributes.
        rows: of each span, its row; -1: not read here.
        spans: of each row, its span.
        odd: rows found to need the row-by-row reader after all.
        columns: of each column known so far, its values by row.
    """

    requests: Requests
    attributes: Attributes
    rows: Indexes
    spans: Indexes
    odd: Mask
    columns: dict[str, Array] = field(default_factory=dict[str, Array])

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.spans)

    def of(self, key: str, among: Mask | None = None) -> tuple[Indexes, Indexes]:
        """Return the rows that have a key, and where; ``among``: a mask of rows to look at."""
        found = self.attributes.of(key)
        rows = self.rows[self.attributes.spans[found]]
        kept = rows >= 0
        if among is not None:
            kept &= among[rows]
        return (rows, found) if kept.all() else (rows[kept], found[kept])

    def field(self, name: str) -> Array:
        """Return a field of the spans by row."""
        return arrow.take(arrow.child(self.requests.spans, name), self.spans)

    def is_set(self, column: str) -> Mask:
        """Tell the rows in which a column of texts or of numbers holds something."""
        values = self.columns[column]
        if pa.types.is_string(values.type):
            return arrow.sizes(values) > 0
        return arrow.is_valid(values)

    def numbers(self, column: str) -> Indexes:
        """Return a column of counts, which are below 2^53; 0 where it is null."""
        return arrow.counts(self.columns[column])


def pick(size: int, default: Array, found: Sequence[tuple[Indexes, Array]]) -> Array:
    """Return a column of ``size`` rows: the last value found that is not null, or the default."""
    pool, places, end = [default], np.zeros(size, np.int64), 1
    for rows, values in found:
        if values.null_count:
            valid = arrow.is_valid(values)
            places[rows[valid]] = end + np.flatnonzero(valid)
        else:
            places[rows] = np.arange(end, end + len(values))
        pool.append(values)
        end += len(values)
    return arrow.take(arrow.join(pool), places)


def promote(reading: Reading, dialects: Mapping[str, tuple[Dialect, Mask]]) -> None:
    """Fill the columns that the dialects' tables know keys for."""
    found: dict[str, list[tuple[int, Indexes, Array]]] = {}
    for dialect, among in dialects.values():
        table: Sources = dialect.columns
        for key in reading.attributes.keys:
            if (source := table.get(key)) is not None:
                column, rank, read = source
                rows, indexes = reading.of(key, among)
                values = reading.attributes.read(indexes, read, TYPES[column])
                if column in _TOKENS and values.null_count:
                    reading.odd[rows[~arrow.is_valid(values)]] = True  # perhaps to be flagged
                found.setdefault(column, []).append((-rank, rows, values))
    for column, ranked in found.items():
        ranked.sort(key=lambda item: item[0])
        default = reading.columns.get(column)
        chosen = [(rows, array) for _, rows, array in ranked]
        if default is not None:
            chosen.insert(0, (np.arange(reading.size), default))
        reading.columns[column] = pick(reading.size, _default(column), chosen)


def _default(column: str) -> Array:
    return arrow.array([TEMPLATE[column]], TYPES[column])


def identify(reading: Reading) -> None:
    """Fill what every span says in the same way."""
    columns, odd = reading.columns, reading.odd
    for name, size in (("trace_id", 16), ("span_id", 8), ("parent_span_id", 8)):
        columns[name] = _hex(reading.field(name), size, odd, may_lack=name == "parent_span_id")
    columns["name"] = reading.field("name")
    columns["trace_state"] = reading.field("trace_state")
    status = reading.field("status")
    message = arrow.child(status, "message")
    columns["status_message"] = arrow.choose(arrow.is_valid(status), message, "")
    columns["status"] = _word(arrow.counts(arrow.child(status, "code")), STATUS_NAMES, odd)
    columns["kind"] = _word(arrow.counts(reading.field("kind")), KIND_NAMES, odd)
    for name in ("start_time", "end_time"):
        time = np.minimum(arrow.numbers(reading.field(name)), np.uint64(MAX_TIME_NS))
        columns[name] = arrow.array(time.astype(np.int64).astype("datetime64[ns]"), TYPES[name])


def _word(codes: Indexes, names: Sequence[str], odd: Mask) -> Array:
    known = (codes >= 0) & (codes < len(names))
    odd |= ~known
    return arrow.words(np.where(known, codes, 0), names)


def _hex(ids: Array, size: int, odd: Mask, *, may_lack: bool) -> Array:
    """Return ids in hex digits; rows with an id of another size, or a zero parent, are odd."""
    lengths = arrow.sizes(ids)
    right = lengths == size
    odd |= ~(right | (lengths == 0)) if may_lack else ~right
    if not right.all():
        ids = arrow.choose(right, ids, bytes(size))
    raw = np.frombuffer(arrow.data(ids), np.uint8, size * len(ids), int(arrow.offsets(ids)[0]))
    if may_lack:
        odd |= right & (raw.view(np.uint64) == 0)
    texts = arrow.strings(len(ids), 2 * size, _HEX[raw])
    return texts if right.all() else arrow.choose(right, texts, "")


def read_roles(reading: Reading, dialects: Mapping[str, tuple[Dialect, Mask]]) -> None:
    """Fill the role from the keys that tell it, else from what else the span says."""
    found: list[tuple[Indexes, Array]] = []
    for dialect, among in dialects.values():
        for key, roles in reversed(dialect.roles):
            rows, indexes = reading.of(key, among)
            words = reading.attributes.read(indexes, _role_reader(roles), pa.string())
            found.append((rows, words))
    roles_now = pick(reading.size, arrow.array(["other"]), found)
    guessed = np.zeros(reading.size, np.bool_)
    for dialect, among in dialects.values():
        if dialect.interpret is not None:
            guessed |= among
    for key in INTERPRETED:
        reading.odd[reading.of(key, guessed)[0]] = True
    unknown = guessed & arrow.is_word(roles_now, "other")
    reading.columns["role"] = _guess(reading, roles_now, unknown) if unknown.any() else roles_now


def _is_true(word: Value) -> bool:
    return bool(word)


def _role_reader(roles: Mapping[str, str]) -> Callable[[Value], str | None]:
    return lambda word: roles.get(word.lower()) if isinstance(word, str) else None


def _guess(reading: Reading, roles: Array, unknown: Mask) -> Array:
    """Return the roles with those of ``otel_genai.guess_role`` filled in."""
    kind = arrow.counts(reading.field("kind"))
    named = np.zeros(reading.size, np.bool_)
    rows, indexes = reading.of("gen_ai.operation.name")
    given = reading.attributes.read(indexes, _is_true, pa.bool_())
    named[rows] = arrow.mask(given)
    has_input, has_output = reading.is_set("input_tokens"), reading.is_set("output_tokens")
    asks = reading.is_set("request_model") & (kind == _CLIENT)
    has_call = np.zeros(reading.size, np.bool_)
    has_call[reading.of("gen_ai.tool.call.id")[0]] = True
    is_tool = unknown & ~named & has_call
    is_server = unknown & ~named & ~has_call & (kind == _SERVER) & has_input
    is_llm = unknown & asks & np.where(named, has_input | has_output, ~has_call)
    for mask, role in ((is_tool, "tool"), (is_server, "server"), (is_llm, "llm")):
        roles = arrow.choose(mask, role, roles)
    return roles


def settle_rows(reading: Reading) -> None:
    """Bring the columns into agreement as ``settle`` does; rows it would flag are odd."""
    columns, odd = reading.columns, reading.odd
    role = columns["role"]
    has = {name: reading.is_set(name) for name in _COUNTS}
    total, output = reading.numbers("input_tokens"), reading.numbers("output_tokens")
    told = has["input_tokens"] | has["output_tokens"]
    odd |= ~has["cache_write_tokens"] & (
        has["cache_write_5m_tokens"] | has["cache_write_1h_tokens"]
    )
    odd |= told & (total == 0) & (output == 0) & arrow.is_word(role, "llm")
    cached = reading.numbers("cache_read_tokens") + reading.numbers("cache_write_tokens")
    odd |= has["input_tokens"] & (cached > total)
    columns["usage_source"] = arrow.choose(told, "span", "none")
    if reading.is_set("error_type").any():
        for pause in PAUSES:
            odd |= arrow.is_word(columns["error_type"], pause)
    for name in ("response_id", "request_model", "response_model"):
        odd |= arrow.characters(columns[name]) > _LONGEST_NAME
    _settle_provider(columns)
    start = _nanoseconds(columns["start_time"])
    end = _nanoseconds(columns["end_time"])
    received = arrow.counts(columns["version"])
    odd |= (start < _YEAR_2000_NS) | (start > received + _DAY_NS) | (end < start)
    _settle_tools(reading, arrow.is_word(role, "tool"))


def _settle_provider(columns: dict[str, Array]) -> None:
    """Name the seller where the maker is told beside a model's id of Amazon Bedrock."""
    is_maker = arrow.is_word(columns["provider"], MAKER)
    if not is_maker.any():
        return
    is_id = np.zeros(len(is_maker), np.bool_)
    for name in ("request_model", "response_model"):
        models, places = arrow.distinct(columns[name])
        known = np.array([is_bedrock_id(str(model)) for model in models.to_pylist()], np.bool_)
        is_id |= known[arrow.counts(places)]
    columns["provider"] = arrow.choose(is_maker & is_id, SELLER, columns["provider"])


_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_write_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)


def _settle_tools(reading: Reading, is_tool: Mask) -> None:
    columns = reading.columns
    for key in ("gen_ai.tool.status", "gen_ai.task.status"):
        rows, _ = reading.of(key, is_tool)
        reading.odd[rows] = True
    failed = arrow.is_word(columns["status"], "error") | reading.is_set("error_type")
    outcome = np.where(is_tool, np.where(failed, 2, 1), 0)
    columns["tool_outcome"] = arrow.words(outcome, ("", "ok", "error"))


def _nanoseconds(times: Array) -> Indexes:
    return arrow.counts(cast("Array", times.cast(pa.int64())))
