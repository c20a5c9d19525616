"""Calls as the analysis of prompt caches sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from spanledger_analytics.cache.limits import model_family
from spanledger_analytics.providers import price_book_id


class CacheEntry(NamedTuple):
    """One LLM call of the ledger. Field names are the result columns of ``cache_entries``."""

    entry_id: str
    time_ns: int
    duration_ns: int
    ttft_ns: int | None
    trace_id: str
    span_id: str
    session_id: str
    agent_name: str
    service_name: str
    environment: str
    provider: str
    model: str
    request_model: str
    service_tier: str
    region: str
    input_tokens: int
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    audio_input_tokens: int | None
    image_tokens: int | None
    cache_read_audio_tokens: int | None
    price_status: str
    price_id: str
    contract_id: str
    uncached_cost_usd: Decimal | None
    cache_read_cost_usd: Decimal | None
    cache_write_cost_usd: Decimal | None
    source_spans: tuple[tuple[str, str], ...]

    @property
    def read(self) -> int:
        """Tokens read from the cache; 0 where nobody said."""
        return self.cache_read_tokens or 0

    @property
    def write(self) -> int:
        """Tokens written to the cache; 0 where nobody said."""
        return self.cache_write_tokens or 0

    @property
    def uncached(self) -> int:
        """Input tokens that are neither."""
        return self.input_tokens - self.read - self.write

    @property
    def lane(self) -> int:
        """Whose call it is: hash of service, agent and session, else trace."""
        return _hash(self.service_name, self.agent_name, self.session_id or f"\1{self.trace_id}")

    @property
    def pool(self) -> int:
        """Which other lanes may share a cached prefix with it."""
        return _hash(
            self.service_name,
            self.environment,
            self.agent_name,
            self.seller,
            model_family(self.model or self.request_model),
        )

    @property
    def seller(self) -> str:
        """The provider by one name."""
        return _seller(self.provider)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A call with what its span tells of the request.

    Attributes:
        entry: the call itself.
        segments: hashes of the tools, the system prompt and the messages in order; empty when
            nothing recorded them.
        parameters: tells settings apart that a cache depends on.
        lane: as of the entry, and so on: these are asked for again and again.
        pool: which other lanes may share a cached prefix with it.
        order: place among the calls of a lane.
        model: provider and model, by one name each.
    """

    entry: CacheEntry
    segments: tuple[bytes, ...] = ()
    parameters: str = ""
    lane: int = field(init=False)
    pool: int = field(init=False)
    order: tuple[int, str] = field(init=False)
    model: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Work out what follows from the entry."""
        entry = self.entry
        object.__setattr__(self, "lane", entry.lane)
        object.__setattr__(self, "pool", entry.pool)
        object.__setattr__(self, "order", (entry.time_ns, entry.entry_id))
        model = _model(entry.provider, entry.model or entry.request_model)
        object.__setattr__(self, "model", model)

    @property
    def start_ns(self) -> int:
        """Start of the call."""
        return self.entry.time_ns

    @property
    def end_ns(self) -> int:
        """End of the call."""
        return self.entry.time_ns + self.entry.duration_ns

    @property
    def ready_ns(self) -> int:
        """From when on its prefix is in the cache: when the answer begins."""
        ttft = self.entry.ttft_ns
        return self.end_ns if ttft is None else min(self.end_ns, self.entry.time_ns + ttft)


@lru_cache(maxsize=4_096)
def _seller(provider: str) -> str:
    return price_book_id(provider) or provider.strip().lower()


@lru_cache(maxsize=4_096)
def _model(provider: str, model: str) -> tuple[str, str]:
    return _seller(provider), model_family(model)


@lru_cache(maxsize=65_536)
def _hash(*parts: str) -> int:
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
