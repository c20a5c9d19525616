"""Own rates, contracts, currencies, tiers, fees: against sums done by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices.types import ModelPrice, Tier, TieredPrices

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.overrides import Contract, ExchangeRate, Overrides, Rate
from spanledger_analytics.tokens import Tokens
from tests.pricing import Cost, book_of, cost_of, dated, model, ns, rate, real_book

MILLION = 1_000_000
TOKENS = Tokens(input=MILLION, output=MILLION)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
BASE = model(
    ModelPrice(
        input_mtok=Decimal(2),
        cache_read_mtok=Decimal("0.2"),
        output_mtok=Decimal(8),
    )
)


def book_with(*rates: Rate, **others: tuple[object, ...]) -> PriceBook:
    return book_of(BASE, overrides=Overrides(1, rates=rates, **others))  # type: ignore[arg-type]


def cost(book: PriceBook, tokens: Tokens = TOKENS, **options: object) -> Cost:
    return cost_of(book, "acme", "m", tokens, **options)  # type: ignore[arg-type]


def usds(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


# Providers, at their list prices of November 2026.


@pytest.fixture(scope="module")
def real() -> PriceBook:
    return real_book()


def test_anthropic_cache_by_lifetime_and_web_search(real: PriceBook) -> None:
    # claude-sonnet-4-5: 3 / 15, read 0.30, write 3.75 for five minutes and 6 for an hour,
    # 10 USD per thousand searches.
    tokens = Tokens(
        input=20_000,
        cache_read=10_000,
        cache_write=6_000,
        cache_write_5m=1_000,
        cache_write_1h=2_000,
        output=500,
        web_searches=3,
    )
    found = cost_of(real, "anthropic", "claude-sonnet-4-5-20250929", tokens)
    assert found.parts == (
        Decimal("0.012"),
        Decimal("0.003"),
        # 3,000 of unknown lifetime at the five minutes' rate.
        (4_000 * Decimal("3.75") + 2_000 * 6) / MILLION,
        Decimal("0.0075"),
        Decimal("0.03"),
    )
    assert found.total == found.listed == sum(found.parts)


def test_openai_cached_input(real: PriceBook) -> None:
    # gpt-4o: 2.50, cached 1.25, output 10.
    found = cost_of(real, "openai", "gpt-4o", Tokens(input=10_000, cache_read=4_096, output=321))
    assert found.parts == (
        5_904 * Decimal("0.0000025"),
        4_096 * Decimal("0.00000125"),
        Decimal(0),
        321 * Decimal("0.00001"),
        Decimal(0),
    )
    assert found.usd == Decimal("0.02309")


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("", "11.25"),
        ("default", "11.25"),
        ("no-such-tier", "11.25"),
        ("batch", "5.625"),
        ("flex", "5.625"),
        ("priority", "22.50"),
    ],
)
def test_openai_service_tiers(real: PriceBook, tier: str, expected: str) -> None:
    # gpt-5: 1.25 and 10 USD per million tokens.
    found = cost_of(real, "openai", "gpt-5", TOKENS, tier=tier)
    assert found.usd == Decimal(expected)


def test_openai_batch_begins_on_its_date(real: PriceBook) -> None:
    start = ns(datetime(2026, 10, 14, tzinfo=UTC))
    before = cost_of(real, "openai", "gpt-5", TOKENS, tier="batch", at=start - 1)
    after = cost_of(real, "openai", "gpt-5", TOKENS, tier="batch", at=start)
    assert (before.usd, after.usd) == (Decimal("11.25"), Decimal("5.625"))
    assert after.price_id == "data:openai/gpt-5@base+processing=batch@2026-10-14"


@pytest.mark.parametrize(
    ("tokens_in", "in_usd", "out_usd"),
    [(199_999, "1.25", "10"), (200_000, "1.25", "10"), (200_001, "2.5", "15")],
)
def test_gemini_tier_is_for_more_tokens_than_its_boundary(
    real: PriceBook, tokens_in: int, in_usd: str, out_usd: str
) -> None:
    tokens = Tokens(input=tokens_in, cache_read=100_000, output=1_000)
    found = cost_of(real, "gcp.gemini", "gemini-2.5-pro", tokens)
    cached = Decimal(in_usd) / 10
    assert (
        found.usd
        == ((tokens_in - 100_000) * Decimal(in_usd) + 100_000 * cached + 1_000 * Decimal(out_usd))
        / MILLION
    )


@pytest.mark.parametrize(
    ("hour", "minute", "expected"),
    [(0, 29, "0.685"), (0, 30, "1.37"), (16, 29, "1.37"), (16, 30, "0.685"), (23, 59, "0.685")],
)
def test_deepseek_costs_half_off_peak(
    real: PriceBook, hour: int, minute: int, expected: str
) -> None:
    # deepseek-chat: 0.27 and 1.10 from 00:30 to 16:30 UTC, half of it at other times.
    moment = datetime(2025, 6, 1, hour, minute, tzinfo=UTC)
    found = cost_of(real, "deepseek", "deepseek-chat", TOKENS, at=moment)
    assert found.usd == Decimal(expected)


@pytest.mark.parametrize(("prefix", "expected"), [("us.", "3.3"), ("eu.", "3.3"), ("global.", "3")])
def test_bedrock_regions_cost_more_than_global(real: PriceBook, prefix: str, expected: str) -> None:
    name = f"{prefix}anthropic.claude-sonnet-4-5-20250929-v1:0"
    found = cost_of(real, "aws.bedrock", name, Tokens(input=MILLION, output=0))
    assert found.usd == Decimal(expected)


BARE = "claude-sonnet-4-5-20250929"


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        # 13,025 x 3 + 6,975 x 0.30 + 2,050 x 6 + 6,635 x 15 per million; a tenth more by region
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", BARE, "0.1529925"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5", "0.1529925"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", BARE, "0.16829175"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", BARE, "0.16829175"),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/"
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            BARE,
            "0.1529925",
        ),
        # Another model answered: what was asked says nothing of its price.
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", BARE, "0.16829175"),
        ("global.anthropic.claude-sonnet-4-20250514-v1:0", BARE, "0.16829175"),
        ("global.anthropic.claude-sonnet-4-5-20250930-v1:0", BARE, "0.16829175"),
        ("my-gateways-name", BARE, "0.16829175"),
    ],
)
def test_region_of_bedrock_is_read_from_the_request_where_the_answer_lacks_it(
    real: PriceBook, asked: str, answered: str, expected: str
) -> None:
    tokens = Tokens(
        input=22_050, cache_read=6_975, cache_write=2_050, cache_write_1h=2_050, output=6_635
    )
    found = cost_of(real, "aws.bedrock", answered, tokens, request_model=asked)
    assert found.usd == Decimal(expected)


def test_own_rate_for_the_makers_name_still_prices_a_call_of_a_bedrock_id() -> None:
    own = rate(1, "input", "9", provider="aws.bedrock", model=BARE)
    book = real_book(Overrides(1, rates=(own,)))
    asked = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
    tokens = Tokens(input=MILLION, output=0)
    assert cost_of(book, "aws.bedrock", BARE, tokens, request_model=asked).usd == 9


# Sums of many requests.


@pytest.mark.parametrize(("tokens_in", "reason"), [(200_000, ""), (200_001, "tier_undecided")])
def test_a_sum_is_priced_only_where_no_request_can_have_been_large(
    real: PriceBook, tokens_in: int, reason: str
) -> None:
    tokens = Tokens(input=tokens_in, output=10)
    found = cost_of(real, "gcp.gemini", "gemini-2.5-pro", tokens, is_sum=True)
    assert found.reason == reason
    assert (found.total is None) == bool(reason)


def test_a_sum_costs_a_fee_for_each_request_in_it(real: PriceBook) -> None:
    # sonar-pro: 3 and 15 per million, and 14 dollars per thousand requests.
    tokens = Tokens(input=5_000, output=1_000)
    found = cost_of(real, "perplexity", "sonar-pro", tokens, is_sum=True, requests=10)
    assert found.parts == usds("0.015", "0", "0", "0.015", "0.14")
    assert (found.usd, found.reason) == (Decimal("0.17"), "")


def test_a_fee_per_request_of_a_sum_nobody_counted_is_not_guessed(real: PriceBook) -> None:
    tokens = Tokens(input=5_000, output=1_000)
    found = cost_of(real, "perplexity", "sonar-pro", tokens, is_sum=True, requests=0)
    assert (found.total, found.reason) == (None, "unknown_requests")
    free = cost(book_with(rate(1, "request", "0", per=1)), is_sum=True, requests=0)
    assert free.usd == 10  # 2 + 8: a fee of nothing is nothing, however many requests there were


def test_a_sum_at_one_price_for_all_sizes_is_priced(real: PriceBook) -> None:
    assert cost_of(real, "openai", "gpt-4o", TOKENS, is_sum=True).usd == Decimal("12.5")


# Own rates.


def test_own_rate_replaces_its_class_alone() -> None:
    tokens = Tokens(input=2 * MILLION, cache_read=MILLION, output=MILLION)
    found = cost(book_with(rate(7, "input", "1")), tokens)
    assert found.parts[:4] == usds("1", "0.2", "0", "8")
    assert found.price_id == "test:acme/m@base+own:7"


def test_own_rates_price_a_model_the_data_lack() -> None:
    book = book_with(
        rate(1, "input", "4", model="in-house"),
        rate(2, "output", "0.009", model="in-house", per=1_000),
    )
    tokens = Tokens(
        input=2 * MILLION, cache_read=MILLION, audio_input=5, output=MILLION, reasoning=7
    )
    found = cost_of(book, "acme", "in-house", tokens)
    # Cache reads and audio are input, reasoning is output, as in the data.
    assert found.parts == usds("4", "4", "0", "9", "0")
    assert found.price_id == "own:acme/in-house+own:1,2"
    assert cost_of(book, "acme", "other", tokens).reason == "unknown_model"


def test_class_without_any_rate_is_missing() -> None:
    book = book_with(rate(1, "input", "4", model="in-house"))
    assert cost_of(book, "acme", "in-house", TOKENS).reason == "missing_rate"
    assert cost_of(book, "acme", "in-house", Tokens(input=MILLION, output=0)).usd == 4


def test_own_rate_holds_to_the_nanosecond() -> None:
    start, end = ns(MAY) + 123_456_789, ns(MAY) + 987_654_321
    book = book_with(rate(1, "input", "1", start=start, end=end))
    tokens = Tokens(input=MILLION, output=0)
    found = [cost(book, tokens, at=at).usd for at in (start - 1, start, end - 1, end)]
    assert found == [2, 1, 1, 2]


def test_later_own_rate_follows_the_earlier() -> None:
    book = book_with(rate(1, "input", "1"), rate(2, "input", "3", start=MAY))
    tokens = Tokens(input=MILLION, output=0)
    assert [cost(book, tokens, at=ns(MAY) + step).usd for step in (-1, 0)] == [1, 3]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (rate(1, "input", "1"), rate(2, "input", "9", model="m*")),
        (rate(1, "input", "1", model="model-x*"), rate(2, "input", "9", model="model*")),
        (rate(1, "input", "1", model="model*"), rate(2, "input", "9", model="*")),
        (rate(1, "input", "1"), rate(2, "input", "9", provider="")),
        (rate(1, "input", "1", region="eu-west-1"), rate(2, "input", "9")),
        # Exact model before provider before region.
        (rate(1, "input", "1", provider=""), rate(2, "input", "9", model="m*")),
        (rate(1, "input", "1"), rate(2, "input", "9", provider="", region="eu-west-1")),
        # A tier's own price before all others.
        (rate(1, "input", "1", model="*", tier="flex"), rate(2, "input", "9")),
    ],
)
def test_the_closest_rate_wins(better: Rate, worse: Rate) -> None:
    name = "model-x1" if better.model.startswith("model") else "m"
    others = (rate(3, "output", "0", provider="", model="*"),)
    for rates in ((better, worse), (worse, better)):
        book = book_with(*rates, *others)
        tokens = Tokens(input=MILLION, output=0)
        found = cost_of(book, "acme", name, tokens, region="eu-west-1", tier="flex")
        assert found.usd == 1
        assert "own:1" in found.price_id


def test_rates_of_other_providers_models_regions_and_tiers_do_not_apply() -> None:
    book = book_with(
        rate(1, "input", "9", provider="other"),
        rate(2, "input", "9", model="mm"),
        rate(3, "input", "9", model="n*"),
        rate(4, "input", "9", region="us"),
        rate(5, "input", "9", tier="batch"),
    )
    assert cost(book, region="eu").price_id == "test:acme/m@base"


def test_tier_rate_before_the_datas_tier_before_own_standard_before_the_datas() -> None:
    # gpt-5: 1.25 / 10, cached 0.125; flex 0.625 / 5, cached 0.0625.
    own = {"provider": "openai", "model": "gpt-5"}
    book = real_book(
        Overrides(
            1,
            rates=(
                rate(1, "output", "3", tier="flex", **own),  # type: ignore[arg-type]
                rate(2, "output", "7", **own),  # type: ignore[arg-type]
                rate(3, "input", "9", **own),  # type: ignore[arg-type]
                rate(4, "web_search", "1", per=1, **own),  # type: ignore[arg-type]
            ),
        )
    )
    tokens = Tokens(input=2 * MILLION, cache_read=MILLION, output=MILLION, web_searches=2)
    flex = cost_of(book, "openai", "gpt-5", tokens, tier="flex")
    assert flex.parts == usds("0.625", "0.0625", "0", "3", "2")
    standard = cost_of(book, "openai", "gpt-5", tokens)
    assert standard.parts == usds("9", "0.125", "0", "7", "2")


def test_own_rate_above_a_size_of_request() -> None:
    book = book_with(rate(1, "input", "5", above=1_000), rate(2, "input", "9", above=2_000))
    found = [
        cost(book, Tokens(input=size, output=0)).usd / size * MILLION
        for size in (1_000, 1_001, 2_000, 2_001)
    ]
    assert found == [2, 5, 5, 9]
    large = cost(book, Tokens(input=2_001, output=0))
    assert large.price_id == "test:acme/m@base>2000+own:2"


def test_own_rate_for_all_sizes_replaces_the_datas_tiers_of_its_class() -> None:
    tiers = model(
        ModelPrice(
            input_mtok=TieredPrices(Decimal(1), [Tier(100, Decimal(2))]),
            output_mtok=TieredPrices(Decimal(5), [Tier(100, Decimal(10))]),
        )
    )
    book = book_of(tiers, overrides=Overrides(1, rates=(rate(1, "input", "4"),)))
    assert cost(book, Tokens(input=101, output=100)).usd * MILLION == 404 + 1_000


def test_names_of_own_rates_are_those_of_the_data_and_of_the_wire() -> None:
    own = Overrides(1, rates=(rate(1, "output", "1", provider="azure_openai", model="gpt-4o"),))
    tokens = Tokens(input=0, output=MILLION)
    book = real_book(own)
    # A dated name means gpt-4o in the data, unless they list it apart.
    for name in ("gpt-4o", "GPT-4o", "azure/gpt-4o", "gpt-4o-2024-08-06"):
        assert cost_of(book, "azure.ai.openai", name, tokens).usd == 1, name
    assert cost_of(book, "azure.ai.openai", "gpt-4o-2024-05-13", tokens).usd == 15
    assert cost_of(book, "openai", "gpt-4o", tokens).usd == 10


def test_response_model_named_by_an_own_rate_comes_before_the_request_model() -> None:
    own = [rate(n, name, "1", provider="openai", model="tuned-7")
           for n, name in ((1, "input"), (2, "output"))]  # fmt: skip
    book = real_book(Overrides(1, rates=tuple(own)))
    assert cost_of(book, "openai", "tuned-7", TOKENS, request_model="gpt-4o").usd == 2
    assert cost_of(book, "openai", "tuned-8", TOKENS, request_model="gpt-4o").usd == Decimal("12.5")


AZURE = "azure.ai.openai"
DEPLOYMENT = (
    rate(1, "input", "0.5", provider="azure", model="my-ptu"),
    rate(2, "output", "1", provider="azure", model="my-ptu"),
)


def deployed(
    *others: Rate, answered: str = "gpt-4o-2024-08-06", asked: str = "my-ptu", **more: Any
) -> Cost:
    """The cost of a million tokens in and out; the data say 2.50 and 10 for gpt-4o."""
    book = real_book(Overrides(1, rates=(*DEPLOYMENT, *others), **more))
    return cost_of(book, AZURE, answered, TOKENS, request_model=asked)


def test_own_rate_of_a_deployment_holds_where_the_response_names_its_model() -> None:
    found = deployed()
    assert (found.usd, found.price_id[-8:]) == (Decimal("1.5"), "+own:1,2")
    # A class it leaves out keeps the rate of the model that answered.
    alone = real_book(Overrides(1, rates=DEPLOYMENT[:1]))
    found = cost_of(alone, AZURE, "gpt-4o-2024-08-06", TOKENS, request_model="my-ptu")
    assert found.parts == usds("0.5", "0", "0", "10", "0")


def test_own_rate_of_a_model_that_did_not_answer_does_not_apply() -> None:
    own = (
        rate(3, "input", "7", provider="azure", model="gpt-4"),
        rate(4, "output", "7", provider="azure", model="gpt-4"),
    )
    # gpt-4 is a model of its own in the data: a gateway had another one answer in its place.
    assert deployed(*own, asked="gpt-4").usd == Decimal("12.5")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("gpt-4o", "4"),  # both names in full: the one of the response
        ("gpt-4o-2024-08-06", "4"),
        ("gpt-*", "1.5"),  # a name in full before a prefix
        ("my-*", "1.5"),
        ("*", "1.5"),
    ],
)
def test_of_rates_for_both_names_the_closer_wins_then_the_responses(
    other: str, expected: str
) -> None:
    more = [
        rate(n, name, "2", provider="azure", model=other)
        for n, name in ((3, "input"), (4, "output"))
    ]
    assert deployed(*more).usd == Decimal(expected)


def test_contract_of_a_deployment_holds_where_the_response_names_its_model() -> None:
    half = Contract("c-1", "azure", "my-ptu", Decimal("0.5"), None, 0, None)
    assert deployed(contracts=(half,)).usd == Decimal("0.75")


@pytest.mark.parametrize("provider", ["vllm", "sglang", "ollama"])
def test_own_inference_server_with_a_rate_is_priced(provider: str) -> None:
    start = ns(MAY)
    own = [rate(n, name, "0.1", provider=provider, model="llama*", start=start)
           for n, name in ((1, "input"), (2, "output"))]  # fmt: skip
    book = real_book(Overrides(1, rates=tuple(own)))
    found = cost_of(book, provider, "llama-4", TOKENS)
    assert (found.status, found.usd) == ("priced", Decimal("0.2"))
    assert cost_of(book, provider, "llama-4", TOKENS, at=start - 1).status == "self_hosted"
    assert cost_of(book, provider, "gpt-4o", TOKENS).status == "self_hosted"


# Fees.


def test_fee_per_request_and_per_search() -> None:
    book = book_with(rate(1, "request", "12", per=1_000), rate(2, "web_search", "0.01", per=1))
    found = cost(book, Tokens(input=MILLION, output=0, web_searches=4))
    assert found.parts[4] == Decimal("0.052")
    assert found.usd == Decimal("2.052")


def test_search_without_a_rate_is_not_free() -> None:
    searched = Tokens(input=10, output=1, web_searches=1)
    assert cost(book_with(), searched).reason == "missing_rate"
    assert cost(book_with(), searched._replace(web_searches=0)).total is not None


def test_images_and_cached_audio_have_rates_of_their_own() -> None:
    book = book_with(
        rate(1, "image_output", "40"),
        rate(2, "audio_input", "10"),
        rate(3, "cache_read_audio", "1"),
    )
    tokens = Tokens(
        input=1_000, cache_read=300, audio_input=200, cache_read_audio=100,
        output=1_000, image_output=900,
    )  # fmt: skip
    # 600 text, 100 fresh audio, 200 cached text, 100 cached audio.
    assert cost(book, tokens).usd * MILLION == (
        600 * 2 + 100 * 10 + 200 * Decimal("0.2") + 100 * 1 + 100 * 8 + 900 * 40
    )
    assert cost(book, tokens._replace(cache_read_audio=None)).reason == "inconsistent_usage"


# Currencies.


def euros(*rates: tuple[str, datetime]) -> tuple[ExchangeRate, ...]:
    return tuple(ExchangeRate("EUR", Decimal(usd), ns(start)) for usd, start in rates)


def test_own_currency_converts_at_the_rate_in_force() -> None:
    exchange = euros(("1.10", datetime(2026, 1, 1, tzinfo=UTC)), ("1.2345678", MAY))
    book = book_with(rate(1, "input", "3", currency="EUR"), exchange_rates=exchange)
    tokens = Tokens(input=MILLION, output=0)
    before, after = cost(book, tokens, at=ns(MAY) - 1), cost(book, tokens, at=MAY)
    assert (before.usd, after.usd) == (Decimal("3.3"), Decimal("3.7037034"))
    assert before.price_id == "test:acme/m@base+own:1+EUR@2026-01-01"
    assert after.price_id == "test:acme/m@base+own:1+EUR@2026-05-01"


def test_no_exchange_rate_yet_is_unpriced() -> None:
    own = rate(1, "input", "3", currency="EUR")
    book = book_with(own, exchange_rates=euros(("1.1", MAY)))
    assert cost(book, at=ns(MAY) - 1).reason == "no_exchange_rate"
    assert cost(book, at=MAY).total is not None
    # A class that is not used decides nothing.
    assert cost(book, Tokens(input=0, output=1), at=ns(MAY) - 1).total is not None


def test_cached_tokens_cost_the_enclosing_rate_in_its_currency() -> None:
    book = book_of(
        dated((None, "2")),
        overrides=Overrides(1, rates=(rate(1, "input", "3", currency="CHF"),)),
    )
    tokens = Tokens(input=5, cache_read=5, output=0)
    assert cost(book, tokens).reason == "no_exchange_rate"


# Contracts.


def contract(
    name: str,
    multiplier: str,
    *,
    provider: str = "acme",
    models: str = "",
    start: datetime | int = 0,
    end: datetime | None = None,
) -> Contract:
    return Contract(
        name,
        provider,
        models,
        Decimal(multiplier),
        None,
        ns(start),
        None if end is None else ns(end),
    )


def test_contract_multiplies_every_class() -> None:
    book = book_with(contracts=(contract("c", "0.85"),))
    tokens = Tokens(input=2 * MILLION, cache_read=MILLION, output=MILLION)
    found = cost(book, tokens)
    assert found.listed == Decimal("10.2")
    assert found.parts == usds("1.7", "0.17", "0", "6.8", "0")
    assert (found.total, found.contract_id) == (Decimal("8.67"), "c")
    assert found.price_id == "test:acme/m@base"


def test_contract_rounds_half_even_per_class_so_that_classes_add_up() -> None:
    fine = model(ModelPrice(input_mtok=Decimal("0.000001"), output_mtok=Decimal("0.000003")))
    book = book_of(fine, overrides=Overrides(1, contracts=(contract("c", "0.5"),)))
    # One picodollar halves to 0, three to 2: both to even.
    found = cost(book, Tokens(input=1, output=1))
    assert found.parts[:4] == usds("0", "0", "0", "0.000000000002")
    assert found.total == sum(found.parts)
    assert found.listed == Decimal("0.000000000004")


@pytest.mark.parametrize(
    ("contracts", "chosen"),
    [
        ((contract("all", "0.9", provider=""), contract("one", "0.8")), "one"),
        ((contract("one", "0.9"), contract("m", "0.8", models="m")), "m"),
        ((contract("prefix", "0.9", models="m*"), contract("m", "0.8", models="m")), "m"),
        ((contract("one", "0.9"), contract("prefix", "0.8", models="m*")), "prefix"),
        ((contract("other", "0.9", provider="other"), contract("n", "0.8", models="n")), ""),
        ((contract("old", "0.9", end=MAY), contract("new", "0.8", start=MAY)), "new"),
    ],
)
def test_the_closest_contract_in_force_applies(
    contracts: tuple[Contract, ...], chosen: str
) -> None:
    for order in (contracts, contracts[::-1]):
        assert cost(book_with(contracts=order)).contract_id == chosen


def test_contract_holds_to_the_nanosecond() -> None:
    book = book_with(
        contracts=(contract("c", "0.5", start=MAY, end=datetime(2026, 6, 1, tzinfo=UTC)),)
    )
    june = ns(datetime(2026, 6, 1, tzinfo=UTC))
    found = [cost(book, at=at).contract_id for at in (ns(MAY) - 1, ns(MAY), june - 1, june)]
    assert found == ["", "c", "c", ""]


# The table.


def test_table_shows_own_rates_in_place_of_the_datas() -> None:
    book = book_with(
        rate(1, "input", "0.003", per=1_000, currency="EUR"),
        rate(2, "output", "4", tier="flex"),
        rate(3, "output", "6", region="eu"),
        rate(4, "input", "7", above=1_000),
        rate(5, "input", "1", model="in-house"),
        rate(6, "input", "1", end=1),
    )
    rows = {
        (r.model, r.region, r.service_tier, r.above_tokens, r.token_class): (r.price, r.source)
        for r in book.rows(ns(MAY))
    }
    assert rows == {
        ("m", "", "", 0, "input"): (Decimal("0.003"), "own:1"),
        ("m", "", "", 0, "cache_read"): (Decimal("0.2"), "test"),
        ("m", "", "", 0, "output"): (Decimal(8), "test"),
        ("m", "", "", 1_000, "input"): (Decimal(7), "own:4"),
        ("m", "", "flex", 0, "output"): (Decimal(4), "own:2"),
        ("m", "eu", "", 0, "output"): (Decimal(6), "own:3"),
        ("in-house", "", "", 0, "input"): (Decimal(1), "own:5"),
    }


def test_table_tells_from_when_to_when() -> None:
    book = book_of(dated((None, "4"), (date(2026, 3, 1), "3"), (date(2026, 7, 1), "2")))
    (row,) = [r for r in book.rows(ns(MAY)) if r.token_class == "input"]
    assert (row.effective_from_ns, row.effective_to_ns) == (
        ns(datetime(2026, 3, 1, tzinfo=UTC)),
        ns(datetime(2026, 7, 1, tzinfo=UTC)),
    )
