"""Strands Agents: GenAI keys, but the time to the first token in milliseconds.

Until 1.45 its input is what the model's provider calls so: Bedrock's lacks what was read from the
cache and written to it, and only the total tells.
"""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.decode.values import milliseconds
from spanledger_collector.dialects.base import Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS, OTEL_GENAI, guess_role
from spanledger_collector.dialects.raw_usage import add_cache_beside_input
from spanledger_collector.dialects.vocabulary import is_bedrock_id


def _interpret(draft: Draft) -> None:
    guess_role(draft)
    add_cache_beside_input(draft, draft.attributes.get("gen_ai.usage.total_tokens"))
    if is_bedrock_id(str(draft.row["request_model"])):
        draft.fill("provider", "aws.bedrock")  # where the key names Strands itself


STRANDS = replace(
    OTEL_GENAI,
    name="strands",
    scopes=("strands.",),
    markers=frozenset({"gen_ai.event.start_time"}),
    columns={**COLUMNS, **sources("ttft_ns", milliseconds, "gen_ai.server.time_to_first_token")},
    interpret=_interpret,
)
