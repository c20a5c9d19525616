"""Microsoft's Agent Framework: GenAI keys, but input as the client's provider counts it.

Its clients of Anthropic and Bedrock write what these call input, which holds neither what was read
from the cache nor what was written to it. Seen in 1.23 with clients of 1.0.0b261022.
https://learn.microsoft.com/agent-framework/
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.dialects.base import Draft
from spanledger_collector.dialects.otel_genai import OTEL_GENAI, guess_role
from spanledger_collector.dialects.raw_usage import add_cache_to_input

_APART = frozenset({"anthropic", "aws.bedrock"})
_HOSTS = frozenset({"azure.ai.foundry", "gcp.vertex_ai"})  # of Claude, and of others' models


def _interpret(draft: Draft) -> None:
    guess_role(draft)
    row = draft.row
    is_hosted = row["provider"] in _HOSTS and "claude" in str(row["request_model"])
    if row["role"] == "llm" and (row["provider"] in _APART or is_hosted):
        add_cache_to_input(draft)


AGENT_FRAMEWORK = replace(
    OTEL_GENAI,
    name="agent_framework",
    scopes=("agent_framework",),
    markers=frozenset(),
    interpret=_interpret,
)
