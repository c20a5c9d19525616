from decimal import Decimal

import pytest

from spanledger_dashboard.usage import Totals


@pytest.mark.parametrize(
    ("totals", "cost"),
    [
        (Totals(), Decimal(0)),
        (Totals(calls=2, errors=2), Decimal(0)),
        (Totals(calls=2, unpriced_calls=2), None),
        (Totals(calls=2, errors=1, unpriced_calls=1), None),
        (Totals(calls=2, errors=1, calls_without_usage=1), None),
        (Totals(calls=2, unpriced_calls=1, total_cost_usd=Decimal("0.5")), Decimal("0.5")),
    ],
)
def test_a_cost_nobody_knows_is_not_zero(totals: Totals, cost: Decimal | None) -> None:
    assert totals.cost_usd == cost
