"""The prices page without anything, with own prices, and without a state database."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

import spanledger_dashboard
from spanledger_analytics.price_book.store import (
    add_contract,
    set_exchange_rates,
    set_rates,
)
from spanledger_dashboard.prices.tables import RateFilter, day, price, rate_frame
from spanledger_storage.price_state import ContractRow, ExchangeRateRow, PriceState, RateRow
from tests.dashboard.seed import NS_PER_S, Seeder

APP = Path(spanledger_dashboard.__file__).parent / "app.py"
DAY_NS = 86_400 * NS_PER_S


@pytest.fixture
def prices(state: sa.Engine) -> PriceState:
    return PriceState(state)


@pytest.fixture
def app(store_url: str) -> AppTest:
    assert store_url
    return AppTest.from_file(str(APP), default_timeout=30)


def page(app: AppTest, **params: str) -> AppTest:
    for key, value in params.items():
        app.query_params[key] = value
    app.switch_page("app_pages/prices.py")
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    blocks = [*app.markdown, *app.caption, *app.info, *app.error, *app.subheader, *app.code]
    return "\n".join(str(b.value) for b in blocks).replace("\\", "")


def table(app: AppTest, column: str) -> dict[str, list[object]]:
    """The one table that has a column of this name."""
    [found] = [d.value for d in app.dataframe if column in d.value.columns]
    return {str(c): found[c].tolist() for c in found.columns}


def own_rate(**changes: object) -> RateRow:
    values: dict[str, object] = {
        "provider": "vllm",
        "model": "Qwen/Qwen3*",
        "token_class": "input",
        "price": Decimal("0.10"),
        "per": 1_000_000,
        "currency": "EUR",
        "service_tier": "",
        "region": "",
        "above_tokens": 0,
        "effective_from_ns": 0,
        "effective_to_ns": None,
        **changes,
    }
    return RateRow(**values)  # type: ignore[arg-type]  # the table above has their types


def test_an_empty_instance_shows_list_prices_and_how_to_add_own_ones(
    app: AppTest, prices: PriceState
) -> None:
    assert prices.revision() == 0
    shown = page(app)
    words = text(shown)
    assert "spanledger prices set PROVIDER MODEL" in words
    assert "spanledger prices contracts add" in words
    assert "spanledger prices exchange-rates add" in words
    assert "Nothing has been changed" in words
    rates = table(shown, "Input")
    assert "anthropic" in rates["Provider"]
    assert {m.label: m.value for m in shown.metric}["Own rates in force"] == "0"
    assert not app.selectbox(key="refresh").disabled


def test_without_a_state_database_list_prices_stay_and_a_sentence_says_why(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SPANLEDGER_STATE_URL", raising=False)
    shown = page(app)
    assert "SPANLEDGER_STATE_URL" in text(shown)
    assert "Own rates" not in [s.value for s in shown.subheader]
    assert "anthropic" in table(shown, "Input")["Provider"]


def test_a_state_database_that_is_not_there_is_said_and_not_made(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_STATE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    assert "price tables of the state database cannot be used" in text(page(app))
    assert not (tmp_path / "none.db").exists()


def test_own_rates_contracts_and_their_log_are_shown(
    app: AppTest, prices: PriceState, seed: Seeder, now_s: int
) -> None:
    now_ns = now_s * NS_PER_S
    with prices.change("ann", now_ns) as change:
        set_rates(change, [("", own_rate()), ("", own_rate(token_class="output"))])
        set_exchange_rates(change, [ExchangeRateRow("EUR", Decimal("1.08"), 0)])
        start, end = now_ns - 20 * DAY_NS, now_ns + 10 * DAY_NS
        terms = ("acme", "openai", "", Decimal("0.85"), Decimal(100), start, end)
        add_contract(change, ContractRow(*terms))
    span = seed.span("ab" * 16, "1" * 16)
    seed.entry(span, "40", contract_id="acme")
    seed.insert()
    shown = page(app)
    assert table(shown, "Per")["Model"] == ["Qwen/Qwen3*", "Qwen/Qwen3*"]
    assert table(shown, "Per")["Currency"] == ["EUR", "EUR"]
    contracts = table(shown, "Contract")
    assert contracts["Price"] == ["-15%"]
    assert contracts["Spent"] == [40.0]
    assert contracts["Remaining"] == [60.0]
    assert contracts["Per day"] == [pytest.approx(2.0, rel=1e-3)]
    assert contracts["At the end"] == [pytest.approx(60.0, rel=1e-3)]
    assert table(shown, "US dollars")["US dollars"] == [1.08]
    assert table(shown, "Who")["Who"] == ["ann"] * 4
    assert table(shown, "Who")["Object"][0] == "contract acme"
    assert {m.label: m.value for m in shown.metric}["Contracts"] == "1"


def test_a_model_without_a_price_is_named_with_the_command_to_price_it(
    app: AppTest, prices: PriceState, seed: Seeder
) -> None:
    assert prices.revision() == 0
    for number in range(3):
        span = seed.span("cd" * 16, f"{number:016x}", response_model="gpt-4o-mni")
        seed.entry(span, None, provider="openai", flags=["unknown_model"])
    seed.insert()
    shown = page(app)
    assert table(shown, "Why") == {
        "Provider": ["openai"],
        "Model": ["gpt-4o-mni"],
        "Calls": [3],
        "Tokens": [3600],
        "Why": ["unknown model"],
        "Nearest name": ["gpt-4o-mini"],
    }
    assert "spanledger prices set openai gpt-4o-mni --input PRICE --output PRICE" in text(shown)


def test_filters_narrow_the_rates(app: AppTest, prices: PriceState) -> None:
    with prices.change("ann", 1) as change:
        set_rates(change, [("", own_rate(provider="openai", model="gpt-4o", currency="USD"))])
    shown = page(app, q="gpt-4o", provider="openai", tier="standard")
    rates = table(shown, "Input")
    assert set(rates["Provider"]) == {"openai"}
    assert all("gpt-4o" in str(model) for model in rates["Model"])
    own = rates["Model"].index("gpt-4o")
    assert (rates["Input"][own], rates["Own"][own]) == (0.1, "1")
    shown.text_input(key="q").set_value("no such model").run()
    assert "No rate matches" in text(shown)


def test_rates_of_different_units_stand_in_one_unit() -> None:
    from spanledger_analytics.price_book.rates import FlatRate

    def flat(token_class: str, amount: str, per: int) -> FlatRate:
        return FlatRate(
            "p", "m", "", "", 0, token_class, Decimal(amount), per, "USD", None, None, "x", "id"
        )

    frame = rate_frame([flat("input", "0.0025", 1_000), flat("web_search", "10", 1_000)])
    assert frame["Input"].tolist() == [2.5]
    assert frame["Search"].tolist() == [0.01]
    assert "Region" not in frame.columns
    assert not RateFilter(is_own=True).takes(flat("input", "1", 1))


def test_prices_and_moments_are_written_as_people_read_them() -> None:
    assert [price(v) for v in (2.5, 0.000075, 1200.0, None, float("nan"))] == [
        "2.50",
        "0.000075",
        "1,200.00",
        "—",
        "—",
    ]
    assert day(1_767_225_600 * NS_PER_S) == "2026-01-01"
    assert day(1_767_225_601 * NS_PER_S) == "2026-01-01 00:00:01"
    assert day(None) == ""
