"""Gemini CLI: spans, and the log records of what it asked Gemini.

https://github.com/google-gemini/gemini-cli/blob/main/docs/cli/telemetry.md
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.decode.values import count, text
from spanledger_collector.dialects.base import Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS, OTEL_GENAI, interpret

_CLOUD = ("vertex-ai", "compute-default-credentials", "oauth-personal")
_BESIDE = (("output_tokens", "thoughts_token_count"), ("input_tokens", "tool_token_count"))


def _interpret(draft: Draft) -> None:
    interpret(draft)
    row, attributes = draft.row, draft.attributes
    if row["role"] != "llm":
        return
    draft.fill("agent_name", "gemini-cli")
    is_cloud = attributes.get("auth_type") in _CLOUD
    draft.fill("provider", "gcp.vertex_ai" if is_cloud else "gcp.gen_ai")
    for column, key in _BESIDE:  # as the provider's usage has them: the totals leave them out
        total, beside = row[column], count(attributes.get(key))
        if isinstance(total, int) and beside:
            row[column] = total + beside


GEMINI_CLI = replace(
    OTEL_GENAI,
    name="gemini_cli",
    scopes=("gemini-cli",),
    markers=frozenset(),
    columns={
        **COLUMNS,
        **sources("request_model", text, "gen_ai.request.model", "model"),
        **sources("input_tokens", count, "gen_ai.usage.input_tokens", "input_token_count"),
        **sources("output_tokens", count, "gen_ai.usage.output_tokens", "output_token_count"),
        **sources("cache_read_tokens", count, "cached_content_token_count"),
        **sources("reasoning_tokens", count, "thoughts_token_count"),
    },
    interpret=_interpret,
)
