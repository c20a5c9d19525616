"""One model under two names."""

from __future__ import annotations

from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.models import family
from spanledger_analytics.reconciliation.pico import ONE
from spanledger_analytics.reconciliation.result import Cause

_TELLING = 1_000 * ONE  # a thousand tokens are hardly equal by chance


def explain_alias(case: Case, material: Material) -> list[Claim]:
    """Return what stands under another model's name on the other side.

    A model only the provider knows, and one of which the ledger has exactly as much too much; or
    would have with the attempts of its calls that the provider charges besides; or has nothing
    but that, where other calls of the model are missing. One class may differ besides.
    """
    if case.token_class not in TOKEN_CLASSES or case.key.model is None:
        return []
    partners = [one for one in material.siblings(case, "model") if _may_be_one(case, one)]
    told = {id(one): _classes(case, one, material) for one in partners}
    alike = [one for one in partners if _are_one(case, one, material) or told[id(one)] >= 2]
    if len(alike) != 1:
        return []
    partner = alike[0]
    ours, theirs = (case, partner) if case.ledger.quantity else (partner, case)
    is_family = family(ours.key.model or "") == family(theirs.key.model or "")
    is_sure = told[id(partner)] >= 2 or (is_family and ours.ledger.quantity >= _TELLING)
    text = (
        f"The ledger calls it {ours.key.model}, the provider {theirs.key.model}: "
        "equal quantities under two names."
    )
    # What is left on the provider's side is a difference in price.
    quantity = -theirs.quantity
    moved = ours.worth(quantity)
    usd, quantity = (moved, quantity) if case is ours else (-moved, -quantity)
    confidence = sure_if(is_sure)
    return [Claim(Cause.ALIAS, usd, confidence, text, quantity, "any", ours.telemetry.calls)]


def _classes(case: Case, partner: Case, material: Material) -> int:
    """Return in how many classes two models are one."""
    return sum(
        any(
            one.key.model == partner.key.model and _are_one(mine, one, material)
            for one in material.siblings(mine, "model")
        )
        for mine in material.classes(case)
    )


def _are_one(case: Case, other: Case, material: Material) -> bool:
    if not _may_be_one(case, other):
        return False
    ours, theirs = (case, other) if case.ledger.quantity else (other, case)
    if theirs.quantity in (ours.ledger.quantity, ours.ledger.quantity - ours.ledger.crossing):
        return True
    # What moved to another tier besides is off there the other way.
    tiers = material.siblings(ours, "processing", "service_tier")
    off = sum(one.quantity for one in tiers) + theirs.quantity
    return off in (0, ours.ledger.retried)


def _may_be_one(case: Case, other: Case) -> bool:
    ours, theirs = (case, other) if case.ledger.quantity else (other, case)
    return (
        case is not other
        and ours.ledger.quantity > 0
        and theirs.ledger.quantity == 0
        and theirs.quantity > 0
        and ours.quantity < ours.ledger.retried
        and theirs.quantity <= ours.ledger.quantity + ours.ledger.retried
    )
