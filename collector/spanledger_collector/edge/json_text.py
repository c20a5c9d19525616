"""JSON as senders write it: by the fast parser, else by one that takes more than JSON allows."""

from __future__ import annotations

import contextlib
import json
import re

import orjson

_LENIENT_BYTES = 8 << 20
_MOST_DIGITS = 400  # a double has no more before its point
_DEEPEST = 300
"""Levels of lists and objects: more than any OTLP message, fewer than the parsers' own limits."""
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def read_json(data: bytes) -> object:
    """Return what a JSON text says.

    Texts that the strict parser refuses are read again, if they are not very large: then ``NaN``
    and ``Infinity`` are numbers (Python's ``json`` writes them), as are those of any length, half
    of a surrogate pair is a character (``JSON.stringify`` writes those of texts cut in the middle
    of one), bytes that are no UTF-8 are U+FFFD, and what is nested deeper than any OTLP message is
    null.

    Raises:
        ValueError: not JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        refusal = str(error)
    if len(data) <= _LENIENT_BYTES:
        text = _flattened(data)
        with contextlib.suppress(ValueError, RecursionError):
            try:
                return json.loads(text, parse_int=_integer)
            except UnicodeDecodeError:
                return json.loads(text.decode("utf-8", "replace"), parse_int=_integer)
    raise ValueError(f"not JSON: {refusal}")


def _integer(digits: str) -> int:
    """Return a number, or one that is beyond every double as well: Python reads 4,300 digits."""
    return int(digits[:_MOST_DIGITS])


def _flattened(data: bytes) -> bytes:
    """Return the text with everything nested too deep replaced by null."""
    kept, depth, last = list[bytes](), 0, 0
    for token in _TOKENS.finditer(data):
        if token[0] in (b"{", b"["):
            depth += 1
            if depth == _DEEPEST + 1:
                kept += (data[last : token.start()], b"null")
        elif token[0] in (b"}", b"]"):
            if depth == _DEEPEST + 1:
                last = token.end()
            depth -= 1
    kept.append(data[last:])
    return b"".join(kept)
