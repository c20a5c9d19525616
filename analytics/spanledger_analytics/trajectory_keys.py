"""What ties traces to one trajectory: ids that several of them carry, and links between them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from spanledger_analytics.spans import Span
from spanledger_analytics.traces import is_trace_id

EXPLICIT = "explicit"
CONVERSATION = "conversation"
WORKFLOW = "workflow"
LINK = "link"

Key = tuple[str, str]
"""Kind, and 32 hex digits: the trace that is named, or a hash of the id."""

MAX_KEYS_OF_TRACE = 1_000
"""A trace with more keys, such as a batch of messages with a link each, keeps the first of them."""


def trace_keys(spans: Iterable[Span]) -> dict[str, set[Key]]:
    """Return the keys of each trace; traces without any are left out.

    ``spans`` hold each span once.
    """
    found: dict[str, set[Key]] = {}
    for span in spans:
        if span.session_id or span.linked or span.trajectory_id or span.workflow_id:
            found.setdefault(span.trace_id, set()).update(_keys(span))
    return {
        trace_id: keys if len(keys) <= MAX_KEYS_OF_TRACE else set(sorted(keys)[:MAX_KEYS_OF_TRACE])
        for trace_id, keys in found.items()
        if keys
    }


def named_trace(key: Key) -> str:
    """Return the trace that a key may be the id of; empty: it is none."""
    return key[1] if key[0] in (EXPLICIT, LINK) else ""


def keys_naming(trace_id: str) -> tuple[Key, Key]:
    """Return the keys by which other traces name this one."""
    return (EXPLICIT, trace_id), (LINK, trace_id)


def _keys(span: Span) -> Iterable[Key]:
    if span.trajectory_id:
        named = span.trajectory_id
        yield EXPLICIT, named if is_trace_id(named) else _hashed(named)
    if span.session_id:
        yield CONVERSATION, _hashed(span.session_id)
    if span.workflow_id:
        yield WORKFLOW, _hashed(span.workflow_id)
    for trace_id, _ in span.links:
        if trace_id != span.trace_id:
            yield LINK, trace_id


@lru_cache(maxsize=8192)  # all spans of a conversation carry its id
def _hashed(text: str) -> str:
    # The migration that fills the table computes the same in SQL.
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
