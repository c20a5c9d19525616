"""What a reconciliation says: cells, the causes of their differences, and the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

Confidence = Literal["high", "medium", "low"]

MOST_EVIDENCE = 100
"""Calls kept of one cause in one cell; how many there are is said besides."""


class Cause(StrEnum):
    """Why the provider charged something else than the ledger says, in the order they are tested.

    What each one means, what is looked at and what to do is in docs/reconciliation.md.
    """

    NOT_REPORTED = "not_reported"
    """The provider's report leaves it out: Priority Tier, marketplaces, upstream keys."""
    UNPRICED = "unpriced"
    """The ledger knows the tokens of these calls, not their price."""
    TAX = "tax"
    CREDIT = "credit"
    DISCOUNT = "discount"
    """Discount, commitment or free allowance."""
    CURRENCY = "currency"
    TOOL_FEES = "tool_fees"
    DOUBLE_COUNTED = "double_counted"
    """Two instrumentations, or a gateway and an SDK, told of the same call."""
    DAY_BOUNDARY = "day_boundary"
    ALIAS = "alias"
    """The same model under another name."""
    BATCH_OR_TIER = "batch_or_tier"
    LONG_CONTEXT = "long_context"
    GEO = "geo"
    PEAK_HOURS = "peak_hours"
    CACHE_LIFETIME = "cache_lifetime"
    """Cache writes priced for another lifetime."""
    INPUT_CONVENTION = "input_convention"
    """Cached tokens counted in, or left out of, the input."""
    MISSING_USAGE = "missing_usage"
    """Calls that are seen and tell no usage: streams that were cancelled or did not ask for it."""
    HIDDEN_RETRIES = "hidden_retries"
    HIDDEN_TOKENS = "hidden_tokens"
    """Tokens of calls that are seen, which their usage does not tell."""
    OTHER_TRAFFIC = "other_traffic"
    """A key, workspace or model that never sends telemetry."""
    MISSING_TELEMETRY = "missing_telemetry"
    """Calls of a key that does send telemetry, of which nothing came."""
    PRICE_BOOK = "price_book"
    """The same quantity at another price than the book's: stale, or the provider's error."""
    ROUNDING = "rounding"
    UNMAPPED = "unmapped"
    """Lines nobody has mapped yet."""
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class CellKey:
    """What is compared with what; ``None``: one side does not tell it, so it is not told apart."""

    day: date
    provider: str
    token_class: str
    scope: str | None = None
    api_key: str | None = None
    model: str | None = None
    processing: str | None = None
    service_tier: str | None = None
    context: str | None = None
    geo: str | None = None


@dataclass(frozen=True, slots=True)
class CallRef:
    """A call in the ledger that shows a cause."""

    trace_id: str
    span_id: str
    entry_id: str
    request_id: str = ""
    response_id: str = ""


@dataclass(frozen=True, slots=True)
class CauseShare:
    """A part of a cell's difference, and why.

    Attributes:
        cause: why.
        usd: what of the difference it explains: positive, when the provider charged more.
        confidence: how sure that is.
        explanation: one or two sentences with figures.
        evidence: calls that show it, at most ``MOST_EVIDENCE``; empty where the absence of calls is
            what shows it.
        evidence_count: how many there are.
    """

    cause: Cause
    usd: Decimal
    confidence: Confidence
    explanation: str
    evidence: Sequence[CallRef] = ()
    evidence_count: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """The ledger, the usage report and the bill for one key.

    Money in USD; quantities in the unit of the token class; ``None``: that side does not tell it.

    Attributes:
        cell_id: 32 hex digits, a function of project and key.
        key: what it is about.
        ledger_quantity: of the calls in the ledger.
        usage_quantity: of the provider's usage report.
        billed_quantity: of its costs, where they tell one.
        ledger_usd: what the ledger says it cost.
        billed_usd: what the provider charged.
        volume_usd: part of the difference that comes of quantities, at the ledger's price.
        price_usd: the rest, which comes of prices: ``volume_usd + price_usd = variance_usd``.
        is_within_tolerance: whether the difference is too small to matter.
        causes: they add up to ``variance_usd`` exactly; empty when that is 0.
        is_final: whether the provider will not change the day any more.
    """

    cell_id: str
    key: CellKey
    ledger_quantity: Decimal | None
    usage_quantity: Decimal | None
    billed_quantity: Decimal | None
    ledger_usd: Decimal
    billed_usd: Decimal
    volume_usd: Decimal
    price_usd: Decimal
    is_within_tolerance: bool
    causes: Sequence[CauseShare] = ()
    is_final: bool = False

    @property
    def variance_usd(self) -> Decimal:
        """What the provider charged beyond the ledger; negative: less."""
        return self.billed_usd - self.ledger_usd


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A project's days, reconciled; cells by day, provider and size of the difference."""

    project: str
    first_day: date
    last_day: date
    cells: Sequence[Cell]
