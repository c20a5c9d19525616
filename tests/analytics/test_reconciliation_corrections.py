"""Corrections: what is suggested comes to the bill's own figures, is stored, and is taken back."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation import applying
from spanledger_analytics.reconciliation.advice import ADVICE
from spanledger_analytics.reconciliation.corrections import suggest
from spanledger_analytics.reconciliation.effect import effect_text
from spanledger_analytics.reconciliation.implied import plain_price, plain_ratio
from spanledger_analytics.reconciliation.result import Cause
from spanledger_storage.invoice_state import InvoiceState
from spanledger_storage.price_state import PriceState, StateEngine
from tests.reconciled import DAY, cell, line, share

MILLION = "1000000"
THRICE = (MILLION, MILLION, MILLION)
NOW_NS = 1_796_000_000 * 10**9


_clock = itertools.count(NOW_NS)


def change(state: StateEngine, who: str = "ann") -> applying.Change:
    return applying.Change(state, "default", who, next(_clock), "reconciliation of 2026-11")


@given(
    st.decimals("0.0001", 500, places=4),
    st.integers(1_000, 10**12),
    st.sampled_from([2, 6, 12]),
)
def test_the_plainest_price_gives_the_amount_again(
    price: Decimal, quantity: int, places: int
) -> None:
    step = Decimal(1).scaleb(-places)
    amount = (price * quantity / 10**6).quantize(step, ROUND_HALF_EVEN)
    found = plain_price(amount, Decimal(quantity), 10**6)
    assert found is not None
    error = max(Decimal("0.005"), step)
    assert abs(found * quantity / 10**6 - amount) <= error
    if places == 12 and quantity >= 10**9:
        assert found == price.normalize() or abs(found - price) * quantity <= 10**6 * step


def test_odd_ratios_are_no_discount() -> None:
    assert plain_ratio(Decimal("88"), Decimal("100")) == Decimal("0.88")
    assert plain_ratio(Decimal("1"), Decimal("0")) is None
    assert plain_price(Decimal(1), Decimal(0), 1) is None


def test_one_price_of_many_days_is_one_rate_and_a_change_makes_two() -> None:
    days = [DAY + timedelta(days=n) for n in range(4)]
    cells = [
        cell("30", billed, share("price_book", f"{Decimal(billed) - 30:f}"), day=day,
             quantities=THRICE)
        for day, billed in zip(days, ("33", "33", "33", "36"), strict=True)
    ]  # fmt: skip
    rates = suggest(cells)
    assert [(c.what["price"], c.what["effective_from"], c.what["effective_to"]) for c in rates] == [
        ("33", "2026-11-18", "2026-11-21"), ("36", "2026-11-21", ""),
    ]  # fmt: skip
    assert rates[0].command == (
        "spanledger prices set openai gpt-5.5 --output 33 --from 2026-11-18 --to 2026-11-21"
    )
    assert rates[0].usd == 9
    assert len(rates[0].cells) == 3


def test_other_causes_are_no_part_of_the_price() -> None:
    # 30 dollars a million by the ledger, 3 more for each of 1.3 million, and 9 of calls it lacks.
    one = cell("30", "42.9", share("price_book", "3.9"), share("missing_telemetry", "9"),
               quantities=("1000000", "1300000", "1300000"))  # fmt: skip
    rate = next(c for c in suggest([one]) if c.kind == "rate")
    assert rate.what["price"] == "33"


def test_batch_and_geography_are_part_of_a_rate() -> None:
    one = cell("1", "2", share("price_book", "1"), quantities=THRICE, processing="batch",
               geo="us", context="> 200k")  # fmt: skip
    [rate] = suggest([one])
    told = (rate.what["service_tier"], rate.what["region"], rate.what["above_tokens"])
    assert told == ("batch", "us", "200000")
    assert "--tier batch --region us --above-tokens 200000" in rate.command


def test_a_discount_over_all_models_is_one_contract() -> None:
    cells = [
        cell("100", "88", share("discount", "-12"), model=model, quantities=THRICE)
        for model in ("a", "b")
    ]
    [one] = suggest(cells)
    assert (one.kind, one.what["multiplier"], one.what["model"]) == ("contract", "0.88", "")
    assert "--discount 12%" in one.command
    uneven = [cells[0], cell("100", "80", share("discount", "-20"), model="b")]
    assert {c.what["model"]: c.what["multiplier"] for c in suggest(uneven)} == {
        "a": "0.88", "b": "0.8",
    }  # fmt: skip


def test_every_cause_has_an_advice_that_says_where() -> None:
    assert set(ADVICE) == set(Cause)
    for cause in Cause:
        [one] = suggest([cell("0", "1", share(cause, "1"), scope="proj_x", api_key="key_y",
                              quantities=(None, None, None), model=None)])  # fmt: skip
        assert one.advice
        assert "{" not in one.title + one.advice
        if one.kind in ("instrument", "deduplicate"):
            assert "openai" in one.title


def test_hostile_names_are_one_word_of_a_command() -> None:
    evil = "a'; rm -rf / #"
    [rate] = suggest([cell("1", "2", share("price_book", "1"), model=evil,
                           quantities=THRICE)])  # fmt: skip
    assert shlex.split(rate.command)[:5] == ["spanledger", "prices", "set", "openai", evil]


def test_each_unmapped_text_gets_a_correction() -> None:
    one = cell("0", "3", share("unmapped", "3"), token_class="unmapped", model=None)
    lines = [
        replace(line(TokenClass.UNMAPPED, "1", usd), description=text)
        for text, usd in (("batch | x", "1"), ("batch | x", "1.5"), ("other", "0.5"))
    ]
    found = suggest([one], lines)
    assert [(c.what["pattern"], c.usd) for c in found] == [
        ("batch | x", Decimal("2.5")), ("other", Decimal("0.5")),
    ]  # fmt: skip
    assert all(c.asks for c in found)


def test_an_unmapped_text_can_be_given_a_class_and_a_model(state: StateEngine) -> None:
    one = cell("0", "3", share("unmapped", "3"), token_class="unmapped", model=None)
    text = replace(line(TokenClass.UNMAPPED, "1", "3"), description="gpt 4o cached Inp glbl")
    [found] = suggest([one], [text])
    assert (found.way, found.example) == ("apply_with_value", "cache_read")
    applying.apply(change(state), found.stored(" cache_read gpt-4o "))
    [row] = InvoiceState(state).mappings("default")
    assert row.target == {"token_class": "cache_read", "model": "gpt-4o"}
    with pytest.raises(InvoiceError, match="no class"):
        applying.apply(change(state), found.stored("gpt-4o"))


def test_only_a_scope_nobody_sees_anything_of_may_be_given_away() -> None:
    strange = cell("0", "1", share("other_traffic", "1"), scope="proj_x", model="embed-3",
                   quantities=(None, MILLION, MILLION))  # fmt: skip
    keys = [replace(strange, key=replace(strange.key, api_key=key), cell_id=key) for key in "ab"]
    [alone] = suggest(keys)
    assert (alone.way, alone.what["pattern"], alone.usd) == (
        "apply_with_value",
        "proj_x",
        Decimal(2),
    )
    assert "map it to its own project" in alone.title
    seen = cell("5", "5", scope="proj_x")
    for found in (suggest([strange, seen]), suggest([strange], beside=[seen])):
        assert [(one.way, one.title) for one in found] == [
            ("by_hand", "Instrument embed-3 of openai, project proj_x")
        ]
    [untold] = suggest([cell("0", "1", share("other_traffic", "1"))])
    assert (untold.way, untold.title) == ("by_hand", "Instrument gpt-5.5 of openai")


def test_a_bill_in_a_currency_without_a_rate_asks_for_one_even_where_nothing_differs() -> None:
    yuan = [
        replace(line(TokenClass.OUTPUT, "1", "1"), provider="deepseek", currency="CNY",
                amount_usd=None, day=DAY + timedelta(days=n))
        for n in (3, 1)
    ]  # fmt: skip
    [found] = suggest([cell()], yuan)
    assert (found.kind, found.way, found.usd) == ("exchange_rate", "apply_with_value", Decimal(0))
    assert found.what["effective_from"] == (DAY + timedelta(days=1)).isoformat()
    said = share("currency", "1", said="No exchange rate of CNY is known for the day.")
    differs = cell("1", "0", said, provider="deepseek", day=DAY + timedelta(days=1))
    [same] = suggest([differs], yuan)
    assert same.correction_id == found.correction_id


def test_every_correction_says_how_it_is_done() -> None:
    ways = {
        cause: suggest([cell("0", "1", share(cause, "1"), model=None,
                             quantities=(None, None, None))])[0].way
        for cause in ("tax", "unexplained", "missing_usage", "double_counted", "alias")
    }  # fmt: skip
    assert ways == {
        "tax": "adjust", "unexplained": "dispute", "missing_usage": "by_hand",
        "double_counted": "by_hand", "alias": "by_hand",
    }  # fmt: skip


def test_what_a_change_did_is_told_by_cause() -> None:
    before = [cell("1", "4", share("unmapped", "2"), share("tax", "1")), cell(provider="other")]
    after = [cell("1", "4", share("tax", "3"))]
    assert effect_text("openai", before, after) == (
        "openai is off by +3.0000 USD, as before: tax +1.0000 USD to +3.0000 USD, "
        "unmapped +2.0000 USD to 0 USD."
    )
    assert effect_text("openai", after, after).endswith("as before: this changes nothing.")


RATE = {
    "kind": "rate", "provider": "openai", "model": "gpt-5.5", "token_class": "output",
    "price": "33", "per": MILLION, "service_tier": "", "region": "", "above_tokens": "0",
    "effective_from": "2026-11-18", "effective_to": "",
}  # fmt: skip
CONTRACT = {
    "kind": "contract", "contract_id": "c", "provider": "openai", "model": "",
    "multiplier": "0.88", "effective_from": "2026-11-01",
}  # fmt: skip
EURO = {"kind": "exchange_rate", "currency": "EUR", "value": "1.1", "effective_from": "2026-11-01"}
MAPPING = {
    "kind": "mapping", "mapping": "line", "provider": "openai", "pattern": "batch | x",
    "target": "token_class", "value": "output",
}  # fmt: skip


def held(state: StateEngine) -> list[tuple[object, ...]]:
    """What holds now, without ids and times of storing."""
    prices = PriceState(state)
    return [
        *((r.model, r.price, r.effective_from_ns, r.effective_to_ns) for r in prices.rates()),
        *((c.provider, c.multiplier) for c in prices.contracts()),
        *((e.currency, e.usd) for e in prices.exchange_rates()),
        *((m.pattern, dict(m.target)) for m in InvoiceState(state).mappings("default")),
    ]  # fmt: skip


@pytest.mark.parametrize("what", [RATE, CONTRACT, EURO, MAPPING], ids=lambda w: str(w["kind"]))
def test_a_correction_is_stored_with_who_and_taken_back(
    state: StateEngine, what: Mapping[str, str]
) -> None:
    made = applying.apply(change(state), what)
    assert len(held(state)) == 1
    applying.reverse(change(state, "bob"), made)
    assert held(state) == []
    again = applying.apply(change(state), what)
    assert len(held(state)) == 1, "what was taken back can be applied anew"
    assert json.loads(again)["kind"] == what["kind"]
    if what["kind"] != "mapping":
        log = PriceState(state).log()
        assert [row.who for row in reversed(log)] == ["ann", "bob", "ann"]
        assert "reconciliation of 2026-11" in log[-1].after


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (RATE, {**RATE, "price": "36"}),
        (RATE, {**RATE, "price": "36", "effective_from": "2026-11-20"}),
        (EURO, {**EURO, "value": "1.2"}),
        (MAPPING, {**MAPPING, "value": "uncached"}),
    ],
)
def test_taking_back_puts_back_what_was_replaced(
    state: StateEngine, first: Mapping[str, str], second: Mapping[str, str]
) -> None:
    applying.apply(change(state), first)
    before = held(state)
    made = applying.apply(change(state), second)
    assert held(state) != before
    applying.reverse(change(state), made)
    if second.get("effective_from") == first.get("effective_from"):
        assert held(state) == before
    else:  # in two rows that follow each other, with one price all the time
        rows = sorted(held(state), key=lambda row: int(str(row[2])))
        assert [row[1] for row in rows] == [33, 33]
        assert (rows[0][3], rows[1][3]) == (rows[1][2], None)


def test_what_cannot_be_stored_says_so(state: StateEngine) -> None:
    with pytest.raises(applying.CorrectionError, match="nothing to store"):
        applying.apply(change(state), {"kind": "adjust"})
    with pytest.raises(applying.CorrectionError, match="could be taken back"):
        applying.reverse(change(state), "")


@pytest.mark.parametrize("what", [RATE, CONTRACT, EURO, MAPPING], ids=lambda w: str(w["kind"]))
def test_the_same_change_again_stores_nothing_and_can_be_taken_back_as_the_first(
    state: StateEngine, what: Mapping[str, str]
) -> None:
    if what["kind"] != "contract":  # two at once may not hold
        key = "price" if what["kind"] == "rate" else "value"
        applying.apply(change(state), {**what, key: "7" if what["kind"] != "mapping" else "tool"})
    before = held(state)
    one = change(state)
    made = applying.apply(one, what)
    then = held(state)

    assert applying.apply(one, what) == made
    assert held(state) == then
    back = change(state, "bob")
    applying.reverse(back, made)
    assert held(state) == before
    applying.reverse(back, made)
    assert held(state) == before
