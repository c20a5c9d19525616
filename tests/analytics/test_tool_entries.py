"""Paid tools in the ledger: each execution once, at the price that is for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spanledger_analytics.entries import Entry
from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.service_prices import checked_tool_price
from spanledger_analytics.price_book.tool_list import ToolPrices, quantity
from spanledger_analytics.spans import Span
from spanledger_analytics.tool_entries import ToolDetail, tool_entries
from spanledger_storage.service_price_rows import ToolPriceRow
from tests.analytics.made import MS, T0, llm, span, tool

COST = Decimal("0.005")


def price(usd: str = "0.01", tool: str = "search", **fields: Any) -> ToolPriceRow:
    settings: dict[str, Any] = {
        "project": "",
        "server": "",
        "basis": "call",
        "unit_attribute": "",
        "per": 1,
        "bills_errors": True,
        "effective_from_ns": 0,
        "effective_to_ns": None,
        "id": 1,
        **fields,
    }
    return ToolPriceRow(tool=tool, price_usd=Decimal(usd), **settings)


def entries(
    *spans: Span, prices: list[ToolPriceRow] | None = None, stored: list[Entry] | None = None,
    details: dict[str, tuple[str, str, tuple[str, ...]]] | None = None,
) -> list[Entry]:  # fmt: skip
    told = {
        (one.trace_id, one.span_id): ToolDetail(*(details or {})[one.span_id])
        for one in spans
        if one.span_id in (details or {})
    }
    return tool_entries("p", list(spans), ToolPrices(tuple(prices or ())), told, stored or [])


def costs(*spans: Span, **said: Any) -> list[Decimal | None]:
    return [entry.total_cost_usd for entry in entries(*spans, **said)]


def test_what_the_span_says_is_billed_once_for_all_views_of_an_execution() -> None:
    (entry,) = entries(
        span("0", role="agent", agent_name="planner", task_id="t",
             dimensions=(("team", "travel"),)),
        tool("1", "0", at=1),
        tool("2", "1", at=2, lasts=90, scope_name="mcp", reported_cost_usd=COST),
    )  # fmt: skip
    assert (entry.kind, entry.tool_name, entry.span_id) == ("tool", "search", "1")
    assert (entry.total_cost_usd, entry.price_status, entry.price_id) == (
        COST, "reported", "reported",
    )  # fmt: skip
    assert (entry.agent_name, entry.task_id) == ("planner", "t")
    assert entry.dimensions == (("team", "travel"),)
    assert [key[1] for key in entry.source_spans] == ["1", "2"]
    assert entry.flags == ("double_instrumented",)
    assert (entry.model, entry.input_tokens, entry.usage_source) == ("", None, "span")


def test_without_a_price_a_tool_is_no_entry() -> None:
    assert entries(tool("1")) == []
    assert entries(tool("1"), prices=[price(tool="other")]) == []


def test_the_span_comes_before_the_list() -> None:
    assert costs(tool("1", reported_cost_usd=COST), prices=[price()]) == [COST]
    assert costs(tool("1"), prices=[price()]) == [Decimal("0.01")]


def test_zero_is_what_it_cost_if_our_own_attribute_says_so() -> None:
    free = tool("1", reported_cost_usd=Decimal(0), dialect="spanledger")
    assert costs(free, prices=[price()]) == [Decimal(0)]
    assert costs(free, tool("2", "1", at=1, lasts=20, scope_name="m"), prices=[price()]) == [0]
    assert costs(free._replace(dialect="otel"), prices=[price()]) == [Decimal("0.01")]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"tool": "search"}, {"tool": "sea*"}),
        ({"tool": "sea*"}, {"tool": "s*"}),
        ({"tool": "*", "server": "web"}, {"tool": "*"}),
        ({"tool": "search", "project": "p"}, {"tool": "search"}),
        ({"tool": "search", "effective_from_ns": 5}, {"tool": "search"}),
        ({"tool": "mcp__web__search"}, {"tool": "sea*"}),
    ],
)
def test_the_closer_price_wins(better: dict[str, Any], worse: dict[str, Any]) -> None:
    rows = [price("1", id=1, **worse), price("2", id=2, **better)]
    detail = {"1": ("web", "mcp__web__search", ())}
    assert costs(tool("1"), prices=rows, details=detail) == [Decimal(2)]
    assert costs(tool("1"), prices=rows[::-1], details=detail) == [Decimal(2)]


@pytest.mark.parametrize(
    "fields",
    [
        {"project": "q"},
        {"server": "elsewhere"},
        {"effective_from_ns": T0 + 1},
        {"effective_to_ns": T0},
        {"withdrawn_at_ns": 1},
        {"tool": "searches"},
    ],
)
def test_a_price_for_something_else_prices_nothing(fields: dict[str, Any]) -> None:
    assert costs(tool("1"), prices=[price(**{"tool": "search", **fields})]) == []


def test_failed_calls_cost_what_the_list_says_whichever_view_saw_them_fail() -> None:
    views = tool("1"), tool("2", "1", at=1, lasts=90, scope_name="mcp", status="error")
    assert costs(*views, prices=[price(bills_errors=False)]) == [Decimal(0)]
    assert costs(*views, prices=[price()]) == [Decimal("0.01")]


def test_seconds_and_units_are_exact_and_rounded_once() -> None:
    seconds = price("0.000000000007", basis="second", per=3)
    assert costs(tool("1", lasts=1_500), prices=[seconds]) == [Decimal("0.000000000004")]  # 3.5
    unit = price("0.01", basis="unit", unit_attribute="chars", per=1_000)
    assert costs(tool("1"), prices=[unit], details={"1": ("", "", ("1234",))}) == [
        Decimal("0.01234")
    ]


def test_an_unknown_quantity_is_no_zero() -> None:
    unit = price("0.01", basis="unit", unit_attribute="chars")
    (entry,) = entries(tool("1"), prices=[unit], details={"1": ("", "", ("many",))})
    assert (entry.total_cost_usd, entry.price_status, entry.flags) == (
        None, "unpriced", ("missing_quantity",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "known"),
    [("3", True), ("1.5e2", True), ("-1", False), ("", False), ("1/3", False), ("nan", False),
     ("1e99", False), ("9" * 400, False)],
)  # fmt: skip
def test_quantities_are_numbers_of_a_size_that_can_be(text: str, known: bool) -> None:
    assert (quantity(text) is not None) == known


def test_a_search_the_provider_ran_is_paid_with_the_model_call() -> None:
    rows = [price(tool="web_search")]
    searched = llm("1", usage=(10, 5), web_searches=2)
    own = tool("2", "1", at=1, lasts=10, tool_name="web_search")
    assert costs(searched, own, prices=rows) == []
    assert costs(llm("1", usage=(10, 5)), own, prices=rows) == [Decimal("0.01")]
    below_an_agent = tool("3", "0", at=1, lasts=10, tool_name="web_search")
    agent = span("0", "1", role="agent")
    assert costs(searched, agent, below_an_agent, prices=rows) == [Decimal("0.01")]


def test_a_stored_price_stays_until_the_call_is_another() -> None:
    (stored,) = entries(tool("1"), prices=[price("1", id=1)])
    later = [price("1", id=1, withdrawn_at_ns=9), price("2", id=2)]
    (same,) = entries(tool("1"), prices=later, stored=[stored])
    assert same == stored
    (longer,) = entries(tool("1", lasts=200), prices=later, stored=[stored])
    assert (longer.price_id, longer.billed_price_id) == ("tool:1", "tool:1")
    (other,) = entries(tool("1", tool_name="other"), prices=[*later, price("3", "other", id=3)],
                       stored=[stored])  # fmt: skip
    assert (other.total_cost_usd, other.billed_cost_usd) == (Decimal(3), Decimal(1))


def test_a_price_newer_than_the_list_at_hand_stays() -> None:
    (stored,) = entries(tool("1"), prices=[price("2", id=2)])
    assert entries(tool("1"), prices=[], stored=[stored]) == [stored]
    assert entries(tool("1"), prices=[price("1", id=1)], stored=[stored]) == [stored]


def test_order_and_repeats_of_spans_do_not_matter() -> None:
    spans = [tool("1", reported_cost_usd=COST), tool("2", "1", at=1, lasts=20, scope_name="m")]
    assert entries(*spans) == entries(*spans[::-1], spans[0])
    assert entries(*spans)[0].duration_ns == 100 * MS


@pytest.mark.parametrize(
    "fields",
    [{"basis": "day"}, {"basis": "unit"}, {"unit_attribute": "x"}, {"per": 0}, {"per": 2},
     {"tool": ""}, {"tool": "a*b"}, {"usd": "-1"}, {"effective_to_ns": 0}, {"tool": "x" * 257}],
)  # fmt: skip
def test_prices_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(PriceError):
        checked_tool_price(price(**fields))
