"""Fees of tools the provider runs, which no span told of."""

from __future__ import annotations

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.result import Cause

_TOOLS = {
    TokenClass.WEB_SEARCH: "web searches",
    TokenClass.TOOL: "uses of tools",
    TokenClass.STORAGE: "storage",
    TokenClass.IMAGES: "images",
    TokenClass.AUDIO: "audio",
}


def explain_tool_fees(case: Case, material: Material) -> list[Claim]:
    """Return what tools cost beyond what the ledger knows of them."""
    del material
    what = _TOOLS.get(case.token_class)
    if what is None or case.volume <= 0:
        return []
    is_confirmed = bool(case.usage_quantity) and case.usage_quantity == case.charged_quantity
    told = " The usage report counts as many as the bill." if is_confirmed else ""
    known = f"fewer {what} than the provider charged" if case.ledger.quantity else f"no {what}"
    text = f"The ledger knows {known}: their instrumentation tells nothing of them.{told}"
    confidence = sure_if(is_confirmed)
    return [Claim(Cause.TOOL_FEES, case.volume, confidence, text, case.quantity)]
