"""Hashes of messages: where a conversation may not leave the process, its shape still can.

Two calls whose lists begin alike share that prefix; where they part, the provider's cache ends.
The hash of a message is BLAKE2b with 16 bytes over its JSON with sorted keys, as the collector
computes it; the finish reason, which belongs to the call, is left out.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import cast

from spanledger._signatures import to_json


def message_hashes(messages: object, role: str = "user") -> list[str]:
    """Return a hash in 32 hex digits for each message, in order.

    Args:
        messages: a list of them, one, its JSON, or a text.
        role: of a message that does not say its own.
    """
    parsed = messages
    if isinstance(messages, str) and messages[:1] in ("[", "{"):
        try:
            parsed = json.loads(messages)
        except (ValueError, RecursionError):
            parsed = messages
    listed = cast("list[object]", parsed) if isinstance(parsed, (list, tuple)) else [parsed]
    return [_hash(message, role) for message in listed]


def _hash(message: object, role: str) -> str:
    if isinstance(message, str):
        message = {"role": role, "parts": [{"type": "text", "content": message}]}
    elif isinstance(message, dict):
        found = cast("dict[str, object]", message)
        left_out = {"finish_reason"} | ({"name"} if found.get("name") is None else set())
        message = {key: value for key, value in found.items() if key not in left_out}
    return blake2b(to_json(message).encode("utf-8", "replace"), digest_size=16).hexdigest()
