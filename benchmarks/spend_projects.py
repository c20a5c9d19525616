"""Made projects for the benchmark of spending anomalies, with events whose dollars are known.

Six weeks and more of spending: daily and weekly cycles, negative binomial traces, lognormal
tokens, several agents, models, services and teams, growth, a holiday, an outage, and calls that
arrive late. What an event costs is the difference between the same project with and without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spanledger_analytics.anomalies.cells import Leaf

Floats = npt.NDArray[np.float64]
DAY = 288
START_S = 1_767_571_200  # Monday 2026-01-05, 00:00 UTC
HISTORY_DAYS = 42
CLASSES = ("uncached", "cache_read", "cache_write", "output")
# Dollars per million tokens: uncached, read, write, output.
PRICES = {
    "small": (0.25, 0.025, 0.3, 2.0),
    "medium": (1.25, 0.125, 1.5, 10.0),
    "large": (3.0, 0.3, 3.75, 15.0),
    "huge": (5.0, 0.5, 6.25, 25.0),
}
DELAY_MINUTES = 2.0
"""Mean of the time, exponential, that calls take to arrive."""


@dataclass
class Source:
    """One group of calls: who, how many, and what they are like."""

    leaf: Leaf
    traces_per_day: float
    calls_per_trace: float
    prompt_tokens: float
    answer_tokens: float
    cached: float = 0.5
    night: float = 0.2
    weekend: float = 0.4
    spread: float = 0.9
    burst: float = 0.3  # relative variance of the rate in five minutes


@dataclass
class Event:
    """Something planted.

    Attributes:
        causes: factors that are right first.
        name: the element that is right, of any dimension; empty: the factor alone decides.
        is_storm: calls that repeat: it burns fast and has to be found fast.
    """

    kind: str
    start: int
    steps: int
    causes: tuple[str, ...]
    name: str = ""
    is_storm: bool = False
    agent: str = ""
    size: float = 1.0


SOURCES = [
    Source(Leaf("support", "medium", "web", "care"), 900, 4, 3_000, 350, 0.6),
    Source(Leaf("support", "small", "web", "care"), 900, 2, 900, 120, 0.2),
    Source(
        Leaf("coder", "large", "ide", "platform"),
        160,
        14,
        14_000,
        700,
        0.75,
        night=0.1,
        weekend=0.25,
    ),
    Source(Leaf("researcher", "huge", "research", "growth"), 40, 20, 9_000, 900, 0.4, weekend=0.5),
    Source(Leaf("researcher", "small", "research", "growth"), 40, 10, 4_000, 200, 0.2, weekend=0.5),
    Source(
        Leaf("indexer", "small", "batch", "platform"),
        3_000,
        1,
        2_500,
        80,
        0.0,
        night=1.4,
        weekend=1.0,
    ),
    Source(
        Leaf("reporter", "medium", "batch", "growth"),
        60,
        6,
        7_000,
        1_200,
        0.3,
        night=2.5,
        weekend=0.1,
    ),
]


@dataclass
class Made:
    """A project: amounts by source and five minutes."""

    leaves: list[Leaf]
    traces: Floats
    calls: Floats
    tokens: Floats  # class, source, step
    costs: Floats

    @property
    def usd(self) -> Floats:
        """Dollars by source and step."""
        usd: Floats = self.costs.sum(axis=0)
        return usd


def make(seed: int, days: int, event: Event | None = None, scale: float = 1.0) -> Made:
    """Return a project; the same seed without an event is the same project without it."""
    rng = np.random.default_rng(seed)
    steps = days * DAY
    at = np.arange(steps)
    day, hour = at // DAY, at % DAY / 12
    weekend = day % 7 >= 5
    growth = 1.01 ** (at / (7 * DAY))
    closed = np.where(day == HISTORY_DAYS - 9, 0.4, 1.0)  # a holiday
    outage = int(rng.integers((HISTORY_DAYS - 20) * DAY, (HISTORY_DAYS - 8) * DAY))
    dead = (at >= outage) & (at < outage + int(rng.integers(12, 60)))
    weather = np.repeat(np.exp(rng.normal(0, 0.05, days)), DAY)  # days differ
    parts = []
    for source in SOURCES:
        size = scale * float(np.exp(rng.normal(0, 0.3)))
        peak = float(rng.uniform(12, 17))
        wave = 0.5 * (1 + np.cos((hour - peak) / 24 * 2 * np.pi))
        shape = source.night + (1 - source.night) * wave**1.5
        shape = shape / shape[:DAY].mean()
        rate = source.traces_per_day * size / DAY * shape * growth * closed * weather
        rate = rate * np.where(weekend, source.weekend, 1.0)
        own = event is not None and event.agent == source.leaf.agent
        parts.append(_source(rng, source, np.where(dead, 0.0, rate), event if own else None))
    leaves = [source.leaf for source in SOURCES]
    if event is not None:
        for leaf, part in _planted(np.random.default_rng(seed + 10_000), event, steps):
            leaves.append(leaf)
            parts.append(part)
    traces, calls, tokens, costs = (np.stack(x) for x in zip(*parts, strict=True))
    return Made(leaves, traces, calls, np.moveaxis(tokens, 1, 0), np.moveaxis(costs, 1, 0))


def _gamma(rng: np.random.Generator, count: Floats, mean: float, spread: float) -> Floats:
    """Return sums of ``count`` lognormal values (as the gamma of the same two moments)."""
    ratio = float(np.exp(spread**2) - 1)
    shape = np.maximum(count / ratio, 1e-9)
    return np.where(count > 0, rng.gamma(shape) * ratio * mean, 0.0)


def _source(
    rng: np.random.Generator, source: Source, rate: Floats, event: Event | None
) -> tuple[Floats, ...]:
    steps = len(rate)
    bursty = rng.gamma(1 / source.burst, source.burst, steps)
    traces = rng.poisson(rate * bursty).astype(float)
    calls: Floats = traces + rng.poisson(traces * (source.calls_per_trace - 1)).astype(float)
    prompt = _gamma(rng, calls, source.prompt_tokens, source.spread)
    answer = _gamma(rng, calls, source.answer_tokens, source.spread)
    cached = np.full(steps, source.cached) * rng.uniform(0.95, 1.05, steps)
    prices = np.repeat(np.array(PRICES[source.leaf.model])[:, None], steps, 1)
    if event is not None:
        on = (np.arange(steps) >= event.start) & (np.arange(steps) < event.start + event.steps)
        if event.kind == "cache break":
            cached = np.where(on, 0.0, cached)
        if event.kind == "price change":
            prices = np.where(on, prices * event.size, prices)
        if event.kind == "slow bloat":
            grown = event.size ** (np.maximum(0, np.arange(steps) - event.start) / DAY)
            prompt = np.where(on, prompt * grown, prompt)
    read = prompt * np.clip(cached, 0, 1)
    whole = np.round(np.stack([prompt - read, read, np.zeros(steps), answer]))
    tokens = whole.astype(np.float64)
    return traces, calls, tokens, tokens * prices / 1e6


def _planted(
    rng: np.random.Generator, event: Event, steps: int
) -> Iterator[tuple[Leaf, tuple[Floats, ...]]]:
    on = (np.arange(steps) >= event.start) & (np.arange(steps) < event.start + event.steps)
    base = next((s for s in SOURCES if s.leaf.agent == event.agent), SOURCES[0])
    if event.kind in ("retry storm", "loop"):
        # No more traces: those that run make more calls.
        per_step = event.size / _call_usd(base)
        calls = np.where(on, rng.poisson(per_step, steps), 0).astype(float)
        yield base.leaf, _calls(rng, base, np.zeros(steps), calls)
    if event.kind == "new customer":
        leaf = base.leaf._replace(team=event.name)
        hour = np.arange(steps) % DAY / 12
        wave = 0.3 + np.cos((hour - 14) / 24 * 2 * np.pi) ** 2
        traces = np.where(on, rng.poisson(event.size * base.traces_per_day / DAY * wave), 0).astype(
            float
        )
        calls = traces + rng.poisson(traces * (base.calls_per_trace - 1))
        yield leaf, _calls(rng, base, traces, calls)
    if event.kind == "key theft":
        leaf = Leaf("", "huge", event.name, "")
        thief = Source(leaf, 0, 1, 6_000, 1_500, 0.0)
        calls = np.where(on, rng.poisson(event.size / _call_usd(thief), steps), 0).astype(float)
        yield leaf, _calls(rng, thief, calls, calls)


def _call_usd(source: Source) -> float:
    price = PRICES[source.leaf.model]
    prompt = source.prompt_tokens * ((1 - source.cached) * price[0] + source.cached * price[1])
    return (prompt + source.answer_tokens * price[3]) / 1e6


def _calls(
    rng: np.random.Generator, source: Source, traces: Floats, calls: Floats
) -> tuple[Floats, ...]:
    prompt = _gamma(rng, calls, source.prompt_tokens, source.spread)
    answer = _gamma(rng, calls, source.answer_tokens, source.spread)
    read = prompt * source.cached
    whole = np.round(np.stack([prompt - read, read, np.zeros(len(calls)), answer]))
    tokens = whole.astype(np.float64)
    return traces, calls, tokens, tokens * np.array(PRICES[source.leaf.model])[:, None] / 1e6


def with_event(seed: int, days: int, event: Event) -> tuple[Made, Floats]:
    """Return a project with an event, and the dollars the event adds in each five minutes."""
    plain = make(seed, days)
    if event.kind == "model swap":
        made = _swapped(seed, days, event)
    else:
        made = make(seed, days, event)
    extra = made.usd.sum(axis=0) - plain.usd.sum(axis=0)
    return made, extra


def _swapped(seed: int, days: int, event: Event) -> Made:
    """Return the project whose agent's first model is another one since the event."""
    plain, gone = make(seed, days), make(seed, days, event=None)
    place = next(n for n, leaf in enumerate(plain.leaves) if leaf.agent == event.agent)
    on = np.arange(days * DAY) >= event.start
    on &= np.arange(days * DAY) < event.start + event.steps
    leaf = plain.leaves[place]._replace(model=event.name)
    moved = [
        np.concatenate(
            [
                np.where(on & (np.arange(len(a)) == place)[:, None], 0, a),
                np.where(on, a[place], 0)[None],
            ]
        )
        for a in (plain.traces, plain.calls)
    ]
    tokens = np.where(on, plain.tokens[:, place], 0)
    costs = tokens * np.array(PRICES[event.name])[:, None] / 1e6
    mask = on & (np.arange(len(plain.leaves)) == place)[:, None]
    return Made(
        [*gone.leaves, leaf],
        moved[0],
        moved[1],
        np.concatenate([np.where(mask, 0, plain.tokens), tokens[:, None]], axis=1),
        np.concatenate([np.where(mask, 0, plain.costs), costs[:, None]], axis=1),
    )


def arrived(minutes: float) -> float:
    """Return the share of five minutes that has arrived so long after they began."""
    newest = max(0.0, minutes - 5)  # how long ago the last of what has happened did
    happened = minutes - newest
    waits = DELAY_MINUTES * (np.exp(-newest / DELAY_MINUTES) - np.exp(-minutes / DELAY_MINUTES))
    return float(max(0.0, happened - waits) / 5)


def events(rng: np.random.Generator, kind: str) -> Event:
    """Return an event of a kind, at a random time of the last two weeks."""
    day = HISTORY_DAYS + int(rng.integers(0, 5))
    at = day * DAY + int(rng.integers(0, DAY))

    def pick(*names: str) -> str:
        return str(rng.choice(names))

    if kind == "retry storm":
        agent = pick("support", "coder", "researcher")
        return Event(
            kind,
            at,
            int(rng.integers(6, 30)),
            ("calls",),
            agent,
            True,
            agent,
            float(rng.uniform(3, 15)),
        )
    if kind == "loop":
        agent = pick("support", "coder", "researcher")
        return Event(
            kind,
            at,
            int(rng.integers(24, 120)),
            ("calls",),
            agent,
            True,
            agent,
            float(rng.uniform(1.5, 6)),
        )
    if kind == "cache break":
        return Event(kind, at, 10 * DAY, ("cache",), "", False, pick("support", "coder"))
    if kind == "model swap":
        agent, model = [("indexer", "medium"), ("support", "huge"), ("reporter", "huge")][
            int(rng.integers(3))
        ]
        return Event(kind, at, 10 * DAY, ("models", "prices"), model, False, agent)
    if kind == "price change":
        return Event(
            kind,
            at,
            10 * DAY,
            ("prices",),
            "",
            False,
            pick("coder", "researcher", "support"),
            float(rng.uniform(1.5, 2.5)),
        )
    if kind == "new customer":
        return Event(
            kind,
            at,
            10 * DAY,
            ("tasks",),
            "acme",
            False,
            pick("support", "coder", "researcher"),
            float(rng.uniform(0.8, 2)),
        )
    if kind == "slow bloat":
        return Event(
            kind,
            at // DAY * DAY,
            10 * DAY,
            ("prompts",),
            "",
            False,
            pick("coder", "researcher"),
            float(rng.uniform(1.05, 1.1)),
        )
    night = day * DAY + int(rng.integers(12 * 1, 12 * 4))
    return Event(
        "key theft",
        night,
        int(rng.integers(24, 60)),
        ("tasks",),
        "unknown",
        False,
        "",
        float(rng.uniform(2, 8)),
    )


KINDS = (
    "retry storm",
    "loop",
    "cache break",
    "model swap",
    "price change",
    "new customer",
    "slow bloat",
    "key theft",
)
