"""What can be rented of a GPU in each minute of an hour: the whole of it, or its MIG instances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from spanledger_analytics.gpu_cost.arithmetic import divided
from spanledger_analytics.gpu_cost.prices import (
    COMPUTE_SLICES,
    MEMORY_SLICES,
    GpuIdentity,
    GpuPriceList,
    GpuRate,
    slices_of,
)
from spanledger_analytics.gpu_cost.reading import GpuMinute
from spanledger_storage.gpu_price_state import MEMORY

LONGEST_GAP_MINUTES = 5
UnitKey = tuple[str, str]
"""UUID of the GPU and id of the MIG instance, '' for all of it, or for what no instance has."""


class UnitMinute(NamedTuple):
    """A unit in one minute: what it costs (picodollars), and who can use it.

    ``is_rest`` marks the slices of a divided GPU that no instance has.
    """

    key: UnitKey
    minute: int
    cost: int
    price_id: str
    about: GpuMinute
    is_rest: bool = False


def unit_minutes(
    rows: Iterable[GpuMinute], prices: GpuPriceList, hour_ns: int, end_minute: int
) -> dict[int, list[UnitMinute]]:
    """Return the units of each minute before ``end_minute`` that have a price.

    A GPU costs every minute in which it was seen, and gaps of up to five minutes between two of
    them. In a gap it is as it was seen last, without utilisation and energy. A pod that is not seen
    on it for as long, because its source tells less often, is still there.
    """
    by_gpu: defaultdict[str, dict[int, list[GpuMinute]]] = defaultdict(dict)
    for row in _with_pods(rows):
        by_gpu[row.gpu].setdefault(row.minute, []).append(row)
    found: defaultdict[int, list[UnitMinute]] = defaultdict(list)
    for gpu in sorted(by_gpu):
        for minute, parts in sorted(_without_gaps(by_gpu[gpu]).items()):
            if minute >= end_minute:
                continue
            about = next((part for part in parts if not part.mig), parts[0])
            rate = prices.at(
                GpuIdentity(gpu, about.model, about.host), hour_ns + minute * 60 * 10**9
            )
            if rate is not None:
                found[minute] += _units(parts, about, rate)
    return dict(found)


def _with_pods(rows: Iterable[GpuMinute]) -> list[GpuMinute]:
    """Return the rows with the pods that were seen there shortly before and after."""
    ordered = sorted(rows, key=lambda row: row.minute)
    newest: dict[tuple[str, str, str], int] = {}
    missing: defaultdict[tuple[str, str, int], set[str]] = defaultdict(set)
    for row in ordered:
        for pod in row.pods:
            before = newest.get((row.gpu, row.mig, pod), row.minute)
            if row.minute - before <= LONGEST_GAP_MINUTES + 1:
                for minute in range(before + 1, row.minute):
                    missing[row.gpu, row.mig, minute].add(pod)
            newest[row.gpu, row.mig, pod] = row.minute
    return [
        row._replace(pods=(*row.pods, *sorted(missing[row.gpu, row.mig, row.minute])))
        for row in ordered
    ]


def _without_gaps(seen: Mapping[int, list[GpuMinute]]) -> dict[int, list[GpuMinute]]:
    filled: dict[int, list[GpuMinute]] = {}
    before: int | None = None
    for minute in sorted(seen):
        if before is not None and minute - before <= LONGEST_GAP_MINUTES + 1:
            for missing in range(before + 1, minute):
                filled[missing] = [
                    row._replace(minute=missing, used_ratio=None, energy_joules=None)
                    for row in seen[before]
                ]
        filled[minute] = seen[minute]
        before = minute
    return filled


def _units(parts: Sequence[GpuMinute], about: GpuMinute, rate: GpuRate) -> list[UnitMinute]:
    """Return a GPU, or its instances and the rest, each with its part of the cost."""
    cost = rate.minute_cost(about.minute, about.energy_joules)
    instances = [part for part in parts if part.mig]
    if not instances:
        return [UnitMinute((about.gpu, ""), about.minute, cost, rate.price_id, about)]
    whole = COMPUTE_SLICES if rate.mig_slices != MEMORY else MEMORY_SLICES
    total_bytes = about.memory_total_bytes if not about.mig else None
    slices = [
        slices_of(i.mig_profile, i.memory_total_bytes, total_bytes, rate.mig_slices)
        for i in instances
    ]
    costs = divided(cost, [*slices, max(0, whole - sum(slices))])
    units = [
        UnitMinute((one.gpu, one.mig), one.minute, part, rate.price_id, one)
        for one, part in zip(instances, costs, strict=False)
    ]
    rest = about._replace(mig="", used_ratio=None, pods=())
    if costs[-1]:
        units.append(
            UnitMinute((about.gpu, ""), about.minute, costs[-1], rate.price_id, rest, is_rest=True)
        )
    return units
