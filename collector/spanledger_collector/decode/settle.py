"""The last step of reading a span: its columns brought into agreement, what is odd flagged."""

from __future__ import annotations

from typing import Any

from spanledger_collector.decode.values import MAX_COUNT, Value
from spanledger_collector.dialects.base import Draft
from spanledger_collector.dialects.vocabulary import is_bedrock_id

_LONGEST_NAME = 256  # of a model or a response
_SUMS = ("input_tokens", "output_tokens", "cache_write_tokens")  # which readers may add up
_MODELS = ("request_model", "response_model")
MAKER, SELLER = "anthropic", "aws.bedrock"
"""Instrumentations of Anthropic's client name it also where the model is asked on Bedrock."""
_YEAR_2000_NS = 946_684_800 * 10**9
_DAY_NS = 86_400 * 10**9
_FAILED_TOOL = frozenset({"error", "failure", "failed"})
PAUSES = frozenset(
    f"{module}{name}"
    for module in ("", "langgraph.errors.")
    for name in ("GraphBubbleUp", "GraphInterrupt", "NodeInterrupt", "ParentCommand")
)
"""Exceptions by which LangGraph stops to wait for a human, or to go on elsewhere: no errors.

https://github.com/langchain-ai/langgraph (libs/langgraph/langgraph/errors.py)
"""


def settle(draft: Draft) -> None:
    """Bring the columns of a span into agreement with each other, and flag what is odd."""
    row = draft.row
    short, long = row["cache_write_5m_tokens"], row["cache_write_1h_tokens"]
    if row["cache_write_tokens"] is None and not (short is None and long is None):
        row["cache_write_tokens"] = _count(short) + _count(long)
    if row["input_tokens"] is not None or row["output_tokens"] is not None:
        _settle_usage(draft)
    name: Any = row["response_id"]
    if name and len(name) > _LONGEST_NAME:
        row["response_id"] = ""  # no provider's id; it stays in the attributes
    for column in _MODELS:
        name = row[column]
        if name and len(name) > _LONGEST_NAME:
            row[column] = name[:_LONGEST_NAME]
            draft.flags.append("long_model_name")
        if row["provider"] == MAKER and is_bedrock_id(str(row[column])):
            row["provider"] = SELLER
    start: Any = row["start_time"]
    end: Any = row["end_time"]
    received: Any = row["version"]
    # What no clock can have shown: the far past, the future, an end before the start.
    if start < _YEAR_2000_NS or start > received + _DAY_NS or end < start:
        draft.flags.append("impossible_time")
    is_pause = row["error_type"] in PAUSES
    if is_pause:
        row["error_type"] = row["status_message"] = ""
        row["status"] = "unset"
    if row["role"] == "tool":
        attributes = draft.attributes
        told = attributes.get("gen_ai.tool.status") or attributes.get("gen_ai.task.status")
        told = None if is_pause else told
        failed = row["status"] == "error" or row["error_type"] != "" or _is_failure(told)
        row["tool_outcome"] = "error" if failed else "ok"


def _settle_usage(draft: Draft) -> None:
    """Make input include the cache, and tell zeros that mean "not known" from counts."""
    row = draft.row
    total, output = row["input_tokens"], row["output_tokens"]
    if not total and not output and row["role"] == "llm":
        # No provider answers a request that had no input: the instrumentation did not know.
        if row["status"] == "error":
            row["input_tokens"] = row["output_tokens"] = None
            return
        draft.flags.append("estimated_usage")
    if isinstance(total, int):
        cached = _count(row["cache_read_tokens"]) + _count(row["cache_write_tokens"])
        if cached > total:  # reported without what came from or went to the cache
            row["input_tokens"] = total + cached
            draft.flags.append("input_excluded_cache")
    for column in _SUMS:
        tokens = row[column]
        if isinstance(tokens, int) and tokens > MAX_COUNT:
            row[column] = None
            draft.flags.append("bad_token_count")
    if row["input_tokens"] is None and row["output_tokens"] is None:
        row["usage_source"] = "none"
    elif row["kind"] == "log":
        row["usage_source"] = "log"
    elif row["usage_source"] == "none":
        row["usage_source"] = "span"


def _is_failure(told: Value) -> bool:
    return isinstance(told, str) and told in _FAILED_TOOL


def _count(tokens: object) -> int:
    return tokens if isinstance(tokens, int) else 0
