"""What a minute of a GPU costs: the price that holds for it, in whole picodollars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from spanledger_analytics.gpu_cost.arithmetic import PICO
from spanledger_storage.gpu_price_state import MEMORY, OWNED, GpuPriceRow

HOURS_PER_YEAR = 8_766  # 365.25 days
MINUTES = 60
_JOULES_PER_KWH = 3_600_000
MEMORY_SLICES = 8  # of a whole GPU: https://docs.nvidia.com/datacenter/tesla/mig-user-guide/
COMPUTE_SLICES = 7


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """What a price can be for; ``model`` as the driver names it."""

    gpu: str
    model: str
    host: str


@dataclass(frozen=True, slots=True)
class GpuRate:
    """A price that holds at a moment."""

    price_id: str
    pico_per_hour: Fraction
    pico_per_joule: Fraction
    mig_slices: str

    def minute_cost(self, minute: int, joules: float | None) -> int:
        """Return picodollars of a minute of the hour (0 to 59) of a whole GPU.

        Minutes are rounded so that a whole hour costs its price to the picodollar. Energy counts
        in whole millijoules; None: not measured, which costs nothing.
        """
        before = self.pico_per_hour * minute // MINUTES
        after = self.pico_per_hour * (minute + 1) // MINUTES
        energy = Fraction(round((joules or 0.0) * 1_000), 1_000) * self.pico_per_joule
        return int(after - before) + int(energy)


class GpuPriceList:
    """Finds the price of a GPU at a moment; made for one project."""

    def __init__(self, rows: Iterable[GpuPriceRow], project: str) -> None:
        self._rows = sorted(
            (r for r in rows if r.withdrawn_at_ns is None and r.project in ("", project)),
            key=_rank,
            reverse=True,
        )
        self._rates: dict[int, GpuRate] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no GPU of the project can have a price."""
        return not self._rows

    def at(self, gpu: GpuIdentity, at_ns: int) -> GpuRate | None:
        """Return the price that holds at ``at_ns`` (UTC nanoseconds), None where there is none.

        The most specific one: of the GPU, its host, its model (the longest name), any; of equals
        that of the project, then the one set last.
        """
        for row in self._rows:
            is_over = row.effective_to_ns is not None and row.effective_to_ns <= at_ns
            if row.effective_from_ns <= at_ns and not is_over and _is_for(row, gpu):
                return self._rates.setdefault(row.id, rate_of(row))
        return None


def rate_of(row: GpuPriceRow) -> GpuRate:
    """Return what an hour and a joule cost by a price.

    An owned GPU costs its purchase over its years of 8,766 hours, what is set per hour besides, and
    the energy it was measured to use times PUE.
    """
    per_hour = Fraction(row.usd_per_hour)
    if row.terms == OWNED and row.purchase_usd is not None and row.amortization_years:
        per_hour += Fraction(row.purchase_usd) / Fraction(row.amortization_years) / HOURS_PER_YEAR
    per_joule = Fraction(0)
    if row.usd_per_kwh is not None:
        pue = Fraction(1) if row.pue is None else Fraction(row.pue)
        per_joule = Fraction(row.usd_per_kwh) * pue / _JOULES_PER_KWH
    return GpuRate(f"gpu/{row.id}", per_hour * PICO, per_joule * PICO, row.mig_slices)


def slices_of(profile: str, memory_bytes: float | None, whole_bytes: float | None, by: str) -> int:
    """Return how many slices of a GPU an instance has: of 7 by compute, of 8 by memory.

    ``profile`` is NVIDIA's name: ``3g.40gb`` has three compute slices. Memory slices are those next
    to its share of the GPU's memory; where that is not known, compute slices stand for them, and an
    unknown profile counts as one slice.
    """
    head = profile.split("g.", 1)[0].split("c.")[-1]
    compute = int(head) if head.isdigit() else 1
    if by == MEMORY:
        if memory_bytes and whole_bytes:
            nearest = round(MEMORY_SLICES * memory_bytes / whole_bytes)
            return min(MEMORY_SLICES, max(1, nearest))
        return min(MEMORY_SLICES, compute)
    return min(COMPUTE_SLICES, max(1, compute))


def _rank(row: GpuPriceRow) -> tuple[bool, bool, bool, int, bool, int]:
    name = row.gpu_model
    is_exact = bool(name) and not name.endswith("*")
    return bool(row.gpu), bool(row.host), is_exact, len(name), bool(row.project), row.id


def _is_for(row: GpuPriceRow, gpu: GpuIdentity) -> bool:
    return (
        row.gpu.lower() in ("", gpu.gpu.lower())
        and row.host.lower() in ("", gpu.host.lower())
        and _is_called(row.gpu_model, gpu.model)
    )


def _is_called(pattern: str, model: str) -> bool:
    """Tell whether a name or prefix is a GPU's model, with or without the maker before it."""
    wanted = pattern.lower()
    names = {model.lower(), model.lower().removeprefix("nvidia ")}
    if wanted.endswith("*"):
        return any(name.startswith(wanted[:-1]) for name in names)
    return not wanted or wanted in names
