"""Errors of the SDK.

* SpanledgerError
  * TokenError: a text is not a token of ``pause()``
  * LimitReached: a guard was told to raise
    * BudgetExceeded
    * LoopDetected

Nothing else of this package raises into a program: what goes wrong inside is logged once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanledger._budget import BudgetEvent
    from spanledger._loop_guard import LoopEvent


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
