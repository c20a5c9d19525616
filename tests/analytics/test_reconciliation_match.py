"""Matching: names, sizes, tolerances, and that volume and price add up, whatever the numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.reconciliation.bill_side import Bills
from spanledger_analytics.reconciliation.case import Case, Claim
from spanledger_analytics.reconciliation.cells import cell_of
from spanledger_analytics.reconciliation.contexts import bucket_of, lower_bound
from spanledger_analytics.reconciliation.ledger_side import (
    LedgerRow,
    Sum,
    Telemetry,
    names_of,
)
from spanledger_analytics.reconciliation.match import match
from spanledger_analytics.reconciliation.models import plain_name, same_models
from spanledger_analytics.reconciliation.pico import ONE, from_pico, pro_rata, to_pico
from spanledger_analytics.reconciliation.result import Cause, CellKey
from spanledger_analytics.reconciliation.tolerance import Tolerance, invoice_limit

DAY = date(2026, 11, 18)
NUMBERS = st.integers(0, 10**26)


def line(
    token_class: TokenClass, quantity: int | None, usd: str | None, **told: str
) -> InvoiceLine:
    """A line of Anthropic's costs, or of its usage where it tells no money."""
    return InvoiceLine(
        day=DAY,
        last_day=DAY,
        dataset=Dataset.COST if usd is not None else Dataset.USAGE,
        provider="anthropic",
        token_class=token_class,
        quantity=None if quantity is None else Decimal(quantity),
        amount=None if usd is None else Decimal(usd),
        currency="" if usd is None else "USD",
        model=told.pop("model", "claude-sonnet-4-6"),
        **told,  # type: ignore[arg-type]  # dimensions, all of them text
    )


def calls(tokens: int, usd: str, scope: str = "", bucket: int = 0, tier: str = "") -> LedgerRow:
    """Calls of one group, uncached input alone."""
    return LedgerRow(
        20_775, names_of("anthropic", "claude-sonnet-4-6", tier, ""), "anthropic",
        "claude-sonnet-4-6", scope, "", tier, "", bucket, Telemetry(calls=1), 0, 0, 0,
        {TokenClass.UNCACHED: Sum(tokens * ONE, to_pico(Decimal(usd)), to_pico(Decimal(usd)))},
    )  # fmt: skip


def matched(lines: list[InvoiceLine], ledger: list[LedgerRow]) -> dict[CellKey, Case]:
    bills = Bills()
    for one in lines:
        bills.add(one)
    (unit,) = bills.units()
    return {case.key: case for case in match(unit, ledger)}


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_volume_and_price_add_up_exactly(ours: int, theirs: int, usd: int, billed: int) -> None:
    key = CellKey(DAY, "anthropic", "uncached")
    case = Case(key, TokenClass.UNCACHED, Sum(ours, usd), billed_quantity=theirs, billed_usd=billed)
    case.split()
    assert case.volume + case.price == billed - usd
    case.take(Claim(Cause.MISSING_TELEMETRY, case.volume, "low", "", case.quantity))
    cell = cell_of("p", case, Tolerance(), [], is_final=False)
    # In whole numbers: Decimal's own sums stop at 28 digits.
    assert sum(to_pico(share.usd) for share in cell.causes) == billed - usd
    assert to_pico(cell.volume_usd) + to_pico(cell.price_usd) == billed - usd


@given(st.integers(-(10**24), 10**24), NUMBERS, st.integers(1, 10**30))
def test_a_share_and_the_rest_are_the_whole(amount: int, part: int, whole: int) -> None:
    share = pro_rata(amount, part, whole)
    assert abs(share * whole - amount * part) * 2 <= whole
    assert pro_rata(amount, whole, whole) == amount
    assert to_pico(from_pico(amount)) == amount


def test_a_dimension_only_one_side_tells_is_dropped() -> None:
    lines = [
        line(TokenClass.UNCACHED, None, "3", scope="a"),
        line(TokenClass.UNCACHED, None, "6", scope="b"),
    ]
    (case,) = matched(lines, [calls(3_000_000, "9")]).values()
    assert case.key.scope is None
    assert (case.variance, case.billed_usd) == (0, 9 * ONE)
    cells = matched(lines, [calls(1_000_000, "3", "a"), calls(2_000_000, "6", "b")])
    assert {key.scope: case.variance for key, case in cells.items()} == {"a": 0, "b": 0}


def test_scopes_of_two_kinds_of_names_are_not_compared() -> None:
    lines = [line(TokenClass.UNCACHED, None, "3", scope="wrkspc_1")]
    (case,) = matched(lines, [calls(1_000_000, "3", "Agents")]).values()
    assert (case.key.scope, case.variance) == (None, 0)


def test_requests_fall_into_the_reports_own_sizes() -> None:
    lines = [
        line(TokenClass.UNCACHED, None, "3", context="0-200k"),
        line(TokenClass.UNCACHED, None, "12", context="200k-1M"),
    ]
    cells = matched(lines, [calls(1_000_000, "3", bucket=1), calls(2_000_000, "12", bucket=2)])
    assert {key.context: case.variance for key, case in cells.items()} == {"short": 0, "> 200k": 0}


def test_the_standard_tier_is_one_however_it_is_called() -> None:
    lines = [line(TokenClass.UNCACHED, None, "3", service_tier="", processing="sync")]
    (case,) = matched(lines, [calls(1_000_000, "3", tier="default")]).values()
    assert case.variance == 0


def test_usage_alone_is_charged_at_the_ledgers_price() -> None:
    (case,) = matched(
        [line(TokenClass.UNCACHED, 2_000_000, None)], [calls(1_000_000, "3")]
    ).values()
    assert (case.billed_usd, case.variance) == (6 * ONE, 3 * ONE)


def test_two_reports_of_the_same_money_count_once() -> None:
    invoice = line(TokenClass.MODEL, None, "9")
    lines = [
        line(TokenClass.UNCACHED, None, "3"),
        line(TokenClass.OUTPUT, None, "6"),
        replace(invoice, dataset=Dataset.INVOICE),
    ]
    cells = matched(lines, [calls(1_000_000, "3")])
    assert sum(case.billed_usd for case in cells.values()) == 9 * ONE
    assert {key.token_class for key in cells} == {"uncached", "output"}
    wrong = replace(invoice, dataset=Dataset.INVOICE, amount=Decimal(10))
    cells = matched([*lines[:2], wrong], [calls(1_000_000, "3")])
    assert {key.token_class: case.billed_usd for key, case in cells.items()} == {"model": 10 * ONE}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anthropic/claude-sonnet-4.6", "Claude Sonnet 4.6"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5@20250929"),
        ("models/gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"),
    ],
)
def test_spellings_of_one_model_are_equal(one: str, other: str) -> None:
    assert plain_name(one) == plain_name(other)


def test_a_snapshot_is_its_alias_unless_there_are_two() -> None:
    assert same_models(["gpt-5-5"], ["gpt-5-5-2026-04-23"]) == {"gpt-5-5": "gpt-5-5-2026-04-23"}
    assert same_models(["claude-4-6-sonnet"], ["claude-sonnet-4-6"]) == {
        "claude-4-6-sonnet": "claude-sonnet-4-6"
    }
    two = ["gpt-4o-2024-05-13", "gpt-4o-2024-08-06"]
    assert same_models(["gpt-4o"], two) == {"gpt-4o": "gpt-4o"}
    assert same_models(["gpt-4o-mini"], ["gpt-4o"]) == {"gpt-4o-mini": "gpt-4o-mini"}


def test_sizes_are_read_as_providers_write_them() -> None:
    forms = {"0-200k": 0, "≤ 200k": 0, "200k-1M": 200_000, "> 200k": 200_000, "long": 272_000}
    assert {text: lower_bound("openai", text) for text in forms} == forms
    assert [bucket_of((0, 200_000), index) for index in range(4)] == [0, 0, 200_000, 200_000]


def test_tolerances() -> None:
    tolerance = Tolerance()
    assert tolerance.is_cell_within(-ONE, 5 * ONE)
    assert not tolerance.is_cell_within(ONE + 1, 5 * ONE)
    assert tolerance.is_cell_within(10 * ONE, 1_000 * ONE)
    # FOCUS's own examples: at least a dollar, five at a million lines; yen have no cents.
    assert [from_pico(invoice_limit(n)) for n in (1, 14, 40_000, 1_000_000)] == [1, 1, 1, 5]
    assert from_pico(invoice_limit(1, "JPY")) == 100
