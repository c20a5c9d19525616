"""Signatures of tool calls and of their results: equal where an agent does the same again.

What differs in every call though nothing else does (ids, times, temporary files) is left out;
paths, offsets, cursors and line numbers stay, because they are how progress shows.
"""

from __future__ import annotations

from hashlib import blake2b

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
_BITS = 0x7FFF_FFFF_FFFF_FFFF  # so that a signature is an integer of OTLP, too


def sign(row: Row, key: bytes = b"") -> None:
    """Fill the columns ``JUDGED`` of a tool span; what is there stays where nobody said more.

    Args:
        row: its columns, the arguments and the result among them.
        key: of a keyed hash, so that nobody can match signatures with guesses; 16 bytes or more.
    """
    arguments = str(row["tool_arguments"])
    if arguments:
        said = _canonical(arguments, parse_json(arguments))
        row["call_sig"] = _signature(str(row["tool_name"]), said, key)
    outcome = str(row["tool_outcome"])
    result = str(row["tool_result"])
    if not result and outcome == "error":
        result = str(row["status_message"] or row["error_type"])
    parsed = parse_json(result)
    if result:
        row["result_sig"] = _signature(outcome, _lasting(_canonical(result, parsed)), key)
    if evidence := DECLARED if outcome == "error" else error_evidence(result, parsed):
        row["tool_evidence"] = evidence


def _signature(subject: str, said: bytes, key: bytes) -> int:
    digest = blake2b(subject.encode() + b"\0" + said, digest_size=8, key=key)
    return int.from_bytes(digest.digest(), "big") & _BITS or 1


def _canonical(said: str, parsed: object) -> bytes:
    """Return JSON with sorted keys and without those that always differ; texts on one line."""
    if parsed is None:
        return b" ".join(said.encode().split())
    return dump_json(_stable(parsed))


def _lasting(said: bytes) -> bytes:
    """Return a text with a star for everything that differs every time."""
    pieces: list[bytes] = []
    done = 0
    for start, end in _VOLATILE.spans(said):
        pieces.append(said[done:start])
        done = end
    return b"*".join([*pieces, said[done:]])


def _stable(value: object) -> object:
    if isinstance(value, dict):
        return {key: _stable(item) for key, item in value.items() if key not in _VOLATILE_KEYS}
    if isinstance(value, list):
        return [_stable(item) for item in value]
    return value


def is_signature(value: Value) -> bool:
    """Return whether a value is a signature."""
    return type(value) is int and 0 < value <= _BITS
