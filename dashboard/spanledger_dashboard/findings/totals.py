"""What findings add up to, no span counted twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from spanledger_dashboard.findings.data import Found, Shown

Spans = Mapping[str, Shown]
Amount = Literal["direct_usd", "carried_usd", "avoidable_usd"]
AMOUNTS: tuple[Amount, ...] = ("direct_usd", "carried_usd", "avoidable_usd")
_NOWHERE = Shown()


def counted_once(found: Sequence[Found], spans: Spans, amount: Amount) -> Decimal | None:
    """Return the sum of an amount over findings; of those that share a span, only the dearest.

    A lower bound of what the union of their spans cost, exact where none share any.

    Args:
        found: in any order.
        spans: evidence by finding; those not in it share nothing (``load_overlaps``).
        amount: of a finding; None: unknown, and not in the sum.

    Returns:
        None when no amount is known.
    """
    return summed(apart(found, spans, amount), amount)


def summed(found: Sequence[Found], amount: Amount) -> Decimal | None:
    """Return the sum of an amount over findings that share nothing; None: no amount is known."""
    known = [usd for one in found if (usd := usd_of(one, amount)) is not None]
    return sum(known, Decimal(0)) if known else None


def apart(found: Sequence[Found], spans: Spans, amount: Amount) -> list[Found]:
    """Return findings that share no span, the dearest chosen first; amounts can be added up.

    Of a finding with more spans than are kept, and of one whose amount other calls paid, any other
    of the same traces counts as sharing one. Those whose amount is unknown are left out.
    """
    known = [(usd, one) for one in found if (usd := usd_of(one, amount)) is not None]
    known.sort(key=lambda item: (-item[0], item[1].finding_id))
    chosen: list[Found] = []
    taken = set[int]()
    traces: dict[int, bool] = {}  # trace -> whether a finding that has all of it counts
    for _, one in known:
        mine = spans.get(one.finding_id, _NOWHERE)
        has_all = not mine.is_whole or _is_paid_by_others(one, amount)
        if any(traces.get(trace, False) or (has_all and trace in traces) for trace in mine.traces):
            continue
        if not taken.isdisjoint(mine.spans):
            continue
        traces.update(dict.fromkeys(mine.traces, has_all))
        taken |= mine.spans
        chosen.append(one)
    return chosen


def usd_of(one: Found, amount: Amount) -> Decimal | None:
    """Return an amount of a finding; None: unknown."""
    amounts = {
        "direct_usd": one.direct_usd,
        "carried_usd": one.carried_usd,
        "avoidable_usd": one.avoidable_usd,
    }
    return amounts[amount]


def _is_paid_by_others(one: Found, amount: Amount) -> bool:
    """Tell whether calls that are no evidence paid it: later ones that carried a loop along.

    Of a context that grew, the evidence are the calls that carried it.
    """
    return one.kind == "loop" and amount != "direct_usd" and bool(one.carried_usd)
