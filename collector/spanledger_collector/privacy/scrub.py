"""Patterns replaced in every text of a message, whatever field holds it; ids and counts stay."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanledger_collector.decode.carried import CARRIED, COLUMNS
from spanledger_collector.privacy.known import COUNTS, KNOWN_KEYS, ROLES
from spanledger_collector.privacy.texts import TextRedactor

_IDS = frozenset({"trace_id", "span_id", "parent_span_id"})
_FIGURE = re.compile(r"[+-]?\d{1,20}(?:\.\d{1,20})?|true|false", re.ASCII | re.IGNORECASE)
_FIXED = frozenset({"dialect", "role", "status", "usage_source", "tool_outcome"})
_NUMBERS = frozenset({"int_value", "double_value", "bool_value"})
_TEXT, _BYTES, _MESSAGE = (
    FieldDescriptor.TYPE_STRING,
    FieldDescriptor.TYPE_BYTES,
    FieldDescriptor.TYPE_MESSAGE,
)


class Scrub:
    """Applies the patterns of a project; counts by kind in ``found`` what it replaced."""

    def __init__(self, texts: TextRedactor, found: Counter[str]) -> None:
        self._all = self._texts = texts
        self._found = found
        self.is_active = bool(texts)

    def may_be_in(self, serialised: bytes) -> bool:
        """Return False if no text of a serialised message holds anything to replace.

        Until the next call, only what may be in this message is looked for.
        """
        self._texts = self._all.within(serialised)
        return bool(self._texts)

    def use_all(self) -> None:
        """Look for everything, whatever ``may_be_in`` said of another message."""
        self._texts = self._all

    def text(self, text: str) -> str:
        """Return a text without what the patterns match."""
        return self._texts.text(text, self._found)

    def message(self, message: Message) -> None:
        """Replace in every text of an item and of what it holds."""
        for field, value in message.ListFields():
            if field.name == "attributes":
                for pair in value:
                    self._own(pair)
            else:
                self._field(message, field, value)

    def _own(self, pair: KeyValue) -> None:
        """Replace in an attribute of the item itself; only there is a key of ours surely ours."""
        if pair.key == CARRIED:
            self._carried(pair.value)
        else:
            self._pair(pair)

    def _inside(self, message: Message) -> None:
        if isinstance(message, KeyValue):
            self._pair(message)
        elif isinstance(message, AnyValue):
            self._value(message)
        else:
            for field, value in message.ListFields():
                self._field(message, field, value)

    def _field(self, message: Message, field: FieldDescriptor, value: Any) -> None:
        if field.type == _MESSAGE:
            for item in value if field.is_repeated else (value,):
                self._inside(item)
        elif field.type == _TEXT:
            if field.is_repeated:
                value[:] = [self._texts.text(one, self._found) for one in value]
            else:
                setattr(message, field.name, self._texts.text(value, self._found))
        elif field.type == _BYTES and field.name not in _IDS:
            setattr(message, field.name, self._texts.data(value, self._found))

    def _pair(self, pair: KeyValue) -> None:
        key, value = pair.key, pair.value
        if _is_fixed(key, value):
            return
        if key not in KNOWN_KEYS:
            clean = self._texts.text(key, self._found)
            if clean != key:
                pair.key = clean
        self._value(value, key)

    def _value(self, value: AnyValue, key: str = "") -> None:
        kind = value.WhichOneof("value")
        if kind == "string_value":
            said = value.string_value
            clean = self._texts.value(key, said, self._found)
            if clean is not said:
                value.string_value = clean
        elif kind == "kvlist_value":
            for pair in value.kvlist_value.values:
                self._pair(pair)
        elif kind == "array_value":
            for item in value.array_value.values:
                self._value(item)
        elif kind == "bytes_value":
            value.bytes_value = self._texts.data(value.bytes_value, self._found)

    def _carried(self, carried: AnyValue) -> None:
        """Replace in the columns that were read; roles and counts are ours."""
        for part in carried.kvlist_value.values:
            if part.key == COLUMNS:
                for pair in part.value.kvlist_value.values:
                    is_text = pair.value.WhichOneof("value") == "string_value"
                    if is_text and pair.key not in _FIXED:
                        self._value(pair.value)


def _is_fixed(key: str, value: AnyValue) -> bool:
    """Return whether an attribute is a count, or a word that tells what a span is."""
    if key in COUNTS:
        kind = value.WhichOneof("value")
        return kind in _NUMBERS or (kind == "string_value" and _is_figure(value.string_value))
    return key in ROLES and value.string_value.lower() in ROLES[key]


@lru_cache(maxsize=1024)
def _is_figure(text: str) -> bool:
    return _FIGURE.fullmatch(text) is not None
