"""Batches of entries against an independent calculation, one entry at a time, in decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

import pytest
from genai_prices.types import ModelPrice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.overrides import FEES, TOKEN_CLASSES, Contract, Overrides
from spanledger_analytics.pricing import PRICED, Usage, charge
from spanledger_analytics.tokens import Tokens
from tests.pricing import Call, book_of, cost_of, model, price, rate

PICO = Decimal("1e-12")
ZERO = Decimal(0)
EXACT = Context(prec=120)

counts = st.one_of(
    st.none(), st.integers(0, 50), st.integers(0, 300_000), st.integers(2**40, 2**53)
)
prices = st.one_of(
    st.decimals(0, 200, places=2), st.decimals(0, 5, places=9), st.sampled_from([Decimal(0)])
)
usages = st.builds(Tokens, *([counts] * len(Tokens._fields)))


@st.composite
def sound_usages(draw: st.DrawFn) -> Tokens:
    """Usage whose parts fit into their wholes."""
    text, read, short, long, other, audio, cached_audio, image = (
        draw(st.integers(0, 2_000_000)) for _ in range(8)
    )
    plain, reasoning, spoken, drawn = (draw(st.integers(0, 90_000)) for _ in range(4))
    return Tokens(
        input=text + audio + image + read + cached_audio + short + long + other,
        cache_read=read + cached_audio,
        cache_write=short + long + other,
        cache_write_5m=short,
        cache_write_1h=long or draw(st.sampled_from([0, None])),
        output=plain + reasoning + spoken + drawn,
        reasoning=reasoning,
        audio_input=audio + cached_audio,
        audio_output=spoken,
        image=image if not read + cached_audio else 0,
        image_output=drawn,
        cache_read_audio=cached_audio,
        web_searches=draw(st.one_of(st.none(), st.integers(0, 9))),
    )


@st.composite
def rate_tables(draw: st.DrawFn) -> dict[str, Decimal]:
    """USD per million tokens or thousand pieces."""
    every = [*TOKEN_CLASSES, *FEES]
    names = draw(st.one_of(st.just(set(every)), st.sets(st.sampled_from(every))))
    return {name: draw(prices) for name in sorted(names)}


ENCLOSING = {
    "cache_read": ["input"],
    "cache_write": ["input"],
    "cache_write_5m": ["cache_write", "input"],
    "cache_write_1h": ["cache_write", "input"],
    "audio_input": ["input"],
    "image_input": ["input"],
    "cache_read_audio": ["cache_read", "audio_input", "input"],
    "cache_read_image": ["cache_read", "image_input", "input"],
    "reasoning": ["output"],
    "audio_output": ["output"],
    "image_output": ["output"],
}


class Unpriced(Exception):
    """The reason is the message."""


def looked_up(table: dict[str, Decimal], name: str) -> Decimal | None:
    """USD per token or piece."""
    for key in (name, *ENCLOSING.get(name, ())):
        if key in table:
            return table[key] / (1_000 if key in FEES else 1_000_000)
    return None


def parts_of(table: dict[str, Decimal], tokens: Tokens) -> list[dict[str, int]]:
    """Disjoint counts of one call for uncached input, reads, writes, output and fees."""
    known = {name: value or 0 for name, value in tokens._asdict().items()}
    if tokens.input is None:
        for name in ("cache_read", "cache_write", "cache_write_5m", "cache_write_1h",
                     "audio_input", "image", "cache_read_audio"):  # fmt: skip
            known[name] = 0
    if tokens.output is None:
        for name in ("reasoning", "audio_output", "image_output"):
            known[name] = 0

    def differs(name: str, whole: str) -> bool:
        return looked_up(table, name) != looked_up(table, whole)

    read, write = known["cache_read"], known["cache_write"]
    fresh = known["input"] - read - write
    image = known["image"] if differs("image_input", "input") else 0
    audio = cached = 0
    if differs("audio_input", "input") or differs("cache_read_audio", "cache_read"):
        audio = known["audio_input"]
        if tokens.cache_read_audio is not None:
            cached = known["cache_read_audio"]
        elif read:
            if audio and is_open(table, "audio_input", "cache_read_audio"):
                raise Unpriced("inconsistent_usage")
            cached = max(0, audio + image - fresh)
    if image and read and is_open(table, "image_input", "cache_read_image"):
        raise Unpriced("inconsistent_usage")
    spoken = audio - cached
    apart = {
        name: known[name]
        for name in ("reasoning", "audio_output", "image_output")
        if differs(name, "output")
    }
    short, long = known["cache_write_5m"], known["cache_write_1h"]
    parts = [
        {"input": fresh - spoken - image, "audio_input": spoken, "image_input": image},
        {"cache_read": read - cached, "cache_read_audio": cached},
        {"cache_write": write - short - long, "cache_write_5m": short, "cache_write_1h": long},
        {"output": known["output"] - sum(apart.values()), **apart},
        {"request": int("request" in table), "web_search": known["web_searches"]},
    ]
    if any(count < 0 for part in parts for count in part.values()):
        raise Unpriced("inconsistent_usage")
    return parts


def is_open(table: dict[str, Decimal], fresh: str, cached: str) -> bool:
    rates = [looked_up(table, n) or Decimal(0) for n in ("input", "cache_read", fresh, cached)]
    return rates[0] + rates[3] != rates[1] + rates[2]


def expected(
    table: dict[str, Decimal], multiplier: Decimal | None, tokens: Tokens
) -> tuple[list[Decimal], Decimal]:
    """The parts after the contract, and the list total."""
    parts = parts_of(table, tokens)
    if any(c and looked_up(table, name) is None for part in parts for name, c in part.items()):
        raise Unpriced("missing_rate")
    listed = [
        sum((c * (looked_up(table, n) or ZERO) for n, c in part.items()), ZERO).quantize(
            PICO, ROUND_HALF_EVEN
        )
        for part in parts
    ]
    if multiplier is None:
        return listed, sum(listed, Decimal(0))
    billed = [(part * multiplier).quantize(PICO, ROUND_HALF_EVEN) for part in listed]
    return billed, sum(listed, Decimal(0))


def book_for(table: dict[str, Decimal], multiplier: Decimal | None) -> PriceBook:
    rates = tuple(
        rate(n, name, str(value), per=1_000 if name in FEES else 1_000_000)
        for n, (name, value) in enumerate(table.items(), start=1)
    )
    contracts: tuple[Contract, ...] = ()
    if multiplier is not None:
        contracts = (Contract("c", "acme", "", multiplier, None, 0, None),)
    return book_of(overrides=Overrides(1, rates=rates, contracts=contracts))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rate_tables(),
    st.one_of(st.none(), st.decimals(0, 2, places=4)),
    st.lists(st.one_of(usages, sound_usages(), sound_usages()), min_size=1, max_size=12),
)
def test_a_batch_costs_what_its_calls_cost_one_by_one(
    table: dict[str, Decimal], multiplier: Decimal | None, usage: list[Tokens]
) -> None:
    found = price(book_for(table, multiplier), [Call("acme", "m", tokens) for tokens in usage])
    with localcontext(EXACT):
        for tokens, cost in zip(usage, found, strict=True):
            if not tokens.is_known:
                assert (cost.status, cost.reason) == ("unpriced", "")
                continue
            if not table:
                assert cost.reason == "unknown_model"
                continue
            try:
                parts, listed = expected(table, multiplier, tokens)
            except Unpriced as unpriced:
                wanted, listed, reason = None, None, str(unpriced)
            else:
                wanted, reason = sum(parts, Decimal(0)), ""
                assert list(cost.parts) == parts, (table, tokens)
            found_cost = (cost.total, cost.listed, cost.reason)
            assert found_cost == (wanted, listed, reason), (table, tokens)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_every_count_a_column_holds_is_priced_exactly(tokens_in: int, tokens_out: int) -> None:
    book = book_of(model(ModelPrice(input_mtok=Decimal(15), output_mtok=Decimal(75))))
    found = cost_of(book, "acme", "m", Tokens(input=tokens_in, output=tokens_out))
    with localcontext(EXACT):
        assert found.total == (Decimal(tokens_in) * 15 + Decimal(tokens_out) * 75) / 10**6


def test_one_huge_call_does_not_change_its_neighbours() -> None:
    book = book_of(model(ModelPrice(input_mtok=Decimal(15), output_mtok=Decimal(75))))
    calls = [Call("acme", "m", Tokens(input=n, output=1)) for n in (1, 2**53, 3)]
    assert price(book, calls)[::2] == price(book, calls[::2])


@pytest.mark.parametrize("price_in", ["1e30", "123456789012345678901234567890"])
def test_a_cost_no_column_holds_is_not_written(price_in: str) -> None:
    book = book_for({"input": Decimal(price_in)}, None)
    found = cost_of(book, "acme", "m", Tokens(input=10**9, output=0))
    assert (found.total, found.reason) == (None, "inconsistent_usage")


def test_no_entries_cost_nothing() -> None:
    usage = Usage.of([], [], [], [])
    assert not (charge(usage, book_of()).status == PRICED).any()
