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
    """Arguments and result of one call, as they were when they were said.

    Each signature is made once, by whoever asks first: a guard, or the thread that sends.
    """

    __slots__ = (
        *("_arguments", "_call_signature", "_is_error", "_names", "_result"),
        *("_result_signature", "_tool"),
    )

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._names: tuple[str, ...] | None = None
        self._arguments: object = _UNSAID
        self._result: object = _UNSAID
        self._is_error = False
        self._call_signature = self._result_signature = 0

    def arguments(self, value: object) -> None:
        """Keep what the tool is called with."""
        self._call_signature, self._names = 0, None
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
        self._result_signature = 0
        self._result = kept_result(value)
        self._is_error = is_error

    def call_signature(self) -> int:
        """Return the signature of the call; 0: nobody said what it was called with."""
        arguments = self._arguments  # read first: ``signatures`` signs, then forgets
        if not self._call_signature and arguments is not _UNSAID:
            if self._names is not None:
                arguments = named(self._names, cast("list[object]", arguments))
            self._call_signature = call_signature(self._tool, arguments)
        return self._call_signature

    def result_signature(self) -> int:
        """Return the signature of the result; 0: nobody said what it was."""
        result = self._result
        if not self._result_signature and result is not _UNSAID:
            self._result_signature = result_signature(result, is_error=self._is_error)
        return self._result_signature

    def signatures(self) -> dict[str, AttributeValue]:
        """Return the attributes that stand for what was said, which is forgotten."""
        made: dict[str, AttributeValue] = {}
        try:
            if signature := self.call_signature():
                made[TOOL_CALL_SIGNATURE] = signature
            if signature := self.result_signature():
                made[TOOL_RESULT_SIGNATURE] = signature
                if evidence := "" if self._is_error else result_evidence(self._result):
                    made[TOOL_ERROR_EVIDENCE] = evidence
            # A guard may remember this call for long; signatures are all it needs.
            self._arguments = self._result = _UNSAID
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
