"""Signatures of tool calls and of their results: equal where an agent does the same again.

What differs in every call though nothing else does (ids, times, temporary files) is left out;
paths, offsets, cursors and line numbers stay, because they are how progress shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import orjson

from spanledger.tool_errors import DECLARED, error_evidence
from spanledger_collector.decode.columns import Row
from spanledger_collector.decode.values import Value, dump_json, parse_json
from spanledger_storage.linear_regex import LinearRegex

_VOLATILE_KEYS = frozenset(
    (
        *("messageId", "message_id", "runId", "run_id", "requestId", "request_id", "traceId"),
        *("trace_id", "idempotencyKey", "idempotency_key", "ts", "timestamp", "receipt", "nonce"),
        *("tool_call_id", "toolCallId", "tool_use_id", "toolUseId"),
    )
)
_VOLATILE = LinearRegex(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"  # UUIDs
    r"|\b0x[0-9a-fA-F]{4,16}\b"  # addresses
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"  # times
    r"|\b\d+(?:\.\d+)? ?(?:ns|us|ms|s|sec|secs|seconds?)\b"  # durations
    r"|/tmp/[^\s\"']+"
    r"|\b(?:call|toolu|chatcmpl|msg|run|resp)[_-][A-Za-z0-9]{8,}"
    r"|\x1b\[[0-9;]*[A-Za-z]"  # colours of terminals
)
SIGNATURES = ("call_sig", "result_sig")
"""Columns."""
JUDGED = (*SIGNATURES, "tool_evidence")
"""All columns that ``sign`` fills."""
JUDGED_BY = ("tool_name", "tool_arguments", "tool_outcome", "tool_result")
"""The columns of which ``judge`` reads."""
_BREAKS = b"\t\n\r\x0b\x0c"
_FLAT = frozenset((str, int, bool, type(None)))
_BITS = 0x7FFF_FFFF_FFFF_FFFF  # so that a signature is an integer of OTLP, too


def sign(row: Row, key: bytes = b"") -> None:
    """Fill the columns ``JUDGED`` of a tool span; what is there stays where nobody said more.

    Args:
        row: its columns, the arguments and the result among them.
        key: of a keyed hash, so that nobody can match signatures with guesses; 16 bytes or more.
    """
    name, arguments, outcome, result = (str(row[column]) for column in JUDGED_BY)
    if not result and outcome == "error":
        result = str(row["status_message"] or row["error_type"])
    [call], [answer], [evidence] = judge([name], [arguments], [outcome], [result], key)
    for column, value in zip(JUDGED, (call, answer, evidence), strict=True):
        if value:
            row[column] = value


def judge(
    names: Sequence[str],
    arguments: Sequence[str],
    outcomes: Sequence[str],
    results: Sequence[str],
    key: bytes = b"",
) -> tuple[list[int], list[int], list[str]]:
    """Return the columns ``JUDGED`` of tool spans: 0 and an empty text where nothing was said.

    Args:
        names: of their tools.
        arguments: as in ``tool_arguments``.
        outcomes: as in ``tool_outcome``.
        results: as in ``tool_result``, or what else a failed call says.
        key: as ``sign``.
    """
    calls = [
        _signature(name, _canonical(said, parse_json(said)), key) if said else 0
        for name, said in zip(names, arguments, strict=True)
    ]
    parsed = [parse_json(said) for said in results]
    lasting = _lasting(list(map(_canonical, results, parsed)))
    answers = [
        _signature(outcome, what_lasts, key) if said else 0
        for outcome, said, what_lasts in zip(outcomes, results, lasting, strict=True)
    ]
    evidence = [
        DECLARED if outcome == "error" else error_evidence(said, json)
        for outcome, said, json in zip(outcomes, results, parsed, strict=True)
    ]
    return calls, answers, evidence


def _signature(subject: str, said: bytes, key: bytes) -> int:
    digest = blake2b(b"%b\0%b" % (subject.encode(), said), digest_size=8, key=key)
    return int.from_bytes(digest.digest(), "big") & _BITS or 1


def _canonical(said: str, parsed: object) -> bytes:
    """Return JSON with sorted keys and without those that always differ; texts on one line."""
    if parsed is None:
        return _on_one_line(said.encode())
    if isinstance(parsed, dict) and _is_flat(parsed):
        return orjson.dumps(parsed, option=orjson.OPT_SORT_KEYS)
    return dump_json(_stable(parsed))


def _on_one_line(text: bytes) -> bytes:
    """Return a text with single spaces for all white space between its words."""
    is_so = b"  " not in text and text[:1] != b" " and text[-1:] != b" "
    if is_so and len(text.translate(None, _BREAKS)) == len(text):
        return text
    return b" ".join(text.split())


def _is_flat(parsed: dict[str, object]) -> bool:
    """Tell a map that is canonical but for the order of its keys, as most arguments are."""
    kinds = _FLAT.issuperset(map(type, parsed.values()))
    return kinds and _VOLATILE_KEYS.isdisjoint(parsed)


def _lasting(texts: Sequence[bytes]) -> list[bytes]:
    """Return texts of one line each with a star for everything that differs every time."""
    joined = b"\n".join(texts)  # nothing volatile goes over the end of a line
    pieces: list[bytes] = []
    done = 0
    for start, end in _VOLATILE.spans(joined):
        pieces.append(joined[done:start])
        done = end
    if not pieces:
        return list(texts)
    return b"*".join([*pieces, joined[done:]]).split(b"\n")


def _stable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _stable(item) for key, item in value.items() if key not in _VOLATILE_KEYS}
    if isinstance(value, list):
        return [_stable(item) for item in value]
    return value


def is_signature(value: Value) -> bool:
    """Return whether a value is a signature."""
    return type(value) is int and 0 < value <= _BITS
