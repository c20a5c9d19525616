"""What a call of a tool said, kept until its span leaves: signing takes longer than the span.

The thread that sends makes the signatures; the program waits only for what may change meanwhile.
"""

from __future__ import annotations

import threading

from opentelemetry.util.types import AttributeValue

from spanledger._attributes import (
    TOOL_CALL_SIGNATURE,
    TOOL_ERROR_EVIDENCE,
    TOOL_RESULT_SIGNATURE,
)
from spanledger._failures import told
from spanledger._signatures import (
    call_signature,
    kept,
    kept_arguments,
    kept_result,
    result_evidence,
    result_signature,
)

_UNSAID = object()


class Said:
    """Arguments and result of one call, as they were when they were said."""

    __slots__ = ("_arguments", "_is_error", "_result", "_tool")

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._arguments: object = _UNSAID
        self._result: object = _UNSAID
        self._is_error = False

    def arguments(self, value: object) -> None:
        """Keep what the tool is called with."""
        self._arguments = kept(value)

    def named(self, arguments: dict[str, object]) -> None:
        """Keep arguments by name, in a map that is nobody else's."""
        self._arguments = kept_arguments(arguments)

    def result(self, value: object, *, is_error: bool) -> None:
        """Keep what the tool answered."""
        self._result = kept_result(value)
        self._is_error = is_error

    def signatures(self) -> dict[str, AttributeValue]:
        """Return the attributes that stand for what was said."""
        made: dict[str, AttributeValue] = {}
        try:
            if self._arguments is not _UNSAID:
                made[TOOL_CALL_SIGNATURE] = call_signature(self._tool, self._arguments)
            if self._result is not _UNSAID:
                signature = result_signature(self._result, is_error=self._is_error)
                made[TOOL_RESULT_SIGNATURE] = signature
                evidence = "" if self._is_error else result_evidence(self._result)
                if evidence:
                    made[TOOL_ERROR_EVIDENCE] = evidence
        except Exception as error:  # the span is worth more than its signatures
            told("signing a call of a tool", error)
        return made


class _Ending(threading.local):
    """What belongs to the span that is just ending in this thread."""

    said: Said | None = None


ENDING = _Ending()
