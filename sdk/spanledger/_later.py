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
    kept_result,
    result_evidence,
    result_signature,
)


class Said:
    """Arguments and result of one call, as they were when they were said."""

    __slots__ = ("_arguments", "_has_arguments", "_has_result", "_is_error", "_result", "_tool")

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._has_arguments = self._has_result = self._is_error = False
        self._arguments: object = None
        self._result: object = None

    def arguments(self, value: object) -> None:
        """Keep what the tool is called with."""
        self._arguments = kept(value)
        self._has_arguments = True

    def result(self, value: object, *, is_error: bool) -> None:
        """Keep what the tool answered."""
        self._result = kept_result(value)
        self._has_result = True
        self._is_error = is_error

    def signatures(self) -> dict[str, AttributeValue]:
        """Return the attributes that stand for what was said."""
        made: dict[str, AttributeValue] = {}
        try:
            if self._has_arguments:
                made[TOOL_CALL_SIGNATURE] = call_signature(self._tool, self._arguments)
            if self._has_result:
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
