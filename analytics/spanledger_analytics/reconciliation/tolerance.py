"""How much of a difference does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from spanledger_analytics.reconciliation.pico import ONE

_CENT = ONE // 100
_SUBUNITS = {"JPY": ONE, "KRW": ONE, "CLP": ONE, "VND": ONE}


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Which differences are too small to matter; money in units of 10^-12 dollars.

    Attributes:
        cell_usd: of a cell, whatever its size.
        cell_ratio: of a cell, as parts per million of what is billed; the larger of both counts.
        day_ratio: of all of a provider on a day, parts per million.
        month_ratio: of all of a provider in a month, parts per million.
    """

    cell_usd: int = ONE
    cell_ratio: int = 10_000
    day_ratio: int = 20_000
    month_ratio: int = 5_000

    def is_cell_within(self, variance: int, billed: int) -> bool:
        """Return whether a cell's difference is too small to matter."""
        return abs(variance) <= max(self.cell_usd, abs(billed) * self.cell_ratio // 10**6)


def invoice_limit(lines: int, currency: str = "USD") -> int:
    """Return by how much an invoice may differ from its lines, in units of 10^-12.

    MAX(100 x subunit, SQRT(lines) x 0.5 x subunit): FOCUS 1.4, "Rounding variance tolerance",
    https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec.
    """
    unit = subunit(currency)
    # The root is taken of a square, so that no digit is lost below the subunit.
    return max(100 * unit, isqrt(lines * unit * unit) // 2)


def subunit(currency: str) -> int:
    """Return the smallest amount of a currency, a cent, in units of 10^-12."""
    return _SUBUNITS.get(currency.upper(), _CENT)
