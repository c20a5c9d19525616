"""When a tool, a model or an agent fails more than it usually does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb, sqrt
from typing import NamedTuple

MINUTE_S = 60
_Z = 1.96  # two-sided 95 %


class Source(NamedTuple):
    """What calls are counted of: kind ``tool``, ``model`` or ``agent``, and its name."""

    kind: str
    name: str


class Count(NamedTuple):
    """Calls of one tool or model by one agent in one bucket of time; ``bucket_s``: its start."""

    bucket_s: int
    kind: str
    name: str
    agent: str
    calls: int
    errors: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When errors are an incident (3.7 of the design).

    Attributes:
        window_s: they are counted over so long.
        fewest_errors: of one source; fewer are quiet, whatever their share.
        times_usual: the lower bound of the rate (Wilson, 95 %) is so many times the usual rate.
        tools: so many tools or models at once, or
        agents: so many agents.
        systemic_p: or tools beyond their 95th percentile at once that chance explains with less.
        systemic_errors: of one such tool.
        prior_calls: of history, so many calls that are made up …
        prior_errors: … so many of which failed: what is new is trusted less.
        fewest_calls: of history, below which a finding is not sure.
    """

    window_s: int = 300
    fewest_errors: int = 5
    times_usual: float = 3
    tools: int = 3
    agents: int = 2
    systemic_p: float = 1e-4
    systemic_errors: int = 3
    prior_calls: float = 20
    prior_errors: float = 1
    fewest_calls: int = 100


DEFAULTS = Thresholds()


@dataclass(frozen=True, slots=True)
class History:
    """What is usual.

    Attributes:
        calls: by source.
        errors: by source.
        p95: of the shares of errors of a tool or model in five minutes, of which 95 of 100 are no
            larger; only where there were at least 20 such five minutes.
    """

    calls: Mapping[Source, int] = field(default_factory=dict[Source, int])
    errors: Mapping[Source, int] = field(default_factory=dict[Source, int])
    p95: Mapping[Source, float] = field(default_factory=dict[Source, float])

    def rate(self, source: Source, thresholds: Thresholds = DEFAULTS) -> float:
        """Return the usual share of errors of a source."""
        errors = self.errors.get(source, 0) + thresholds.prior_errors
        return errors / (self.calls.get(source, 0) + thresholds.prior_calls)


def sources_of(count: Count) -> list[Source]:
    """Return what a count is of: the tool or model, and the agent where it is known."""
    found = [Source(count.kind, count.name)] if count.name else []
    return [*found, Source("agent", count.agent)] if count.agent else found


def history(counts: Iterable[Count]) -> History:
    """Return what is usual from counts in buckets of five minutes."""
    calls: defaultdict[Source, int] = defaultdict(int)
    errors: defaultdict[Source, int] = defaultdict(int)
    buckets: defaultdict[tuple[Source, int], list[int]] = defaultdict(lambda: [0, 0])
    for count in counts:
        for source in sources_of(count):
            calls[source] += count.calls
            errors[source] += count.errors
        bucket = buckets[Source(count.kind, count.name), count.bucket_s]
        bucket[0] += count.calls
        bucket[1] += count.errors
    shares: defaultdict[Source, list[float]] = defaultdict(list)
    for (source, _), (made, failed) in buckets.items():
        if made:
            shares[source].append(failed / made)
    p95 = {
        source: sorted(of_source)[int(0.95 * (len(of_source) - 1) + 0.5)]
        for source, of_source in shares.items()
        if len(of_source) >= 20
    }
    return History(calls, errors, p95)


def wilson_lower(errors: int, calls: int) -> float:
    """Return the lower end of the 95 % interval of a share (Wilson 1927); 0 without calls."""
    if calls <= 0 or errors <= 0:
        return 0.0
    share = min(1.0, errors / calls)
    middle = share + _Z**2 / (2 * calls)
    spread = _Z * sqrt(share * (1 - share) / calls + _Z**2 / (4 * calls**2))
    return (middle - spread) / (1 + _Z**2 / calls)


def at_least(successes: int, trials: int, chance: float) -> float:
    """Return the probability of so many successes or more, exactly (binomial)."""
    return sum(
        comb(trials, k) * chance**k * (1 - chance) ** (trials - k)
        for k in range(max(0, successes), trials + 1)
    )


class Hot(NamedTuple):
    """Sources that fail more than usual in the time before a moment; empty: no incident."""

    at_s: int
    sources: frozenset[Source]
    p: float | None  # of the systemic test; None: too few tools with a history


def hot_at(
    at_s: int,
    calls: Mapping[Source, int],
    errors: Mapping[Source, int],
    usual: History,
    thresholds: Thresholds = DEFAULTS,
) -> Hot:
    """Return the sources of an incident, if what was counted up to a moment is one."""
    hot = {source for source in errors if _is_hot(source, calls, errors, usual, thresholds)}
    agents = {source for source in hot if source.kind == "agent"}
    many = len(hot) - len(agents) >= thresholds.tools or len(agents) >= thresholds.agents
    known = [source for source in calls if source in usual.p95]
    beyond = {
        source
        for source in known
        if errors.get(source, 0) >= thresholds.systemic_errors
        and errors[source] / calls[source] > usual.p95[source]
    }
    p = at_least(len(beyond), len(known), 0.05) if len(known) >= thresholds.tools else None
    if p is not None and p < thresholds.systemic_p:
        return Hot(at_s, frozenset(hot | beyond), p)
    return Hot(at_s, frozenset(hot if many else ()), p)


def _is_hot(
    source: Source,
    calls: Mapping[Source, int],
    errors: Mapping[Source, int],
    usual: History,
    thresholds: Thresholds,
) -> bool:
    failed = errors[source]
    if failed < thresholds.fewest_errors:
        return False
    lower = wilson_lower(failed, max(failed, calls[source]))
    return lower > thresholds.times_usual * usual.rate(source, thresholds)


class Episode(NamedTuple):
    """A time in which an incident lasted, and what failed in it; UTC seconds."""

    from_s: int
    to_s: int
    sources: frozenset[Source]
    p: float | None


def incidents(
    counts: Sequence[Count], usual: History, to_s: int, thresholds: Thresholds = DEFAULTS
) -> list[Episode]:
    """Return the times of incidents, by start, from counts in buckets of a minute.

    Every minute, what was counted in the last ``window_s`` is judged; times less than that apart
    are one incident. ``from_s`` is the start of the first such window.
    """
    by_minute: defaultdict[int, list[Count]] = defaultdict(list)
    for count in counts:
        by_minute[count.bucket_s // MINUTE_S * MINUTE_S].append(count)
    if not any(count.errors for count in counts):
        return []
    calls: defaultdict[Source, int] = defaultdict(int)
    errors: defaultdict[Source, int] = defaultdict(int)
    found: list[Episode] = []
    last = -(-to_s // MINUTE_S) * MINUTE_S
    for minute in range(min(by_minute), last, MINUTE_S):
        _add(calls, errors, by_minute.get(minute, ()), 1)
        _add(calls, errors, by_minute.get(minute - thresholds.window_s, ()), -1)
        hot = hot_at(minute + MINUTE_S, calls, errors, usual, thresholds)
        if not hot.sources:
            continue
        before = found[-1] if found else None
        if before is not None and hot.at_s - thresholds.window_s <= before.to_s:
            p = min((one for one in (before.p, hot.p) if one is not None), default=None)
            found[-1] = Episode(before.from_s, hot.at_s, before.sources | hot.sources, p)
        else:
            found.append(Episode(hot.at_s - thresholds.window_s, hot.at_s, hot.sources, hot.p))
    return found


def _add(
    calls: defaultdict[Source, int],
    errors: defaultdict[Source, int],
    counts: Iterable[Count],
    sign: int,
) -> None:
    for count in counts:
        for source in sources_of(count):
            calls[source] += sign * count.calls
            errors[source] += sign * count.errors
            if not calls[source]:
                del calls[source], errors[source]
