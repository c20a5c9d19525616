"""Bills in another currency: the provider's exchange rate, ours, or none."""

from __future__ import annotations

from fractions import Fraction

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.causes.peak_hours import candidates
from spanledger_analytics.reconciliation.material import Material, groups_of
from spanledger_analytics.reconciliation.result import Cause

_FEWEST_CELLS = 3


def explain_currency(case: Case, material: Material) -> list[Claim]:
    """Return what comes of exchanging the bill's currency into dollars."""
    currencies = sorted({name for row in case.billed_rows for name in row.currencies})
    if not currencies or not case.rest:
        return []
    named = " and ".join(currencies)
    if all(row.unconverted == row.lines for row in case.billed_rows):
        text = f"No exchange rate of {named} is known for the day, so the bill counts as nothing."
        return [case.whole(Cause.CURRENCY, "high", text)]
    own = [row.own_usd for row in case.billed_rows if row.currencies]
    if all(one is not None for one in own):
        usd = sum(row.usd for row in case.billed_rows if row.currencies)
        usd -= sum(one or 0 for one in own)
        text = f"The provider exchanges {named} at another rate than the one set here."
        agrees = abs(case.price - usd) <= case.rounding
        found = [Claim(Cause.CURRENCY, case.exactly(usd), sure_if(agrees), text)]
        return found if usd else []
    return _same_ratio(case, material, named)


def _same_ratio(case: Case, material: Material, named: str) -> list[Claim]:
    """Return a claim where nearly every line of known quantity is off by one factor."""
    if "currency" not in material.kept:
        material.kept["currency"] = _common_factor(material)
    factor = material.kept["currency"]
    if factor is None:
        return []
    usd = case.billed_usd - round(case.billed_usd / factor)
    usd = case.exactly(usd)
    text = f"Nearly all lines in {named} are off by one factor: the exchange rate is another."
    return [Claim(Cause.CURRENCY, usd, "medium", text)]


def _common_factor(material: Material) -> Fraction | None:
    """Return the factor of the largest cell, if nearly all others share it and it is not one."""
    known = [
        one
        for one in material.cases
        if one.ledger.usd > 0
        and one.base_usd > 100 * one.rounding
        and any(row.currencies for row in one.billed_rows)
    ]
    # What lies in peak hours may cost something else: cells without it show the rate alone.
    quiet = [one for one in known if not groups_of(one) & material.peaks.keys()]
    known = quiet if _are_many(quiet) else known
    if not _are_many(known):
        return None
    for largest in sorted(quiet or known, key=lambda one: -one.base_usd)[:3]:
        factor = Fraction(largest.billed_usd, largest.base_usd)
        fitting = sum(_has_factor(one, factor, largest, material) for one in known)
        is_off = abs(largest.billed_usd - largest.base_usd) > largest.rounding
        if is_off and fitting * 10 >= len(known) * 6 and fitting >= _FEWEST_CELLS:
            return factor.limit_denominator(10**6)
    return None


def _has_factor(case: Case, factor: Fraction, largest: Case, material: Material) -> bool:
    """Return whether a factor explains a cell, if peak hours may be at another price besides."""
    slack = case.rounding + largest.rounding * Fraction(case.base_usd, largest.base_usd)
    listed = [case.base_usd + usd for usd in (0, *candidates(case, material))]
    return any(abs(usd * factor - case.billed_usd) <= slack for usd in listed)


def _are_many(cases: list[Case]) -> bool:
    return len({(one.key.model, one.token_class) for one in cases}) >= _FEWEST_CELLS
