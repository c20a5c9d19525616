"""Discounts that lines state, free allowances, and one ratio over everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.causes.geo import EVERYWHERE
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.pico import pro_rata
from spanledger_analytics.reconciliation.result import Cause

_FEWEST_CELLS = 3
_ROUND = 1_000  # discounts are agreed on in tenths of a percent


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
    is_all = case.fits(usd)
    if not is_all:
        # Beside other causes: by what the discounted line would be without it.
        usd = case.billed_usd - round(case.billed_usd / ratio)
    percent = float((1 - ratio) * 100)
    text = f"Nearly every line of the provider is {percent:g} % below the list price: a discount."
    confidence = sure_if(is_all and material.kept["discount of all"] is not None)
    return [Claim(Cause.DISCOUNT, case.exactly(usd) if is_all else usd, confidence, text)]


def common_ratio(material: Material) -> Fraction | None:
    """Return by which round factor below one nearly all lines are off; None: by none."""
    if "discount" not in material.kept:
        ratio = material.kept["discount of all"] = _common_ratio(material.cases)
        # Where a price differs by size or region as well, the lines it does not touch decide.
        plain = (case for case in material.cases if not _has_own_price(case))
        material.kept["discount"] = _common_ratio(plain) if ratio is None else ratio
    return material.kept["discount"]


def _has_own_price(case: Case) -> bool:
    """Return whether a size of request or a region may make some of a cell's calls dearer."""
    regions = (row.key.geo or "" for row in (*case.billed_rows, *case.usage_rows))
    return any(row.bucket for row in case.ledger_rows) or any(
        region not in EVERYWHERE for region in regions
    )


def _common_ratio(cases: Iterable[Case]) -> Fraction | None:
    """Return by which round factor below one all lines of known quantity differ; None: by none."""
    known = [
        case
        for case in cases
        if case.token_class in TOKEN_CLASSES
        and case.base_usd > 100 * case.rounding
        and case.billed_usd > 0
        and case.ledger.usd > 0
        and not any(row.currencies for row in case.billed_rows)
    ]
    kinds = {(case.key.model, case.token_class) for case in known}
    # In whole numbers: fractions of all cells would take longer than everything else.
    ratios = Counter(pro_rata(_ROUND, case.billed_usd, case.base_usd) for case in known)
    if len(known) < _FEWEST_CELLS or len(kinds) < _FEWEST_CELLS:
        return None
    parts, number = ratios.most_common(1)[0]
    fitting = [
        case
        for case in known
        if abs(case.base_usd * parts - case.billed_usd * _ROUND) <= case.rounding * _ROUND
    ]
    ratio = Fraction(parts, _ROUND)
    # Half price is a batch's; and nearly all must agree, or it is the price of a single model.
    is_discount = Fraction(1, 2) < ratio < 1 and number * 10 >= len(known) * 8
    return ratio if is_discount and len(fitting) * 10 >= len(known) * 8 else None
