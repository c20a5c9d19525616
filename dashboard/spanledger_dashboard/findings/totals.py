"""What findings add up to, no span counted twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from spanledger_dashboard.findings.data import Found

Spans = Mapping[str, tuple[frozenset[int], bool]]
Amount = Callable[[Found], Decimal | None]


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
    counted = apart(found, spans, amount)
    return sum((amount(one) or Decimal(0) for one in counted), Decimal(0)) if counted else None


def apart(found: Sequence[Found], spans: Spans, amount: Amount) -> list[Found]:
    """Return findings that share no span, the dearest chosen first; amounts can be added up.

    Of a finding with more spans than are kept, any other of the same trace counts as sharing one.
    Those whose amount is unknown are left out.
    """
    known = [(usd, one) for one in found if (usd := amount(one)) is not None]
    known.sort(key=lambda item: (-item[0], item[1].finding_id))
    chosen: list[Found] = []
    taken = set[int]()
    traces: dict[str, bool] = {}  # trace -> whether a finding with more spans than kept counts
    for _, one in known:
        mine, is_whole = spans.get(one.finding_id, (frozenset[int](), True))
        if not taken.isdisjoint(mine):
            continue
        if one.trace_id and mine:
            if traces.get(one.trace_id) or (not is_whole and one.trace_id in traces):
                continue
            traces[one.trace_id] = not is_whole
        taken |= mine
        chosen.append(one)
    return chosen
