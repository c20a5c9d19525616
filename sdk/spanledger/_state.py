"""What ``init`` decided, for the parts that run in the program's own calls."""

from __future__ import annotations

from spanledger._settings import Content


class _State:
    """One per process; a fork inherits it."""

    __slots__ = ("content", "signs_later")

    def __init__(self) -> None:
        self.content: Content = "hashes"
        # Whether our own queue is where spans go: then its thread makes the signatures.
        self.signs_later = False


STATE = _State()
