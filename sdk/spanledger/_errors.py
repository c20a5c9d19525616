"""Errors of the SDK.

* SpanledgerError
  * TokenError: a text is not a token of ``pause()``
  * LimitReached: a guard was told to raise
    * BudgetExceeded
    * LoopDetected

Nothing else of this package raises into a program: what goes wrong inside is logged once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanledger._budget import BudgetEvent
    from spanledger._loop_guard import LoopEvent

log = logging.getLogger("spanledger")
_told: set[str] = set()


class SpanledgerError(Exception):
    """Anything this package raises."""


class TokenError(SpanledgerError, ValueError):
    """A text is not a token of ``pause()``."""


class LimitReached(SpanledgerError):
    """A guard that was told to raise met its limit; nothing was sent to the model."""


class BudgetExceeded(LimitReached):
    """A call would go over the hard limit of a budget; ``event`` says which."""

    def __init__(self, event: BudgetEvent) -> None:
        super().__init__(str(event))
        self.event = event


class LoopDetected(LimitReached):
    """An agent repeats itself; ``event`` says how."""

    def __init__(self, event: LoopEvent) -> None:
        super().__init__(str(event))
        self.event = event


def told(place: str, error: BaseException | str) -> None:
    """Log a failure, the first time it happens at this place."""
    if place not in _told:
        _told.add(place)
        name = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        log.warning("spanledger: %s: %s (said once)", place, name)


def forget() -> None:
    """Let every place speak again; for tests."""
    _told.clear()
