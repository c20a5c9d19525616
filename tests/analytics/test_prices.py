"""The price book against genai-prices' own calculator and against sums done by hand."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, Tier, TieredPrices

from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.rates import Price
from spanledger_analytics.tokens import Tokens
from tests.pricing import NOON, PICO, Call, book_of, cost_of, dated, model, ns, price

TEXT_KEYS = {
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_1h_mtok",
    "output_reasoning_mtok",
    "requests_kcount",
    "web_searches_kcount",
    "input_audio_mtok",
    "output_audio_mtok",
    "input_image_mtok",
    "output_image_mtok",
    "cache_audio_read_mtok",
    "cache_image_read_mtok",
}


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def priced_by_token() -> list[tuple[Provider, ModelInfo]]:
    """Models whose input and output tokens have prices at all times."""
    found: list[tuple[Provider, ModelInfo]] = []
    for provider in get_snapshot().providers:
        for info in provider.models:
            prices = info.prices
            sets = [prices] if isinstance(prices, ModelPrice) else [c.prices for c in prices]
            if all(vars(s).get("input_mtok") and vars(s).get("output_mtok") for s in sets):
                found.append((provider, info))
    return found


@cache
def reachable() -> list[tuple[Provider, ModelInfo]]:
    """Those of them that their own id finds (other entries of a provider may match it first)."""
    book = PriceBook.bundled()
    return [
        (provider, info)
        for provider, info in priced_by_token()
        if book.resolve(PriceKey(provider.id, info.id), ns(NOON)).bands
        and f":{provider.id}/{info.id}@"
        in book.resolve(PriceKey(provider.id, info.id), ns(NOON)).bands[0].price_id
    ]


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


def is_fine(info: ModelInfo, moment: datetime, context: dict[str, str] | None) -> bool:
    """Whether a rate is finer than a picodollar per token, so that we round and they do not."""
    prices = vars(info.get_prices(moment, context)).values()
    rates = [
        rate
        for value in prices
        if value is not None
        for rate in (
            [value.base, *(tier.price for tier in value.tiers)]
            if isinstance(value, TieredPrices)
            else [value]
        )
    ]
    return any(rate * 10**6 % 1 for rate in rates)


def test_agrees_with_genai_prices_for_random_usage_of_every_model(book: PriceBook) -> None:
    rng = random.Random(20261121)
    calls: list[Call] = []
    truths: list[tuple[Decimal, bool]] = []
    for provider, info in reachable():
        for _ in range(2):
            tier = rng.choice(["", "batch", "flex", "priority", "default", "fast"])
            moment = NOON - timedelta(days=rng.randrange(700), seconds=rng.randrange(86_400))
            tokens = random_usage(rng)
            context = {"service_tier": tier, "processing": tier, "speed": tier} if tier else None
            truth = info.calc_price(
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
            calls.append(Call(provider.id, info.id, tokens, moment, tier))
            truths.append((truth, is_fine(info, moment, context)))
    assert len(calls) > 2_000
    for call, cost, (truth, is_rounded) in zip(calls, price(book, calls), truths, strict=True):
        if is_rounded:
            assert abs(cost.usd - truth) <= 2 * PICO, call
        else:
            assert cost.usd == truth, call


def test_agrees_with_genai_prices_for_media_and_searches(book: PriceBook) -> None:
    rng = random.Random(7)
    calls: list[Call] = []
    truths: list[Decimal] = []
    for provider, info in reachable():
        if not isinstance(info.prices, ModelPrice):
            continue
        keys = {key for key, value in vars(info.prices).items() if value is not None}
        media = {"input_audio_mtok", "output_audio_mtok", "input_image_mtok", "output_image_mtok"}
        if not keys & (media | {"web_searches_kcount"}) or not keys <= TEXT_KEYS:
            continue
        audio, image, out = rng.randrange(900), rng.randrange(900), rng.randrange(900)
        searches = rng.randrange(5) if "web_searches_kcount" in keys else 0
        # Cached images are counted by nobody, and genai-prices refuses to guess as we do.
        cached = 0 if "cache_image_read_mtok" in keys else rng.randrange(audio + 500)
        cached_audio = rng.randrange(min(cached, audio) + 1)
        tokens = Tokens(
            input=audio + image + cached + 1_000,
            cache_read=cached,
            cache_read_audio=cached_audio,
            output=2 * out + 50,
            audio_input=audio,
            audio_output=out,
            image=image,
            image_output=out,
            web_searches=searches,
        )
        truth = info.calc_price(
            Usage(
                input_tokens=tokens.input,
                cache_read_tokens=cached,
                cache_audio_read_tokens=cached_audio,
                output_tokens=tokens.output,
                input_audio_tokens=audio,
                output_audio_tokens=out,
                input_image_tokens=image,
                output_image_tokens=out,
                web_searches=searches,
            ),
            provider,
            genai_request_timestamp=NOON,
        ).total_price
        calls.append(Call(provider.id, info.id, tokens))
        truths.append(truth)
    assert len(calls) > 60
    for call, cost, truth in zip(calls, price(book, calls), truths, strict=True):
        assert cost.usd == truth, call


def test_price_changes_at_midnight_utc_of_its_date() -> None:
    book = book_of(dated((None, "4"), (date(2026, 3, 1), "3")))
    midnight = ns(datetime(2026, 3, 1, tzinfo=UTC))
    tokens = Tokens(input=1_000_000, output=0)
    old = cost_of(book, "acme", "m", tokens, at=midnight - 1)
    new = cost_of(book, "acme", "m", tokens, at=midnight)
    assert (old.usd, old.price_id) == (Decimal(4), "test:acme/m@base")
    assert (new.usd, new.price_id) == (Decimal(3), "test:acme/m@2026-03-01")


def test_time_of_day_price_changes_to_the_nanosecond(book: PriceBook) -> None:
    tokens = Tokens(input=1_000_000, output=0)
    half_past_four = ns(datetime(2025, 6, 1, 16, 30, tzinfo=UTC))
    peak = cost_of(book, "deepseek", "deepseek-chat", tokens, at=half_past_four - 1)
    off_peak = cost_of(book, "deepseek", "deepseek-chat", tokens, at=half_past_four)
    assert (peak.usd, off_peak.usd) == (Decimal("0.27"), Decimal("0.135"))


def test_price_ids_name_one_set_of_rates_each(book: PriceBook) -> None:
    rates: dict[str, Price] = {}
    moments = [NOON - timedelta(days=days, hours=days % 24) for days in range(0, 900, 90)]
    for provider in get_snapshot().providers:
        for info in provider.models:
            for tier in ("", "batch", "flex", "priority", "fast"):
                schedule = book.schedule(PriceKey(provider.id, info.id, service_tier=tier))
                for moment in moments:
                    for band in schedule.at(ns(moment)).bands:
                        assert rates.setdefault(band.price_id, band) == band
    assert len(rates) > 2_500


def test_rate_finer_than_a_picodollar_is_rounded_once_per_class() -> None:
    book = book_of(model(ModelPrice(input_mtok=Decimal("0.0000000833"), output_mtok=Decimal(1))))
    cost = cost_of(book, "acme", "m", Tokens(input=12_345, output=0))
    exact = 12_345 * Decimal("0.0000000833") / 1_000_000
    assert cost.usd == exact.quantize(PICO, ROUND_HALF_EVEN)


def test_class_without_rate_costs_the_enclosing_class() -> None:
    book = book_of(model(ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(8))))
    tokens = Tokens(
        input=1_000, cache_read=600, cache_write=300, audio_input=500, output=10, reasoning=4
    )
    cost = cost_of(book, "acme", "m", tokens)
    assert cost.usd == Decimal("0.00208")
    assert cost.parts[1] == Decimal("0.0012")


@pytest.mark.parametrize(
    ("provider", "name", "reason"),
    [
        ("openai", "no-such-model", "unknown_model"),
        ("ibm.watsonx.ai", "gpt-4o", "unknown_model"),
        # Priced by the hour of audio: tokens have no rate.
        ("groq", "whisper-large-v3", "missing_rate"),
    ],
)
def test_unknown_price_is_none_never_zero_and_says_why(
    book: PriceBook, provider: str, name: str, reason: str
) -> None:
    cost = cost_of(book, provider, name, Tokens(input=10, output=1))
    assert (cost.total, cost.status, cost.reason) == (None, "unpriced", reason)


@pytest.mark.parametrize("provider", ["vllm", "hosted_vllm", "ollama_chat", "lm_studio"])
def test_own_inference_server_has_no_price_of_the_book(book: PriceBook, provider: str) -> None:
    cost = cost_of(book, provider, "gpt-4o", Tokens(input=10, output=1))
    assert (cost.total, cost.status, cost.reason) == (None, "self_hosted", "")


def test_output_that_nobody_reported_costs_nothing_known(book: PriceBook) -> None:
    cost = cost_of(book, "openai", "gpt-4o", Tokens(input=1_000))
    assert cost.usd == Decimal("0.0025")


def test_unknown_usage_is_unpriced_without_a_fault_of_the_prices(book: PriceBook) -> None:
    cost = cost_of(book, "openai", "gpt-4o", Tokens())
    assert (cost.total, cost.status, cost.reason) == (None, "unpriced", "")


def test_tier_needs_the_size_of_the_request(book: PriceBook) -> None:
    cost = cost_of(book, "gcp.gemini", "gemini-2.5-pro", Tokens(output=5))
    assert (cost.total, cost.reason) == (None, "tier_undecided")


def test_cached_audio_of_unknown_amount_is_not_priced(book: PriceBook) -> None:
    tokens = Tokens(input=1_000, cache_read=200, audio_input=300, output=10)
    name = "gpt-4o-realtime-preview"
    assert cost_of(book, "openai", name, tokens._replace(cache_read=0)).total is not None
    assert cost_of(book, "openai", name, tokens).reason == "inconsistent_usage"
    # 5, cached 2.50, audio 40, cached audio 2.50, output 20 USD per million tokens.
    known = cost_of(book, "openai", name, tokens._replace(cache_read_audio=100))
    assert known.usd == (600 * 5 + 200 * Decimal("2.5") + 200 * 40 + 10 * 20) / Decimal(10**6)


def test_cached_audio_of_unknown_amount_is_priced_where_it_makes_no_difference() -> None:
    # No rate for cache reads: cached audio is audio.
    prices = ModelPrice(
        input_mtok=Decimal(2), input_audio_mtok=Decimal(40), output_mtok=Decimal(10)
    )
    tokens = Tokens(input=1_000, cache_read=900, audio_input=300, output=0)
    cost = cost_of(book_of(model(prices)), "acme", "m", tokens)
    assert cost.usd == (700 * Decimal(2) + 300 * 40) / 10**6


@pytest.mark.parametrize(
    "tokens",
    [
        Tokens(input=100, cache_read=60, cache_write=60, output=1),
        Tokens(input=100, cache_write=50, cache_write_5m=40, cache_write_1h=40, output=1),
        Tokens(input=100, audio_input=101, output=1),
        Tokens(input=100, cache_read=10, cache_read_audio=11, audio_input=50, output=1),
        Tokens(input=100, output=10, audio_output=11),
    ],
)
def test_parts_beyond_their_whole_are_never_a_price(book: PriceBook, tokens: Tokens) -> None:
    cost = cost_of(book, "openai", "gpt-4o-realtime-preview", tokens)
    assert (cost.total, cost.reason) == (None, "inconsistent_usage")


@pytest.mark.parametrize(
    ("provider", "name", "expected"),
    [
        ("openai", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("OpenAI", "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("azure.ai.openai", "gpt-4o-mini", "openai/gpt-4o-mini"),
        ("gcp.vertex_ai", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gcp.gemini", "models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("gcp.vertex_ai", "claude-sonnet-4-5", "google/claude-sonnet-4-5"),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws/"),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws/regional.anthropic.claude-sonnet-4-5",
        ),
        ("mistral_ai", "mistral-large-latest", "mistral/"),
        ("x_ai", "grok-4", "x-ai/"),
        ("together_ai", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together/"),
        ("togetherai", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together/"),
        ("", "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("langchain", "gpt-4o", "openai/gpt-4o"),
        ("litellm", "anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        (
            "",
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
            "aws/regional.anthropic.claude-sonnet-4",
        ),
        ("", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws/global.anthropic.claude-son"),
        ("strands-agents", "us.amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0"),
        ("Langchain", "deepseek.r1-v1:0", "aws/deepseek.r1-v1:0"),
        ("my-gateway", "amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0"),
    ],
)
def test_provider_names_on_the_wire_find_their_prices(
    book: PriceBook, provider: str, name: str, expected: str
) -> None:
    prices = book.resolve(PriceKey(provider, name), ns(NOON))
    assert prices.bands[0].price_id.startswith(f"{book.name}:{expected}")


def test_ids_of_bedrock_without_a_provider_cost_what_they_cost_there(book: PriceBook) -> None:
    tokens = Tokens(input=1_600, cache_read=400, cache_write=200, output=50)
    # Claude Sonnet 4 in a geography: 3 / 15, read 0.30, write 3.75; Nova Pro: 0.80 / 3.20.
    told = cost_of(book, "", "us.anthropic.claude-sonnet-4-20250514-v1:0", tokens)
    assert told.usd == Decimal("0.004620")  # 1000 x 3 + 400 x 0.3 + 200 x 3.75 + 50 x 15
    plain = Tokens(input=1_600, output=50)
    assert cost_of(book, "strands-agents", "us.amazon.nova-pro-v1:0", plain).usd == Decimal(
        "0.00144"
    )


@pytest.mark.parametrize("provider", ["", "oci"])
@pytest.mark.parametrize(
    "name", ["meta.llama-3.3-70b-instruct", "cohere.command-r-plus", "openai.gpt-oss-120b"]
)
def test_models_of_other_clouds_are_not_priced_as_bedrocks(
    book: PriceBook, provider: str, name: str
) -> None:
    assert cost_of(book, provider, name, Tokens(input=10, output=1)).reason == "unknown_model"


def test_request_model_is_tried_when_the_response_names_an_unknown_one(book: PriceBook) -> None:
    prices = book.resolve(PriceKey("openai", "router-7", "gpt-4o"), ns(NOON))
    assert "openai/gpt-4o@" in prices.bands[0].price_id


def test_tiers_of_several_classes_make_common_bands() -> None:
    prices = ModelPrice(
        input_mtok=TieredPrices(Decimal(1), [Tier(100, Decimal(2))]),
        output_mtok=TieredPrices(Decimal(5), [Tier(200, Decimal(9))]),
    )
    found = book_of(model(prices)).resolve(PriceKey("acme", "m"), ns(NOON))
    assert found.starts == (-1, 100, 200)
    assert [(band.input, band.output) for band in found.bands] == [
        (1_000_000, 5_000_000),
        (2_000_000, 5_000_000),
        (2_000_000, 9_000_000),
    ]
    assert found.bands[2].price_id == "test:acme/m@base>200"


def test_table_tells_what_the_data_say(book: PriceBook) -> None:
    rows = list(book.rows(ns(NOON), "anthropic", "claude-sonnet-4-5"))
    told = {(r.service_tier, r.above_tokens, r.token_class): (r.price, r.per) for r in rows}
    million = 1_000_000
    assert told["", 0, "input"] == (Decimal(3), million)
    assert told["", 200_000, "input"] == (Decimal(6), million)
    assert told["", 0, "cache_write_1h"] == (Decimal(6), million)
    assert told["", 0, "web_search"] == (Decimal(10), 1_000)
    assert told["batch", 0, "output"] == (Decimal("7.5"), million)
    assert ("batch", 0, "web_search") not in told
    assert {row.source for row in rows} == {book.name}


def test_nearest_known_name_of_an_unknown_model(book: PriceBook) -> None:
    assert book.nearest("openai", "gpt-4o-minii") == "gpt-4o-mini"
    assert book.nearest("azure.ai.openai", "gpt4o") == "gpt-4o"
    assert book.nearest("", "claud-sonnet-4-5") == "claude-sonnet-4-5"
    assert book.nearest("anthropic", "zzzzzz") == ""
