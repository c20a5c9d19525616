"""What a reconciliation report says, as its JSON holds it (docs/reconciliation-report.schema.json).

Dollars and quantities are decimal strings there, exact; days are ISO dates, UTC.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from spanledger_analytics.reconciliation.correction import CorrectionKind, Way
from spanledger_analytics.reconciliation.coverage import Measure
from spanledger_analytics.reconciliation.result import Cause, Confidence

SCHEMA: Literal["spanledger.reconciliation_report/1"] = "spanledger.reconciliation_report/1"


def _text(amount: Decimal) -> str:
    return f"{amount.normalize():f}"  # a zero of the store would else be written 0E-12


# Named in full for pydantic, which resolves them in this module.
Amount = Annotated[
    Decimal, PlainSerializer(_text, return_type=str), Field(examples=["12.345000000001"])
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Totals(_Part):
    """The answer: what was billed against what the ledger says."""

    billed_usd: Amount
    ledger_usd: Amount
    variance_usd: Amount = Field(description="Billed less ledger; positive: charged more.")
    matched_usd: Amount = Field(description="Dollars on which both sides agree, cell by cell.")
    matched_share: Amount | None = Field(
        description="Of all dollars on either side, 0 to 1; null: there are none."
    )
    unexplained_usd: Amount = Field(description="Of the difference, without a cause.")
    unexplained_size_usd: Amount = Field(
        description="The same without signs, so that two errors do not hide each other."
    )
    cells: int
    cells_within_tolerance: int
    cells_final: int


class CauseTotal(_Part):
    """What one cause explains; unexplained comes first, then by size."""

    cause: Cause
    usd: Amount = Field(description="Net; all causes add up to the difference exactly.")
    size_usd: Amount = Field(description="The same without signs.")
    high_usd: Amount = Field(description="Of the size, with high confidence.")
    medium_usd: Amount
    low_usd: Amount
    cells: int
    calls: int = Field(description="Calls in the ledger that show it.")


class GroupTotal(_Part):
    """Sums over the cells of a provider, one of its projects, or a model."""

    provider: str
    scope: str | None = Field(default=None, description="null: not told apart.")
    model: str | None = Field(default=None, description="null: not told apart.")
    billed_usd: Amount
    ledger_usd: Amount
    variance_usd: Amount
    matched_share: Amount | None
    unexplained_size_usd: Amount
    cells: int


class PeriodTotal(_Part):
    """A day, or a whole month, of a provider that differs by more than its tolerance."""

    provider: str
    first_day: date
    last_day: date
    billed_usd: Amount
    ledger_usd: Amount
    variance_usd: Amount
    limit_usd: Amount = Field(description="By how much it may differ.")


class Finality(_Part):
    """How much of a provider's days can still change."""

    provider: str
    days: int = Field(description="That have cells.")
    final_days: int = Field(description="That the provider will not change.")
    first_open_day: date | None


class CoverageTotal(_Part):
    """What of a provider's usage, or a key's, the ledger holds."""

    provider: str
    scope: str | None
    api_key: str | None
    measure: Measure
    observed: Amount
    reported: Amount
    beyond: Amount = Field(description="In the ledger, and not reported by the provider.")
    share: Amount | None


class ImportInput(_Part):
    """A file or answer of a provider that counts for these days."""

    source: str
    name: str
    sha256: str
    rows: int
    imported_at: str = Field(description="RFC 3339, UTC.")


class LedgerInput(_Part):
    """How complete the ledger is for these days."""

    handled_until: str | None = Field(
        description="Telemetry received until then is in it; RFC 3339, UTC; null: unknown."
    )
    calls: int
    unpriced_calls: int
    calls_without_usage: int
    estimated_calls: int = Field(description="Whose token counts the instrumentation guessed.")
    unpriced_share: Amount | None
    estimated_share: Amount | None


class ReportShare(_Part):
    """A cause of a cell's difference."""

    cause: Cause
    usd: Amount
    confidence: Confidence
    explanation: str
    calls: int
    examples: list[str] = Field(
        description="Request ids, or trace ids where there are none; a few."
    )


class InvoiceTotal(_Part):
    """An invoice as a whole: what it comes to, against its lines and the ledger."""

    provider: str
    account: str = Field(description="At the provider; empty: all of them.")
    month: date = Field(description="Its first day.")
    amount: Amount
    currency: str
    amount_usd: Amount | None = Field(description="null: no exchange rate is known.")
    lines: int = Field(description="Of the provider's reports, that count.")
    lines_usd: Amount
    ledger_usd: Amount | None = Field(description="null: accounts are not told apart there.")
    beyond_ledger_usd: Amount = Field(
        description="What the ledger says of days of which no report tells."
    )
    variance_usd: Amount | None = Field(
        description="What the invoice says beyond its lines and those days; null: unknown."
    )
    limit_usd: Amount = Field(description="By how much it may differ (FOCUS 1.4).")
    is_within_tolerance: bool
    invoice_ids: list[str]
    causes: list[ReportShare]


class Suggestion(_Part):
    """What to do about differences; cells that need the same share one."""

    correction_id: str = Field(description="For `spanledger reconcile apply ID`.")
    way: Way = Field(
        description="How it is done: by command or click (apply), with a value besides, by posting "
        "adjustments, by a dispute pack, or by a person where the calls are made (by_hand)."
    )
    kind: CorrectionKind
    cause: Cause
    provider: str
    title: str
    advice: str
    asks: str = Field(description="The value that is asked for; empty: none.")
    command: str = Field(description="What does the same by hand; empty: no command does.")
    first_day: date
    last_day: date
    usd: Amount = Field(description="Of the differences it is about, net.")
    size_usd: Amount = Field(description="The same without signs.")
    cells: int


class ReportCell(_Part):
    """One thing that was compared; null: one side does not tell it."""

    cell_id: str
    day: date
    provider: str
    token_class: str
    scope: str | None
    api_key: str | None
    model: str | None
    processing: str | None
    service_tier: str | None
    context: str | None
    geo: str | None
    ledger_quantity: Amount | None
    usage_quantity: Amount | None
    billed_quantity: Amount | None
    ledger_usd: Amount
    billed_usd: Amount
    variance_usd: Amount
    volume_usd: Amount
    price_usd: Amount
    is_within_tolerance: bool
    is_final: bool
    causes: list[ReportShare]


class Report(_Part):
    """A reconciliation report."""

    format: Literal["spanledger.reconciliation_report/1"] = Field(default=SCHEMA, alias="schema")
    project: str
    first_day: date
    last_day: date
    made_at: str = Field(description="RFC 3339, UTC.")
    is_final: bool = Field(description="Whether no day can change any more.")
    is_within_tolerance: bool = Field(description="Whether every cell is.")
    totals: Totals
    causes: list[CauseTotal]
    providers: list[GroupTotal]
    scopes: list[GroupTotal]
    models: list[GroupTotal]
    beyond_tolerance: list[PeriodTotal] = Field(
        default=[], description="Whole months of a provider, then its days."
    )
    invoices: list[InvoiceTotal] = Field(
        default=[], description="Of months whose last day is among these days."
    )
    corrections: list[Suggestion] = Field(
        default=[], description="What to do, those about the most dollars first."
    )
    finality: list[Finality]
    coverage: list[CoverageTotal]
    imports: list[ImportInput]
    ledger: LedgerInput
    cells: list[ReportCell] = Field(description="Unexplained first, then by size.")


def to_json(report: Report) -> str:
    """Return the report as JSON; ``from_json`` gives an equal one back."""
    return report.model_dump_json(indent=1, by_alias=True) + "\n"


def from_json(text: str | bytes) -> Report:
    """Return the report of a JSON text.

    Raises:
        pydantic.ValidationError: it is none.
    """
    return Report.model_validate_json(text)
