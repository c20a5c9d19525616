"""How far the commitment of a contract is used up, and when it will be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import cast

from spanledger_storage.price_state import ContractRow
from spanledger_storage.store import Store

_NS_PER_S = 10**9
_DAY_NS = 86_400 * _NS_PER_S
_PACE_DAYS = 30
_PICODOLLAR = Decimal(1).scaleb(-12)


@dataclass(frozen=True, slots=True)
class ContractUse:
    """Spend under a contract, dollars after its discount.

    Attributes:
        recent_usd: of the last 30 days.
    """

    calls: int = 0
    consumed_usd: Decimal = Decimal(0)
    recent_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """What is left of a commitment at a moment.

    Attributes:
        use: what was spent.
        remaining_usd: of the commitment, 0 when it is used up; None: nothing was promised.
        per_day_usd: present pace, over the last 30 days or since the contract began; None: the
            contract is younger than a day, has not begun or is over.
        used_up_ns: when the commitment is used up at that pace, UTC nanoseconds; None: it
            already is, or not before the contract ends.
        expected_usd: spend at the end of the contract at that pace; None: no pace or no end.
    """

    use: ContractUse
    remaining_usd: Decimal | None
    per_day_usd: Decimal | None
    used_up_ns: int | None
    expected_usd: Decimal | None


def load_use(store: Store, contracts: list[ContractRow], now_ns: int) -> dict[str, ContractUse]:
    """Read the spend under contracts; ids that priced no call are absent.

    Raises:
        StoreError: the store does not answer.
    """
    if not contracts:
        return {}
    rows = store.rows(
        "prices_contracts_used",
        {
            "from_s": min(c.effective_from_ns for c in contracts) // _NS_PER_S,
            "recent_s": (now_ns - _PACE_DAYS * _DAY_NS) // _NS_PER_S,
        },
    )
    return {str(row["contract_id"]): _use(row) for row in rows}


def drawdown(contract: ContractRow, use: ContractUse, now_ns: int) -> Drawdown:
    """Return how far a commitment is used up at a moment. The pace is that of the last 30 days."""
    promised = contract.commitment_usd
    remaining = None if promised is None else max(promised - use.consumed_usd, Decimal(0))
    pace = _per_day(contract, use, now_ns)
    end = contract.effective_to_ns
    if pace is None or end is None:
        return Drawdown(use, remaining, pace, None, None)
    expected = use.consumed_usd + pace * Decimal(end - now_ns) / _DAY_NS
    used_up: int | None = None
    if promised is not None and remaining and expected >= promised:
        used_up = now_ns + int(remaining / pace * _DAY_NS)
    cents = expected.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    return Drawdown(use, remaining, pace, used_up, cents)


def _per_day(contract: ContractRow, use: ContractUse, now_ns: int) -> Decimal | None:
    end = contract.effective_to_ns
    age_ns = now_ns - contract.effective_from_ns
    if age_ns < _DAY_NS or (end is not None and end <= now_ns):
        return None
    days = min(Decimal(age_ns) / _DAY_NS, Decimal(_PACE_DAYS))
    return (use.recent_usd / days).quantize(_PICODOLLAR, ROUND_HALF_EVEN)


def _use(row: Mapping[str, object]) -> ContractUse:
    return ContractUse(
        calls=cast("int", row["calls"]),
        consumed_usd=cast("Decimal | None", row["consumed_usd"]) or Decimal(0),
        recent_usd=cast("Decimal | None", row["recent_usd"]) or Decimal(0),
    )
