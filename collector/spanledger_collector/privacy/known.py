"""What may stay of a span whose content may not: an allow-list, so that the unknown goes.

1. Numbers and booleans stay.
2. Short texts, and lists of words, stay under keys that a dialect reads into a column and keys of
   OpenTelemetry that name machines, libraries and protocols; single words also under keys of
   instrumentations that end like ``id``, ``type`` or ``version``.
3. Of JSON and maps stays the usage object of a response, in numbers, with the names of models and
   finish reasons.
4. All else goes: also keys of content, and texts under keys that nobody knows, however short.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import cast

from spanledger_collector.decode.columns import TYPES
from spanledger_collector.decode.values import Value, dump_json, parse_json
from spanledger_collector.dialects import REGISTRY
from spanledger_collector.dialects.raw_usage import parse_usage
from spanledger_collector.privacy.machines import MACHINE_KEYS, REASON_KEYS

REMOVED = "[removed]"
LONGEST = 128
"""Characters of a text that may stay."""
_WORD = re.compile(r"[\w.:/@+\-]{1,128}")
_DIMENSIONS = frozenset({"team", "cost_center", "customer.id", "tenant.id"})
"""Read into columns by the store: migration 0041."""
_INSTRUMENTATIONS = (
    *("gen_ai.", "llm.", "langfuse.", "langsmith.", "traceloop.", "litellm.", "logfire."),
    *("openinference.", "openai.", "anthropic.", "temporal", "ai.", "gcp.vertex.agent.", "mcp."),
    *("haystack.", "pydantic_ai.", "agent.", "session.", "conversation.", "graph.node.", "span."),
    *("event.", "prompt.id", "terminal.", "app.", "organization.", "embedding.", "aws.", "crewai_"),
)
_STATED = frozenset(  # by log records of Claude Code, some as texts
    (
        *("duration_ms", "success", "status_code", "speed", "decision", "source", "attempt"),
        *("prompt_length", "tool_result_size_bytes", "query_source"),
    )
)
_ENDINGS = frozenset(
    (
        *("id", "ids", "uuid", "type", "kind", "version", "model", "provider", "system", "role"),
        *("level", "status", "state", "mode", "tier", "region", "method", "operation", "format"),
        *("reason", "reasons", "language", "library", "sequence", "path"),
    )
)
_LAST_WORD = re.compile(r"[a-z]+$")
_USAGE = re.compile(
    r"(?:token_?)?usage|usage_?metadata|usage_?details|usage_?object|tokenUsage|usageMetadata"
    r"|token_count|cost_?details|\w{0,40}tokens?_?details|cache_creation|server_tool_use"
)
_COUNTED = re.compile(r"[a-z][A-Za-z0-9_]{0,63}")
_FACTS = frozenset(
    (
        *("model", "model_name", "modelName", "model_version", "modelVersion", "modality"),
        *("finish_reason", "finishReason", "stop_reason", "stopReason", "service_tier"),
        *("response_id", "responseId", "system_fingerprint"),
    )
)

CONTENT_KEYS = frozenset(key for dialect in REGISTRY for key in dialect.content.keys)
"""Keys that hold what was said, in any dialect."""
_COLUMNS = {key: source[0] for dialect in REGISTRY for key, source in dialect.columns.items()}
KNOWN_KEYS = frozenset(_COLUMNS)
"""Keys that are read into a column, in any dialect."""
_ONE_WORD = {key for key, column in _COLUMNS.items() if column == "error_type"} | {
    "exception.type",
    "error.type",
    *REASON_KEYS,
}
COUNTS = frozenset(key for key, column in _COLUMNS.items() if str(TYPES[column]) != "string")
"""Keys that hold figures, in any dialect."""
ROLES = {
    key: frozenset(
        word for other in REGISTRY for name, words in other.roles if name == key for word in words
    )
    for dialect in REGISTRY
    for key, _ in dialect.roles
}
"""Keys that tell the role of a span, and the words known of each."""
_SHORT = KNOWN_KEYS.union(ROLES, _STATED, _DIMENSIONS, MACHINE_KEYS)
"""Keys under which short texts stay."""


def what_may_stay(key: str, value: Value, *, is_tool: bool) -> Value:
    """Return what may stay of an attribute; ``None``: nothing.

    Args:
        key: of the attribute.
        value: of the attribute.
        is_tool: whether it is one of a tool call, whose JSON is arguments and results.
    """
    if isinstance(value, (bool, int, float)):
        return value
    if key in _ONE_WORD:
        return value if isinstance(value, str) and _WORD.fullmatch(value) else None
    if key in _SHORT:
        found = _short(value)
        if found is not None:
            return found
    elif _may_be_word(key) and isinstance(value, str) and _WORD.fullmatch(value):
        return value
    if is_tool:
        return None
    parsed = parse_json(value)
    if parsed is None and isinstance(value, str) and value[:2] == "{'":
        parsed = parse_usage(value)
    rest = _usage(parsed, is_inside=_USAGE.fullmatch(key.rpartition(".")[2]) is not None)
    return dump_json(rest).decode() if rest else None


def short_name(name: str) -> str:
    """Return a name that may stay: of one line, and no longer than a name is."""
    return name if _is_short_line(name) else REMOVED


def is_label(value: Value) -> bool:
    """Return whether a value is what metrics are grouped by: a figure, or a short line of text."""
    is_figure = isinstance(value, (bool, int, float)) or value is None
    return is_figure or (isinstance(value, str) and _short(value) is not None)


def word_or(word: str, other: str) -> str:
    """Return a text of one word, else the other text."""
    return word if _WORD.fullmatch(word) else other


def _is_short_line(text: str) -> bool:
    """Return whether a text is short and has no line break, of which Unicode has several."""
    return len(text) <= LONGEST and text.splitlines() in ([], [text])


def _short(value: Value) -> Value:
    """Return a short text or list of short texts, not JSON; else ``None``."""
    if isinstance(value, str):
        return value if _is_short_line(value) and parse_json(value) is None else None
    if isinstance(value, list) and value and len(value) <= LONGEST:
        words = all(isinstance(item, str) and _WORD.fullmatch(item) for item in value)
        return value if words else None
    return None


@lru_cache(maxsize=4096)
def _may_be_word(key: str) -> bool:
    """Return whether a key of an instrumentation says an id, a type or the like."""
    last = _LAST_WORD.search(key)
    is_known = key.startswith(_INSTRUMENTATIONS) and key not in CONTENT_KEYS
    return is_known and last is not None and last[0] in _ENDINGS


def _usage(value: object, *, is_inside: bool) -> object:
    """Return the numbers of usage objects and the facts beside them; ``None``: there are none."""
    if isinstance(value, dict):
        kept: dict[str, object] = {}
        for key, item in value.items():
            rest = _fact(key, item, is_inside=is_inside)
            if rest is not None:
                kept[key] = rest
        return kept or None
    if isinstance(value, list):
        items = [_usage(item, is_inside=is_inside) for item in value]
        return items if any(item is not None for item in items) else None
    return None


def _fact(key: str, item: object, *, is_inside: bool) -> object:
    if isinstance(item, (dict, list)):
        return _usage(item, is_inside=is_inside or _USAGE.fullmatch(key) is not None)
    if isinstance(item, (bool, int, float)):
        return item if is_inside and _COUNTED.fullmatch(key) else None
    if key in _FACTS and isinstance(item, str) and _WORD.fullmatch(item):
        return cast("object", item)
    return None
