"""Model Context Protocol: client and server spans, of which ``tools/call`` is a tool.

https://github.com/open-telemetry/semantic-conventions-genai (docs/gen-ai/mcp.md)
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.decode.values import text
from spanledger_collector.dialects.base import Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS, OTEL_GENAI, ROLES

_CALL = "tools/call"


def _interpret(draft: Draft) -> None:
    if draft.row["role"] == "tool":  # a client names the tool in the span's name alone
        _, found, target = draft.span.name.partition(f"{_CALL} ")
        draft.fill("tool_name", target.strip() if found else None)


MCP = replace(
    OTEL_GENAI,
    name="mcp",
    scopes=("mcp-python-sdk",),
    markers=frozenset({"mcp.method.name"}),
    columns={**COLUMNS, **sources("session_id", text, "gen_ai.conversation.id", "session.id")},
    roles=(("mcp.method.name", {_CALL: "tool"}), *ROLES),
    interpret=_interpret,
)
