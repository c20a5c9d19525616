"""The price book against genai-prices' own calculator and against sums done by hand."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from spanledger_analytics.prices import PriceBook
from spanledger_analytics.rates import Cost, Price
from spanledger_analytics.tokens import Tokens

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
PICO = Decimal("0.000000000001")
TEXT_KEYS = {
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
    "output_reasoning_mtok",
    "requests_kcount",
    "input_audio_mtok",
    "output_audio_mtok",
    "input_image_mtok",
    "cache_audio_read_mtok",
    "cache_image_read_mtok",
}


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


def cost_of(
    book: PriceBook,
    provider: str,
    model: str,
    tokens: Tokens,
    *,
    at: datetime = NOON,
    tier: str = "",
) -> Cost | None:
    prices = book.resolve(provider, model, "", ns(at), tier)
    price = None if prices is None else prices.for_input(tokens.input)
    return None if price is None else price.cost(tokens)


def usd(picodollars: int) -> Decimal:
    return Decimal(picodollars).scaleb(-12)


def priced_by_token() -> list[tuple[Provider, ModelInfo]]:
    """Models whose input and output tokens have prices at all times."""
    found: list[tuple[Provider, ModelInfo]] = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            prices = model.prices
            sets = [prices] if isinstance(prices, ModelPrice) else [c.prices for c in prices]
            if all(vars(s).get("input_mtok") and vars(s).get("output_mtok") for s in sets):
                found.append((provider, model))
    return found


def random_usage(rng: random.Random) -> Tokens:
    read, write, text = rng.randrange(90_000), rng.randrange(40_000), rng.randrange(1, 200_000)
    short = rng.randrange(write + 1)
    long = rng.randrange(write - short + 1)
    output = rng.randrange(50_000)
    return Tokens(
        input=read + write + text,
        cache_read=read,
        cache_write=write,
        cache_write_5m=short,
        cache_write_1h=long,
        output=output,
        reasoning=rng.randrange(output + 1),
    )


def test_agrees_with_genai_prices_for_random_usage_of_every_model(book: PriceBook) -> None:
    rng = random.Random(20261121)
    checked = 0
    for provider, model in priced_by_token():
        tier = rng.choice(["", "batch", "flex", "priority", "default"])
        moment = NOON - timedelta(days=rng.randrange(700), seconds=rng.randrange(86_400))
        tokens = random_usage(rng)
        context = {"service_tier": tier, "processing": tier} if tier else None
        truth = model.calc_price(
            Usage(
                input_tokens=tokens.input,
                cache_read_tokens=tokens.cache_read,
                cache_write_tokens=tokens.cache_write,
                cache_write_1h_tokens=tokens.cache_write_1h,
                output_tokens=tokens.output,
                output_reasoning_tokens=tokens.reasoning,
            ),
            provider,
            genai_request_timestamp=moment,
            price_context=context,
        ).total_price
        schedule = book._schedule(provider, model, tier)
        price = schedule.at(ns(moment)).for_input(tokens.input)
        assert price is not None
        cost = price.cost(tokens)
        assert cost is not None, model.id
        if price.scale == 1:
            assert usd(cost.total) == truth, (provider.id, model.id, tier, moment)
        else:
            assert abs(usd(cost.total) - truth) <= 2 * PICO, (provider.id, model.id)
        checked += 1
    assert checked > 1_000


def test_agrees_with_genai_prices_for_audio_and_images_without_cache(book: PriceBook) -> None:
    rng = random.Random(7)
    checked = 0
    for provider, model in priced_by_token():
        if not isinstance(model.prices, ModelPrice):
            continue
        keys = {key for key, value in vars(model.prices).items() if value is not None}
        media = {"input_audio_mtok", "output_audio_mtok", "input_image_mtok"}
        if not keys & media or not keys <= TEXT_KEYS:
            continue
        audio, image, out = rng.randrange(900), rng.randrange(900), rng.randrange(900)
        tokens = Tokens(
            input=audio + image + 1_000,
            output=out + 50,
            audio_input=audio,
            audio_output=out,
            image=image,
        )
        truth = model.calc_price(
            Usage(
                input_tokens=tokens.input,
                output_tokens=tokens.output,
                input_audio_tokens=audio,
                output_audio_tokens=out,
                input_image_tokens=image,
            ),
            provider,
            genai_request_timestamp=NOON,
        ).total_price
        price = book._schedule(provider, model, "").at(ns(NOON)).for_input(tokens.input)
        assert price is not None
        cost = price.cost(tokens)
        assert cost is not None
        assert usd(cost.total) == truth, (provider.id, model.id)
        checked += 1
    assert checked > 5


def test_openai_cached_input_costs_the_cached_rate(book: PriceBook) -> None:
    # 2.50 / 1.25 / 10.00 USD per million tokens: uncached, cached, output.
    cost = cost_of(book, "openai", "gpt-4o", Tokens(input=10_000, cache_read=4_096, output=321))
    assert cost == Cost(
        uncached=5_904 * 2_500_000,
        cache_read=4_096 * 1_250_000,
        cache_write=None,
        output=321 * 10_000_000,
        request=0,
        total=5_904 * 2_500_000 + 4_096 * 1_250_000 + 321 * 10_000_000,
    )
    assert usd(cost.total) == Decimal("0.02309")


def test_anthropic_cache_writes_cost_by_lifetime(book: PriceBook) -> None:
    # claude-sonnet-4-5: 3 / 15, read 0.30, write 3.75 for five minutes and 6 for an hour.
    tokens = Tokens(
        input=20_000,
        cache_read=10_000,
        cache_write=6_000,
        cache_write_5m=1_000,
        cache_write_1h=2_000,
        output=500,
    )
    cost = cost_of(book, "anthropic", "claude-sonnet-4-5-20250929", tokens)
    assert cost is not None
    assert usd(cost.uncached or 0) == Decimal("0.012")
    assert usd(cost.cache_read or 0) == Decimal("0.003")
    # 3,000 of unknown lifetime at the five minutes' rate.
    assert usd(cost.cache_write or 0) == (4_000 * Decimal("3.75") + 2_000 * 6) / 1_000_000
    assert usd(cost.output or 0) == Decimal("0.0075")
    assert cost.total == sum(part for part in cost[:5] if part)


@pytest.mark.parametrize(
    ("tokens_in", "usd_per_mtok"), [(199_999, "1.25"), (200_000, "1.25"), (200_001, "2.50")]
)
def test_gemini_context_tier_applies_to_all_tokens_above_the_boundary(
    book: PriceBook, tokens_in: int, usd_per_mtok: str
) -> None:
    cost = cost_of(book, "gcp.gemini", "gemini-2.5-pro", Tokens(input=tokens_in, output=0))
    assert cost is not None
    assert usd(cost.total) == tokens_in * Decimal(usd_per_mtok) / 1_000_000


def dated_book(*changes: tuple[date | None, str]) -> PriceBook:
    prices = [
        ConditionalPrice(
            None if start is None else StartDateConstraint(start),
            prices=ModelPrice(input_mtok=Decimal(usd_in), output_mtok=Decimal(1)),
        )
        for start, usd_in in changes
    ]
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
    acme = Provider(id="acme", name="Acme", api_pattern="x", models=[model])
    return PriceBook(DataSnapshot([acme], from_auto_update=False), "test")


def test_price_changes_at_midnight_utc_of_its_date() -> None:
    book = dated_book((None, "4"), (date(2026, 3, 1), "3"))
    before = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    after = datetime(2026, 3, 1, tzinfo=UTC)
    old = book.resolve("acme", "m", "", ns(before))
    new = book.resolve("acme", "m", "", ns(after))
    assert old is not None
    assert new is not None
    assert (old.bands[0].input, old.bands[0].price_id) == (4_000_000, "test:acme/m@base")
    assert (new.bands[0].input, new.bands[0].price_id) == (3_000_000, "test:acme/m@2026-03-01")


def test_time_of_day_price_changes_to_the_second(book: PriceBook) -> None:
    tokens = Tokens(input=1_000_000, output=0)
    day = datetime(2025, 6, 1, 16, 29, 59, tzinfo=UTC)
    peak = cost_of(book, "deepseek", "deepseek-chat", tokens, at=day)
    off_peak = cost_of(book, "deepseek", "deepseek-chat", tokens, at=day + timedelta(seconds=1))
    assert peak is not None
    assert off_peak is not None
    assert off_peak.total < peak.total


def test_price_ids_name_one_set_of_rates_each(book: PriceBook) -> None:
    rates: dict[str, Price] = {}
    moments = [NOON - timedelta(days=days, hours=days % 24) for days in range(0, 900, 30)]
    for provider in get_snapshot().providers:
        for model in provider.models:
            for tier in ("", "batch", "flex", "priority", "fast"):
                schedule = book._schedule(provider, model, tier)
                for moment in moments:
                    for band in schedule.at(ns(moment)).bands:
                        assert rates.setdefault(band.price_id, band) == band


def test_rate_finer_than_a_picodollar_is_rounded_once_per_class() -> None:
    prices = ModelPrice(input_mtok=Decimal("0.0000000833"), output_mtok=Decimal(1))
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
    acme = Provider(id="acme", name="Acme", api_pattern="x", models=[model])
    book = PriceBook(DataSnapshot([acme], from_auto_update=False), "test")
    cost = cost_of(book, "acme", "m", Tokens(input=12_345, output=0))
    exact = 12_345 * Decimal("0.0000000833") / 1_000_000
    assert cost is not None
    assert usd(cost.total) == exact.quantize(PICO, ROUND_HALF_EVEN)


def test_class_without_rate_costs_the_enclosing_class() -> None:
    prices = ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(8))
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
    acme = Provider(id="acme", name="Acme", api_pattern="x", models=[model])
    book = PriceBook(DataSnapshot([acme], from_auto_update=False), "test")
    tokens = Tokens(
        input=1_000, cache_read=600, cache_write=300, audio_input=500, output=10, reasoning=4
    )
    cost = cost_of(book, "acme", "m", tokens)
    assert cost is not None
    assert usd(cost.total) == Decimal("0.00208")
    assert usd(cost.cache_read or 0) == Decimal("0.0012")


def test_unknown_price_is_none_never_zero(book: PriceBook) -> None:
    tokens = Tokens(input=10, output=1)
    assert cost_of(book, "openai", "no-such-model", tokens) is None
    assert cost_of(book, "vllm", "gpt-4o", tokens) is None
    assert cost_of(book, "ibm.watsonx.ai", "gpt-4o", tokens) is None
    # Priced by the hour of audio: tokens have no rate.
    assert cost_of(book, "groq", "whisper-large-v3", tokens) is None


def test_output_that_nobody_reported_costs_nothing_known(book: PriceBook) -> None:
    cost = cost_of(book, "openai", "gpt-4o", Tokens(input=1_000))
    assert cost is not None
    assert cost.output is None
    assert usd(cost.total) == Decimal("0.0025")


def test_tier_needs_the_size_of_the_request(book: PriceBook) -> None:
    assert cost_of(book, "gcp.gemini", "gemini-2.5-pro", Tokens(output=5)) is None


def test_cached_audio_of_unknown_amount_is_not_priced(book: PriceBook) -> None:
    tokens = Tokens(input=1_000, cache_read=200, audio_input=300, output=10)
    model = "gpt-4o-realtime-preview"
    assert cost_of(book, "openai", model, tokens._replace(cache_read=0)) is not None
    assert cost_of(book, "openai", model, tokens) is None


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("OpenAI", "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("azure.ai.openai", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("gcp.vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gcp.vertex_ai", "claude-sonnet-4-5", "google/claude-sonnet-4-5"),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws/"),
        ("mistral_ai", "mistral-large-latest", "mistral/"),
        ("x_ai", "grok-4", "x-ai/"),
        ("", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("langchain", "gpt-4o", "openai/gpt-4o"),
        ("litellm", "anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
    ],
)
def test_provider_names_on_the_wire_find_their_prices(
    book: PriceBook, provider: str, model: str, expected: str
) -> None:
    prices = book.resolve(provider, model, "", ns(NOON))
    assert prices is not None
    assert prices.bands[0].price_id.startswith(f"{book.name}:{expected}")


def test_request_model_is_tried_when_the_response_names_an_unknown_one(book: PriceBook) -> None:
    prices = book.resolve("openai", "router-7", "gpt-4o", ns(NOON))
    assert prices is not None
    assert "openai/gpt-4o@" in prices.bands[0].price_id


def test_batch_is_its_own_price(book: PriceBook) -> None:
    tokens = Tokens(input=1_000_000, output=0)
    standard = cost_of(book, "openai", "gpt-4o", tokens)
    batch = cost_of(book, "openai", "gpt-4o", tokens, tier="batch")
    prices = book.resolve("openai", "gpt-4o", "", ns(NOON), "batch")
    assert standard is not None
    assert batch is not None
    assert prices is not None
    assert batch.total * 2 == standard.total
    assert "+processing=batch" in prices.bands[0].price_id


def test_tiers_of_several_classes_make_common_bands() -> None:
    prices = ModelPrice(
        input_mtok=TieredPrices(Decimal(1), [Tier(100, Decimal(2))]),
        output_mtok=TieredPrices(Decimal(5), [Tier(200, Decimal(9))]),
    )
    model = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
    acme = Provider(id="acme", name="Acme", api_pattern="x", models=[model])
    book = PriceBook(DataSnapshot([acme], from_auto_update=False), "test")
    found = book.resolve("acme", "m", "", ns(NOON))
    assert found is not None
    assert found.starts == (-1, 100, 200)
    assert [(band.input, band.output) for band in found.bands] == [
        (1_000_000, 5_000_000),
        (2_000_000, 5_000_000),
        (2_000_000, 9_000_000),
    ]
    assert found.bands[2].price_id == "test:acme/m@base>200"
