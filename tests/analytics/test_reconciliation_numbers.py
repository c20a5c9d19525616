"""Columns of numbers and of cells are read and compared as a whole, and exactly."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Context, Decimal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.reconciliation.cells import cell_id
from spanledger_analytics.reconciliation.pico import picos_of, to_pico
from spanledger_analytics.reconciliation.result import CallRef, Cause, CauseShare, Cell, CellKey
from spanledger_analytics.reconciliation.rows import changed, table_of

DIGITS = st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-(2**65), 2**65)
MONEY = st.sampled_from([Decimal(0), Decimal("1.5"), Decimal("-0.000000000001")])
TOLD = st.none() | st.just("") | st.just("x")
SHARES = st.builds(
    CauseShare,
    st.sampled_from([Cause.TAX, Cause.ALIAS]),
    MONEY,
    st.just("high"),
    st.sampled_from(["One.", "Two."]),
    st.tuples() | st.tuples(st.builds(CallRef, st.sampled_from("ab"), st.just("c"), st.just("d"))),
)
NAMES = ("ledger_quantity", "ledger_usd", "billed_usd", "volume_usd", "price_usd")
EXACT = Context(prec=50)
CELLS = st.builds(
    Cell,
    cell_id=st.just(""),
    key=st.builds(CellKey, st.just(date(2026, 11, 1)), st.just("openai"), st.just("output"), TOLD),
    usage_quantity=st.none() | MONEY,
    billed_quantity=st.none() | MONEY,
    is_within_tolerance=st.booleans(),
    causes=st.lists(SHARES, max_size=1).map(tuple),
    is_final=st.booleans(),
    **dict.fromkeys(NAMES, MONEY),
)


@given(st.lists(st.none() | DIGITS), st.integers(0, 3))
def test_a_column_of_dollars_is_read_to_the_last_digit(
    digits: list[int | None], skipped: int
) -> None:
    values = [None if one is None else EXACT.scaleb(Decimal(one), -12) for one in digits]
    column = pa.chunked_array([pa.array(values, pa.decimal128(38, 12))]).slice(skipped)
    assert picos_of(column) == [one or 0 for one in digits[skipped:]]


def test_a_column_of_other_decimals_is_read_as_well() -> None:
    column = pa.chunked_array([pa.array([Decimal("1.5")], pa.decimal128(38, 18))])
    assert picos_of(column) == [to_pico(Decimal("1.5"))]


@given(st.lists(CELLS, max_size=4), st.lists(CELLS, max_size=4))
def test_what_is_not_stored_so_is_written(before: list[Cell], after: list[Cell]) -> None:
    old, new = ({cell_id("p", one.key): one for one in cells} for cells in (before, after))
    tables = [
        table_of("p", [replace(cell, cell_id=place) for place, cell in cells.items()], (), 1)
        for cells in (new, old)
    ]
    expected = [old.get(place) != cell for place, cell in new.items()]
    assert changed(*tables).to_pylist() == expected
