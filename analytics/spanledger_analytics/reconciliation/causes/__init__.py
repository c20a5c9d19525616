"""Why the provider charged something else: one function a cause, tested in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from spanledger_analytics.reconciliation.case import Case, Claim
from spanledger_analytics.reconciliation.causes.alias import explain_alias
from spanledger_analytics.reconciliation.causes.batch_or_tier import explain_batch_or_tier
from spanledger_analytics.reconciliation.causes.cache_lifetime import explain_cache_lifetime
from spanledger_analytics.reconciliation.causes.currency import explain_currency
from spanledger_analytics.reconciliation.causes.day_boundary import explain_day_boundary
from spanledger_analytics.reconciliation.causes.discount import explain_discount
from spanledger_analytics.reconciliation.causes.double_counted import explain_double_counted
from spanledger_analytics.reconciliation.causes.geo import explain_geo
from spanledger_analytics.reconciliation.causes.input_convention import explain_input_convention
from spanledger_analytics.reconciliation.causes.lines import (
    explain_credit,
    explain_discount_line,
    explain_rounding_line,
    explain_tax,
    explain_unmapped,
)
from spanledger_analytics.reconciliation.causes.long_context import explain_long_context
from spanledger_analytics.reconciliation.causes.missing import (
    explain_hidden_retries,
    explain_hidden_tokens,
    explain_missing_telemetry,
    explain_missing_usage,
    explain_other_traffic,
)
from spanledger_analytics.reconciliation.causes.peak_hours import explain_peak_hours
from spanledger_analytics.reconciliation.causes.prices import explain_price_book, explain_rounding
from spanledger_analytics.reconciliation.causes.reported import (
    explain_not_reported,
    explain_unpriced,
)
from spanledger_analytics.reconciliation.causes.tool_fees import explain_tool_fees
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.result import Cause

Explain = Callable[[Case, Material], list[Claim]]

CAUSES: tuple[tuple[Cause, Explain], ...] = (
    (Cause.NOT_REPORTED, explain_not_reported),
    (Cause.UNPRICED, explain_unpriced),
    (Cause.TAX, explain_tax),
    (Cause.CREDIT, explain_credit),
    (Cause.DISCOUNT, explain_discount_line),
    (Cause.DISCOUNT, explain_discount),
    (Cause.CURRENCY, explain_currency),
    (Cause.TOOL_FEES, explain_tool_fees),
    (Cause.DOUBLE_COUNTED, explain_double_counted),
    (Cause.DAY_BOUNDARY, explain_day_boundary),
    (Cause.ALIAS, explain_alias),
    (Cause.BATCH_OR_TIER, explain_batch_or_tier),
    (Cause.LONG_CONTEXT, explain_long_context),
    (Cause.GEO, explain_geo),
    (Cause.PEAK_HOURS, explain_peak_hours),
    (Cause.CACHE_LIFETIME, explain_cache_lifetime),
    (Cause.INPUT_CONVENTION, explain_input_convention),
    (Cause.MISSING_USAGE, explain_missing_usage),
    (Cause.HIDDEN_RETRIES, explain_hidden_retries),
    (Cause.HIDDEN_TOKENS, explain_hidden_tokens),
    (Cause.OTHER_TRAFFIC, explain_other_traffic),
    (Cause.MISSING_TELEMETRY, explain_missing_telemetry),
    (Cause.PRICE_BOOK, explain_price_book),
    (Cause.ROUNDING, explain_rounding_line),
    (Cause.ROUNDING, explain_rounding),
    (Cause.UNMAPPED, explain_unmapped),
)
"""In the order of ``Cause``; what none explains is unexplained."""


def explain(cases: Iterable[Case], material: Material) -> None:
    """Explain the differences of a unit as far as possible.

    One cause after the other looks at all cells as the causes before it left them, so that what
    each finds does not depend on the order of cells.
    """
    open_cases = [case for case in cases if case.variance or case.quantity]
    for _, find in CAUSES:
        found = [(case, find(case, material)) for case in open_cases]
        for case, claims in found:
            for claim in claims:
                case.take(claim)
        open_cases = [case for case in open_cases if case.rest or case.quantity]
