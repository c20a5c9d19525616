"""The money of an hour of GPUs: who used it, and what of it nobody did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_analytics.gpu_cost.arithmetic import divided, picodollars
from spanledger_analytics.gpu_cost.batch import Flight, flight
from spanledger_analytics.gpu_cost.pools import Pool, pools_of
from spanledger_analytics.gpu_cost.prices import GpuPriceList
from spanledger_analytics.gpu_cost.reading import Hour, Kept
from spanledger_analytics.gpu_cost.requests import PREFILL, WHOLE, Phase, Request, Timed, timed
from spanledger_analytics.gpu_cost.units import UnitKey, UnitMinute, unit_minutes
from spanledger_analytics.gpu_cost.workers import (
    MINUTE_NS,
    Worker,
    requests_of,
    warm_ups,
    workers_of,
)
from spanledger_analytics.spans import SpanKey

ATTRIBUTED, PRICED, IDLE, WARM_UP, OVERHEAD, KEPT = LINES = (
    "attributed", "priced", "idle", "warm_up", "overhead", "kept",
)  # fmt: skip
"""Where money goes: to a trace; to a call that a token price pays; to nobody, for three reasons; to
what the ledger kept of deleted traces."""

ENGINE, RUNNING, GPU, SPANS, NOTHING = "engine", "running", "gpu", "spans", "none"
"""How it is known for what share of a minute a GPU was busy, in order of evidence."""

WINDOW_MINUTES = 5
_PARTS = 10**6


class WindowLine(NamedTuple):
    """What one unit cost in a window (its first minute), on one line; picodollars."""

    unit: UnitKey
    window: int
    line: str


@dataclass(slots=True)
class Window:
    """A unit in a window: ``seconds`` that were paid for, and what is said about it."""

    seconds: int
    last: UnitMinute
    method: str


@dataclass(slots=True)
class RequestShare:
    """What a request cost on one unit in the hour, picodollars."""

    timed: Timed
    unit: UnitMinute
    prefill: int = 0
    decode: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.prefill + self.decode


@dataclass(slots=True)
class Attribution:
    """Where the money of an hour went; picodollars.

    ``lines`` of a unit and window add up to its cost. ``shares`` are by number of the request and
    unit; those of requests whose calls have a token price are on the line ``priced``, all others on
    ``attributed``. ``unused`` is what pools of workers cost besides, by the workers' names.
    ``kept`` is what the ledger kept of deleted requests and no line holds yet, by their span.
    """

    hour: Hour
    workers: Mapping[str, Worker]
    requests: Sequence[Timed]
    lines: defaultdict[WindowLine, int] = field(default_factory=lambda: defaultdict(int))
    windows: dict[tuple[UnitKey, int], Window] = field(
        default_factory=dict[tuple[UnitKey, int], Window]
    )
    shares: dict[tuple[int, UnitKey], RequestShare] = field(
        default_factory=dict[tuple[int, UnitKey], RequestShare]
    )
    unused: defaultdict[tuple[str, ...], int] = field(default_factory=lambda: defaultdict(int))
    kept: dict[SpanKey, int] = field(default_factory=dict[SpanKey, int])


def attribute(hour: Hour, prices: GpuPriceList, now_ns: int) -> Attribution:
    """Return where the money of an hour went; pure, and the same for rows in any order.

    Minute by minute and pool by pool (docs/gpu-cost.md):

    1. Each unit costs its price. ``b``, the share of the minute in which it was busy, is known by
       the engine's own busy seconds, else by the time with requests running, else by the GPU's
       counters, else by the requests in flight.
    2. Requests in flight have at most ``b`` and at most the time in which there were any; that
       money is shared in proportion to their time, batching respected.
    3. What else was busy is overhead; the rest is warm-up while the workers had not served
       anything yet, and idle otherwise.
    4. Deleted requests of which the ledger kept the cost have their share like the others, whose
       costs stay as they were. What they cost otherwise than was kept is overhead, or comes out of
       the overhead, idle and warm-up time in which they ran, then of that of the whole hour.

    Minutes that are not over at ``now_ns`` (UTC nanoseconds) are left to a later run.
    """
    workers = workers_of(hour)
    requests = timed(requests_of(hour, workers))
    found = Attribution(hour, workers, requests)
    found.kept = {one.key: picodollars(one.cost_usd) for one in hour.kept}
    end_minute = min(60, (now_ns - hour.start_ns) // MINUTE_NS)
    units = unit_minutes(hour.gpus, prices, hour.start_ns, end_minute)
    phases = _phases_by_minute(hour, requests)
    warm = warm_ups(hour, workers.values(), requests)
    pods = {pod for gpu in hour.gpus for pod in gpu.pods}
    for minute, of_minute in sorted(units.items()):
        there = [w for w in workers.values() if (minute, w.name) in phases or w.is_up(minute)]
        for pool in pools_of(of_minute, there, pods):
            own = [one for name in pool.workers for one in phases.get((minute, name), ())]
            _share_minute(found, minute, pool, own, warm)
    for kept in hour.kept:
        _take_kept(found, kept)
    return found


def _take_kept(found: Attribution, kept: Kept) -> None:
    """Move what no line holds yet of what a deletion kept from what nobody used.

    From units that cost its price at its time, else from all at its time, else from all.
    """
    length_ns = WINDOW_MINUTES * MINUTE_NS
    first = (kept.start_ns - found.hour.start_ns) // length_ns
    last = (max(kept.start_ns, kept.end_ns - 1) - found.hour.start_ns) // length_ns
    unused = sorted(key for key in found.lines if key.line in (OVERHEAD, IDLE, WARM_UP))
    then = [key for key in unused if first <= key.window // WINDOW_MINUTES <= last]
    own = [k for k in then if found.windows[k.unit, k.window].last.price_id in kept.price_ids]
    for rests in (own, then, unused):
        found.kept[kept.key] -= _move(found, rests, found.kept[kept.key])


def _move(found: Attribution, rests: Sequence[WindowLine], money: int) -> int:
    """Move up to so much from these lines to those of what was kept; return how much."""
    amounts = [found.lines.get(key, 0) for key in rests]
    taken = divided(min(money, sum(amounts)), amounts)
    for key, part in zip(rests, taken, strict=True):
        if part:
            found.lines[key] -= part
            found.lines[key._replace(line=KEPT)] += part
            if not found.lines[key]:
                del found.lines[key]
    return sum(taken)


def _phases_by_minute(
    hour: Hour, requests: Sequence[Timed]
) -> Mapping[tuple[int, str], list[tuple[int, Phase]]]:
    found: defaultdict[tuple[int, str], list[tuple[int, Phase]]] = defaultdict(list)
    for number, one in enumerate(requests):
        for phase in one.phases:
            first = max(0, (phase.start_ns - hour.start_ns) // MINUTE_NS)
            last = min(59, (phase.end_ns - 1 - hour.start_ns) // MINUTE_NS)
            for minute in range(first, last + 1):
                found[minute, one.request.worker].append((number, phase))
    return found


def _share_minute(
    found: Attribution,
    minute: int,
    pool: Pool,
    phases: Sequence[tuple[int, Phase]],
    warm: Mapping[str, list[tuple[int, int]]],
) -> None:
    start_ns = found.hour.start_ns + minute * MINUTE_NS
    in_flight = flight(phases, start_ns, start_ns + MINUTE_NS)
    warm_ns = max((_overlap(warm.get(name, ()), start_ns) for name in pool.workers), default=0)
    workers = [found.workers[name] for name in pool.workers]
    for unit in pool.units:
        method, busy = _busy(unit, workers, len(pool.units), in_flight)
        covered = unit.cost * in_flight.covered_ns // MINUTE_NS
        for_requests = min(busy, covered)
        rest = unit.cost - for_requests
        warm_up = min(rest, unit.cost * warm_ns // MINUTE_NS)
        overhead = min(busy - for_requests, rest - warm_up)
        amounts = _share_unit(found, unit, in_flight, for_requests)
        deleted = for_requests - amounts[ATTRIBUTED] - amounts[PRICED]
        amounts[IDLE] = rest - warm_up - overhead
        amounts[WARM_UP] = warm_up
        amounts[OVERHEAD] += overhead
        window = minute // WINDOW_MINUTES * WINDOW_MINUTES
        for line, amount in amounts.items():
            if amount:
                found.lines[WindowLine(unit.key, window, line)] += amount
        about = found.windows.setdefault((unit.key, window), Window(0, unit, method))
        about.seconds, about.last, about.method = about.seconds + 60, unit, method
        if pool.workers:
            found.unused[pool.workers] += rest + deleted


def _busy(
    unit: UnitMinute, workers: Sequence[Worker], units: int, in_flight: Flight
) -> tuple[str, int]:
    """Return the evidence and the money of the busy share of a unit's minute."""
    if unit.is_rest:
        return NOTHING, 0
    covered = unit.cost * in_flight.covered_ns // MINUTE_NS
    engine = [b for w in workers if (b := w.busy_ratio(unit.minute)) is not None]
    if engine:
        # Workers that share a unit take turns; on as many units as workers, each has its own.
        ratio = min(1.0, sum(engine) / min(len(engine), units))
        return ENGINE, _part(unit.cost, ratio)
    running = [r for w in workers if (r := w.running_ratio(unit.minute)) is not None]
    if running:
        return RUNNING, max(covered, _part(unit.cost, max(running)))
    if unit.about.used_ratio is not None:
        return GPU, _part(unit.cost, unit.about.used_ratio)
    return (SPANS, covered) if workers else (NOTHING, 0)


def _part(cost: int, ratio: float) -> int:
    return cost * min(_PARTS, max(0, round(ratio * _PARTS))) // _PARTS


def _overlap(times: Iterable[tuple[int, int]], start_ns: int) -> int:
    end_ns = start_ns + MINUTE_NS
    return sum(max(0, min(b, end_ns) - max(a, start_ns)) for a, b in times)


def _share_unit(
    found: Attribution, unit: UnitMinute, in_flight: Flight, money: int
) -> dict[str, int]:
    """Give money to requests; return by line where it went."""
    lines: dict[str, int] = dict.fromkeys(LINES, 0)
    parts = divided(money, [share.weight for share in in_flight.shares])
    for share, part in zip(in_flight.shares, parts, strict=True):
        if not part:
            continue
        one = found.requests[share.owner]
        if one.request.is_kept:
            kept = min(part, found.kept[one.request.key])
            found.kept[one.request.key] -= kept
            lines[KEPT] += kept
            lines[OVERHEAD] += part - kept
            continue
        key = (share.owner, unit.key)
        known = found.shares.get(key)
        if known is None:
            known = found.shares[key] = RequestShare(one, unit)
        prefill = _prefill_part(one.request, share.phase, part)
        known.prefill += prefill
        known.decode += part - prefill
        known.unit = unit
        lines[PRICED if one.request.is_priced else ATTRIBUTED] += part
    return lines


def _prefill_part(request: Request, phase: int, money: int) -> int:
    """Return the part of some money that went into reading input."""
    if phase == PREFILL:
        return money
    if phase == WHOLE and request.work:
        return divided(money, [request.input_work, request.work - request.input_work])[0]
    return 0
