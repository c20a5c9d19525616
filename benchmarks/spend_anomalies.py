"""How well spending anomalies are found: minutes, dollars, causes, false alarms; made projects.

Projects are made (``spend_projects.py``); into some an event is planted whose dollars are known
exactly. The product's own code looks every minute while a storm burns, and later on by the hour.

    python -m benchmarks.spend_anomalies [--seeds 6] [--clean 6] [--weeks 4] [--speed]

Everything is drawn from fixed seeds. Nothing is tuned per project; the product's settings were
chosen on these seeds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from benchmarks.spend_projects import (
    CLASSES,
    DAY,
    HISTORY_DAYS,
    KINDS,
    START_S,
    Event,
    Floats,
    Made,
    arrived,
    events,
    make,
    with_event,
)
from spanledger_analytics.anomalies.cells import FINE_S, HOUR_S, Key, Leaf, Row
from spanledger_analytics.anomalies.explain import Explanation, Part, Usage, explained
from spanledger_analytics.anomalies.incidents import (
    Incident,
    Known,
    put_together,
    reference_starts,
)
from spanledger_analytics.anomalies.watch import Watch


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
        parts: list[Part] = []
        traces: dict[str, float] = {}
        for place, leaf in enumerate(self.made.leaves):
            if not key.has(leaf):
                continue
            on = np.zeros(self.made.traces.shape[1], bool)
            for start in starts:
                first = (start - self.start_s) // FINE_S
                on[max(0, first) : max(0, first + length_s // FINE_S)] = True
            began = float(self.made.traces[place, on].sum())
            traces[leaf.agent] = traces.get(leaf.agent, 0.0) + began
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
        by_agent = {agent: round(count) for agent, count in traces.items()}
        return Usage(parts, round(sum(traces.values())), by_agent)


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
