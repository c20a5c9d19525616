"""OpenTelemetry's instrumentations of Amazon Bedrock: GenAI keys, but input as Bedrock counts it.

They write Bedrock's ``inputTokens``, which holds neither what was read from the cache nor what was
written to it; elsewhere in GenAI's keys the input holds both. Seen in 1.3b0 and botocore's 0.66b2.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.dialects.base import Draft
from spanledger_collector.dialects.otel_genai import OTEL_GENAI, guess_role
from spanledger_collector.dialects.raw_usage import add_cache_to_input


def _interpret(draft: Draft) -> None:
    guess_role(draft)
    if draft.row["role"] == "llm":
        add_cache_to_input(draft)


BEDROCK = replace(
    OTEL_GENAI,
    name="bedrock",
    scopes=(
        "opentelemetry.instrumentation.genai.bedrock",
        "opentelemetry.instrumentation.botocore.bedrock",
    ),
    markers=frozenset(),
    interpret=_interpret,
)
