"""What differs between two versions of one segment of a prompt, and what kind of text that is."""

from __future__ import annotations

import json
import os.path
import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple, cast

TOOLS, SYSTEM, MESSAGE, SEGMENT = "tools", "system", "message", "segment"
"""Kinds of segments; the last where nobody stored what it says."""

LONGEST = 1 << 16
"""Characters of a stored message that are looked at."""

_ATTACHMENTS = frozenset(
    {"image", "image_url", "input_image", "blob", "uri", "file", "document", "media", "input_file"}
)
_AROUND = 120  # characters on each side of a difference in which its kind is looked for
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?[AaPp][Mm])?(?:Z| ?UTC|[+-]\d{2}:?\d{2})?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}\.?"
_YEAR = r"(?:,? \d{4})?"
_SPACE = r"[ ,]{1,2}"
_WHO = r"(?:usr|user|customer|cust|account|acct|tenant|member)"
_DAY = r"(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,? {0,2})"
_KINDS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("uuid", r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
        ("timestamp", rf"\b\d{{4}}[-/.]\d{{2}}[-/.]\d{{2}}(?:[T ,]{{1,2}}{_TIME})?"),
        (
            "timestamp",
            rf"{_DAY}?{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?{_YEAR}(?:{_SPACE}(?:at )?{_TIME})?",
        ),
        ("timestamp", rf"{_DAY}?\d{{1,2}}\.? {_MONTH}(?: \d{{4}})?(?:[ ,]{{1,2}}{_TIME})?"),
        ("timestamp", rf"\b\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}(?:[ ,]{{1,2}}{_TIME})?"),
        ("timestamp", rf"\b{_TIME}"),
        ("timestamp", rf"\b{_DAY}"),
        ("timestamp", r"\b1[5-9]\d{8}(?:[.]\d{1,9}|\d{3}|\d{6}|\d{9})?\b"),
        ("user_id", r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}"),
        ("user_id", rf"\b{_WHO}[_-][A-Za-z0-9_-]{{1,64}}"),
        (
            "user_id",
            r"(?i:\b(?:user|customer|account|tenant|member)(?:[ _-]?(?:id|name|number))?\b"
            r"[\"']?(?: is|:|=| #)[ ]?[\"']?)[^\s\"',;]{1,64}",
        ),
        ("counter", r"(?<![A-Za-z0-9_.-])\d{1,9}(?![A-Za-z0-9_-])"),
        ("token", r"\b(?=[A-Za-z_-]{0,64}\d)(?=[\d_-]{0,64}[A-Za-z])[A-Za-z0-9_-]{6,128}"),
    )
)  # fmt: skip
_WORDS = re.compile(r"\w+")


class Segment(NamedTuple):
    """A segment whose content is stored.

    Attributes:
        kind: tools, system or message.
        text: what it says; of tools, their definitions as JSON, one a line.
        tools: their definitions as JSON with sorted keys, in order.
        attachments: images and files as JSON, in order.
        size: characters of the whole, stored or not.
    """

    kind: str
    text: str
    tools: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    size: int = 0


class Difference(NamedTuple):
    """The first difference between two texts.

    Attributes:
        position: the character at which they part.
        kind: timestamp, uuid, counter, user_id, token; '' for anything else.
        before: the value in the earlier text, at most 120 characters.
        after: the same in the later one.
        rest_ratio: share of the later text that follows the difference and is equal again.
    """

    position: int
    kind: str
    before: str
    after: str
    rest_ratio: float


def read_segment(role: str, content: str, size: int) -> Segment:
    """Return a stored message as a segment; ``content`` may be cut off."""
    kind = {"tool_definitions": TOOLS, "system": SYSTEM}.get(role, MESSAGE)
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return Segment(kind, content, size=size)
    parts = parsed.get("parts") if isinstance(parsed, dict) else None
    if not isinstance(parts, list):
        return Segment(kind, content, size=size)
    listed = cast("list[object]", parts)
    if kind == TOOLS:
        tools = tuple(_dumped(part) for part in listed)
        return Segment(kind, "\n".join(tools), tools, size=size)
    attached = tuple(_dumped(part) for part in listed if _is_attachment(part))
    texts = [_text(part) for part in listed if not _is_attachment(part)]
    return Segment(kind, "\n".join(texts), (), attached, size)


def tool_name(definition: str) -> str:
    """Return the name of a tool's definition, '' where it has none."""
    parsed = json.loads(definition)
    if not isinstance(parsed, dict):
        return ""
    found = cast("dict[str, object]", parsed)
    inner = found.get("function")
    if isinstance(inner, dict):
        found = {**found, **cast("dict[str, object]", inner)}
    return str(found.get("name") or "")


def first_difference(before: str, after: str) -> Difference | None:
    """Return where two texts part and what kind of value differs there; None: nowhere."""
    if before == after:
        return None
    position = len(os.path.commonprefix((before, after)))
    rest = _common_suffix(before[position:], after[position:])
    ratio = rest / max(1, len(after))
    start = max(0, position - _AROUND)
    old, new = before[start : position + _AROUND], after[start : position + _AROUND]
    for kind, pattern in _KINDS:
        pair = _matches(pattern, old, new, position - start)
        if pair is not None:
            return Difference(position, kind, *pair, ratio)
    return Difference(position, "", _word(before, position), _word(after, position), ratio)


def similarity(before: str, after: str) -> float:
    """Return the share of words that two texts have in common, of the longer one; 0 to 1."""
    (old, old_total), (new, new_total) = _words(before), _words(after)
    longer = max(old_total, new_total)
    if len(old) > len(new):
        old, new = new, old
    common = sum([min(count, new[word]) for word, count in old.items() if word in new])
    return common / longer if longer else float(before == after)


@lru_cache(maxsize=512)  # one text is compared with several
def _words(text: str) -> tuple[Counter[str], int]:
    """Return how often each word occurs, and how many words there are."""
    found = Counter(_WORDS.findall(text))
    return found, found.total()


def _matches(pattern: re.Pattern[str], old: str, new: str, place: int) -> tuple[str, str] | None:
    """Return the values that hold the difference, where both texts have one of this kind."""
    before, after = _around(pattern, old, place), _around(pattern, new, place)
    return (before, after) if before and after and before != after else None


def _around(pattern: re.Pattern[str], text: str, place: int) -> str:
    for found in pattern.finditer(text):
        if found.start() <= place <= found.end():
            return found[0]
    return ""


def _word(text: str, position: int) -> str:
    start = max(text.rfind(" ", 0, position), text.rfind("\n", 0, position), position - 40) + 1
    return " ".join(text[max(0, start) : position + 80].split())[:120]


def _common_suffix(before: str, after: str) -> int:
    return len(os.path.commonprefix((before[::-1], after[::-1])))


def _is_attachment(part: object) -> bool:
    if not isinstance(part, dict):
        return False
    found = cast("dict[str, object]", part)
    return found.get("type") in _ATTACHMENTS


def _text(part: object) -> str:
    if isinstance(part, dict):
        content = cast("dict[str, object]", part).get("content")
        if isinstance(content, str):
            return content
    return part if isinstance(part, str) else _dumped(part)


def _dumped(part: object) -> str:
    return json.dumps(part, ensure_ascii=False, sort_keys=True)
