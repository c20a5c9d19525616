"""Why an incident cost more than expected: factors that add up, then who, then evidence.

Factors come from ``change.decomposition``: what was spent against comparable times before, scaled
so that they cost what was expected. They start at the expected dollars, end at the actual ones,
and nothing is left over. Each agent is decomposed on its own, and what a factor adds is summed up:
more traces of an agent with a dear model are more traces, no dearer models. ``details`` of a
finding (all of it JSON; dollars are texts of decimals)::

    dimension, name          the series
    expected_usd, actual_usd, excess_usd
    deviation                in standard deviations; unit: "", "call", "trace" or "day"
    cause                    name of the factor that adds most
    waterfall                [{factor, usd}], the largest first; expected + all of them = actual
    dimensions               [{dimension, surprise, elements}], each element
                             {name, expected_usd, actual_usd, share}
    path                     [{dimension, name, share}]: where most of it is, one inside the other
    per_unit                 {figure: [before, now]}: calls_per_trace, input_tokens_per_call, ...
    traces                   [{trace_id, agent, usd, excess_usd}]
    loops                    [{finding_id, title, usd}] in the same time
    versions                 [{service, agent, version, since}] that began then or the day before
    prices                   [{at, action, object, provider, model}] that changed then
    compared_with            unix seconds at which the comparable times began
    series                   [{dimension, name}] that show it too
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from spanledger_analytics.anomalies import adtributor
from spanledger_analytics.anomalies.adtributor import Pair
from spanledger_analytics.anomalies.cells import DIMENSIONS, Leaf
from spanledger_analytics.change.decomposition import (
    INPUT_CLASSES,
    OUTPUT_CLASS,
    Change,
    ModelUse,
    Period,
    explain,
)
from spanledger_analytics.findings.finding import Json

_CLASSES = (*INPUT_CLASSES, OUTPUT_CLASS)
_STEP = Decimal("1e-12")
_EXACT_DIGITS = 60  # effects that cancel each other may be far larger than what they explain
ZERO = Decimal(0)
CAUSES = {
    "tasks": "more traces",
    "calls": "more calls per trace",
    "prompts": "longer prompts",
    "answers": "longer answers",
    "models": "dearer models",
    "cache": "fewer cached tokens",
    "prices": "higher prices",
}
"""What a factor says when it adds to the cost; other costs say their name."""
_DIMENSIONS = tuple(name for name in DIMENSIONS if name != "project")


@dataclass(frozen=True, slots=True)
class Part:
    """What one leaf did in one time.

    Attributes:
        tokens: by class, of what is priced by the token; ``costs_usd`` too.
        other_usd: costs that follow from no tokens, by name.
    """

    leaf: Leaf
    calls: int
    tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    costs_usd: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    other_usd: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])

    @property
    def usd(self) -> Decimal:
        """All it cost."""
        return sum(self.costs_usd.values(), ZERO) + sum(self.other_usd.values(), ZERO)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a series did in a time.

    Attributes:
        traces: that had a part in it.
        by_agent: the same of each agent; empty: not told.
    """

    parts: Sequence[Part]
    traces: int
    by_agent: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def usd(self) -> Decimal:
        """All it cost."""
        return sum((part.usd for part in self.parts), ZERO)

    def of(self, agent: str) -> Usage:
        """Return what one agent did."""
        parts = [part for part in self.parts if part.leaf.agent == agent]
        return Usage(parts, self.by_agent.get(agent, 0))


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why.

    Attributes:
        cause: name of the factor that adds most; empty: nothing comparable is known.
        details: as the module says.
    """

    cause: str
    change: Change | None
    details: Mapping[str, Json]


def explained(now: Usage, before: Usage, expected_usd: float) -> Explanation:
    """Return why a series cost what it did.

    Args:
        now: what it did.
        before: what it did in comparable times, all of them together; empty: it is new.
        expected_usd: what it should have cost.
    """
    factor = _factor(before, expected_usd)
    change = _change(now, before, factor)
    factors = sorted(change.parts.items(), key=lambda one: -one[1])
    cause = factors[0][0] if factors and factors[0][1] > 0 else ""
    cells = _cells(now, before, factor)
    details: dict[str, Json] = {
        "expected_usd": str(change.before_usd),
        "actual_usd": str(change.now_usd),
        "excess_usd": str(change.difference),
        "cause": cause,
        "waterfall": [{"factor": name, "usd": str(usd)} for name, usd in factors if usd],
        "dimensions": [_told(one) for one in adtributor.rank(cells, _DIMENSIONS)],
        "path": [
            {"dimension": name, "name": one.name, "share": round(one.share, 3)}
            for name, one in adtributor.drill(cells, _DIMENSIONS)
        ],
        "per_unit": _per_unit(before, now),
    }
    return Explanation(cause, change, details)


def _factor(before: Usage, expected_usd: float) -> Decimal:
    """Return by what comparable times are scaled to cost what was expected."""
    usd = before.usd
    return Decimal(repr(max(expected_usd, 0.0))) / usd if usd > 0 else ZERO


def _change(now: Usage, before: Usage, factor: Decimal) -> Change:
    """Return the parts of the difference, each the sum of what it is of every agent."""
    told = bool(now.by_agent or before.by_agent)
    agents = sorted({part.leaf.agent for part in (*now.parts, *before.parts)}) if told else []
    pairs = [(before.of(agent), now.of(agent)) for agent in agents] or [(before, now)]
    changes = [explain(_period(old, factor), _period(new, Decimal(1))) for old, new in pairs]
    parts: dict[str, Decimal] = {}
    with localcontext(prec=_EXACT_DIGITS):
        for change in changes:
            for name, usd in change.parts.items():
                parts[name] = parts.get(name, ZERO) + usd
        return Change(
            before_usd=sum((change.before_usd for change in changes), ZERO),
            now_usd=sum((change.now_usd for change in changes), ZERO),
            parts=parts,
        )


def _period(usage: Usage, factor: Decimal) -> Period:
    """Return a usage as the decomposition wants it, all amounts scaled."""
    tokens: dict[str, dict[str, int]] = {}
    costs: dict[str, dict[str, Decimal]] = {}
    other: dict[str, Decimal] = {}
    # Counts keep their ratios when scaled to small numbers: they are told in millionths.
    for part in usage.parts:
        model = part.leaf.model
        of_model, cost = tokens.setdefault(model, {}), costs.setdefault(model, {})
        for kind in _CLASSES:
            count = part.tokens.get(kind, 0)
            of_model[kind] = of_model.get(kind, 0) + round(count * factor * _MILLION)
            cost[kind] = cost.get(kind, ZERO) + part.costs_usd.get(kind, ZERO)
        for name, usd in part.other_usd.items():
            other[name] = other.get(name, ZERO) + usd
    # What the decomposition would take tokens without a call, or without a trace, to stand for.
    least = int(any(part.tokens.values() for part in usage.parts))
    calls = sum(part.calls for part in usage.parts) or least
    return Period(
        calls=round(calls * factor * _MILLION),
        models={
            model: ModelUse(
                tokens[model], {kind: _scaled(usd, factor) for kind, usd in cost.items()}
            )
            for model, cost in costs.items()
        },
        tasks=round((usage.traces or least) * factor * _MILLION),
        other_usd={name: _scaled(usd, factor) for name, usd in other.items()},
    )


_MILLION = 1_000_000


def _scaled(usd: Decimal, factor: Decimal) -> Decimal:
    return (usd * factor).quantize(_STEP)


def _cells(now: Usage, before: Usage, factor: Decimal) -> list[adtributor.Cell]:
    pairs: dict[Leaf, Pair] = {}
    for part in before.parts:
        old = pairs.get(part.leaf, Pair(0.0, 0.0))
        pairs[part.leaf] = old._replace(expected=old.expected + float(part.usd * factor))
    for part in now.parts:
        old = pairs.get(part.leaf, Pair(0.0, 0.0))
        pairs[part.leaf] = old._replace(actual=old.actual + float(part.usd))
    return [(leaf._asdict(), pair) for leaf, pair in pairs.items()]


def _told(cause: adtributor.Cause) -> dict[str, Json]:
    return {
        "dimension": cause.dimension,
        "surprise": round(cause.surprise, 6),
        "elements": [
            {
                "name": one.name,
                "expected_usd": f"{one.expected:.6f}",
                "actual_usd": f"{one.actual:.6f}",
                "share": round(one.share, 3),
            }
            for one in cause.elements
        ],
    }


def _per_unit(before: Usage, now: Usage) -> dict[str, Json]:
    """Return figures of both times; None: there is nothing to divide by."""
    figures: dict[str, Json] = {}
    for name, top, bottom in (
        ("calls_per_trace", "calls", "traces"),
        ("input_tokens_per_call", "input", "calls"),
        ("output_tokens_per_call", "output", "calls"),
        ("usd_per_call", "usd", "calls"),
        ("usd_per_trace", "usd", "traces"),
        ("cache_hit_ratio", "cache_read", "input"),
    ):
        figures[name] = [_ratio(usage, top, bottom) for usage in (before, now)]
    return figures


def _ratio(usage: Usage, top: str, bottom: str) -> float | None:
    part, whole = _amount(usage, top), _amount(usage, bottom)
    return float(f"{part / whole:.6g}") if whole else None


def _amount(usage: Usage, name: str) -> float:
    if name == "traces":
        return usage.traces
    if name == "calls":
        return sum(part.calls for part in usage.parts)
    if name == "usd":
        return float(usage.usd)
    kinds = INPUT_CLASSES if name == "input" else (name,)
    return sum(part.tokens.get(kind, 0) for part in usage.parts for kind in kinds)
