"""Requests above a provider's size boundary, which cost more."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.causes.transfers import find_transfer
from spanledger_analytics.reconciliation.contexts import BOUNDARIES
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.result import Cause

_DOUBLE, _HALF_MORE = Fraction(2), Fraction(3, 2)
"""By which long requests are dearer: input twice, output half as much again.

https://docs.anthropic.com/en/docs/about-claude/pricing#long-context-pricing
"""


class _Other(NamedTuple):
    """Another price of requests above a boundary: dearer than the ledger's or cheaper, and by."""

    boundary: int
    is_dearer: bool
    usd: int


def explain_long_context(case: Case, material: Material) -> list[Claim]:
    """Return what long requests cost more or less than in the ledger."""
    if case.token_class not in TOKEN_CLASSES:
        return []
    transfer = find_transfer(case, material, "context")
    if transfer is not None:
        text = "As many tokens are off the other way in requests of another size."
        confidence = sure_if(transfer.classes >= 2)
        count = case.telemetry.calls
        return [
            Claim(Cause.LONG_CONTEXT, case.volume, confidence, text, case.quantity, "any", count)
        ]
    for one in _others(case):
        if case.agrees(one.usd) and _is_alike(case, material, one):
            is_sure = bool(material.others(case)) and case.is_agreed and case.fits(one.usd)
            return [_claim(case, one, is_sure=is_sure)]
    return []


def _claim(case: Case, one: _Other, *, is_sure: bool) -> Claim:
    dearer = "charges more for" if one.is_dearer else "does not charge more for"
    text = (
        f"The provider {dearer} requests of more than {one.boundary:,} input tokens, "
        "and the ledger's price says otherwise."
    )
    count = sum(
        row.telemetry.calls for row in case.ledger_rows if _is_long(row.bucket, one.boundary)
    )
    usd, confidence = case.exactly(one.usd), sure_if(is_sure)
    return Claim(Cause.LONG_CONTEXT, usd, confidence, text, 0, "long", count)


def _others(case: Case) -> Iterator[_Other]:
    """Return the other prices that long requests may have, the likelier factor first."""
    is_output = case.token_class is TokenClass.OUTPUT
    factors = (_HALF_MORE, _DOUBLE) if is_output else (_DOUBLE, _HALF_MORE)
    for boundary in BOUNDARIES:
        usd = sum(
            row.sums[case.token_class].usd
            for row in case.ledger_rows
            if _is_long(row.bucket, boundary) and case.token_class in row.sums
        )
        if not usd:
            return
        for factor in factors:
            yield _Other(boundary, is_dearer=True, usd=round(usd * (factor - 1)))
            yield _Other(boundary, is_dearer=False, usd=round(usd / factor) - usd)


def _is_alike(case: Case, material: Material, one: _Other) -> bool:
    """Return whether all classes worth comparing say the same, and one of them clearly.

    A class that costs little may be rounded as far as the other price would move it.
    """
    classes = material.classes(case)
    is_clear = any(mine.fits(usd) for mine in classes for usd in _same(mine, one))
    return is_clear and all(
        any(mine.agrees(usd) and mine.rounding < abs(usd) for usd in _same(mine, one))
        for mine in material.others(case)
    )


def _same(case: Case, one: _Other) -> list[int]:
    """Return what the same other price may come to in a class."""
    return [
        other.usd
        for other in _others(case)
        if (other.boundary, other.is_dearer) == (one.boundary, one.is_dearer)
    ]


def _is_long(bucket: int, boundary: int) -> bool:
    return bucket > BOUNDARIES.index(boundary)
