"""Answers that instrumentations write as Python's repr, of dicts or of a client's objects."""

from __future__ import annotations

import ast
import re
from typing import cast

from spanledger_collector.dialects.nested import at

_LONGEST_REPR = 8_192
_MOST_BRACKETS = 32  # a usage object has about five; nesting costs the parser stack
_BRACKET = re.compile(r"[][(){}]")
_TIER = re.compile(r"\bservice_tier(?:=|': )(?:'([\w.-]+)'|None)")
_OBJECT_ID = re.compile(r"\w+\(id='([\w.-]+)'")
_META_ID = re.compile(r"\{'id': '([\w.-]+)'")


def parse_repr(written: str) -> dict[str, object] | None:
    """Return the dict, or the fields of the object, that a repr shows."""
    if len(written) > _LONGEST_REPR or sum(map(written.count, "([{")) > _MOST_BRACKETS:
        return None
    if "--" in written or "\\" in written:  # an escape can spell what is no text
        return None
    try:
        parsed = _value(ast.parse(written, mode="eval").body)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(parsed, dict) or not all(isinstance(key, str) for key in parsed):
        return None
    return cast("dict[str, object]", parsed)


def _value(node: ast.expr | None) -> object:
    match node:
        case ast.Call(func=ast.Name(), args=[]):
            return {field.arg: _value(field.value) for field in node.keywords}
        case ast.Dict():
            return {_value(k): _value(v) for k, v in zip(node.keys, node.values, strict=True)}
        case ast.List():
            return [_value(item) for item in node.elts]
        case None:
            raise ValueError(node)
        case _:
            return cast("object", ast.literal_eval(node))


def answer_in_repr(response: dict[str, object]) -> dict[str, object]:
    """Return what the repr of an answer tells of it, by the names that JSON has for that.

    Haystack's is its first reply, with the answer in ``_meta``; smolagents keeps it as ``raw``.
    What was said stands before the usage in both, so the last one is the provider's.
    """
    reply, raw = at(response, "replies", 0), response.get("raw")
    if isinstance(reply, str) and reply.startswith("ChatMessage("):
        dump, before, ids = reply.rpartition("_meta=")[2], "'usage': ", _META_ID
    elif isinstance(raw, str):
        dump, before, ids = raw, ", usage=", _OBJECT_ID
    else:
        return {}
    found = ids.match(dump)
    tiers = cast("list[str]", _TIER.findall(dump))
    _, told, usage = dump.rpartition(before)
    return {
        "id": found[1] if found else None,
        "service_tier": tiers[-1] if tiers else None,
        "usage": parse_repr(_first_value(usage)) if told else None,
    }


def _first_value(written: str) -> str:
    """Return the text up to the bracket that closes its first one."""
    depth = 0
    for bracket in _BRACKET.finditer(written, 0, _LONGEST_REPR):
        depth += 1 if bracket[0] in "([{" else -1
        if depth <= 0:
            return written[: bracket.end()]
    return ""
