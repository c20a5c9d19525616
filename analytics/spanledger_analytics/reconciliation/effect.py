"""What a change did to the differences of days, in a sentence: before against after, by cause."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from spanledger_analytics.reconciliation.result import Cell

_CENTS = Decimal("0.0001")
_MOST_CAUSES = 4
_ZERO = Decimal(0)


def effect_text(provider: str, before: Iterable[Cell], after: Iterable[Cell]) -> str:
    """Return how far a provider's bill is off before and after, and which causes that changes."""
    old, new = _by_cause(provider, before), _by_cause(provider, after)
    was, is_ = sum(old.values(), _ZERO), sum(new.values(), _ZERO)
    changed = {
        cause: (old.get(cause, _ZERO), new.get(cause, _ZERO))
        for cause in {*old, *new}
        if old.get(cause, _ZERO) != new.get(cause, _ZERO)
    }
    head = f"{provider} is off by {_usd(is_)}, " + (
        "as before" if was == is_ else f"was {_usd(was)}"
    )
    if not changed:
        return f"{head}: this changes nothing."
    largest = sorted(
        changed, key=lambda cause: (-abs(changed[cause][1] - changed[cause][0]), cause)
    )
    told = [
        f"{cause.replace('_', ' ')} {_usd(changed[cause][0])} to {_usd(changed[cause][1])}"
        for cause in largest[:_MOST_CAUSES]
    ]
    more = f" and {len(largest) - _MOST_CAUSES} more" if len(largest) > _MOST_CAUSES else ""
    return f"{head}: {', '.join(told)}{more}."


def _by_cause(provider: str, cells: Iterable[Cell]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for cell in cells:
        if cell.key.provider != provider:
            continue
        for share in cell.causes:
            found[share.cause] = found.get(share.cause, _ZERO) + share.usd
    return found


def _usd(amount: Decimal) -> str:
    return f"{amount.quantize(_CENTS):+,f} USD" if amount else "0 USD"
