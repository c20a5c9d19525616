"""Whether two calls ask for the same in other words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast


@dataclass(frozen=True, slots=True)
class WordingLimits:
    """When two texts say the same.

    Of pairs of calls that people judged (runs of three coding agents, arXiv 2506.18824) and that
    are not the same otherwise, eleven have 60 words or more and share 95 % of them; seven are a
    repetition. From 0.93 to 0.97 and from 50 to 100 words it makes little difference. In a short
    text one word is the point: another file.

    Attributes:
        alike_ratio: share of their words that long texts must have in common.
        alike_words: words from which on a text is long enough for that.
        long_words: words from which on a request is a piece of work, not a look at something.
    """

    alike_ratio: float = 0.95
    alike_words: int = 60
    long_words: int = 30


WORDING = WordingLimits()
_WORD = re.compile(r"\w+")
VOLATILE_KEYS = frozenset(
    (
        *("messageId", "message_id", "runId", "run_id", "requestId", "request_id", "traceId"),
        *("trace_id", "idempotencyKey", "idempotency_key", "ts", "timestamp", "receipt", "nonce"),
        *("tool_call_id", "toolCallId", "tool_use_id", "toolUseId"),
    )
)
"""Keys that say nothing about what is asked; those that signatures leave out, too."""
_SHORT = 60  # characters of a value that names something: a file, a person, a page
_EMPTY: tuple[object, ...] = ("", [], {}, None)


class Wording(NamedTuple):
    """Arguments of a call, to compare.

    ``plain`` is JSON without empty values, numbers as text and white space as one space; ``parts``
    the same by key, where it is a map, ``targets`` the short ones: what it is about. ``size``
    words in all, ``words`` the distinct ones.
    """

    plain: str
    parts: frozenset[tuple[str, str]]
    targets: Mapping[str, str]
    words: frozenset[str]
    size: int


def read_wording(arguments: str) -> Wording:
    """Return arguments, JSON or any text, in a form to compare."""
    try:
        value = _plain(json.loads(arguments))
    except (ValueError, RecursionError):
        value = " ".join(arguments.split())
    told = _dump(value)
    words = _WORD.findall(told)
    parts: dict[str, str] = {}
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        parts = {key: _dump(item) for key, item in items}
    targets = {key: part for key, part in parts.items() if len(part) <= _SHORT}
    return Wording(told, frozenset(parts.items()), targets, frozenset(words), len(words))


def is_same(one: Wording, other: Wording, limits: WordingLimits = WORDING) -> bool:
    """Return whether the same is asked, written another way, or in nearly the same many words."""
    return one.plain == other.plain or is_alike(one, other, limits)


def is_alike(one: Wording, other: Wording, limits: WordingLimits = WORDING) -> bool:
    """Return whether both are long, about the same, and have nearly all their words in common."""
    if min(one.size, other.size) < limits.alike_words:
        return False
    if any(one.targets.get(key, part) != part for key, part in other.targets.items()):
        return False  # the same letter to somebody else
    shared = len(one.words & other.words)
    return shared >= limits.alike_ratio * (len(one.words) + len(other.words) - shared)


def is_part(one: Wording, other: Wording) -> bool:
    """Return whether the first asks for nothing that the second does not ask for."""
    return bool(one.parts) and one.parts < other.parts


def _plain(value: object) -> object:
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        told = {key: _plain(item) for key, item in items if key not in VOLATILE_KEYS}
        return {key: item for key, item in told.items() if item not in _EMPTY}
    if isinstance(value, list):
        parts = [_plain(item) for item in cast("list[object]", value)]
        return [item for item in parts if item not in _EMPTY]
    return None if value is None else " ".join(str(value).split())


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
