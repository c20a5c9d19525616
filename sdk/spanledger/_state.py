"""What ``init`` decided, for the parts that run in the program's own calls."""

from __future__ import annotations

from spanledger._settings import Content


class _State:
    """One per process; a fork inherits it."""

    __slots__ = ("content",)

    def __init__(self) -> None:
        self.content: Content = "hashes"


STATE = _State()
