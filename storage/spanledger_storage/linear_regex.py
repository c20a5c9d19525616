"""Regular expressions that take time in proportion to the text, whoever wrote them: RE2.

What people enter as a pattern runs on every text they send, so none may take longer than that.
Syntax: https://github.com/google/re2/wiki/Syntax (no look-around, no back-references, and classes
of digits and word characters are ASCII).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import re2

_MAX_MEMORY_BYTES = 4 << 20


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
