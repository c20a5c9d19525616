"""The arithmetic of prompt caches, per provider, against figures worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from spanledger_analytics.cache.calls import CacheEntry, Prompt
from spanledger_analytics.cache.causes import Cause
from spanledger_analytics.cache.explain import Finding, explain
from spanledger_analytics.cache.limits import model_family, rules_for
from spanledger_analytics.cache.rates import (
    Rates,
    book_prices,
    break_even,
    lost_usd,
    money_of,
    pings_worth,
    rates_of,
)
from spanledger_analytics.entry_prices import usd
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.overrides import Contract, Overrides, Rate
from spanledger_analytics.pricing import Usage, charge
from spanledger_analytics.tokens import Tokens

NOON_NS = 1_793_534_400 * 10**9  # 2026-11-01 12:00 UTC
BOOK = PriceBook.bundled()


def test_nothing_is_lost_where_no_cheaper_read_is_sold() -> None:
    entry = priced(BOOK, "openai", "gpt-4o", Tokens(input=5_000, output=1))
    call, finding = Prompt(entry), Finding(None, Cause("evicted"), 4_000)
    same = Rates(*[Fraction(10)] * 6)
    row = explain("p", call, finding, same, is_opener=True)
    assert (row.cause, row.lost_tokens) == ("not_cached", 0)
    assert row.lost_usd == 0
    cheaper = same._replace(read=Fraction(1))
    row = explain("p", call, finding, cheaper, is_opener=True)
    assert (row.cause, row.lost_tokens) == ("evicted", 4_000)


def priced(
    book: PriceBook, provider: str, model: str, tokens: Tokens, **changes: Any
) -> CacheEntry:
    """An entry as the ledger prices it."""
    key = PriceKey(provider, model)
    charges = charge(Usage.of([key], [NOON_NS], [tokens], [False]), book)
    parts = {name: usd(int(column[0])) for name, column in charges.parts.items()}
    made: dict[str, Any] = {
        **dict.fromkeys(CacheEntry._fields, ""),
        "entry_id": "e", "time_ns": NOON_NS, "duration_ns": 1, "ttft_ns": None,
        "provider": provider, "model": model,
        "input_tokens": tokens.input, "cache_read_tokens": tokens.cache_read,
        "cache_write_tokens": tokens.cache_write,
        "cache_write_5m_tokens": tokens.cache_write_5m,
        "cache_write_1h_tokens": tokens.cache_write_1h,
        "audio_input_tokens": None, "image_tokens": None, "cache_read_audio_tokens": None,
        "price_status": "priced",
        "price_id": charges.price_ids[charges.price[0]],
        "contract_id": charges.contract_ids[charges.contract[0]],
        "uncached_cost_usd": parts["uncached"],
        "cache_read_cost_usd": parts["cache_read"],
        "cache_write_cost_usd": parts["cache_write"],
        "source_spans": (),
        **changes,
    }  # fmt: skip
    return CacheEntry(**made)


def test_break_even_of_each_pair_of_rates() -> None:
    """(w - r) / (1 - r) uses in all, (w - 1) / (1 - r) reads per write."""
    for write, read, uses, reads in (
        ("1.25", "0.1", Fraction(115, 90), Fraction(25, 90)),  # Anthropic, five minutes: 0.278
        ("2", "0.1", Fraction(190, 90), Fraction(100, 90)),  # one hour: 1.111
        ("1.25", "0.25", Fraction(100, 75), Fraction(25, 75)),  # 0.333
        ("1.25", "0.5", Fraction(75, 50), Fraction(25, 50)),  # 0.5
        ("1", "0.1", Fraction(1), Fraction(0)),  # writes free: OpenAI before GPT-5.6, Gemini
    ):
        found = break_even(Fraction(read), Fraction(write))
        assert found is not None
        assert (found.uses, found.reads) == (uses, reads)
    assert break_even(Fraction(1), Fraction(1)) is None
    assert pings_worth(Fraction(1, 10), Fraction(5, 4)) == Fraction(23, 2)  # 11.5
    assert pings_worth(Fraction(0), Fraction(1)) is None


@pytest.mark.parametrize(
    ("provider", "model", "tokens", "saved", "extra", "full"),
    [
        # $3 a million; read 0.30, written for five minutes 3.75 and for an hour 6.
        (
            "anthropic", "claude-sonnet-4-5",
            Tokens(100_000, 80_000, 15_000, 10_000, 5_000, 10),
            "0.216", "0.0225", "0.3",
        ),
        # Writes that are not read: -(0.25 x 50,000) and -(1 x 50,000) times the rate.
        ("anthropic", "claude-sonnet-4-5", Tokens(50_000, 0, 50_000, 50_000, 0, 1), "0", "0.0375",
         "0.15"),
        ("anthropic", "claude-sonnet-4-5", Tokens(50_000, 0, 50_000, 0, 50_000, 1), "0", "0.15",
         "0.15"),
        # $2.50 a million, read 1.25; writes are free.
        ("openai", "gpt-4o", Tokens(10_000, 7_936, None, None, None, 9), "0.00992", "0", "0.025"),
        # $1.25 a million up to 200,000 tokens and 2.50 above; read a tenth of it.
        ("google", "gemini-2.5-pro", Tokens(100_000, 60_000, None, None, None, 9), "0.0675", "0",
         "0.125"),
        ("google", "gemini-2.5-pro", Tokens(300_000, 60_000, None, None, None, 9), "0.135", "0",
         "0.75"),
    ],
)  # fmt: skip
def test_what_a_call_saved(
    provider: str, model: str, tokens: Tokens, saved: str, extra: str, full: str
) -> None:
    entry = priced(BOOK, provider, model, tokens)
    rates = rates_of(entry, book_prices(BOOK))
    assert rates is not None
    money = money_of(entry, rates)
    assert money.read_saving_usd == Decimal(saved)
    assert money.write_extra_usd == Decimal(extra)
    assert money.full_usd == Decimal(full)


def test_own_rates_and_contracts_count() -> None:
    own = Rate(
        1, "anthropic", "claude-sonnet-4-5", "input", Decimal(2), 10**6, "USD", "", "", 0, 0, None
    )
    contract = Contract("half", "anthropic", "", Decimal("0.5"), None, 0, None)
    book = PriceBook.bundled(Overrides(rates=(own,), contracts=(contract,)))
    entry = priced(book, "anthropic", "claude-sonnet-4-5", Tokens(10_000, 8_000, 0, 0, 0, 1))
    rates = rates_of(entry, book_prices(book))
    assert rates is not None
    assert entry.contract_id == "half"
    # Half of 2 and of 0.30 a million.
    assert (
        money_of(entry, rates).read_saving_usd == 8_000 * (Decimal(2) - Decimal("0.3")) / 2 / 10**6
    )


def test_rates_follow_from_the_costs_where_the_book_moved_on() -> None:
    entry = priced(
        BOOK, "anthropic", "claude-sonnet-4-5", Tokens(10_000, 6_000, 2_000, 2_000, 0, 1)
    )
    moved = entry._replace(
        price_id="genai-prices-0.0.1:anthropic/claude-sonnet-4-5@base",
        uncached_cost_usd=Decimal("0.012"),  # 6 a million
        cache_read_cost_usd=Decimal("0.006"),  # 1 a million
        cache_write_cost_usd=Decimal("0.016"),  # 8 a million
    )
    rates = rates_of(moved, book_prices(BOOK))
    assert rates is not None
    assert rates.factor(rates.read) == pytest.approx(1 / 6)
    money = money_of(moved, rates)
    assert money.read_saving_usd == Decimal("0.030")
    assert money.write_extra_usd == Decimal("0.004")
    assert rates_of(moved._replace(uncached_cost_usd=None), book_prices(BOOK)) is None


def test_what_was_lost_costs_the_difference_to_a_read() -> None:
    """Of 5,000 lost tokens 2,000 were written again at 1.25, the others paid in full."""
    entry = priced(BOOK, "anthropic", "claude-sonnet-4-5", Tokens(10_000, 0, 2_000, 2_000, 0, 1))
    rates = rates_of(entry, book_prices(BOOK))
    assert rates is not None
    expected = (2_000 * Decimal("3.45") + 3_000 * Decimal("2.7")) / 10**6
    assert lost_usd(entry, rates, 5_000) == expected


def test_a_call_without_a_price_has_no_dollars() -> None:
    entry = priced(BOOK, "openai", "gpt-4o", Tokens(10, output=1), price_status="unpriced")
    assert rates_of(entry, book_prices(BOOK)) is None


def test_minimum_and_lifetime_by_model() -> None:
    said = {
        ("anthropic", "claude-opus-4-5-20251101"): (4_096, 300, False),
        ("anthropic", "claude-haiku-4-5"): (4_096, 300, False),
        ("anthropic", "claude-3-5-haiku-latest"): (2_048, 300, False),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"): (1_024, 300, False),
        ("aws.bedrock", "amazon.nova-pro-v1:0"): (1_000, 300, False),
        ("openai", "gpt-4o-2024-08-06"): (1_024, 600, True),
        ("azure", "gpt-4.1"): (1_024, 600, True),
        ("openai", "gpt-4-turbo"): (1_024, 600, False),
        ("google", "gemini-2.5-pro"): (4_096, 300, True),
        ("google", "gemini-2.5-flash"): (1_024, 300, True),
        ("google", "gemini-2.0-flash"): (1_024, 300, False),
        ("deepseek", "deepseek-chat"): (64, 7_200, True),
        ("mistral", "mistral-large-latest"): (1_024, 300, False),
    }
    for (provider, model), expected in said.items():
        rules = rules_for(provider, model)
        assert (rules.minimum_tokens, rules.ttl_s, rules.is_automatic) == expected, model
    assert model_family("openai/gpt-4o-2024-08-06") == model_family("gpt-4o") == "gpt-4o"
