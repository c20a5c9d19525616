"""Signatures of tool calls and of their results: equal where an agent does the same again.

The algorithm, which the collector shares (docs/sdk.md, "Signatures"):

1. JSON, of a list or a map, is written again: keys sorted, no spaces, without the keys that
   always differ. Any other text has each run of white space made one space, none at the ends.
2. In results, a star takes the place of what differs every time: ids, times, temporary files.
3. BLAKE2b with 8 bytes over subject, a zero byte, and the text; the lowest 63 bits of it, and 1
   instead of 0. The subject of a call is the tool's name, of a result ``ok`` or ``error``.

Of messages there are hashes: where a conversation may not leave the process, its shape still can.
Two calls whose lists begin alike share that prefix; where they part, the provider's cache ends. A
hash is BLAKE2b with 16 bytes over the message's JSON with sorted keys, as the collector computes
it; the finish reason, which belongs to the call, is left out.

Signing takes longer than a span: what a call of a tool said is kept until its span leaves. The
thread that sends makes the signatures; the program waits only for what may change meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import threading
from collections.abc import Sequence
from hashlib import blake2b
from typing import cast

from opentelemetry.util.types import AttributeValue

from spanledger._attributes import (
    TOOL_CALL_SIGNATURE,
    TOOL_ERROR_EVIDENCE,
    TOOL_RESULT_SIGNATURE,
)
from spanledger._errors import told
from spanledger.tool_errors import error_evidence, evidence_of_text

VOLATILE_KEYS = frozenset(
    (
        *("messageId", "message_id", "runId", "run_id", "requestId", "request_id", "traceId"),
        *("trace_id", "idempotencyKey", "idempotency_key", "ts", "timestamp", "receipt", "nonce"),
        *("tool_call_id", "toolCallId", "tool_use_id", "toolUseId"),
    )
)
"""Keys of arguments and results that say nothing about what is asked."""
# \b and \d as in RE2, which knows ASCII only.
_VOLATILE = re.compile(
    rb"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"  # UUIDs
    rb"|\b0x[0-9a-fA-F]{4,16}\b"  # addresses
    rb"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"  # times
    rb"|\b\d+(?:\.\d+)? ?(?:ns|us|ms|s|sec|secs|seconds?)\b"  # durations
    rb"|/tmp/[^\s\"']+"
    rb"|\b(?:call|toolu|chatcmpl|msg|run|resp)[_-][A-Za-z0-9]{8,}"
    rb"|\x1b\[[0-9;]*[A-Za-z]"  # colours of terminals
)
_ODD_NUMBER = re.compile(r"\d[eE]|\d{15}|0\.000")
_REWRITE = re.compile(
    rf'{_ODD_NUMBER.pattern}|"-?\d[^"]*":|"(?:{"|".join(sorted(VOLATILE_KEYS))})":|^[^\[{{]'
)
_BITS = 0x7FFF_FFFF_FFFF_FFFF
_LONGEST_RESULT = 1 << 16  # of a longer text the start and the end are signed: no host may wait
UNCHANGING = frozenset((str, int, float, bool, type(None)))
"""Types whose values stay what they are."""
_UNSAID = object()


class _Json(str):
    """JSON as ``to_json`` writes it, not a text that somebody said."""

    __slots__ = ()


def kept(value: object) -> object:
    """Return what can be signed later to the same effect, whatever becomes of the value."""
    if type(value) in UNCHANGING:
        return value
    try:
        return copied(value)
    except (TypeError, RecursionError):
        # A text of the program's own type may change its mind.
        return str.__str__(value) if isinstance(value, str) else _Json(to_json(value))


def kept_result(result: object) -> object:
    """Return what can be signed later of a result: of a long text, its start and its end."""
    return _shortened(result) if type(result) is str else kept(result)


def copied(value: object) -> object:
    """Return a copy of a list or a map, down to what cannot change; JSON takes twice as long.

    Raises:
        TypeError: something in it is of another type.
        RecursionError: it is too deep, or has no end.
    """
    kind = type(value)
    if kind is dict:
        found: dict[object, object] = value.copy()  # type: ignore[attr-defined] # no cast: it costs
        for key, one in found.items():
            if type(one) not in UNCHANGING:
                found[key] = copied(one)
        return found
    if kind is not list and kind is not tuple:
        raise TypeError
    items: tuple[object, ...] = tuple(value)  # type: ignore[arg-type]
    if UNCHANGING.issuperset(map(type, items)):
        return items
    return [one if type(one) in UNCHANGING else copied(one) for one in items]


def call_signature(tool: str, arguments: object) -> int:
    """Return the signature of a call: the tool's name and its arguments, JSON text or values."""
    return _signature(tool, _canonical(arguments))


def result_signature(result: object, *, is_error: bool = False) -> int:
    """Return the signature of what a tool answered, or of the message it failed with."""
    if isinstance(result, str) and not isinstance(result, _Json):
        result = _shortened(result)
    said = _canonical(result)
    if len(said) > _LONGEST_RESULT:
        said = said[: _LONGEST_RESULT // 2] + said[-_LONGEST_RESULT // 2 :]
    return _signature("error" if is_error else "ok", _VOLATILE.sub(b"*", said))


def result_evidence(result: object) -> str:
    """Return how a result tells of an error (``tool_errors.py``); empty: not at all.

    Of a text that is too long to be signed whole nothing is said.
    """
    if isinstance(result, str):
        return evidence_of_text(result) if len(result) < _LONGEST_RESULT else ""
    if isinstance(result, tuple):
        result = list(cast("tuple[object, ...]", result))
    return error_evidence("", result) if isinstance(result, (dict, list)) else ""


def _shortened(text: str) -> str:
    half = _LONGEST_RESULT // 2
    return text[:half] + text[-half:] if len(text) > _LONGEST_RESULT else text


def to_json(value: object) -> str:
    """Return compact JSON with sorted keys; what JSON cannot say as its ``repr``."""
    try:
        return _dumps(value)
    except (TypeError, ValueError, RecursionError):
        try:
            return _dumps(_writable(value))
        except (TypeError, ValueError, RecursionError):
            return repr(value)


def _signature(subject: str, said: bytes) -> int:
    digest = blake2b(subject.encode("utf-8", "replace") + b"\0" + said, digest_size=8).digest()
    return int.from_bytes(digest, "big") & _BITS or 1


def _canonical(said: object) -> bytes:
    if not isinstance(said, str) or isinstance(said, _Json):
        said = said if isinstance(said, _Json) else to_json(said)
        if not _REWRITE.search(said):  # it is written in the one way already
            return said.encode("utf-8", "replace")
    if said[:1] in ("[", "{", " ", "\n"):
        with contextlib.suppress(ValueError, RecursionError):
            return _rewritten(said)
    return b" ".join(said.encode("utf-8", "replace").split())


def _rewritten(said: str) -> bytes:
    """Return JSON of a list or a map in its one way of being written.

    Raises:
        ValueError: it is no such JSON.
    """
    is_odd = _ODD_NUMBER.search(said) is not None
    parse_int = _parse_int if is_odd else None
    parsed: object = json.loads(said, parse_constant=_refuse, parse_int=parse_int)
    if not isinstance(parsed, (list, dict)):
        raise ValueError
    stable = _stable(cast("object", parsed))
    return (_write(stable) if is_odd else _dumps(stable)).encode()


def _refuse(word: str) -> object:
    raise ValueError(word)  # NaN is not JSON


def _parse_int(digits: str) -> int | float:
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(number)


def _write(value: object) -> str:
    """Write JSON that has numbers Python would write another way than the collector: 1e-07."""
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, dict):
        items = sorted(cast("dict[str, object]", value).items())
        return "{" + ",".join(f"{_dumps(key)}:{_write(item)}" for key, item in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_write, cast("list[object]", value))) + "]"
    return _dumps(value)


def _write_float(value: float) -> str:
    mantissa, e, exponent = repr(value).partition("e-")
    if not e:
        return mantissa
    if exponent != "05":
        return f"{mantissa}e-{exponent.lstrip('0')}"
    sign = "-" if mantissa[0] == "-" else ""
    return f"{sign}0.0000{mantissa.lstrip('-').replace('.', '')}"


def _stable(value: object) -> object:
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return {key: _stable(item) for key, item in items if key not in VOLATILE_KEYS}
    if isinstance(value, list):
        return [_stable(item) for item in cast("list[object]", value)]
    return value


_dumps = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, default=repr
).encode


def _writable(value: object) -> object:
    """Return a value with text for keys, and for numbers that JSON does not have."""
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {str(key): _writable(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [_writable(item) for item in cast("list[object]", value)]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def message_hashes(messages: object, role: str = "user") -> list[str]:
    """Return a hash in 32 hex digits for each message, in order.

    Args:
        messages: a list of them, one, its JSON, or a text.
        role: of a message that does not say its own.
    """
    parsed = messages
    if isinstance(messages, str) and messages[:1] in ("[", "{"):
        try:
            parsed = json.loads(messages)
        except (ValueError, RecursionError):
            parsed = messages
    listed = cast("list[object]", parsed) if isinstance(parsed, (list, tuple)) else [parsed]
    return [_message_hash(message, role) for message in listed]


def _message_hash(message: object, role: str) -> str:
    if isinstance(message, str):
        message = {"role": role, "parts": [{"type": "text", "content": message}]}
    elif isinstance(message, dict):
        found = cast("dict[str, object]", message)
        left_out = {"finish_reason"} | ({"name"} if found.get("name") is None else set())
        message = {key: value for key, value in found.items() if key not in left_out}
    return blake2b(to_json(message).encode("utf-8", "replace"), digest_size=16).hexdigest()


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
