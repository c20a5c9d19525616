"""Usage that each side counts to another day."""

from __future__ import annotations

from spanledger_analytics.reconciliation.case import Case, Claim
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.result import Cause


def explain_day_boundary(case: Case, material: Material) -> list[Claim]:
    """Return what the provider counts to the day before or after.

    Calls that ran over midnight, where the provider goes by their end; or a difference that the
    same key has with the other sign on the next or previous day.
    """
    if case.token_class not in TOKEN_CLASSES or not case.quantity:
        return []
    return _crossing(case, material) or _cancelling(case, material)


def _crossing(case: Case, material: Material) -> list[Claim]:
    before = material.neighbour(case, -1)
    came = before.ledger.crossing if before is not None else 0
    shift = came - case.ledger.crossing
    if not shift or (case.quantity > 0) != (shift > 0) or abs(shift) > abs(case.quantity):
        return []
    is_exact = shift == case.quantity
    if not is_exact and not _is_usual(material):
        return []
    calls = case.telemetry.crossing + (before.telemetry.crossing if before is not None else 0)
    text = f"{calls:,} calls ran over midnight; the provider counts them on the day they ended."
    confidence = "high" if is_exact and _other_side_fits(case, material, shift) else "medium"
    return [
        Claim(
            Cause.DAY_BOUNDARY, case.worth(shift), confidence, text, shift, "crossing",
            case.telemetry.crossing,
        )
    ]  # fmt: skip


def _other_side_fits(case: Case, material: Material, shift: int) -> bool:
    """Return whether the other day is off the other way, or another class is off likewise."""
    other = material.neighbour(case, 1 if shift < 0 else -1)
    if other is not None and _difference(other) and (_difference(other) > 0) != (shift > 0):
        return True
    return any(
        one is not case and _difference(one) and _shift(one, material) == _difference(one)
        for one in material.classes(case)
    )


def _is_usual(material: Material) -> bool:
    """Return whether calls over midnight explain some cells of the unit exactly."""
    shifts = [(_shift(case, material), case) for case in material.cases]
    moved = [(shift, case) for shift, case in shifts if shift]
    exact = sum(shift == _difference(case) for shift, case in moved)
    return exact >= 2 and exact * 2 >= len(moved)


def _shift(case: Case, material: Material) -> int:
    before = material.neighbour(case, -1)
    return (before.ledger.crossing if before is not None else 0) - case.ledger.crossing


def _cancelling(case: Case, material: Material) -> list[Claim]:
    for days, name in ((1, "next"), (-1, "previous")):
        other = material.neighbour(case, days)
        if other is None or _difference(other) != -case.quantity:
            continue
        classes = [
            (one, material.neighbour(one, days)) for one in material.classes(case)
        ]
        agreeing = sum(
            bool(_difference(one)) and beside is not None and _difference(beside) == -_difference(one)
            for one, beside in classes
        )
        confidence = "high" if agreeing >= 2 else "medium"
        text = f"The {name} day of the same key is off by exactly as much the other way."
        return [Claim(Cause.DAY_BOUNDARY, case.volume, confidence, text, case.quantity)]
    return []


def _difference(case: Case) -> int:
    return (case.charged_quantity or 0) - case.ledger.quantity
