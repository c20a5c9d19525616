"""What a call of a tool said, kept until its span leaves: signing takes longer than the span.

The thread that sends makes the signatures; the program waits only for what may change meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

from opentelemetry.util.types import AttributeValue

from spanledger._attributes import (
    TOOL_CALL_SIGNATURE,
    TOOL_ERROR_EVIDENCE,
    TOOL_RESULT_SIGNATURE,
)
from spanledger._failures import told
from spanledger._signatures import (
    UNCHANGING,
    call_signature,
    copied,
    kept,
    kept_result,
    result_evidence,
    result_signature,
)

_UNSAID = object()


class Said:
    """Arguments and result of one call, as they were when they were said."""

    __slots__ = ("_arguments", "_is_error", "_names", "_result", "_tool")

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._names: tuple[str, ...] | None = None
        self._arguments: object = _UNSAID
        self._result: object = _UNSAID
        self._is_error = False

    def arguments(self, value: object) -> None:
        """Keep what the tool is called with."""
        self._arguments = kept(value)

    def called(self, names: tuple[str, ...], args: tuple[object, ...]) -> None:
        """Keep what a function is called with, by position; their names are joined later."""
        try:
            self._arguments = [one if type(one) in UNCHANGING else copied(one) for one in args]
            self._names = names
        except (TypeError, RecursionError):
            self._arguments = kept(named(names, args))

    def result(self, value: object, *, is_error: bool) -> None:
        """Keep what the tool answered."""
        self._result = kept_result(value)
        self._is_error = is_error

    def signatures(self) -> dict[str, AttributeValue]:
        """Return the attributes that stand for what was said."""
        made: dict[str, AttributeValue] = {}
        try:
            arguments = self._arguments
            if self._names is not None:
                arguments = named(self._names, cast("list[object]", arguments))
            if arguments is not _UNSAID:
                made[TOOL_CALL_SIGNATURE] = call_signature(self._tool, arguments)
            if self._result is not _UNSAID:
                signature = result_signature(self._result, is_error=self._is_error)
                made[TOOL_RESULT_SIGNATURE] = signature
                evidence = "" if self._is_error else result_evidence(self._result)
                if evidence:
                    made[TOOL_ERROR_EVIDENCE] = evidence
        except Exception as error:  # the span is worth more than its signatures
            told("signing a call of a tool", error)
        return made


def named(names: tuple[str, ...], args: Sequence[object]) -> dict[str, object]:
    """Return positional arguments by name; those that have none are a list, as ``*``."""
    found: dict[str, object] = dict(zip(names, args, strict=False))
    if len(args) > len(names):
        found["*"] = list(args[len(names) :])
    return found


class _Ending(threading.local):
    """What belongs to the span that is just ending in this thread."""

    said: Said | None = None


ENDING = _Ending()
