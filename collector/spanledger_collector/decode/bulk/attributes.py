"""The attributes of many spans as arrays, and one key of all spans read into a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import numpy as np
import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import ArrayValue, KeyValueList

from spanledger_collector.decode.bulk import arrow
from spanledger_collector.decode.bulk.arrow import Indexes, Mask
from spanledger_collector.decode.bulk.wire import KINDS, Requests
from spanledger_collector.decode.columns import Array
from spanledger_collector.decode.values import (
    MAX_COUNT,
    Reader,
    Value,
    count,
    number,
    read_value,
    render,
    text,
)

_STRING, _BOOL, _INT, _DOUBLE, _ARRAY, _KVLIST, _BYTES = range(1, 1 + len(KINDS))
_SPACE = 0x20
_ABSENT: Indexes = np.empty(0, np.int64)


class Attributes:
    """All attributes of all spans, flat; an index below is one of an attribute.

    Attributes:
        spans: of each attribute, the index of its span.
        kinds: of each attribute, 0 for no value, else 1 + the index in ``KINDS``.
        codes: of each attribute, the index of its key in ``keys``.
        starts: of each span, the index of its first attribute; one more at the end.
    """

    def __init__(self, requests: Requests) -> None:
        values = arrow.child(requests.attributes, "value")
        self.starts = requests.starts
        self._values = [arrow.child(values, name) for name in KINDS]
        lengths = np.diff(self.starts)
        self.spans: Indexes = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        keys, codes = arrow.distinct(arrow.child(requests.attributes, "key"))
        self.keys = cast("list[str]", keys.to_pylist())
        self.codes = arrow.counts(codes)
        self.kinds = np.zeros(len(self.codes), np.uint8)
        for kind, array in enumerate(self._values, 1):
            if array.null_count < len(array):
                self.kinds[arrow.is_valid(array)] = kind
        self._code_of = {key: code for code, key in enumerate(self.keys)}
        self._by_key = np.argsort(self.codes.astype(np.int32), kind="stable")
        self._ends = np.cumsum(np.bincount(self.codes, minlength=len(self.keys)))

    def of(self, key: str) -> Indexes:
        """Return the attributes with this key, in order of their spans."""
        code = self._code_of.get(key)
        if code is None:
            return _ABSENT
        return self._by_key[self._ends[code - 1] if code else 0 : self._ends[code]]

    def repeated(self) -> Mask:
        """Tell the spans in which a key comes twice."""
        result = np.zeros(len(self.starts) - 1, np.bool_)
        codes, spans = self.codes[self._by_key], self.spans[self._by_key]
        again = (codes[1:] == codes[:-1]) & (spans[1:] == spans[:-1])
        result[spans[1:][again]] = True
        return result

    def texts(self, indexes: Indexes) -> Array:
        """Return the string values of attributes; null for other kinds."""
        return arrow.take(self._values[_STRING - 1], indexes)

    def written(self, indexes: Indexes) -> list[bytes]:
        """Return the UTF-8 of string values."""
        strings = self._values[_STRING - 1]
        offsets, data = arrow.offsets(strings), arrow.data(strings)
        first, last = offsets[indexes].tolist(), offsets[indexes + 1].tolist()
        return [data[a:b].tobytes() for a, b in zip(first, last, strict=True)]

    def has_controls(self) -> bool:
        """Tell whether any string value holds a control character, a line break for one."""
        data = np.frombuffer(arrow.data(self._values[_STRING - 1]), np.uint8)
        return bool(data.min(initial=_SPACE) < _SPACE)

    def is_text(self, indexes: Indexes) -> Mask:
        """Tell which of these attributes hold a string."""
        return np.equal(self.kinds[indexes], _STRING)

    def read(self, indexes: Indexes, read: Reader, kind: pa.DataType) -> Array:
        """Return what a reader finds in each of these attributes; null where nothing."""
        return self._by_kind(
            indexes,
            arrow.array([None], kind),
            lambda given, chosen: self._read(given, chosen, read, kind),
        )

    def rendered(self, indexes: Indexes) -> Array:
        """Return the texts of these attributes, as the attributes map holds them."""
        return self._by_kind(indexes, arrow.array([""]), self._render)

    def _by_kind(
        self, indexes: Indexes, nothing: Array, make: Callable[[int, Indexes], Array]
    ) -> Array:
        """Return an array made kind by kind; ``nothing`` holds the value of a missing value."""
        kinds = self.kinds[indexes]
        present = np.flatnonzero(np.bincount(kinds, minlength=1)).tolist()
        if len(present) == 1 and present[0]:
            return make(present[0], indexes)
        pool, places = [nothing], np.zeros(len(indexes), np.int64)
        size = 1
        for kind in filter(None, present):
            chosen = kinds == kind
            made = make(kind, indexes[chosen])
            places[chosen] = np.arange(size, size + len(made))
            size += len(made)
            pool.append(made)
        return arrow.take(arrow.join(pool), places)

    def _read(self, kind: int, indexes: Indexes, read: Reader, to: pa.DataType) -> Array:
        values = arrow.take(self._values[kind - 1], indexes)
        if read is text and kind == _STRING:
            return arrow.nothing_if(values, arrow.sizes(values) == 0)
        if read is count and kind == _INT:
            counts = arrow.counts(values)
            return arrow.masked(counts.astype(np.uint64), (counts < 0) | (counts > MAX_COUNT))
        if read is number and kind == _DOUBLE:
            numbers = np.asarray(arrow.numbers(values), np.float64)
            return arrow.masked(numbers, ~np.isfinite(numbers))
        return _each(kind, values, read, to)

    def _render(self, kind: int, indexes: Indexes) -> Array:
        values = arrow.take(self._values[kind - 1], indexes)
        if kind == _STRING:
            return values
        if kind in (_INT, _BOOL):
            return cast("Array", values.cast(pa.string()))
        return _each(kind, values, render, pa.string())


def _each(kind: int, values: Array, read: Callable[[Value], object], to: pa.DataType) -> Array:
    """Return what a reader makes of each value, asking it once per distinct value."""
    # Doubles by their bits: 0.0 and -0.0 are equal, but not the same text.
    given, places = arrow.distinct(arrow.bits(values) if kind == _DOUBLE else values)
    found = arrow.array([read(value) for value in _python(kind, given)], to)
    return arrow.take(found, arrow.counts(places))


def _python(kind: int, values: Array) -> Iterable[Value]:
    """Return values as ``read_value`` does."""
    if kind == _DOUBLE:
        return cast("list[Value]", np.asarray(arrow.numbers(values)).view(np.float64).tolist())
    held = cast("list[Value]", values.to_pylist())
    if kind == _ARRAY:
        return [_list(item) for item in cast("list[bytes]", held)]
    return [_map(item) for item in cast("list[bytes]", held)] if kind == _KVLIST else held


def _list(serialized: bytes) -> Value:
    return [read_value(item) for item in ArrayValue.FromString(serialized).values]


def _map(serialized: bytes) -> Value:
    pairs = KeyValueList.FromString(serialized).values
    return {pair.key: read_value(pair.value) for pair in pairs}
