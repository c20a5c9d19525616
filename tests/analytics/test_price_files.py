"""Prices as people write them: single values, and files that read back exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.files import (
    RATE_COLUMNS,
    csv_text,
    json_text,
    rate_fields,
    read_exchange_rates,
    read_rates,
)
from spanledger_analytics.price_book.input import (
    parse_amount,
    parse_count,
    parse_percent,
    parse_time,
    time_text,
)
from spanledger_analytics.price_book.litellm_table import read_litellm
from spanledger_analytics.price_book.overrides import FEES, TOKEN_CLASSES
from spanledger_storage.price_state import RateRow

JAN, FEB, MAR = (parse_time(f"2026-0{month}-01", "") for month in (1, 2, 3))
HEAD = "provider,model,token_class,price,effective_from\n"

_names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="*"),
    min_size=1,
    max_size=20,
)
_rates = st.builds(
    RateRow,
    provider=_names.map(str.lower),
    model=_names,
    token_class=st.sampled_from(TOKEN_CLASSES + FEES),
    price=st.decimals(0, 10**9, allow_nan=False, places=12),
    per=st.integers(1, 10**9),
    currency=st.sampled_from(["USD", "EUR"]),
    service_tier=st.sampled_from(["", "batch"]),
    region=_names | st.just(""),
    above_tokens=st.integers(0, 10**9),
    effective_from_ns=st.integers(0, 2**62),
    effective_to_ns=st.none() | st.integers(2**62 + 1, 2**63 - 1),
    note=_names | st.just(""),
)


@given(_rates)
def test_a_rate_reads_back_from_both_formats_as_it_was_written(row: RateRow) -> None:
    columns = ("id", *RATE_COLUMNS)
    for write in (csv_text, json_text):
        [(_, read)] = read_rates(write(columns, [rate_fields(row)]))
        assert read == row


def test_no_cell_is_a_formula_and_names_come_back() -> None:
    signs = ["=1+1", "+1", "-1", "@cf/meta/llama", "'quoted", "\tx"]
    text = csv_text(["model"], [{"model": name} for name in signs])
    assert all(cell.lstrip('"').startswith("'") for cell in text.splitlines()[1:])
    row = RateRow("cf", "@cf/x", "input", Decimal(1), 1, "USD", "", "", 0, 0, None, "'note")
    [(_, read)] = read_rates(csv_text(RATE_COLUMNS, [rate_fields(row)]))
    assert (read.model, read.note) == ("@cf/x", "'note")


def test_a_small_file_takes_its_defaults() -> None:
    text = (
        "\ufeff"
        + HEAD
        + "openai,gpt-4o,input,2.50,2026-01-01\n\nopenai,gpt-4o,request,1e-3,2026-01-01"
    )
    tokens, fee = (row for _, row in read_rates(text))
    assert (tokens.per, tokens.currency, tokens.above_tokens) == (1_000_000, "USD", 0)
    assert (tokens.effective_from_ns, tokens.effective_to_ns) == (JAN, None)
    assert (fee.per, fee.price) == (1, Decimal("0.001"))


def test_numbers_in_json_are_read_from_their_digits() -> None:
    item = '{"provider": "p", "model": "m", "token_class": "input", "effective_from": "2026-01-01",'
    [(_, row)] = read_rates(f'[{item} "price": 0.10000000000000001, "per": 1000, "note": null}}]')
    assert (row.price, row.per) == (Decimal("0.10000000000000001"), 1000)


def test_dated_prices_follow_each_other_in_one_file() -> None:
    lines = ["p,m,input,2,2026-02-01", "p,m,input,1,2026-01-01", "p,m,output,5,2026-01-01"]
    rows = [row for _, row in read_rates(HEAD + "\n".join(lines))]
    assert {(str(r.price), r.effective_from_ns, r.effective_to_ns) for r in rows} == {
        ("1", JAN, FEB),
        ("2", FEB, None),
        ("5", JAN, None),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "p,m,input,x,2026-01-01", "line 2: price must be a decimal number"),
        (HEAD + "p,m,input,1,2026-01-01\np,m,inputs,1,2026-01-01", "line 3: 'inputs'"),
        (HEAD + 'p,m,input,"2,5",2026-01-01', "line 2: .*not a comma"),
        (HEAD + "p,m,input,1,01.02.2026", "line 2: effective_from must be a date"),
        (HEAD + "p,m,input,1", "line 2: 4 cells, but 5 columns"),
        (HEAD + "p,m,input,1,2026-01-01\np,M,input,2,2026-01-01", "line 2: another line"),
        ("provider,model,prise\np,m,1", "no column 'prise'"),
        ("provider;model\np;m", "separated by commas"),
        ("provider,model\np,m", "line 2: token_class, price, effective_from missing"),
        ('provider,provider\n"p","q"', "named twice"),
        (HEAD + '"open', "no CSV"),
        ('[{"price": NaN}]', "NaN is no number"),
        ('{"rates": []}', "must be a list"),
        ('[{"provider": ["p"]}]', "item 1: provider must be a text"),
        ("[1]", "item 1: an object"),
        ("[", "no JSON"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(PriceError, match=message):
        read_rates(text)


def test_every_bad_line_is_named_up_to_twenty() -> None:
    with pytest.raises(PriceError) as error:
        read_rates(HEAD + "p,m,input,x,2026-01-01\n" * 25)
    said = str(error.value).splitlines()
    assert said[1].startswith("line 2:")
    assert said[20].startswith("line 21:")
    assert said[-1] == "and 5 more."


def test_overlaps_inside_a_file_are_named() -> None:
    head = HEAD.strip() + ",effective_to\n"
    text = head + "p,m,input,1,2026-01-01,2026-03-01\np,m,input,2,2026-02-01,"
    with pytest.raises(PriceError, match="line 2: it overlaps another line"):
        read_rates(text)


def test_exchange_rates_are_read() -> None:
    [(where, row)] = read_exchange_rates("currency,usd,effective_from\neur,1.0812,2026-01-01\n")
    assert (where, row.currency, row.usd) == ("line 2", "EUR", Decimal("1.0812"))
    with pytest.raises(PriceError, match="line 2: usd must not be negative"):
        read_exchange_rates("currency,usd,effective_from\nEUR,-1,2026-01-01\n")


@given(st.integers(0, 2**63 - 1))
def test_moments_read_back(ns: int) -> None:
    assert parse_time(time_text(ns), "it") == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-01-01", JAN),
        ("2026-01-01T01:00:00+01:00", JAN),
        ("2026-01-01t00:00:00.000000001z", JAN + 1),
        (" 2026-01-01 ", JAN),
    ],
)
def test_moments_are_taken_in_utc(text: str, ns: int) -> None:
    assert parse_time(text, "it") == ns


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-02-30", "2026-01-01T00:00:00", "1969-12-31", "2262-05-01", "٢٠٢٦-01-01"],
)
def test_other_moments_are_refused(text: str) -> None:
    with pytest.raises(PriceError, match="--from must be a date"):
        parse_time(text, "--from")


@pytest.mark.parametrize("text", ["", "abc", "NaN", "Infinity", "1_0", "１", "0x1", "1e999", "--1"])
def test_what_is_no_decimal_is_refused(text: str) -> None:
    with pytest.raises(PriceError, match="It must"):
        parse_amount(text, "It")


def test_single_values() -> None:
    assert parse_amount("1e-6", "It") == Decimal("0.000001")
    assert parse_percent("15%", "It") == Decimal("0.15")
    assert parse_count("1_000_000", "It", 1) == 10**6
    for text in ("0", "1.5", "-3", ""):
        with pytest.raises(PriceError, match="whole number from 1 up"):
            parse_count(text, "It", 1)


def test_litellms_table_is_read_from_its_digits() -> None:
    entry = {
        "litellm_provider": "xai",
        "mode": "chat",
        "input_cost_per_token": 2e-06,
        "input_cost_per_token_above_200k_tokens": 4e-06,
        "output_cost_per_token_batches": 1.0000000000000001e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 12e-06,
        "output_cost_per_token": 0,
        "output_cost_per_token_ultrafast": 1,
        "search_context_cost_per_query": {"search_context_size_low": 0.01},
    }
    table = {
        "xai/grok-4.5": entry,
        "azure/eu/gpt-4o": {**entry, "litellm_provider": "azure"},
        "vertex_ai/x": {**entry, "litellm_provider": "vertex_ai-anthropic_models"},
        "image": {**entry, "mode": "image_generation"},
        "sample_spec": "no object",
    }
    rates = read_litellm(json.dumps(table))
    first = [r for r in rates if r.model == "grok-4.5"]
    assert [(r.token_class, r.service_tier, r.above_tokens, str(r.price)) for r in first] == [
        ("input", "", 0, "2"),
        ("input", "", 200_000, "4"),
        ("output", "batch", 0, "1"),
        ("cache_write_1h", "", 200_000, "12"),
    ]
    assert {(r.provider, r.region, r.model) for r in rates} == {
        ("x-ai", "", "grok-4.5"),
        ("azure", "eu", "gpt-4o"),
        ("google", "", "x"),
    }
    for text in ("[]", "{", "1"):
        with pytest.raises(PriceError, match="litellm's table"):
            read_litellm(text)


def test_rates_without_an_end_keep_their_place_in_errors() -> None:
    row = RateRow("p", "m", "input", Decimal(1), 1, "USD", "", "", 0, JAN, None)
    text = csv_text(
        RATE_COLUMNS, [rate_fields(replace(row, effective_from_ns=n)) for n in (FEB, JAN)]
    )
    assert [where for where, _ in read_rates(text)] == ["line 3", "line 2"]
