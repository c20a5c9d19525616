"""Prices that depend on the hour."""

from __future__ import annotations

from fractions import Fraction

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material, groups_of
from spanledger_analytics.reconciliation.pico import pro_rata
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
    return _beside_missing(case, material) if case.quantity else _alone(case, material)


def _alone(case: Case, material: Material) -> list[Claim]:
    """Return what all classes show; or all but one, which has another price besides."""
    classes = [case, *material.others(case)]
    for place, usd in enumerate(candidates(case, material)):
        fitting = [_fits_too(one, candidates(one, material)[place]) for one in classes]
        is_all = all(fitting) and case.fits(usd)
        if not is_all and (len(classes) < 3 or sum(fitting) < len(classes) - 1):
            continue
        text = (
            "Calls in the provider's peak hours cost twice as much as the ledger says."
            if usd > 0
            else "The ledger has peak prices that were not charged."
        )
        confidence = sure_if(is_all and len(classes) > 1 and case.is_agreed)
        return [Claim(Cause.PEAK_HOURS, case.exactly(usd), confidence, text)]
    return []


def _beside_missing(case: Case, material: Material) -> list[Claim]:
    """Return the same where quantities differ too: what is missing then costs what the bill says.

    The ledger's average price is of both kinds of hours, so it is no measure of missing calls.
    """
    classes = material.classes(case)
    for place, usd in enumerate(candidates(case, material)):
        if len(classes) < 2 or not all(_leaves_the_rest(one, material, place) for one in classes):
            continue
        text = "Calls in the provider's peak hours cost something else than the ledger says."
        case.revalue(case.rest - usd)
        return [Claim(Cause.PEAK_HOURS, usd, "medium", text)]
    return []


def _leaves_the_rest(case: Case, material: Material, place: int) -> bool:
    """Return whether a candidate leaves what the open quantity costs at the provider's price."""
    usd, charged = candidates(case, material)[place], case.charged_quantity
    if not usd or not charged:
        return False
    paid = case.billed_usd - sum(claim.usd for claim in case.claims if not claim.quantity)
    left = pro_rata(paid, case.quantity, charged)
    return abs(case.rest - usd - left) <= 4 * case.rounding < abs(usd)


def candidates(case: Case, material: Material) -> tuple[int, ...]:
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
