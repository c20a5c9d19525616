"""Prices that depend on the hour."""

from __future__ import annotations

from fractions import Fraction

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material, groups_of
from spanledger_analytics.reconciliation.result import Cause

PEAKS = {"deepseek": (1, 2, 3, 6, 7, 8, 9)}
"""Hours of the day (UTC) that cost twice as much from Monday to Friday, by provider.

https://api-docs.deepseek.com/quick_start/pricing
"""


def explain_peak_hours(case: Case, material: Material) -> list[Claim]:
    """Return what peak hours cost more, where the ledger's price does not know them; or less."""
    if case.token_class not in TOKEN_CLASSES or material.unit.provider_id not in PEAKS:
        return []
    if abs(case.price) <= case.rounding:
        return []
    for place, usd in enumerate(_candidates(case, material)):
        if not case.fits(usd):
            continue
        others = material.others(case)
        if not all(_fits_too(one, _candidates(one, material)[place]) for one in others):
            continue
        text = (
            "Calls in the provider's peak hours cost twice as much as the ledger says."
            if usd > 0
            else "The ledger has peak prices that were not charged."
        )
        confidence = sure_if(bool(others) and case.is_agreed)
        return [Claim(Cause.PEAK_HOURS, case.exactly(usd), confidence, text)]
    return []


def _candidates(case: Case, material: Material) -> tuple[int, ...]:
    """Return what the difference is if the ledger took every hour, or a wrong one, for cheap."""
    found = [material.peaks[group] for group in groups_of(case) if group in material.peaks]
    peak = sum(sums[case.token_class].usd for sums in found if case.token_class in sums)
    half = Fraction(1, 2)
    quiet = case.ledger.usd - peak
    return (
        peak,  # all at the quiet price; peak hours cost twice that
        -quiet + round(quiet * half),  # all at the peak price
        -peak + round(peak * half),  # a weekend at peak prices
    )


def _fits_too(case: Case, usd: int) -> bool:
    return bool(usd) and abs(usd - case.price) <= case.rounding
