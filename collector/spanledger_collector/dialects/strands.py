"""Strands Agents: GenAI keys, but the time to the first token in milliseconds."""

from __future__ import annotations

from dataclasses import replace

from spanledger_collector.decode.values import milliseconds
from spanledger_collector.dialects.base import sources
from spanledger_collector.dialects.otel_genai import COLUMNS, OTEL_GENAI

STRANDS = replace(
    OTEL_GENAI,
    name="strands",
    scopes=("strands.",),
    markers=frozenset({"gen_ai.event.start_time"}),
    columns={**COLUMNS, **sources("ttft_ns", milliseconds, "gen_ai.server.time_to_first_token")},
)
