"""A usage object of Anthropic's with a compaction, and what is billed of it."""

from __future__ import annotations

from typing import Any

MESSAGE: dict[str, Any] = {
    "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 1354,
    "input_tokens": 2586,
    "output_tokens": 1014,
}
COMPACTION = {
    "type": "compaction",
    "cache_creation": None,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "input_tokens": 822,
    "output_tokens": 212,
}
ANTHROPIC: dict[str, Any] = {
    **MESSAGE,
    "iterations": [COMPACTION, {**MESSAGE, "type": "message"}],
    "output_tokens_details": {"thinking_tokens": 304},
    "server_tool_use": None,
    "service_tier": "standard",
    "speed": None,
}
COMPACTED = (2586 + 1354 + 822, 1354, 0, 1014 + 212, 304)
