"""How well spending anomalies are found: minutes, dollars, causes, false alarms; made projects.

Projects of six weeks and more are generated: daily and weekly cycles, negative binomial traces,
lognormal tokens, several agents, models, services and teams, growth, a holiday, an outage, and
calls that arrive late. Into some an event is planted whose dollars are known exactly, as the
difference between the same project with and without it. The product's own code looks every
minute while a storm burns, and later on by the hour.

    python -m benchmarks.spend_anomalies [--seeds 6] [--clean 6] [--weeks 4] [--speed]

Everything is drawn from fixed seeds. Nothing is tuned per project.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from spanledger_analytics.anomalies.cells import FINE_S, HOUR_S, Key, Leaf, Row
from spanledger_analytics.anomalies.explain import Explanation, Part, Usage, explained
from spanledger_analytics.anomalies.incidents import (
    Incident,
    Known,
    put_together,
    reference_starts,
)
from spanledger_analytics.anomalies.watch import Watch

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


class Feed:
    """Gives a project to a watch as it would have arrived by some time."""

    def __init__(self, made: Made, start_s: int = START_S) -> None:
        self.made, self.start_s = made, start_s
        self.watch = Watch()
        self._given = 0
        m = made
        prompts = m.tokens[:3].sum(axis=0)
        self._amounts = np.stack([m.usd, m.calls, m.traces, prompts, m.tokens[1], m.tokens[3]])

    def to(self, minute: float) -> int:
        """Give what has arrived by a minute; return the clock."""
        now_s = self.start_s + int(minute * 60)
        now = -(-int(minute * 60) // FINE_S)
        self.watch.advance(now_s)
        old = self.watch.fine.first_s
        first = max(0, self._given - 12) // 12 * 12
        if first * FINE_S + self.start_s < old:  # long ago: hours are enough
            border = max(first, (old - self.start_s) // HOUR_S * 12)
            self._put(first, border, 12, minute)
            first = border
        self._put(first, now, 1, minute)
        self._given = now
        return now_s

    def _put(self, start: int, stop: int, width: int, minute: float) -> None:
        if stop <= start:
            return
        rows = []
        for place, leaf in enumerate(self.made.leaves):
            for step in range(start, stop, width):
                amounts = self._amounts[:, place, step : step + width].sum(axis=1)
                if width == 1 and minute - 5 * step < 60:
                    amounts = amounts * arrived(minute - 5 * step)
                if amounts.any():
                    rows.append(Row(self.start_s + step * FINE_S, leaf, tuple(amounts)))
        hours = range(self.start_s + start * FINE_S, self.start_s + stop * FINE_S, HOUR_S)
        self.watch.put(hours, rows)

    def usage(self, key: Key, starts: Sequence[int], length_s: int) -> Usage:
        """Return what a series did in times, as the store would tell it."""
        parts, traces = [], 0.0
        for place, leaf in enumerate(self.made.leaves):
            if not key.has(leaf):
                continue
            on = np.zeros(self.made.traces.shape[1], bool)
            for start in starts:
                first = (start - self.start_s) // FINE_S
                on[max(0, first) : max(0, first + length_s // FINE_S)] = True
            traces += float(self.made.traces[place, on].sum())
            parts.append(
                Part(
                    leaf,
                    int(self.made.calls[place, on].sum()),
                    {c: int(self.made.tokens[n, place, on].sum()) for n, c in enumerate(CLASSES)},
                    {
                        c: Decimal(repr(round(float(self.made.costs[n, place, on].sum()), 9)))
                        for n, c in enumerate(CLASSES)
                    },
                )
            )
        return Usage(parts, round(traces))


@dataclass
class Outcome:
    """What came of one planted event."""

    event: Event
    truth_usd: float
    minutes: float | None = None
    burnt_usd: float = 0.0
    impact: float | None = None
    is_right: bool = False
    cause: str = ""
    told: str = ""


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


def play(seed: int, kind: str) -> tuple[Outcome, int]:
    """Run one event; return what came of it, and findings that have nothing to do with it."""
    event = events(np.random.default_rng((seed, KINDS.index(kind))), kind)
    days = HISTORY_DAYS + 16
    made, extra = with_event(seed, days, event)
    end = min(event.start + event.steps, days * DAY)
    outcome = Outcome(event, float(extra[event.start : end].sum()))
    feed = Feed(made)
    known: list[Known] = []
    keys = {Key("project", "")} | _keys(made, event)
    minute = event.start * 5 + 1
    while minute < 5 * min(end + 24, days * DAY):
        now_s, step = feed.to(minute), minute // 5
        found = put_together(feed.watch.look(now_s), feed.watch.hours, known)
        known = [one.known for one in found]
        mine = [one for one in found if _is_of(one, event, keys, feed.start_s)]
        if mine:
            if outcome.minutes is None:
                outcome.minutes = float(minute - event.start * 5)
                part = minute % 5 / 5 * float(extra[step])
                outcome.burnt_usd = float(extra[event.start : step].sum()) + part
            first = mine[0]
            settled = step - event.start > (outcome.minutes or 0) / 5 + 12
            if settled or step >= end + 12:
                _judge(outcome, first, feed, extra)
                break
        is_fast = event.steps <= DAY and outcome.minutes is None
        minute += 1 if is_fast else 5 if step < event.start + 36 else 60
    return outcome, 0


def _keys(made: Made, event: Event) -> set[Key]:
    names = {event.agent, event.name} - {""}
    found = {Key(d, n) for d in ("agent", "team", "service", "model") for n in names}
    for leaf in made.leaves:
        if leaf.agent == event.agent or event.name in leaf:
            found |= {Key(d, getattr(leaf, d)) for d in ("model", "service", "team")}
    return found


def _is_of(one: Incident, event: Event, keys: set[Key], start_s: int) -> bool:
    end_s = start_s + (event.start + event.steps) * FINE_S
    begins_s = start_s + event.start * FINE_S
    return (
        one.signal.code != "quiet"
        and one.signal.end_s > begins_s
        and one.signal.start_s < end_s + HOUR_S
        and bool(one.keys & keys)
    )


def _judge(outcome: Outcome, one: Incident, feed: Feed, extra: Floats) -> None:
    signal = one.signal
    first, last = ((t - feed.start_s) // FINE_S for t in (signal.start_s, signal.end_s))
    truth = float(extra[max(0, first) : last].sum())
    outcome.impact = signal.excess_usd / truth if truth > 0 else None
    why = explanation(feed, one)
    told: dict[str, Any] = dict(why.details)
    elements = [top["elements"][0]["name"] for top in told["dimensions"] if top["elements"]]
    path = [place["name"] for place in told["path"]]
    named = {signal.key.name, *elements, *path}
    outcome.cause = why.cause
    outcome.told = f"{signal.code} {signal.unit} {'/'.join(signal.key)}"
    outcome.is_right = why.cause in outcome.event.causes and (
        not outcome.event.name or outcome.event.name in named
    )


def explanation(feed: Feed, one: Incident) -> Explanation:
    """Return why, as the job would find it."""
    signal = one.signal
    starts = reference_starts(feed.start_s, signal.start_s, signal.end_s)
    length_s = signal.end_s - signal.start_s
    return explained(
        feed.usage(signal.key, [signal.start_s], length_s),
        feed.usage(signal.key, starts, length_s),
        signal.expected_usd,
    )


def quietness(seed: int, weeks: int) -> tuple[int, float, list[str]]:
    """Return findings on a project with no event, series-weeks looked at, and what was said."""
    days = HISTORY_DAYS + weeks * 7
    feed = Feed(make(seed, days, scale=float(np.random.default_rng(seed).uniform(0.5, 4))))
    told: dict[tuple[object, ...], str] = {}
    known: list[Known] = []
    series = 0
    for day in range(HISTORY_DAYS + 4, days + 1, 4):
        now_s = feed.to(day * DAY * 5 + 1)
        found = put_together(feed.watch.look(now_s), feed.watch.hours, known)
        known = [one.known for one in found]
        series = max(series, len(feed.watch.keys))
        for one in found:
            s = one.signal
            told[one.anchor_key, one.anchor_code, one.anchor_s] = (
                f"{s.code} {s.unit} {'/'.join(s.key)} z {s.z:.1f} "
                f"${s.excess_usd:.2f} of ${s.expected_usd:.2f}"
            )
    return len(told), series * weeks, list(told.values())


def speed(agents: int = 100) -> None:
    """Print the CPU seconds of a look at a project of about 200 series and six weeks."""
    rng = np.random.default_rng(0)
    watch, steps = Watch(), HISTORY_DAYS * 24
    now_s = START_S + steps * HOUR_S + 60
    watch.advance(now_s)
    fine_s = watch.fine.first_s // HOUR_S * HOUR_S + HOUR_S
    rows = []
    for n in range(agents):
        leaf = Leaf(f"agent-{n}", f"model-{n % 20}", f"service-{n % 40}", f"team-{n % 40}")
        hours = range(START_S, fine_s, HOUR_S)
        fine = range(fine_s, START_S + steps * HOUR_S, FINE_S)
        for at_s in (*hours, *fine):
            usd = float(rng.gamma(4)) / (1 if at_s < fine_s else 12)
            rows.append(Row(at_s, leaf, (usd, usd * 20, usd * 5, usd * 9e4, 0.0, usd * 9e3)))
    watch.put(range(START_S, START_S + steps * HOUR_S, HOUR_S), rows)
    for what, later_s in (("first", 0), ("a minute later", 60), ("in a new hour", HOUR_S)):
        began = time.process_time()
        put_together(watch.look(now_s + later_s), watch.hours)
        print(f"{what}: {time.process_time() - began:.2f} CPU-s for {len(watch.keys)} series")


def main() -> None:
    """Print what is found, how fast, and how often nothing was there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6, help="projects per kind of event")
    parser.add_argument("--clean", type=int, default=6, help="projects without events")
    parser.add_argument("--weeks", type=int, default=4, help="that these are watched")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--speed", action="store_true", help="only how long a look takes")
    asked = parser.parse_args()
    if asked.speed:
        speed()
        return
    began = time.process_time()
    outcomes: list[Outcome] = []
    for kind in asked.kinds:
        mine = [play(100 + seed, kind)[0] for seed in range(asked.seeds)]
        outcomes += mine
        for one in mine:
            print("  ", _line(one))
    alarms, weeks = 0, 0.0
    for seed in range(asked.clean):
        count, looked, told = quietness(900 + seed, asked.weeks)
        alarms, weeks = alarms + count, weeks + looked
        for line in told:
            print("   false:", line)
    _summary([one for one in outcomes if one.truth_usd >= 5])
    if weeks:
        print(
            f"false alarms: {alarms} in {weeks:.0f} series-weeks"
            f" = {alarms / weeks:.3f} per series-week"
        )
    print(f"{time.process_time() - began:.0f} CPU-s")


def _line(one: Outcome) -> str:
    found = "missed" if one.minutes is None else f"{one.minutes:6.0f} min ${one.burnt_usd:8.2f}"
    impact = "" if one.impact is None else f"{one.impact:5.2f} of truth"
    right = "right" if one.is_right else "WRONG"
    return (
        f"{one.event.kind:13} {one.event.agent:11} ${one.truth_usd:9.2f}  {found}  {impact}  "
        f"{one.cause:8} {right}  {one.told}"
    )


def _summary(outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    found = [one for one in outcomes if one.minutes is not None]
    storms = [one for one in found if one.event.is_storm]
    print(f"event recall: {len(found)} of {len(outcomes)} = {len(found) / len(outcomes):.3f}")
    if storms:
        minutes = statistics.median(one.minutes or 0 for one in storms)
        usd = statistics.median(one.burnt_usd for one in storms)
        print(
            f"storms: detected after {minutes:.0f} minutes and ${usd:.2f}"
            f" (medians of {len(storms)})"
        )
    right = sum(one.is_right for one in found)
    print(f"right cause first: {right} of {len(found)} = {right / max(1, len(found)):.3f}")
    impacts = [abs(one.impact - 1) for one in found if one.impact is not None]
    if impacts:
        within = sum(error <= 0.15 for error in impacts)
        print(
            f"dollars: median error {statistics.median(impacts):.3f}, "
            f"within 15 %: {within} of {len(impacts)}"
        )


if __name__ == "__main__":
    main()
