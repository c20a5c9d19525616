"""What a provider bills, and what its answers have in common."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, replace
from typing import Any

from tests.ports import free_port

Json = dict[str, Any]
VERSIONS = {
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
}
"""Models that answer under the name of a version."""
ANSWER = "It is mild in Paris."


@dataclass(frozen=True, slots=True)
class Billed:
    """What the provider bills for one call; input holds both cache parts, output reasoning.

    ``is_told``: whether the client was told, which OpenAI does in a stream only when asked to.
    """

    provider: str
    model: str
    input_tokens: int
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    is_told: bool = True


class ModelServer:
    """Answers requests and remembers what they cost."""

    def __init__(self) -> None:
        self.port = free_port()
        self.bill: list[Billed] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def charge(self, provider: str, model: str, **other: Any) -> Billed:
        """Add a call to the bill; amounts given take the place of its own."""
        with self._lock:
            n = len(self.bill) + 1
            billed = Billed(
                provider,
                VERSIONS.get(model, model),
                input_tokens=1000 + 7 * n,
                output_tokens=50 + 3 * n,
                cache_read_tokens=200 + n,
                reasoning_tokens=5 + n,
            )
            billed = replace(billed, **other)
            self.bill.append(billed)
        return billed

    def not_told(self, billed: Billed) -> None:
        """Remember that the client does not know what this call cost."""
        with self._lock:
            self.bill[self.bill.index(billed)] = replace(billed, is_told=False)


def new_id(prefix: str) -> str:
    """Return an id that no other answer has: the ledger merges what shares one."""
    return f"{prefix}{uuid.uuid4().hex}"


def example(schema: Json) -> Json:
    """Return arguments that a schema allows."""
    values = {"string": "Paris", "integer": 2, "number": 2.5, "boolean": True}
    properties: dict[str, Json] = schema.get("properties", {})
    return {
        name: values.get(str(one.get("type", "string")).lower(), "Paris")
        for name, one in properties.items()
    }
