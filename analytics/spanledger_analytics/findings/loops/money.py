"""What a loop cost: the steps that were for nothing, each span once, and what they left behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spanledger_analytics.findings.finding import SpanRef
from spanledger_analytics.findings.lanes import Lane, ModelCall, Step
from spanledger_analytics.findings.loops.loop import Loop, Place
from spanledger_analytics.intervals import length, union

# Input that shrinks by a tenth was compacted: what was carried is gone.
_COMPACTED_RATIO = 0.9
_MOST_LATER = 1_000  # steps looked at for what they carry; of a longer rest it is a floor


@dataclass(frozen=True, slots=True)
class Waste:
    """Dollars of a loop; None: not one of its calls is priced, or nothing was carried."""

    direct_usd: Decimal | None
    carried_usd: Decimal | None
    avoidable_usd: Decimal | None
    wasted_ns: int
    unpriced_calls: int


def price(loop: Loop) -> Waste:
    """Return what the wasted steps of a loop cost and left behind."""
    wasted = loop.wasted
    later = wasted[loop.warn :]
    steps = [place.what for place in wasted]
    if loop.is_output:
        return _price_output(steps)
    direct = cost_of(steps)
    avoidable = cost_of(place.what for place in later)
    if avoidable is None and direct is not None:
        avoidable = Decimal(0)
    also = _carried_of(later)
    if avoidable is not None and also is not None:
        avoidable += also
    return Waste(direct, _carried_of(wasted), avoidable, _time(steps), _unpriced(steps))


def _price_output(steps: Sequence[Step]) -> Waste:
    """Return what answers cost that repeat themselves: their output, their input was needed."""
    costs = [step.model.output_cost_usd for step in steps if step.model is not None]
    known = [cost for cost in costs if cost is not None]
    direct = sum(known, Decimal(0)) if known else None
    return Waste(direct, None, None, _time(steps), len(costs) - len(known))


def _time(steps: Sequence[Step]) -> int:
    return length(union((step.start_ns, step.end_ns) for step in steps))


def _unpriced(steps: Sequence[Step]) -> int:
    return sum(1 for step in steps if step.model and step.model.total_cost_usd is None)


def spans(places: Iterable[Place]) -> list[SpanRef]:
    """Return the spans of steps, in order."""
    refs: list[SpanRef] = []
    for place in places:
        step = place.what
        if step.model is not None:
            refs.append(step.model.ref)
        refs += [tool.ref for tool in step.tools]
    return refs


def cost_of(steps: Iterable[Step]) -> Decimal | None:
    """Return what steps cost, each span once; None: nothing of it is priced."""
    known: dict[SpanRef, Decimal] = {}
    for step in steps:
        if step.model is not None and step.model.total_cost_usd is not None:
            known[step.model.ref] = step.model.total_cost_usd
        for tool in step.tools:
            if tool.cost_usd is not None:
                known[tool.ref] = tool.cost_usd
    return sum(known.values(), Decimal(0)) if known else None


def _carried_of(wasted: Sequence[Place]) -> Decimal | None:
    """Return what later calls of the lanes paid for the text of these steps; None: nothing."""
    parts = [_carried(lane, numbers) for lane, numbers in _by_lane(wasted)]
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if known else None


def _by_lane(wasted: Sequence[Place]) -> list[tuple[Lane, list[int]]]:
    lanes: dict[SpanRef, tuple[Lane, list[int]]] = {}
    for place in wasted:
        lanes.setdefault(place.lane.ref, (place.lane, []))[1].append(place.step)
    return list(lanes.values())


def _carried(lane: Lane, numbers: list[int]) -> Decimal | None:
    """Return what calls after these steps paid for what lies between the first and the last.

    The text of the steps is what the input grew by from the first of them to the call after the
    last; a later call read it from the cache as far as its cache reads reach.
    """
    begun = lane.steps[numbers[0]].model
    low = begun.input_tokens if begun is not None else None
    high = before = 0
    parts: list[Decimal] = []
    for step in lane.steps[numbers[-1] + 1 : numbers[-1] + 1 + _MOST_LATER]:
        call = step.model
        if call is None:
            continue
        tokens = call.input_tokens
        high = high or tokens or 0
        if tokens is None or low is None or high <= low or tokens < _COMPACTED_RATIO * before:
            break
        part = _paid_for(call, low, high)
        parts += [] if part is None else [part]
        before = tokens
    if not parts:
        return None
    between = numbers[-1] + 1 - numbers[0]  # some of these steps may be no part of the loop
    return sum(parts, Decimal(0)) * len(numbers) / between


def _paid_for(call: ModelCall, low: int, high: int) -> Decimal | None:
    """Return what a call paid for its input from one token to another."""
    read = call.cache_read_tokens or 0
    written = call.cache_write_tokens or 0
    fresh = (call.input_tokens or 0) - read - written
    from_cache = max(0, min(high, read) - low)
    anew = high - low - from_cache
    paid = Decimal(0)
    if from_cache:
        if call.cache_read_cost_usd is None:
            return None
        paid += call.cache_read_cost_usd * from_cache / read
    if anew:
        if call.uncached_cost_usd is None or fresh <= 0:
            return paid or None
        paid += call.uncached_cost_usd * min(anew, fresh) / fresh
    return paid
