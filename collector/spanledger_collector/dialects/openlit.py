"""OpenLIT: GenAI keys, with defaults and estimates filled in for what it does not know.

https://github.com/openlit/openlit
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.decode.values import paid, seconds
from spanledger_collector.dialects.base import Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS, OTEL_GENAI, guess_role
from spanledger_collector.dialects.raw_usage import add_cache_to_input

# What it writes when the caller set nothing.
_DEFAULTS = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 1.0,
    "seed": 0,
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
}
_LIBRARIES = "openlit.instrumentation."
_GEMINI = f"{_LIBRARIES}google_ai_studio"  # whose output leaves the thoughts out
_APART = ("anthropic", "aws.bedrock")  # these providers' own counts leave the cache out


def _counts_cache_apart(scope: str, provider: object) -> bool:
    """Tell calls of a provider's own library; frameworks over it tell the sum. Seen in 1.45.

    Log records name no provider. Older versions have one scope for all libraries.
    """
    if scope.startswith(_LIBRARIES):
        return scope.removeprefix(_LIBRARIES).startswith(("anthropic", "bedrock"))
    return provider in _APART


def _interpret(draft: Draft) -> None:
    guess_role(draft)
    row = draft.row
    for column, default in _DEFAULTS.items():
        if row[column] == default:
            row[column] = None
    if row["stream"] is False:
        row["ttft_ns"] = None  # the whole duration of a call that was no stream
    if row["role"] != "llm":
        return
    row["tool_name"] = row["tool_call_id"] = ""  # what the model asked for, joined by commas
    if _counts_cache_apart(str(row["scope_name"]), row["provider"]):
        add_cache_to_input(draft)
    output, thoughts = row["output_tokens"], row["reasoning_tokens"]
    if row["scope_name"] == _GEMINI and isinstance(output, int) and isinstance(thoughts, int):
        row["output_tokens"] = output + thoughts
    # What the provider told comes with counts of the cache; what was guessed comes without.
    if row["stream"] and row["cache_read_tokens"] is None and row["cache_write_tokens"] is None:
        draft.flags.append("estimated_usage")


OPENLIT = replace(
    OTEL_GENAI,
    name="openlit",
    scopes=("openlit",),
    markers=frozenset(),
    columns={
        **COLUMNS,
        **sources("ttft_ns", seconds, "gen_ai.server.time_to_first_token"),
        **sources("reported_cost_usd", paid, "gen_ai.usage.cost"),
    },
    interpret=_interpret,
)
