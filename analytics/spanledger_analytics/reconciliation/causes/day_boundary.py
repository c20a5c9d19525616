"""Usage that each side counts to another day."""

from __future__ import annotations

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES, Sum
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.pico import ONE
from spanledger_analytics.reconciliation.result import Cause


def difference(case: Case) -> int:
    """Return what the provider counted beyond the ledger, explained or not."""
    return (case.charged_quantity or 0) - case.ledger.quantity


def explain_day_boundary(case: Case, material: Material) -> list[Claim]:
    """Return what the provider counts to the day before or after.

    Calls that ran over midnight, where the provider goes by their end; or a difference that the
    same key has with the other sign on the next or previous day.
    """
    if case.token_class not in TOKEN_CLASSES:
        return []
    return _crossing(case, material) or _cancelling(case, material)


def _crossing(case: Case, material: Material) -> list[Claim]:
    before = material.neighbour(case, -1)
    came = before.ledger if before is not None else Sum()
    shift = came.crossing - case.ledger.crossing
    is_exact = bool(shift) and shift == case.quantity
    if not shift or not case.quantity:
        return []
    if not (
        _shows(case, case.quantity, shift)
        or _is_renamed(case, material, shift)
        or _goes_by_end(material)
    ):
        return []
    calls = case.telemetry.crossing + (before.telemetry.crossing if before is not None else 0)
    text = f"{calls:,} calls ran over midnight; the provider counts them on the day they ended."
    confidence = sure_if(is_exact and _other_side_fits(case, material, shift))
    usd = came.crossing_usd - case.ledger.crossing_usd
    if is_exact and (not usd or abs(usd - case.volume) <= case.rounding):
        usd = case.volume
    return [
        Claim(Cause.DAY_BOUNDARY, usd, confidence, text, shift, "crossing", case.telemetry.crossing)
    ]


def _shows(case: Case, off: int, shift: int) -> bool:
    """Return whether calls over midnight are all that differs, but for repeated attempts."""
    return off in (shift, shift + case.ledger.retried)


def _is_renamed(case: Case, material: Material, shift: int) -> bool:
    """Return whether the same is so with what the provider has under a name no call has.

    That may be this model: what is missing then, or all the ledger has but what moved.
    """
    family = material.siblings(case, "model")
    named = sum(one.quantity for one in family if not one.ledger.quantity and one.quantity > 0)
    return bool(named) and shift in (case.quantity + named, named - case.ledger.quantity)


def _other_side_fits(case: Case, material: Material, shift: int) -> bool:
    """Return whether the other day is off the other way, or another class is off likewise."""
    other = material.neighbour(case, 1 if shift < 0 else -1)
    if other is not None and difference(other) and (difference(other) > 0) != (shift > 0):
        return True
    return any(
        one is not case and difference(one) and _shift(one, material) == difference(one)
        for one in material.classes(case)
    )


def _goes_by_end(material: Material) -> bool:
    """Return whether calls over midnight explain cells, and none around here says otherwise.

    Cells of this day and the ones beside it, or what days before showed. A cell that agrees
    although calls of it ran over midnight says that starts count.
    """
    # What is in the ledger twice is explained here already, and on the days beside it is not.
    moved = [
        (case, _shift(case, material), case.quantity)
        for case in material.cases
        if case.token_class in TOKEN_CLASSES
    ]
    for case in material.after:
        here = material.neighbour_of_after(case)
        if here is not None:
            shift = here.ledger.crossing - case.ledger.crossing
            moved.append((case, shift, difference(case)))
    moved += [(case, -case.ledger.crossing, difference(case)) for case in material.before]
    moved = [one for one in moved if one[1]]
    if not all(difference(case) for case, _, _ in moved):
        return False
    is_shown = any(_shows(case, off, shift) for case, shift, off in moved)
    return is_shown or _requests_show(material) or material.went_by_end()


def _requests_show(material: Material) -> bool:
    """Return whether the provider counts as many requests less or more as ran over midnight."""
    moved = [
        (material.came_over_midnight(case) * ONE, case.quantity)
        for case in material.cases
        if case.token_class is TokenClass.REQUESTS
    ]
    return not material.doubles and any(shift and shift == off for shift, off in moved)


def _shift(case: Case, material: Material) -> int:
    before = material.neighbour(case, -1)
    return (before.ledger.crossing if before is not None else 0) - case.ledger.crossing


def _cancelling(case: Case, material: Material) -> list[Claim]:
    if not case.quantity:
        return []
    for days, name in ((1, "next"), (-1, "previous")):
        other = material.neighbour(case, days)
        if other is None or difference(other) != -case.quantity:
            continue
        agreeing = sum(
            bool(difference(one)) and beside is not None and difference(beside) == -difference(one)
            for one in material.classes(case)
            for beside in [material.neighbour(one, days)]
        )
        confidence = sure_if(agreeing >= 2)
        text = f"The {name} day of the same key is off by exactly as much the other way."
        return [Claim(Cause.DAY_BOUNDARY, case.volume, confidence, text, case.quantity)]
    return []
