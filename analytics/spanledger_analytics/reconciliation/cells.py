"""Cells of a reconciliation, made of cases that are explained."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import cast

from spanledger_analytics.reconciliation.case import Case
from spanledger_analytics.reconciliation.pico import from_pico
from spanledger_analytics.reconciliation.result import (
    CallRef,
    Cause,
    CauseShare,
    Cell,
    CellKey,
    Confidence,
)
from spanledger_analytics.reconciliation.tolerance import Tolerance

_told = attrgetter(*tuple(CellKey.__slots__)[1:])
_ZERO = from_pico(0)
_WHAT_IS_LEFT = "Nothing in the ledger or in the provider's reports says why."


def cell_id(project: str, key: CellKey) -> str:
    """Return the id of a cell: 32 hex digits, a function of project and key."""
    # Not told and empty are two different things.
    parts = ["\x01" if value is None else value for value in cast("tuple[str | None]", _told(key))]
    text = "\0".join((project, key.day.isoformat(), *parts))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def cell_of(
    project: str,
    case: Case,
    tolerance: Tolerance,
    evidence: Sequence[Sequence[CallRef]],
    *,
    is_final: bool,
) -> Cell:
    """Return a case as the cell that is kept; what nobody explained is its last cause.

    Args:
        project: whose.
        case: explained as far as possible.
        tolerance: how much does not matter.
        evidence: calls that show each of its claims, in their order.
        is_final: whether the provider will not change the day.
    """
    variance = case.variance
    # Most cells agree: their numbers are made once.
    usd = from_pico(case.ledger.usd)
    return Cell(
        cell_id=cell_id(project, case.key),
        key=case.key,
        ledger_quantity=from_pico(case.ledger.quantity),
        usage_quantity=None if case.usage_quantity is None else from_pico(case.usage_quantity),
        billed_quantity=None if case.billed_quantity is None else from_pico(case.billed_quantity),
        ledger_usd=usd,
        billed_usd=from_pico(case.billed_usd) if variance else usd,
        volume_usd=from_pico(case.volume_usd) if case.volume_usd else _ZERO,
        price_usd=from_pico(case.price_usd) if variance or case.volume_usd else _ZERO,
        is_within_tolerance=not variance or tolerance.is_cell_within(variance, case.billed_usd),
        causes=_shares(case, evidence),
        is_final=is_final,
    )


def _shares(case: Case, evidence: Sequence[Sequence[CallRef]]) -> tuple[CauseShare, ...]:
    if not case.claims and not case.rest:
        return ()
    merged: dict[Cause, CauseShare] = {}
    for place, claim in enumerate(case.claims):
        share = CauseShare(
            claim.cause,
            from_pico(claim.usd),
            claim.confidence,
            claim.explanation,
            tuple(evidence[place]) if place < len(evidence) else (),
            claim.evidence_count,
        )
        before = merged.get(claim.cause)
        merged[claim.cause] = share if before is None else _both(before, share)
    if case.rest:
        rest = from_pico(case.rest)
        merged[Cause.UNEXPLAINED] = CauseShare(Cause.UNEXPLAINED, rest, "low", _WHAT_IS_LEFT)
    return tuple(share for share in merged.values() if share.usd)


def _both(one: CauseShare, other: CauseShare) -> CauseShare:
    """Return two parts of one cause together, no surer than the less sure of them."""
    both: list[Confidence] = [one.confidence, other.confidence]
    least = max(both, key=("high", "medium", "low").index)
    return CauseShare(
        one.cause,
        one.usd + other.usd,
        least,
        f"{one.explanation} {other.explanation}".strip(),
        (*one.evidence, *other.evidence),
        one.evidence_count + other.evidence_count,
    )
