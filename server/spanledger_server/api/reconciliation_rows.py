"""Rows about reconciliations."""

from __future__ import annotations

from pydantic import BaseModel, Field

from spanledger_server.api.row_types import Big, Moment, Money, Row

_NOT_TOLD = "null: one side does not tell it."


class CellCause(BaseModel):
    """A part of a difference, and why."""

    cause: str = Field(description="As in docs/reconciliation.md.")
    usd: Money
    confidence: str = Field(description="high, medium or low.")
    explanation: str
    evidence_count: Big = Field(description="Calls in the ledger that show it.")


class ReconciliationCell(Row):
    """The ledger, the usage report and the bill for one key of a day."""

    time: Moment = Field(description="Start of the UTC day.")
    cell_id: str
    provider: str
    token_class: str
    scope: str | None = Field(description=f"Project or workspace of the provider; {_NOT_TOLD}")
    api_key: str | None = Field(description=f"Its id; {_NOT_TOLD}")
    model: str | None
    processing: str | None
    service_tier: str | None = Field(description="Empty: standard.")
    context: str | None
    geo: str | None
    ledger_quantity: Money | None = Field(description="Decimal; in the unit of the class.")
    usage_quantity: Money | None
    billed_quantity: Money | None
    ledger_usd: Money
    billed_usd: Money
    variance_usd: Money = Field(description="Billed less ledger; its causes add up to it.")
    volume_usd: Money = Field(description="Of it, because of quantities.")
    price_usd: Money = Field(description="Of it, because of prices.")
    is_within_tolerance: bool
    is_final: bool = Field(description="The provider will not change the day.")
    causes: list[CellCause]
