"""Where an instrumentation's own claim of a cost differs from the ledger's."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from spanledger_analytics.data_quality import grouping
from spanledger_analytics.data_quality.evidence import CallKind, Evidence
from spanledger_analytics.data_quality.model import Finding, Group, Severity

# Below both a difference is rounding.
_MIN_RATIO = Decimal("0.01")
_MIN_USD = Decimal("0.01")

_Key = tuple[str, tuple[str, ...], str, str]


def check(evidence: Evidence) -> Finding | None:
    """Return the finding, None when claims and ledger agree within 1 % or 1 cent."""
    by_key: defaultdict[_Key, list[CallKind]] = defaultdict(list)
    for kind in evidence.calls:
        if kind.claimed_calls and kind.price_status == "priced":
            by_key[kind.service_name, kind.scopes, kind.provider, kind.model].append(kind)
    groups = [group for kinds in by_key.values() if (group := _group(kinds))]
    return grouping.finding(
        "reported_cost",
        "Reported cost differs from the computed one",
        Severity.warning,
        groups,
        usd_label="apart",
        usd_means="The difference of the two sums, without sign; the spend is the computed one.",
        fix=(
            "Update the instrumentation's price list, or set the price you pay with "
            "`spanledger prices set`; the reported cost is never billed from."
        ),
    )


def _group(kinds: list[CallKind]) -> Group | None:
    """Return the group of one service, instrumentation and model, None when both costs agree."""
    reported = sum((kind.claimed_usd for kind in kinds), Decimal(0))
    computed = sum((kind.cost_of_claimed_usd for kind in kinds), Decimal(0))
    difference = reported - computed
    if abs(difference) <= _MIN_USD or abs(difference) <= _MIN_RATIO * computed:
        return None
    first = kinds[0]
    return Group(
        service_name="(smaller groups)" if first.is_rest else first.service_name,
        scopes=first.scopes,
        count=sum(kind.claimed_calls for kind in kinds),
        usd=abs(difference),
        fix="Compare an example with the provider's invoice; the ledger's prices are in its entry.",
        examples=tuple(kind.worst for kind in kinds)[: grouping.MAX_EXAMPLES],
        provider=first.provider,
        model=first.model,
        detail=_percent(difference, computed),
        reported_usd=reported,
        computed_usd=computed,
    )


def _percent(difference: Decimal, computed: Decimal) -> str:
    if not computed:
        return "reported, but free by the price data"
    return f"{difference * 100 / computed:+.1f} % against the computed cost"
