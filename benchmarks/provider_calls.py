"""An organisation's calls, as they were and as the ledger was told of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from benchmarks.reconciliation_store import call
from spanledger_analytics.entries import Entry
from spanledger_analytics.reconciliation.result import Cause
from spanledger_analytics.tokens import Tokens

FIRST_DAY = date(2026, 11, 1)
CALLS_PER_DAY = 12
CLASSES = ("uncached", "cache_read", "cache_write_5m", "cache_write_1h", "output")


class Lane(NamedTuple):
    """Who calls which model."""

    provider: str
    model: str
    scope: str
    key: str
    has_writes: bool = False


LANES = (
    Lane("openai", "gpt-5.5-2026-04-23", "proj_search", "key_search"),
    Lane("openai", "gpt-5-mini", "proj_mail", "key_mail"),
    Lane("anthropic", "claude-sonnet-4-6", "wrkspc_agents", "apikey_agents", has_writes=True),
    Lane("anthropic", "claude-haiku-4-5", "wrkspc_triage", "apikey_triage", has_writes=True),
    Lane("gcp.vertex_ai", "gemini-2.5-flash", "demo-agents", ""),
    Lane("gcp.vertex_ai", "gemini-2.5-pro", "demo-research", ""),
    Lane("deepseek", "deepseek-v4-pro", "", "batch-jobs"),
    Lane("deepseek", "deepseek-v4-flash", "", "web"),
)


@dataclass(slots=True)
class Planned:
    """One call: what happened, what the ledger was told, what the provider made of it.

    Attributes:
        lane: whose.
        day: on which the provider counts it.
        true: the call as it was.
        told: what the ledger was told of it.
        cause: what was planted on it; None: nothing.
        factors: by which its classes are dearer than the book says.
        rates: dollars a million of a model the book lacks.
        reported_model: by which the provider calls it.
        requests: of the provider.
        geo: where the provider says it ran.
        is_long: whether the provider counts it as a long request.
        is_charged: whether it is in the provider's costs.
    """

    lane: Lane
    day: date
    true: Entry
    told: list[Entry]
    cause: Cause | None = None
    factors: dict[str, Fraction] = field(default_factory=dict[str, Fraction])
    rates: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    reported_model: str = ""
    requests: int = 1
    geo: str = "global"
    is_long: bool = False
    is_charged: bool = True

    @property
    def model(self) -> str:
        """The model's name in the provider's reports."""
        return self.reported_model or self.true.model


class Calls:
    """Makes calls; numbers are never used twice."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._number = seed * 10_000_000

    def day(self, lane: Lane, day: date) -> Iterator[Planned]:
        """Return a day's calls of a lane, spread over the hours that cost the same."""
        for i in range(CALLS_PER_DAY):
            # From 10:00 to 22:00: no provider's peak hours, and far from midnight.
            yield self.one(lane, day, 36_000 + i * 3_600 + self.random.randrange(1_800))

    def one(self, lane: Lane, day: date, second: int, **fields: object) -> Planned:
        """Return one call that began at a second of the day."""
        pick = self.random.randrange
        read = pick(20_000, 60_000)
        write = pick(2_000, 9_000) if lane.has_writes else None
        uncached = pick(10_000, 40_000)
        tokens = Tokens(
            input=uncached + read + (write or 0),
            cache_read=read,
            cache_write=write,
            cache_write_5m=write,
            output=pick(2_000, 9_000),
        )
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        time_ns = int((midnight + timedelta(seconds=second)).timestamp()) * 10**9
        entry = self.entry(lane, time_ns, tokens, **fields)
        return Planned(lane, day, entry, [entry])

    def entry(self, lane: Lane, time_ns: int, tokens: Tokens, **fields: object) -> Entry:
        """Return a call's entry, with the provider's scope and key as dimensions."""
        self._number += 1
        told = (("provider_scope", lane.scope), ("provider_key", lane.key))
        said = {"dimensions": tuple(one for one in told if one[1]), "stream": True, **fields}
        return call(self._number, time_ns, lane.provider, lane.model, tokens, **said)


def with_tokens(entry: Entry, tokens: Tokens) -> Entry:
    """Return an entry with other tokens."""
    return entry._replace(
        input_tokens=tokens.input,
        uncached_tokens=tokens.uncached,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write,
        cache_write_5m_tokens=tokens.cache_write_5m,
        cache_write_1h_tokens=tokens.cache_write_1h,
        output_tokens=tokens.output,
        usage_source="span" if tokens.is_known else "none",
    )


def tokens_of(entry: Entry) -> Tokens:
    """Return an entry's tokens."""
    return Tokens(
        input=entry.input_tokens,
        cache_read=entry.cache_read_tokens,
        cache_write=entry.cache_write_tokens,
        cache_write_5m=entry.cache_write_5m_tokens,
        cache_write_1h=entry.cache_write_1h_tokens,
        output=entry.output_tokens,
    )
