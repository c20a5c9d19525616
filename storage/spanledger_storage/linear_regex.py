"""Regular expressions that never take exponential time, whoever wrote them: RE2.

What people enter as a pattern runs on every text they send. To tell whether one matches takes time
in proportion to the text. How long a byte takes does not depend on the pattern as long as RE2 can
remember the sets of instructions it was at; where many counted repetitions have begun at once, the
sets are ever others, and a byte takes time in proportion to the size of the pattern.
Syntax: https://github.com/google/re2/wiki/Syntax (no look-around, no back-references, and classes
of digits and word characters are ASCII).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import re2

_MAX_MEMORY_BYTES = 4 << 20
_ESCAPE = re.compile(
    r"\\(?:(?P<unicode>[pP](?:\{[^}]*\}|.))|x\{(?P<letter>[0-9A-Fa-f]+)\}|.)", re.DOTALL
)


class LinearRegex:
    """A compiled pattern; it reads UTF-8 bytes."""

    __slots__ = ("_compiled",)

    def __init__(self, pattern: str) -> None:
        """Compile a pattern.

        Raises:
            ValueError: it is not one, or it needs more memory than a pattern may.
        """
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MAX_MEMORY_BYTES
        options.never_capture = True  # nobody asks for groups, and they cost the fast way
        try:
            self._compiled: Any = re2.compile(pattern, options)
        except (re2.error, UnicodeEncodeError) as error:
            said = error.args[0] if error.args else ""
            reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
            raise ValueError(f"not a regular expression of RE2: {reason}") from None

    @property
    def size(self) -> int:
        """Instructions of its program."""
        return int(self._compiled.programsize)

    def is_in(self, text: bytes) -> bool:
        """Return whether the pattern matches anywhere."""
        return self._compiled.search(text) is not None

    def is_all_of(self, text: bytes) -> bool:
        """Return whether the pattern matches the whole text."""
        return self._compiled.fullmatch(text) is not None

    def spans(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield start and end of each match that is not empty, from left to right."""
        for match in self._compiled.finditer(text):
            start, end = match.span()
            if end > start:
                yield start, end


def size_in_letters(pattern: str) -> int:
    """Return the instructions of a pattern's program if every letter were one byte.

    A byte of the worst text takes some 5 ns for each of them. The real program may be many times
    larger, but within the bytes of a letter of a large class it is at few places at once.

    Raises:
        ValueError: it is not a pattern.
    """
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.encoding = re2.Options.Encoding.LATIN1
    narrow = "".join(min(letter, "\xff") for letter in _ESCAPE.sub(_narrow, pattern))
    try:
        return int(re2.compile(narrow.encode("latin-1"), options).programsize)
    except re2.error:
        return LinearRegex(pattern).size


def _narrow(escape: re.Match[str]) -> str:
    r"""Return an escape for bytes: ``\w`` for classes of Unicode, ``\xff`` for higher letters."""
    if escape["unicode"]:
        return r"\w"
    return rf"\x{min(int(escape['letter'], 16), 0xFF):02x}" if escape["letter"] else escape[0]
