"""JSON as senders write it: by the fast parser, else by one that takes more than JSON allows."""

from __future__ import annotations

import contextlib
import json
import re

import orjson

_LENIENT_BYTES = 8 << 20
_DEEPEST = 300
"""Levels of lists and objects: more than any OTLP message, fewer than the parsers' own limits."""
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def read_json(data: bytes) -> object:
    """Return what a JSON text says.

    Texts that the strict parser refuses are read again, if they are not very large: then ``NaN``
    and ``Infinity`` are numbers (Python's ``json`` writes them), half of a surrogate pair is a
    character (``JSON.stringify`` writes those of texts cut in the middle of one), bytes that are no
    UTF-8 are U+FFFD, and what is nested deeper than any OTLP message is null.

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
                return json.loads(text)
            except UnicodeDecodeError:
                return json.loads(text.decode("utf-8", "replace"))
    raise ValueError(f"not JSON: {refusal}")


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
