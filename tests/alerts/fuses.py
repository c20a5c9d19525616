"""Objects that end whoever uses them at a chosen one of the calls that write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

WRITES = ("acquire", "commit", "claim", "finish")


class Died(BaseException):
    """The process is gone; no handler of errors sees it."""


def _died() -> None:
    raise Died


class Fuse:
    """Dies at one of the calls it counts, before it or after it; 0: at none."""

    def __init__(self, at: int, is_after: bool, die: Callable[[], None] = _died) -> None:
        self.at, self.is_after, self.calls, self.die = at, is_after, 0, die

    def guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            number = self.calls
            if number == self.at and not self.is_after:
                self.die()
            result = call(*args, **kwargs)
            if number == self.at:
                self.die()
            return result

        return guarded


class Fused:
    """An object whose every method that writes goes through a fuse."""

    def __init__(self, inner: object, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._fuse.guard(found) if name in WRITES else found
