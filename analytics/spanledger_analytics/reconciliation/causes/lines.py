"""Lines that say themselves what they are: taxes, credits, rounding; and what nobody mapped."""

from __future__ import annotations

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.case import Case, Claim
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.result import Cause, Confidence


def explain_tax(case: Case, material: Material) -> list[Claim]:
    """Return the claim of a line of tax."""
    del material
    return _line(case, TokenClass.TAX, Cause.TAX, "A line of tax; the ledger has none.")


def explain_credit(case: Case, material: Material) -> list[Claim]:
    """Return the claim of a credit, or of an adjustment in one's favour."""
    del material
    claims = _line(case, TokenClass.CREDIT, Cause.CREDIT, "A credit the provider granted.")
    if case.token_class is TokenClass.ADJUSTMENT and case.rest < 0:
        text = "An adjustment by the provider, in your favour."
        return _line(case, TokenClass.ADJUSTMENT, Cause.CREDIT, text, "medium")
    return claims


def explain_discount_line(case: Case, material: Material) -> list[Claim]:
    """Return the claim of a line of a discount, commitment or capacity."""
    del material
    bought = "Capacity or a commitment bought ahead; calls do not cost it one by one."
    return _line(
        case, TokenClass.DISCOUNT, Cause.DISCOUNT, "A discount in a line of its own."
    ) or _line(case, TokenClass.CAPACITY, Cause.DISCOUNT, bought)


def explain_rounding_line(case: Case, material: Material) -> list[Claim]:
    """Return the claim of a line of rounding."""
    del material
    return _line(case, TokenClass.ROUNDING, Cause.ROUNDING, "The provider's line of rounding.")


def explain_unmapped(case: Case, material: Material) -> list[Claim]:
    """Return the claim of lines that nobody has mapped."""
    del material
    text = "Nobody has said yet what these lines are for"
    texts = [text for row in case.billed_rows for text in row.texts][:3]
    said = f"{text}: {', '.join(texts)}." if texts else f"{text}."
    return _line(case, TokenClass.UNMAPPED, Cause.UNMAPPED, said)


def _line(
    case: Case,
    token_class: TokenClass,
    cause: Cause,
    text: str,
    confidence: Confidence = "high",
) -> list[Claim]:
    if case.token_class is not token_class or not case.rest:
        return []
    return [case.whole(cause, confidence, text)]
