"""Which workers run on which GPUs: pools of units that the same requests are served by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from spanledger_analytics.gpu_cost.units import UnitMinute
from spanledger_analytics.gpu_cost.workers import Worker


class Pool(NamedTuple):
    """Units and the workers that share them; several of either where nothing tells them apart.

    One worker on eight units is tensor parallel; several workers on one unit share it (MPS, or
    time slicing). Units without any worker are a pool each.
    """

    units: tuple[UnitMinute, ...]
    workers: tuple[str, ...]


def pools_of(
    units: Sequence[UnitMinute], workers: Iterable[Worker], pods: Collection[str] = ()
) -> list[Pool]:
    """Return the pools of one minute; every unit is in exactly one.

    A worker has the units on which its pod was seen. One whose pod is not among ``pods``, those
    that were seen on any unit in the hour, has those units of its host that no other worker's pod
    was seen on.
    """
    ordered = sorted(workers, key=lambda w: w.name)
    places = [n for n, unit in enumerate(units) if not unit.is_rest]
    own: dict[str, list[int]] = {}
    for worker in ordered:
        mine = [n for n in places if worker.pod and worker.pod in units[n].about.pods]
        if mine:
            own[worker.name] = mine
    taken = {n for mine in own.values() for n in mine}
    for worker in ordered:
        if worker.name not in own and worker.host and worker.pod not in pods:
            free = [n for n in places if units[n].about.host == worker.host and n not in taken]
            if free:
                own[worker.name] = free
    return _joined(units, own)


def _joined(units: Sequence[UnitMinute], own: dict[str, list[int]]) -> list[Pool]:
    """Return the connected parts of what workers have."""
    parent = list(range(len(units)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    for mine in own.values():
        for n in mine[1:]:
            parent[root(n)] = root(mine[0])
    members: dict[int, list[UnitMinute]] = {}
    names: dict[int, list[str]] = {}
    for n, unit in enumerate(units):
        members.setdefault(root(n), []).append(unit)
    for name, mine in own.items():
        names.setdefault(root(mine[0]), []).append(name)
    return [Pool(tuple(found), tuple(sorted(names.get(n, ())))) for n, found in members.items()]
