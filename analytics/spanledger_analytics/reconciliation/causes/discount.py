"""Discounts that lines state, free allowances, and one ratio over everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.causes.geo import EVERYWHERE
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.result import Cause

_FEWEST_CELLS = 3
_ROUND = 1_000  # discounts are agreed on in tenths of a percent
_STEPS = (100, 50, 10, 5)  # and rather in tens of percent than in fives


def explain_discount(case: Case, material: Material) -> list[Claim]:
    """Return what a discount took off the lines of a cell."""
    if not case.billed_rows or case.token_class not in TOKEN_CLASSES:
        return []
    if case.price < 0:
        return _stated(case) or _free(case) or _one_ratio(case, material)
    return _one_ratio(case, material)


def _stated(case: Case) -> list[Claim]:
    listed = [row.list_usd for row in case.billed_rows]
    if any(one is None for one in listed):
        return []
    total = sum(one or 0 for one in listed)
    usd = case.billed_usd - total
    # A contract in the ledger has taken its part already.
    usd -= case.ledger.usd - case.ledger.list_usd
    if not usd or usd < case.price - case.rounding:
        return []
    agrees = abs(case.base_usd - case.ledger.usd + case.ledger.list_usd - total) <= case.rounding
    text = "The lines state a price before discounts"
    said = f"{text}, and the ledger agrees with that." if agrees else f"{text}."
    usd = case.exactly(usd)
    return [Claim(Cause.DISCOUNT, usd, sure_if(agrees), said)]


def _free(case: Case) -> list[Claim]:
    if case.billed_usd or not case.is_agreed:
        return []
    text = (
        "The provider counts the same quantity and charges nothing: a free allowance or commitment."
    )
    return [case.whole(Cause.DISCOUNT, "medium", text)]


def _one_ratio(case: Case, material: Material) -> list[Claim]:
    ratio = common_ratio(material)
    if ratio is None or not case.base_usd:
        return []
    usd = round(case.base_usd * (ratio - 1))
    is_all = case.ledger.usd > 0 and case.agrees(usd)
    if not is_all:
        # Beside other causes: by what the discounted line would be without it.
        usd = case.billed_usd - round(case.billed_usd / ratio)
        case.before_discount(ratio)
    percent = float((1 - ratio) * 100)
    text = f"Nearly every line of the provider is {percent:g} % below the list price: a discount."
    is_sure = is_all and material.kept["discount of all"] is not None
    usd = case.exactly(usd) if is_all else usd
    return [Claim(Cause.DISCOUNT, usd, sure_if(is_sure), text)]


def explain_rounded_discount(case: Case, material: Material) -> list[Claim]:
    """Return by how much a discount read off a rounded amount was off.

    Once other causes say what the list price of a line is, the discount is that much of it; what
    is left then is rounding.
    """
    ratio = common_ratio(material) if case.is_in_cents else None
    known = [claim for claim in case.claims if claim.cause is Cause.DISCOUNT]
    if ratio is None or not known:
        return []
    taken = sum(claim.usd for claim in known)
    listed = case.ledger.usd + sum(claim.usd for claim in case.claims) - taken
    usd = round(listed * (ratio - 1)) - taken
    if abs(usd) > case.rounding:
        return []
    return [Claim(Cause.DISCOUNT, usd, known[-1].confidence, "")]


def common_ratio(material: Material) -> Fraction | None:
    """Return by which round factor below one nearly all lines are off; None: by none."""
    if "discount" not in material.kept:
        ratio = material.kept["discount of all"] = _common_ratio(material.cases)
        # Where a price differs by size or region as well, the lines it does not touch decide.
        if ratio is None:
            plain = [case for case in material.cases if not _has_own_price(case)]
            ratio = _common_ratio(plain)
        material.kept["discount"] = ratio
    return material.kept["discount"]


def _has_own_price(case: Case) -> bool:
    """Return whether a size of request or a region may make some of a cell's calls dearer."""
    regions = (row.key.geo or "" for row in (*case.billed_rows, *case.usage_rows))
    return any(row.bucket for row in case.ledger_rows) or any(
        region not in EVERYWHERE for region in regions
    )


def _common_ratio(cases: Sequence[Case]) -> Fraction | None:
    """Return the plainest ratio below one that all lines of known quantity may have; None: none.

    A rounded amount is no ratio but a range of them. Lines that may as well be at the list price
    tell nothing; half price is a batch's, and where not nearly all agree it is the price of a
    single model.
    """
    if sum(not case.variance for case in cases) * 2 > len(cases):
        return None  # most are at the list price
    known = [
        case
        for case in cases
        if case.token_class in TOKEN_CLASSES
        and case.base_usd > 4 * case.rounding
        and case.billed_usd > 0
        and case.ledger.usd > 0
        and not any(row.currencies for row in case.billed_rows)
    ]
    # In whole numbers: fractions of all cells would take longer than everything else.
    ranges = [_parts(case) for case in known]
    telling = {
        (case.key.model, case.token_class)
        for case, (_, highest) in zip(known, ranges, strict=True)
        if highest < _ROUND
    }
    if len(telling) < _FEWEST_CELLS:
        return None
    fitting = _fitting(ranges)
    enough = [
        parts
        for parts in range(_ROUND // 2 + 1, _ROUND)
        if fitting[parts] * 10 >= len(known) * 8 and fitting[parts] > 2 * fitting[_ROUND]
    ]
    if not enough:
        return None
    best = max(fitting[parts] for parts in enough)
    parts = _plainest([parts for parts in enough if fitting[parts] == best])
    return Fraction(parts, _ROUND)


def _parts(case: Case) -> tuple[int, int]:
    """Return between which ratios to the list price a case's amount lies, in parts of ``_ROUND``.

    The first is above the second where no ratio of so many digits does.
    """
    lowest = -((case.rounding - case.billed_usd) * _ROUND // case.base_usd)
    return lowest, (case.billed_usd + case.rounding) * _ROUND // case.base_usd


def _fitting(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """Return by ratio how many ranges it lies in."""
    begins = [0] * (_ROUND + 2)
    for lowest, highest in ranges:
        if lowest <= min(highest, _ROUND):
            begins[max(lowest, 0)] += 1
            begins[min(highest, _ROUND) + 1] -= 1
    return list(accumulate(begins[:-1]))


def _plainest(candidates: list[int]) -> int:
    """Return the roundest; of several as round as it, the one in the middle."""
    for step in _STEPS:
        found = [parts for parts in candidates if parts % step == 0]
        if found:
            return found[len(found) // 2]
    return candidates[len(candidates) // 2]
