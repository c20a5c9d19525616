"""Calls that stand in the ledger twice."""

from __future__ import annotations

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material, groups_of
from spanledger_analytics.reconciliation.result import Cause


def explain_double_counted(case: Case, material: Material) -> list[Claim]:
    """Return what calls cost that look like another call's second telling.

    They have its response id, or its model, tokens and time from another service. Sure where what
    they used is exactly what the provider has less; a cell that agrees has none.
    """
    if case.token_class not in TOKEN_CLASSES or not case.quantity:
        return []
    doubles = material.doubles
    found = [doubles[group] for group in groups_of(case) if group in doubles]
    quantity = sum(sums[case.token_class].quantity for _, sums in found if case.token_class in sums)
    usd = sum(sums[case.token_class].usd for _, sums in found if case.token_class in sums)
    count = sum(number for number, _ in found)
    if not quantity:
        return []
    is_exact = quantity == -case.quantity
    text = f"{count:,} calls are in the ledger twice, told by two instrumentations"
    told = ": exactly what the provider counts less." if is_exact else "."
    confidence = sure_if(is_exact)
    return [Claim(Cause.DOUBLE_COUNTED, -usd, confidence, text + told, -quantity, "doubled", count)]
