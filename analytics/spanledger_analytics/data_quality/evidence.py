"""What the checks look at: kinds of calls, kinds of spans and usual costs, read once per report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar, cast

from spanledger_analytics.data_quality.model import Example, Period
from spanledger_storage.store import Store

# Kinds of calls named apart; far more than a page shows, far less than hurts.
MAX_KINDS = 3_000

_Pair = tuple[str, str]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class CallKind:
    """Calls that are alike, with sums over them; fields are columns of ``quality_calls``.

    ``is_rest``: the many small kinds that are not named apart.
    """

    is_rest: bool
    kind: str
    service_name: str
    scopes: tuple[str, ...]
    provider: str
    model: str
    request_model: str
    agent_name: str
    stream: bool | None
    status: str
    usage_source: str
    price_status: str
    flags: frozenset[str]
    calls: int
    usage_views: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal
    excess_usd: Decimal
    no_cache_read: int
    no_cache_write: int
    no_reasoning: int
    own_ids: int
    claimed_calls: int
    claimed_usd: Decimal
    cost_of_claimed_usd: Decimal
    worst: Example
    examples: tuple[Example, ...]

    @property
    def has_usage(self) -> bool:
        """Whether the tokens of these calls are known."""
        return self.usage_source != "none"

    @property
    def is_failed(self) -> bool:
        """Whether these calls failed."""
        return self.status == "error"

    @property
    def is_missing_usage(self) -> bool:
        """Whether they were answered, so that they cost something, and nobody says how much."""
        return not self.has_usage and not self.is_failed

    @property
    def is_unpriced(self) -> bool:
        """Whether their tokens are known and their price is not."""
        return self.has_usage and self.price_status == "unpriced"

    @property
    def asked_model(self) -> str:
        """The model asked for, else the one that answered."""
        return self.request_model or self.model


@dataclass(frozen=True, slots=True)
class ScopeKind:
    """Spans of one service and scope; fields are columns of ``quality_scopes``."""

    service_name: str
    scope_name: str
    scope_version: str
    zero_failures: int
    zero_costs: int
    blind_traces: int
    zero_failure_examples: tuple[Example, ...]
    zero_cost_examples: tuple[Example, ...]
    blind_examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class FlaggedSpans:
    """Spans of a service and scope with one flag; fields are columns of ``quality_span_flags``."""

    flag: str
    service_name: str
    scope_name: str
    scope_version: str
    spans: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Medians:
    """What a call usually costs, by (model asked for, agent); None as the agent means any."""

    usd: dict[tuple[str, str | None], Decimal]

    def estimate(self, kind: CallKind) -> Decimal | None:
        """Return the dollars these calls may have cost: their number times the median.

        The median is that of the same model and agent, else of the same model; None without one.
        """
        for agent in (kind.agent_name, None):
            median = self.usd.get((kind.asked_model, agent))
            if median is not None:
                return median * kind.calls
        return None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the checks of one report need."""

    calls: tuple[CallKind, ...]
    scopes: tuple[ScopeKind, ...]
    flagged: tuple[FlaggedSpans, ...]
    medians: Medians


def read_evidence(store: Store, project: str, period: Period, scopes: Iterable[str]) -> Evidence:
    """Read a project's period; ``scopes``: instrumentations whose spans are looked at themselves.

    Raises:
        StoreError: the store does not answer.
    """
    base: dict[str, object] = {"project": project, "from_s": period.from_s, "to_s": period.to_s}
    calls = store.rows("quality_calls", {**base, "max_kinds": MAX_KINDS})
    kinds = store.rows("quality_scopes", {**base, "scopes": sorted(set(scopes))})
    return Evidence(
        calls=tuple(_call_kind(row) for row in calls),
        scopes=tuple(_made(ScopeKind, row, *_SCOPE_EXAMPLES) for row in kinds),
        flagged=tuple(
            _made(FlaggedSpans, row, "examples") for row in store.rows("quality_span_flags", base)
        ),
        medians=_medians(store, base, calls),
    )


_SCOPE_EXAMPLES = ("zero_failure_examples", "zero_cost_examples", "blind_examples")


def _call_kind(row: dict[str, object]) -> CallKind:
    stream = row["stream"]
    changed = {
        "is_rest": bool(row["is_rest"]),
        "scopes": tuple(cast("list[str]", row["scopes"])),
        "stream": None if stream is None else bool(stream),
        "flags": frozenset(cast("list[str]", row["flags"])),
        "worst": Example(*cast("_Pair", row["worst"])),
    }
    return _made(CallKind, row | changed, "examples")


def _made(kind: Callable[..., _T], row: dict[str, object], *pair_columns: str) -> _T:
    """Return the row as ``kind``, whose fields are its columns; pairs of ids become examples."""
    found = {name: cast("Sequence[_Pair]", row[name]) for name in pair_columns}
    return kind(
        **(row | {name: tuple(Example(*p) for p in pairs) for name, pairs in found.items()})
    )


def _medians(store: Store, base: dict[str, object], calls: list[dict[str, object]]) -> Medians:
    if not any(row["usage_source"] == "none" and row["status"] == "ok" for row in calls):
        return Medians({})
    return Medians(
        {
            (
                str(row["asked_model"]),
                None if row["is_all_agents"] else str(row["agent_name"]),
            ): cast("Decimal", row["median_usd"])
            for row in store.rows("quality_medians", base)
        }
    )
