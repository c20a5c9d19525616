"""Bills in another currency: the provider's exchange rate, ours, or none."""

from __future__ import annotations

from spanledger_analytics.reconciliation.case import Case, Claim
from spanledger_analytics.reconciliation.material import Material
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
        found = [Claim(Cause.CURRENCY, case.exactly(usd), "high" if agrees else "medium", text)]
        return found if usd else []
    return _same_ratio(case, material, named)


def _same_ratio(case: Case, material: Material, named: str) -> list[Claim]:
    """Return a claim where every line of known quantity is off by one factor."""
    known = [
        one
        for one in material.cases
        if one.base_usd > 100 * one.rounding and any(row.currencies for row in one.billed_rows)
    ]
    if len({(one.key.model, one.token_class) for one in known}) < _FEWEST_CELLS or not case.price:
        return []
    largest = max(known, key=lambda one: one.base_usd)
    for one in known:
        expected = one.base_usd * largest.billed_usd // largest.base_usd
        slack = one.rounding + largest.rounding * one.base_usd // largest.base_usd + 1
        if abs(expected - one.billed_usd) > slack:
            return []
    text = f"All lines in {named} are off by one factor: the exchange rate is another."
    return [Claim(Cause.CURRENCY, case.price, "medium", text)]
