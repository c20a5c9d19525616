"""From kinds of calls to the groups of a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from spanledger_analytics.data_quality.evidence import CallKind
from spanledger_analytics.data_quality.model import Example, Finding, Group, Severity

MAX_EXAMPLES = 5
ZERO = Decimal(0)


def of_calls(
    kind: CallKind,
    *,
    usd: Decimal | None,
    fix: str,
    detail: str = "",
    count: int | None = None,
    examples: tuple[Example, ...] | None = None,
) -> Group:
    """Return a group of calls that are alike; ``count``: how many of them are meant, else all."""
    return Group(
        service_name="(smaller groups)" if kind.is_rest else kind.service_name,
        scopes=kind.scopes,
        count=kind.calls if count is None else count,
        usd=usd,
        fix=fix,
        examples=kind.examples if examples is None else examples,
        provider=kind.provider,
        model=kind.model,
        agent_name=kind.agent_name,
        detail=detail,
        input_tokens=kind.input_tokens if kind.has_usage else None,
        output_tokens=kind.output_tokens if kind.has_usage else None,
    )


def finding(
    check: str,
    title: str,
    severity: Severity,
    groups: Iterable[Group],
    *,
    usd_label: str,
    usd_means: str,
    fix: str,
    unit: str = "call",
) -> Finding | None:
    """Return the finding of these groups, None without any.

    Groups that differ in nothing that is shown become one.
    """
    merged = _merged(groups)
    if not merged:
        return None
    return Finding(
        check=check,
        title=title,
        severity=severity,
        count=sum(group.count for group in merged),
        unit=unit,
        usd=total(group.usd for group in merged),
        usd_label=usd_label,
        usd_means=usd_means,
        fix=fix,
        groups=tuple(sorted(merged, key=_order)),
    )


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum of what is known, None when nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, ZERO) if known else None


def _merged(groups: Iterable[Group]) -> list[Group]:
    found: dict[tuple[object, ...], Group] = {}
    for group in groups:
        if not group.count:
            continue
        key = (
            group.service_name,
            group.scopes,
            group.provider,
            group.model,
            group.agent_name,
            group.detail,
            group.fix,
        )
        known = found.get(key)
        found[key] = group if known is None else _sum(known, group)
    return list(found.values())


def _sum(one: Group, other: Group) -> Group:
    return replace(
        one,
        count=one.count + other.count,
        usd=total((one.usd, other.usd)),
        input_tokens=_add(one.input_tokens, other.input_tokens),
        output_tokens=_add(one.output_tokens, other.output_tokens),
        reported_usd=total((one.reported_usd, other.reported_usd)),
        computed_usd=total((one.computed_usd, other.computed_usd)),
        examples=(*one.examples, *other.examples)[:MAX_EXAMPLES],
    )


def _add(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)


def _order(group: Group) -> tuple[int, Decimal, int, str, str, str]:
    return (
        0 if group.severity is None else group.severity.rank,
        -(Decimal(-1) if group.usd is None else abs(group.usd)),
        -group.count,
        group.service_name,
        group.model,
        group.detail,
    )
