"""Attributes dropped or hashed by their keys, at any depth of maps and of JSON in texts."""

from __future__ import annotations

import json
from collections import Counter
from typing import cast

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from spanledger_collector.decode.carried import any_value
from spanledger_collector.decode.values import Value
from spanledger_collector.privacy.attributes import Pairs
from spanledger_collector.privacy.hashing import hashed, is_hashed
from spanledger_collector.privacy.policy import Policy

_JSON_STARTS = ("{", "[")


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
            path = above + pair.key
            if self._dropped.has(path):
                gone.append(index)
            elif self._hashed.has(path):
                self._hash(pair.value)
            else:
                self.value(pair.value, path)
        for index in reversed(gone):
            del pairs[index]
        if gone:
            self._found["dropped"] += len(gone)

    def value(self, value: AnyValue, path: str) -> None:
        """Drop and hash inside a value that itself stays."""
        kind = value.WhichOneof("value")
        if kind == "string_value":
            rest = self._json(value.string_value, path)
            if rest is not None:
                value.string_value = rest
        elif kind == "kvlist_value":
            self.pairs(value.kvlist_value.values, f"{path}.")
        elif kind == "array_value":
            for item in value.array_value.values:
                self.value(item, path)

    def _hash(self, value: AnyValue) -> None:
        if value.WhichOneof("value") is None or is_hashed(value.string_value):
            return
        value.string_value = hashed(value, self._salt)
        self._found["hashed"] += 1

    def _json(self, text: str, path: str) -> str | None:
        """Return the JSON of a text without what goes; ``None``: it is none, or all of it stays."""
        if not self._concerns(_parsed(text), path):
            return None
        # Unlike the fast parser, this one keeps integers of any size.
        rest = self._inside(json.loads(text), path)
        return json.dumps(rest, ensure_ascii=False, separators=(",", ":"))

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
        return isinstance(value, str) and self._concerns(_parsed(value), path)

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
            rest = self._json(value, path)
            return value if rest is None else rest
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
    """Return the map or list in a text; ``None``: it is another text."""
    if text[:1] not in _JSON_STARTS and not text.lstrip().startswith(_JSON_STARTS):
        return None
    try:
        return cast("Value", orjson.loads(text))
    except orjson.JSONDecodeError:
        return None


def _may_be_hashed(value: Value) -> bool:
    return value is not None and not (isinstance(value, str) and is_hashed(value))
