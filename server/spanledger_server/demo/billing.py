"""What a provider would bill: token counts with prompt caching, as the real ones do it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from spanledger_server.demo.plan import Message, Model, Usage

CACHE_MINIMUM_TOKENS = 1_024
EXPLICIT_CACHE_LIFETIME_NS = 300 * 10**9
IMPLICIT_CACHE_LIFETIME_NS = 480 * 10**9
IMPLICIT_CACHE_STEP_TOKENS = 128


@dataclass(slots=True)
class _Prefix:
    tokens: int
    used_at_ns: int


@dataclass(slots=True)
class PromptCache:
    """The provider's memory of prompt prefixes of one conversation, one per agent and model."""

    _prefixes: dict[str, _Prefix] = field(default_factory=dict[str, _Prefix])

    def forget(self, key: str) -> None:
        """Drop a prefix: the prompt no longer begins as before."""
        self._prefixes.pop(key, None)

    def bill(
        self, key: str, model: Model, input_tokens: int, now_ns: int, rng: Random
    ) -> tuple[int, int]:
        """Return (cache read, cache write) tokens of a call and remember its prefix.

        ``key`` names the series of calls whose prompts grow from one another.
        """
        if model.cache == "none" or input_tokens < CACHE_MINIMUM_TOKENS:
            return 0, 0
        known = self._prefixes.get(key)
        if model.cache == "explicit":
            read = _known_tokens(known, now_ns, EXPLICIT_CACHE_LIFETIME_NS, input_tokens)
            # The last few tokens lie behind the cache marker.
            write = max(0, input_tokens - read - rng.randint(3, 14))
            self._prefixes[key] = _Prefix(read + write, now_ns)
            return read, write
        read = _known_tokens(known, now_ns, IMPLICIT_CACHE_LIFETIME_NS, input_tokens)
        read -= read % IMPLICIT_CACHE_STEP_TOKENS
        self._prefixes[key] = _Prefix(input_tokens, now_ns)
        # Implicit caches miss when a call lands on another machine.
        hit = read >= CACHE_MINIMUM_TOKENS and rng.random() < 0.85
        return (read, 0) if hit else (0, 0)


def _known_tokens(known: _Prefix | None, now_ns: int, lifetime_ns: int, limit: int) -> int:
    if known is None or now_ns - known.used_at_ns > lifetime_ns:
        return 0
    return min(known.tokens, limit)


def prompt_tokens(messages: Sequence[Message], schema_tokens: int) -> int:
    """Return the input tokens of a prompt: tool definitions plus every message."""
    return schema_tokens + sum(message.tokens for message in messages)


def usage_of(
    model: Model, input_tokens: int, cached: tuple[int, int], output: Message, rng: Random
) -> Usage:
    """Return the usage of an answered call; hidden reasoning is added to the output."""
    reasoning = rng.randint(60, 900) if model.has_reasoning else 0
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output.tokens + reasoning,
        cache_read_tokens=cached[0],
        cache_write_tokens=cached[1],
        reasoning_tokens=reasoning,
    )
