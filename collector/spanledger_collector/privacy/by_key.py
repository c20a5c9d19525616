"""Attributes dropped or hashed by their keys, at any depth of maps and of JSON in texts."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from contextlib import suppress
from typing import cast

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger_collector.decode.carried import any_value
from spanledger_collector.decode.values import Value
from spanledger_collector.privacy.attributes import Pairs
from spanledger_collector.privacy.hashing import hashed, is_hashed
from spanledger_collector.privacy.policy import Policy

_AROUND = string.whitespace + "\0\ufeff\xa0\u2028\u2029"
_FENCE = re.compile(r"```\w*\s*")
_TAG = re.compile(r"\[[A-Za-z]\w*\]")  # [INFO], or what replaced a text
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class _Unreadable(Exception):
    """A text begins like JSON and is none that can be read."""


class ByKey:
    """Applies the keys of a policy; counts in ``found`` what it dropped and hashed."""

    def __init__(self, policy: Policy, found: Counter[str]) -> None:
        self._dropped = policy.dropped
        self._hashed = policy.hashed
        self._salt = policy.salt
        self._found = found
        self.is_active = bool(policy.dropped or policy.hashed)

    def pairs(self, pairs: Pairs, above: str = "") -> None:
        """Drop and hash attributes; ``above``: the path of what holds them, with a dot."""
        gone: list[int] = []
        for index, pair in enumerate(pairs):
            if not self.value(pair.value, above + pair.key):
                gone.append(index)
        for index in reversed(gone):
            del pairs[index]

    def value(self, value: AnyValue, path: str) -> bool:
        """Hash a value, or drop and hash inside it; return False if it goes as a whole."""
        if self._drops(path):
            return False
        if not self._hashed.has(path):
            return self._within(value, path)
        self._hash(value)
        return True

    def _within(self, value: AnyValue, path: str) -> bool:
        """Drop and hash inside a value; return False if it is emptied, as nobody can look in."""
        kind = value.WhichOneof("value")
        if kind == "string_value":
            said = value.string_value
            rest = self._json(said, path)
            if rest is None:
                value.Clear()
                return False
            if rest is not said:
                value.string_value = rest
        elif kind == "kvlist_value":
            self.pairs(value.kvlist_value.values, f"{path}.")
        elif kind == "array_value":
            for item in value.array_value.values:
                self._within(item, path)
        return True

    def _hash(self, value: AnyValue) -> None:
        if value.WhichOneof("value") is None or is_hashed(value.string_value):
            return
        value.string_value = hashed(value, self._salt)
        self._found["hashed"] += 1

    def _json(self, text: str, path: str) -> str | None:
        """Return a text without what goes of the JSON in it; ``None``: nobody can look in."""
        if not self._may_have_below(path):
            return text
        try:
            if not self._concerns(_parsed(text), path):
                return text
        except _Unreadable:
            self._found["dropped"] += 1
            return None
        # Unlike the fast parser, this one keeps integers of any size.
        rest = self._inside(json.loads(_bare(text)), path)
        is_ascii = _SURROGATE.search(text) is not None  # half a pair has no other form
        return json.dumps(rest, ensure_ascii=is_ascii, separators=(",", ":"))

    def _concerns(self, value: Value, path: str) -> bool:
        """Return whether anything inside a value is dropped or hashed."""
        if isinstance(value, dict):
            for key, item in value.items():
                inner = f"{path}.{key}"
                if self._dropped.has(inner) or self._concerns(item, inner):
                    return True
                if self._hashed.has(inner) and _may_be_hashed(item):
                    return True
            return False
        if isinstance(value, list):
            return any(self._concerns(item, path) for item in value)
        if not isinstance(value, str) or not self._may_have_below(path):
            return False
        try:
            return self._concerns(_parsed(value), path)
        except _Unreadable:
            return True

    def _may_have_below(self, path: str) -> bool:
        return self._dropped.may_have_below(path) or self._hashed.may_have_below(path)

    def _inside(self, value: Value, path: str) -> Value:
        if isinstance(value, dict):
            return {
                key: self._member(item, f"{path}.{key}")
                for key, item in value.items()
                if not self._drops(f"{path}.{key}")
            }
        if isinstance(value, list):
            return [self._inside(item, path) for item in value]
        if isinstance(value, str):
            return self._json(value, path)
        return value

    def _drops(self, path: str) -> bool:
        is_dropped = self._dropped.has(path)
        if is_dropped:
            self._found["dropped"] += 1
        return is_dropped

    def _member(self, value: Value, path: str) -> Value:
        if not self._hashed.has(path):
            return self._inside(value, path)
        if not _may_be_hashed(value):
            return value
        self._found["hashed"] += 1
        is_large = type(value) is int and not -(2**63) <= value < 2**63
        return hashed(any_value(str(value) if is_large else value), self._salt)


def _parsed(text: str) -> Value:
    """Return what JSON in a text means; ``None``: it is another text.

    Raises:
        _Unreadable: it begins like a map, or a list with one, and is not JSON: it was cut, say.
    """
    if text[:1].isalnum():
        return None
    bare = _bare(text)
    if bare[:1] not in ("{", "[", '"'):
        return None
    for loads in (orjson.loads, json.loads):  # the slower one knows NaN and half pairs, too
        with suppress(ValueError, RecursionError):
            return cast("Value", loads(bare))
    if _begins_like_map(bare):
        raise _Unreadable
    return None


def _bare(text: str) -> str:
    """Return a text without what writers put around JSON: spaces, a byte order mark, a fence."""
    bare = text.strip(_AROUND)
    fence = _FENCE.match(bare)
    return bare[fence.end() :].removesuffix("```").rstrip(_AROUND) if fence else bare


def _begins_like_map(text: str) -> bool:
    """Return whether a text may be part of JSON with keys in it, also of JSON in a JSON text."""
    begun = text.lstrip('"\\' + _AROUND)
    if begun[:1] not in ("{", "[") or _TAG.match(begun):
        return False
    brace = text.find("{")
    return brace >= 0 and ":" in text[brace:]


def _may_be_hashed(value: Value) -> bool:
    return value is not None and not (isinstance(value, str) and is_hashed(value))
