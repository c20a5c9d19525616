"""Escapes of JSON: which ones a text has, and what it says once they are read."""

from __future__ import annotations

import re
from bisect import bisect_right
from enum import IntEnum

# Half a surrogate pair is no letter. In JSON within JSON, each level doubles the backslashes.
_ESCAPED = re.compile(rb"\\{1,8}(?:u((?![dD][89a-fA-F])[0-9a-fA-F]{4})|/)")


class Escapes(IntEnum):
    """Which escapes of JSON a text has: those that every writer needs, or odd ones, too."""

    NONE = 0
    NEEDED = 1
    ODD = 2

    @classmethod
    def of(cls, text: bytes) -> Escapes:
        """Return the oddest ones of a text; letters of ASCII and ``/`` need no escape."""
        if b"\\" not in text:
            return cls.NONE
        return cls.ODD if b"\\u" in text or b"\\/" in text else cls.NEEDED


class Unescaped:
    """A text in which escapes of JSON are what they mean, and where that stands in the text."""

    def __init__(self, text: bytes) -> None:
        pieces: list[bytes] = []
        # Where each escape, and what follows it, begin here and in the text.
        self._here, self._there = [0], [0]
        length = done = 0
        for match in _ESCAPED.finditer(text):
            letter = chr(int(match[1], 16)).encode() if match[1] else b"/"
            pieces += [text[done : match.start()], letter]
            length += match.start() - done
            done = match.end()
            self._here += [length, length + len(letter)]
            self._there += [match.start(), done]
            length += len(letter)
        self.text = b"".join([*pieces, text[done:]])

    def place(self, at: int) -> int:
        """Return where in the text a letter is that begins at a place here."""
        before = bisect_right(self._here, at) - 1
        return self._there[before] + at - self._here[before]
