"""Usage objects as providers and frameworks send them, inside attributes as JSON or Python's repr.

One reader for the shapes of OpenAI (chat and Responses), Anthropic, Gemini, Bedrock, LangChain,
LiteLLM and the Vercel AI SDK: they differ in names, and in whether input includes the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, cast

from spanledger_collector.decode.values import Value, count, parse_json, text
from spanledger_collector.dialects.base import Draft
from spanledger_collector.dialects.reprs import parse_repr

_Table: TypeAlias = "dict[str, str | _Table]"

_LIFETIMES: _Table = {
    "ephemeral_5m_input_tokens": "cache_write_5m_tokens",
    "ephemeral_1h_input_tokens": "cache_write_1h_tokens",
    "ttl_30m_tokens": "cache_write_5m_tokens",  # OpenAI's short lifetime, and its long one
    "ttl_12h_tokens": "cache_write_1h_tokens",
}
_INPUT_DETAILS: _Table = {
    **_LIFETIMES,
    "cached_tokens": "cache_read_tokens",
    "cache_read": "cache_read_tokens",
    "cacheReadTokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_creation_tokens": "cache_write_tokens",
    "cache_creation": "cache_write_tokens",
    "cacheWriteTokens": "cache_write_tokens",
    "cache_write_tokens_details": _LIFETIMES,
    "cache_creation_token_details": _LIFETIMES,
    "audio_tokens": "audio_input_tokens",
    "audio": "audio_input_tokens",
    "image_tokens": "image_tokens",
    "image": "image_tokens",
    "cached_tokens_details": {"audio_tokens": "cache_read_audio_tokens"},
}
_OUTPUT_DETAILS: _Table = {
    "reasoning_tokens": "reasoning_tokens",
    "thinking_tokens": "reasoning_tokens",
    "reasoning": "reasoning_tokens",
    "reasoningTokens": "reasoning_tokens",
    "audio_tokens": "audio_output_tokens",
    "audio": "audio_output_tokens",
    "image_tokens": "image_output_tokens",
    "image": "image_output_tokens",
}
# OpenAI's service tiers, which LangChain writes into the names of details.
_TIERS = ("flex", "priority")
_TIER_DETAILS = ("", "_cache_read", "_cache_creation", "_reasoning")
for _tier in _TIERS:
    _INPUT_DETAILS[f"{_tier}_cache_read"] = "cache_read_tokens"
    _INPUT_DETAILS[f"{_tier}_cache_creation"] = "cache_write_tokens"
    _OUTPUT_DETAILS[f"{_tier}_reasoning"] = "reasoning_tokens"
_SEARCHES: _Table = {"web_search_requests": "web_searches"}
_USAGE: _Table = {
    "prompt_tokens": "input_tokens",
    "input_tokens": "input_tokens",
    "promptTokenCount": "input_tokens",
    "prompt_token_count": "input_tokens",
    "inputTokens": "input_tokens",
    "promptTokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "output_tokens": "output_tokens",
    "candidatesTokenCount": "output_tokens",
    "candidates_token_count": "output_tokens",
    "outputTokens": "output_tokens",
    "completionTokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cachedContentTokenCount": "cache_read_tokens",
    "cached_content_token_count": "cache_read_tokens",
    "cacheReadInputTokens": "cache_read_tokens",
    "cachedInputTokens": "cache_read_tokens",
    "cachedPromptTokens": "cache_read_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "cacheCreationInputTokens": "cache_write_tokens",
    "cacheWriteInputTokens": "cache_write_tokens",
    "cache_write_input_tokens": "cache_write_tokens",
    "thoughtsTokenCount": "reasoning_tokens",
    "thoughts_token_count": "reasoning_tokens",
    "reasoningTokens": "reasoning_tokens",
    "cache_creation": _LIFETIMES,
    "prompt_tokens_details": _INPUT_DETAILS,
    "input_tokens_details": _INPUT_DETAILS,
    "input_token_details": _INPUT_DETAILS,
    "inputTokenDetails": _INPUT_DETAILS,
    "completion_tokens_details": _OUTPUT_DETAILS,
    "output_tokens_details": _OUTPUT_DETAILS,
    "output_token_details": _OUTPUT_DETAILS,
    "outputTokenDetails": _OUTPUT_DETAILS,
    "server_tool_use": _SEARCHES,
}
# Lists with one entry per kind of token, under the key that says which: Gemini's modalities and
# Bedrock's lifetimes. https://ai.google.dev/api/generate-content
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CacheDetail.html
_CACHED_MODALITIES = ("cacheTokensDetails", "cache_tokens_details")
_LISTS: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
    (
        ("promptTokensDetails", "prompt_tokens_details"),
        {"AUDIO": "audio_input_tokens", "IMAGE": "image_tokens"},
    ),
    (_CACHED_MODALITIES, {"AUDIO": "cache_read_audio_tokens"}),
    (
        ("candidatesTokensDetails", "candidates_tokens_details"),
        {"AUDIO": "audio_output_tokens", "IMAGE": "image_output_tokens"},
    ),
    (("cacheDetails",), {"5m": "cache_write_5m_tokens", "1h": "cache_write_1h_tokens"}),
)
_KINDS = ("modality", "ttl")
_LISTED_TOKENS = ("tokenCount", "token_count", "inputTokens")
_GEMINI = frozenset({"promptTokenCount", "prompt_token_count"})
_CANDIDATES = ("candidatesTokenCount", "candidates_token_count")  # absent where all was thought
_TOOL_PROMPTS = ("toolUsePromptTokenCount", "tool_use_prompt_token_count")
# Anthropic and Bedrock count input without what these say beside it.
_CACHE_APART = frozenset(
    {
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "cacheReadInputTokens",
        "cacheWriteInputTokens",
    }
)
# Others add these keys to an input total that includes them (LiteLLM, OpenAI's chat shape).
_CACHE_INSIDE = frozenset({"prompt_tokens", "promptTokens", "input_tokens_details"})
TOTALS = ("input_tokens", "output_tokens")


def parse_usage(value: Value) -> dict[str, object] | None:
    """Return the map in a JSON text or in Python's repr of a dict, or the map itself."""
    parsed = parse_json(value)
    if isinstance(parsed, dict):
        return cast("dict[str, object]", parsed)
    return parse_repr(value) if isinstance(value, str) and value[:2] == "{'" else None


def read_usage(usage: Mapping[str, object]) -> tuple[dict[str, int], bool]:
    """Return the counts of a usage object by column, and whether some were no counts.

    ``input_tokens`` comes out with what was read from and written to the cache, and
    ``output_tokens`` with reasoning, as the columns want them.
    """
    counts, is_bad = _read_one(usage)
    iterations = usage.get("iterations")
    # Others than Anthropic hand its list on beside totals of their own.
    is_whole = usage.keys().isdisjoint(_CACHE_INSIDE) and counts.keys() >= set(TOTALS)
    if isinstance(iterations, list) and is_whole:
        is_bad |= _add_compactions(iterations, counts)
    return counts, is_bad


def _add_compactions(iterations: list[object], counts: dict[str, int]) -> bool:
    """Add what Anthropic's totals leave out, summaries of the context; return as ``_walk`` does.

    https://platform.claude.com/docs/en/build-with-claude/compaction
    """
    is_bad = False
    for iteration in iterations:
        if isinstance(iteration, dict) and iteration.get("type") == "compaction":
            added, is_bad_one = _read_one(cast("dict[str, object]", iteration))
            is_bad |= is_bad_one
            for column, tokens in added.items():
                counts[column] = counts.get(column, 0) + tokens
    return is_bad


def _read_one(usage: Mapping[str, object]) -> tuple[dict[str, int], bool]:
    counts: dict[str, int] = {}
    is_bad = _walk(usage, _USAGE, counts)
    _read_lists(usage, counts)
    lifetimes = _sum(counts, "cache_write_5m_tokens", "cache_write_1h_tokens")
    if lifetimes > counts.get("cache_write_tokens", 0):
        counts["cache_write_tokens"] = lifetimes
    is_apart = not usage.keys().isdisjoint(_CACHE_APART) and usage.keys().isdisjoint(_CACHE_INSIDE)
    if "input_tokens" in counts and (is_apart or _is_told_apart(usage, counts)):
        counts["input_tokens"] += _sum(counts, "cache_read_tokens", "cache_write_tokens")
        if is_bad and any(_is_bad_part(usage.get(key)) for key in _CACHE_APART):
            del counts["input_tokens"]  # a sum without one of its parts is no sum
    if not usage.keys().isdisjoint(_GEMINI):
        _settle_gemini(usage, counts)
    return counts, is_bad


def _is_told_apart(usage: Mapping[str, object], counts: Mapping[str, int]) -> bool:
    """Tell by the total that the input lacks the cache, whatever its key: Haystack's of Bedrock."""
    total = count(cast("Value", usage.get("total_tokens")))
    cached = _sum(counts, "cache_read_tokens", "cache_write_tokens")
    # xAI's total holds the reasoning beside the output, which could be as much.
    if not cached or counts.get("reasoning_tokens"):
        return False
    return total == _sum(counts, "input_tokens", "output_tokens") + cached


def _is_bad_part(value: object) -> bool:
    return value is not None and not isinstance(value, dict) and count(cast("Value", value)) is None


def _settle_gemini(usage: Mapping[str, object], counts: dict[str, int]) -> None:
    """Add thoughts to the output and the results of tools to the input."""
    answered = "output_tokens" in counts or all(usage.get(key) is None for key in _CANDIDATES)
    if answered and ("output_tokens" in counts or "reasoning_tokens" in counts):
        counts["output_tokens"] = _sum(counts, "output_tokens", "reasoning_tokens")
    if "input_tokens" in counts:
        for key in _TOOL_PROMPTS:
            counts["input_tokens"] += count(cast("Value", usage.get(key))) or 0


def _read_lists(usage: Mapping[str, object], counts: dict[str, int]) -> None:
    """Read the lists with one entry per modality or lifetime."""
    for names, columns in _LISTS:
        for item in _listed(usage, names):
            if isinstance(item, dict):
                entry = cast("dict[str, Value]", item)
                column = columns.get(str(next((entry[k] for k in _KINDS if k in entry), None)))
                told = next((entry[k] for k in _LISTED_TOKENS if k in entry), None)
                if column is not None:
                    counts[column] = counts.get(column, 0) + (count(told) or 0)
    if _listed(usage, _CACHED_MODALITIES):  # which are all: what it does not name was not cached
        counts.setdefault("cache_read_audio_tokens", 0)


def _listed(usage: Mapping[str, object], names: tuple[str, ...]) -> list[object]:
    for name in names:
        value = usage.get(name)
        if isinstance(value, list):
            return cast("list[object]", value)
    return []


def fill_usage(draft: Draft, usage: Mapping[str, object] | None) -> None:
    """Fill token columns from a usage object; where both know a count, the larger one counts.

    Flat keys lack details more often than they invent them, and some leave cached input out.
    """
    if not usage:
        return
    counts, is_bad = read_usage(usage)
    fill_counts(draft, counts)
    if is_bad:
        draft.flags.append("bad_token_count")
    iterations = usage.get("iterations")
    listed = cast("list[object]", iterations) if isinstance(iterations, list) else []
    if any(isinstance(one, dict) and one.get("type") == "advisor_message" for one in listed):
        draft.flags.append("advisor_left_out")  # of a model with prices of its own
    tier = text(cast("Value", usage.get("service_tier")))
    if tier and tier.isascii():  # Python's repr can hold what is no text
        draft.fill("service_tier", tier)
    if usage.get("speed") == "fast":  # Anthropic's prices of it hold beside any service tier
        draft.row["service_tier"] = "fast"
    for key in ("input_token_details", "output_token_details"):
        details = usage.get(key)
        if isinstance(details, dict):
            draft.fill("service_tier", tier_of(cast("dict[str, object]", details)))


def fill_metadata(draft: Draft, metadata: Value) -> None:
    """Fill from what the Vercel AI SDK hands on of the answer, by provider."""
    by_provider = parse_json(metadata)
    for said in by_provider.values() if isinstance(by_provider, dict) else ():
        if isinstance(said, dict):
            draft.fill("service_tier", text(said.get("serviceTier")))
            usage = said.get("usage", said.get("usageMetadata"))
            fill_usage(draft, cast("dict[str, object]", usage if isinstance(usage, dict) else said))


def tier_of(details: Mapping[str, object], before: str = "") -> str | None:
    """Return the service tier that LangChain's names of details tell, if it is only one.

    ``before`` is what stands before each name.
    """
    found = [
        tier
        for tier in _TIERS
        if any(count(cast("Value", details.get(f"{before}{tier}{end}"))) for end in _TIER_DETAILS)
    ]
    return found[0] if len(found) == 1 else None


def fill_counts(draft: Draft, counts: Mapping[str, int]) -> None:
    """Fill token columns from counts by column, whose totals include their parts."""
    row = draft.row
    for column, tokens in counts.items():
        known = row[column]
        if isinstance(known, int) and known >= tokens:
            continue
        if column in TOTALS:
            row["usage_source"] = "raw"
        if column == "input_tokens" and isinstance(known, int) and known:
            cached = _sum(counts, "cache_read_tokens", "cache_write_tokens")
            if tokens == known + cached:
                draft.flags.append("input_excluded_cache")
        row[column] = tokens


def add_cache_to_input(draft: Draft) -> None:
    """Correct the input of an instrumentation known to report it without the cache.

    Where a count could not be read it may be that of the cache: then nobody knows the input.
    """
    row = draft.row
    total, read, write = (
        row[column] for column in ("input_tokens", "cache_read_tokens", "cache_write_tokens")
    )
    if write is None:
        lifetimes = [row["cache_write_5m_tokens"], row["cache_write_1h_tokens"]]
        write = sum(map(_int, lifetimes)) if any(n is not None for n in lifetimes) else None
    if "bad_token_count" in draft.flags and (read is None or write is None):
        row["input_tokens"] = None
        return
    cached = _int(read) + _int(write)
    if isinstance(total, int) and cached:
        row["input_tokens"] = total + cached
        draft.flags.append("input_excluded_cache")


def add_cache_beside_input(draft: Draft, total: Value) -> None:
    """Correct an input without the cache, where the total says that it is one.

    Not where there is reasoning: with some it is in the total alone, and could be as much.
    """
    row = draft.row
    given = row["input_tokens"]
    cached = _int(row["cache_read_tokens"]) + _int(row["cache_write_tokens"])
    if not cached or not isinstance(given, int) or row["reasoning_tokens"]:
        return
    if count(total) == given + _int(row["output_tokens"]) + cached:
        row["input_tokens"] = given + cached
        draft.flags.append("input_excluded_cache")


def add_thoughts_to_output(draft: Draft, total: Value) -> None:
    """Correct an output of Gemini's without its thoughts: of these only the total tells.

    It also holds the results of Gemini's own tools (search, code), which nobody tells apart here.
    """
    row = draft.row
    told, given, answered = count(total), row["input_tokens"], row["output_tokens"]
    if told is None or not isinstance(given, int) or "bad_token_count" in draft.flags:
        return
    thoughts = told - given - _int(answered)
    if thoughts > 0:
        row["output_tokens"] = _int(answered) + thoughts
        draft.fill("reasoning_tokens", thoughts)


def _walk(usage: Mapping[str, object], table: _Table, counts: dict[str, int]) -> bool:
    """Collect counts by column, the largest of several; return whether some were no counts."""
    is_bad = False
    for key, value in usage.items():
        entry = table.get(key)
        if entry is None or value is None:
            continue
        if isinstance(entry, dict):
            if isinstance(value, dict):
                is_bad |= _walk(cast("dict[str, object]", value), entry, counts)
            continue
        tokens = count(cast("Value", value))
        if tokens is None:
            is_bad = True
        else:
            counts[entry] = max(tokens, counts.get(entry, 0))
    return is_bad


def _sum(counts: Mapping[str, int], *columns: str) -> int:
    return sum(counts.get(column, 0) for column in columns)


def _int(tokens: object) -> int:
    return tokens if isinstance(tokens, int) else 0
