"""The lines of a call's price add up to what the ledger charges, to the picodollar."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spanledger_analytics.price_book.arithmetic import arithmetic
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.overrides import Contract, Overrides, Rate
from spanledger_analytics.pricing import Usage, charge
from spanledger_analytics.tokens import Tokens

SONNET = PriceKey("anthropic", "claude-sonnet-4-5")
NOW_NS = 1_795_000_000 * 10**9
CALL = Tokens(
    input=1_000, cache_read=600, cache_write=50, cache_write_1h=20, output=200, web_searches=2
)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def own_rate(number: int, price: str, per: int, token_class: str) -> Rate:
    return Rate(number, "acme", "m-1", token_class, Decimal(price), per, "USD", "", "", 0, 0, None)


def test_each_class_stands_on_its_own_line(book: PriceBook) -> None:
    found = arithmetic(book, SONNET, NOW_NS, CALL)
    assert found is not None
    assert [(x.token_class, x.count, x.rate_usd, x.cost_usd) for x in found.lines] == [
        ("input", 350, Decimal(3), Decimal("0.00105")),
        ("cache_read", 600, Decimal("0.3"), Decimal("0.00018")),
        ("cache_write", 30, Decimal("3.75"), Decimal("0.0001125")),
        ("cache_write_1h", 20, Decimal(6), Decimal("0.00012")),
        ("output", 200, Decimal(15), Decimal("0.003")),
        ("web_search", 2, Decimal("0.01"), Decimal("0.02")),
    ]
    assert found.total_usd == Decimal("0.0244625")


def test_a_large_request_is_of_the_larger_size(book: PriceBook) -> None:
    found = arithmetic(book, SONNET, NOW_NS, Tokens(input=200_001, output=1))
    assert found is not None
    assert found.above_tokens == 200_000
    assert found.lines[0].rate_usd == Decimal(6)
    assert found.price_id.endswith(">200000")


def test_a_contract_stands_between_the_lines_and_the_total() -> None:
    contract = Contract("acme-2026", "anthropic", "", Decimal("0.85"), None, 0, None)
    found = arithmetic(PriceBook.bundled(Overrides(contracts=(contract,))), SONNET, NOW_NS, CALL)
    assert found is not None
    assert (found.contract_id, found.multiplier) == ("acme-2026", Decimal("0.85"))
    assert sum(x.cost_usd for x in found.lines) == found.list_usd == Decimal("0.0244625")
    assert found.total_usd == Decimal("0.020793125")


def test_a_rate_finer_than_a_picodollar_is_rounded_once_for_each_part() -> None:
    rates = (own_rate(7, "1", 3 * 10**12, "input"), own_rate(8, "2", 7 * 10**12, "output"))
    book = PriceBook.bundled(Overrides(rates=rates))
    tokens = Tokens(input=100, output=10)
    found = arithmetic(book, PriceKey("acme", "m-1"), NOW_NS, tokens)
    assert found is not None
    assert [x.cost_usd for x in found.lines] == [Decimal("33e-12"), Decimal("3e-12")]
    assert found.own_rates == rates
    charged = charge(Usage.of([PriceKey("acme", "m-1")], [NOW_NS], [tokens], [False]), book)
    assert found.total_usd == Decimal(int(charged.total[0])).scaleb(-12)


def test_a_fee_per_request_stands_for_each_request_of_a_sum(book: PriceBook) -> None:
    key, tokens = PriceKey("perplexity", "sonar-pro"), Tokens(input=5_000, output=1_000)
    found = arithmetic(book, key, NOW_NS, tokens, 10)
    assert found is not None
    # 14 dollars per thousand requests.
    fees = [(x.count, x.cost_usd) for x in found.lines if x.token_class == "request"]
    assert fees == [(10, Decimal("0.14"))]
    assert arithmetic(book, key, NOW_NS, tokens, 0) is None


def test_what_has_no_price_has_no_arithmetic(book: PriceBook) -> None:
    assert arithmetic(book, PriceKey("acme", "mystery"), NOW_NS, CALL) is None
    assert arithmetic(book, SONNET, NOW_NS, Tokens()) is None
    assert arithmetic(book, SONNET, NOW_NS, Tokens(input=1, cache_read=2)) is None
