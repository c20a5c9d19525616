"""Regional prices: ten percent more where data stays in one region."""

from __future__ import annotations

from fractions import Fraction

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.causes.transfers import find_transfer
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.pico import pro_rata
from spanledger_analytics.reconciliation.result import Cause

_PREMIUM = Fraction(1, 10)
"""https://docs.anthropic.com/en/docs/about-claude/pricing#data-residency-pricing; the same at
Bedrock and Vertex AI for regional endpoints."""
_WHO = frozenset({"anthropic", "aws", "google"})
_TEXTS = (
    "The price is 10 % above: that of a region.",
    "The ledger has a region's premium of 10 %, which was not charged.",
)
EVERYWHERE = frozenset({"", "global", "not_available"})
"""How reports name calls of no region."""


def explain_geo(case: Case, material: Material) -> list[Claim]:
    """Return what a region's premium comes to."""
    if case.token_class not in TOKEN_CLASSES or material.unit.provider_id not in _WHO:
        return []
    transfer = find_transfer(case, material, "geo")
    if transfer is not None:
        text = "As many tokens are off the other way in another region."
        confidence = sure_if(transfer.classes >= 2)
        return [Claim(Cause.GEO, case.volume, confidence, text, case.quantity)]
    usd = _told_premium(case)
    if usd:
        others = [one for one in material.classes(case) if one is not case]
        text = "The report has these tokens in a region that costs 10 % more."
        if case.fits(usd):
            return [Claim(Cause.GEO, case.exactly(usd), "high", text)]
        # Beside another difference, or too little to tell from rounding.
        if case.agrees(usd) or any(one.fits(_told_premium(one)) for one in others):
            return [Claim(Cause.GEO, usd, "medium", text)]
    for place, text in enumerate(_TEXTS):
        usd = _premium(case, place)
        is_alike = all(
            abs(_premium(one, place) - one.price) <= one.rounding for one in material.others(case)
        )
        if case.fits(usd) and is_alike:
            return [Claim(Cause.GEO, case.exactly(usd), "medium", text)]
    return []


def _told_premium(case: Case) -> int:
    """Return what the premium comes to on what the reports have in a region."""
    charged, part = case.charged_quantity, _regional(case)
    return round(pro_rata(case.base_usd, part, charged) * _PREMIUM) if charged and part else 0


def _premium(case: Case, place: int) -> int:
    """Return what the premium comes to: where the ledger lacks it, or where it alone has it."""
    if place == 0:
        return round(case.base_usd * _PREMIUM)
    return round(case.base_usd / (1 + _PREMIUM)) - case.base_usd


def _regional(case: Case) -> int:
    """Return how much the reports have in a region."""
    billed = [row for row in case.billed_rows if (row.key.geo or "") not in EVERYWHERE]
    if billed and all(row.quantity is not None for row in billed):
        return sum(row.quantity or 0 for row in billed)
    usage = [row for row in case.usage_rows if (row.key.geo or "") not in EVERYWHERE]
    return sum(row.quantity or 0 for row in usage)
