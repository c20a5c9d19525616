"""Which attribute keys a project drops or hashes: globs over dotted paths.

The path of an attribute is its key. A value inside it has the path of what holds it, a dot, and
its own key, whether the map came as such or as JSON in a text; lists add nothing. So
``tool.input.email`` is the ``email`` of a map under ``tool.input``, of every map of a list there,
and of an attribute of that very name. ``*`` stands for any characters, dots included; case counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from spanledger_storage.linear_regex import LinearRegex

_MOST_REMEMBERED = 20_000  # senders may make up keys without end
_LONGEST_REMEMBERED = 200


class KeyGlobs:
    """Tells which paths match one of several globs."""

    __slots__ = ("_any", "_begins", "_known")

    def __init__(self, globs: Sequence[str]) -> None:
        alternatives = ("(?s:.*)".join(map(re.escape, glob.split("*"))) for glob in globs)
        self._any = LinearRegex("|".join(f"(?:{one})" for one in alternatives)) if globs else None
        self._begins = [(glob.partition("*")[0], "*" in glob) for glob in globs]
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return self._any is not None

    @property
    def size(self) -> int:
        """Instructions of all globs: to what the time for a byte of a path is in proportion."""
        return self._any.size if self._any else 0

    def has(self, path: str) -> bool:
        """Return whether a path matches."""
        if self._any is None:
            return False
        known = self._known.get(path)
        if known is None:
            known = self._any.is_all_of(path.encode(errors="replace"))
            if len(self._known) < _MOST_REMEMBERED and len(path) < _LONGEST_REMEMBERED:
                self._known[path] = known
        return known

    def may_have_below(self, path: str) -> bool:
        """Return whether the path of anything inside a value may match."""
        above = f"{path}."
        return any(
            begin.startswith(above) or (is_open and above.startswith(begin))
            for begin, is_open in self._begins
        )
