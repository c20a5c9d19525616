"""Own prices: taken, refused, followed, replaced, ended, and used for pricing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.book import PriceBook, PriceKey
from spanledger_analytics.price_book.input import parse_time
from spanledger_analytics.price_book.store import (
    Changed,
    add_contract,
    end_contract,
    end_rate,
    load_overrides,
    overrides_revision,
    remove_exchange_rate,
    set_exchange_rates,
    set_rates,
)
from spanledger_storage.price_state import (
    ContractRow,
    ExchangeRateRow,
    PriceState,
    RateRow,
    StateEngine,
)
from spanledger_storage.state import migrate_state, open_state

JAN, FEB, MAR, APR = (parse_time(f"2026-0{month}-01", "") for month in range(1, 5))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[StateEngine]:
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def state(engine: StateEngine) -> PriceState:
    return PriceState(engine)


def rate(price: str = "2.50", start: int = JAN, end: int | None = None) -> RateRow:
    return RateRow(
        "openai", "gpt-4o", "input", Decimal(price), 1_000_000, "USD", "", "", 0, start, end
    )


def contract(contract_id: str = "acme", model: str = "") -> ContractRow:
    return ContractRow(contract_id, "openai", model, Decimal("0.85"), None, JAN, MAR)


def put(state: PriceState, *rows: RateRow) -> list[Changed]:
    with state.change("ann", APR) as change:
        return set_rates(change, [(f"line {n}", row) for n, row in enumerate(rows, 2)])


def spans(state: PriceState) -> list[tuple[str, int, int | None]]:
    return [(f"{r.price}", r.effective_from_ns, r.effective_to_ns) for r in state.rates()]


def test_a_later_price_ends_the_open_one(state: PriceState) -> None:
    put(state, rate("2.50"))
    [result] = put(state, rate("2.20", FEB))
    assert result.outcome == "follows"
    assert spans(state) == [("2.50", JAN, FEB), ("2.20", FEB, None)]


def test_the_same_period_again_is_a_correction_and_the_old_one_stays_to_be_shown(
    state: PriceState,
) -> None:
    [first] = put(state, rate("2.50"))
    [second] = put(state, rate("2.40"))
    assert (second.outcome, second.before) == ("replaces", first.after)
    assert spans(state) == [("2.40", JAN, None)]
    assert [r.price for r in state.rates(withdrawn=True)] == [Decimal("2.50"), Decimal("2.40")]


def test_the_same_price_in_other_words_changes_nothing(state: PriceState) -> None:
    put(state, rate("2.50"))
    revision = state.revision()
    again = [rate("2.5"), replace(rate("0.0025"), per=1_000), replace(rate(), currency="usd")]
    assert [r.outcome for r in put(state, *again)] == ["unchanged"] * 3
    assert state.revision() == revision


@pytest.mark.parametrize(
    "row",
    [
        rate("3", JAN - 1),
        rate("3", FEB, MAR),
        rate("3", JAN, MAR),
        rate("3", JAN - 1, FEB),
    ],
)
def test_any_other_overlap_is_refused_and_names_the_rate(state: PriceState, row: RateRow) -> None:
    put(state, rate("2.50"))
    before = spans(state)
    with pytest.raises(PriceError, match=r"line 2: Rate 1 already prices input of gpt-4o"):
        put(state, row)
    assert spans(state) == before


def test_one_bad_rate_refuses_all(state: PriceState) -> None:
    with pytest.raises(PriceError, match=r"^line 3: .*Rate 1"):
        put(state, rate("1", JAN, MAR), rate("2", FEB, APR))
    assert state.rates() == []


def test_rates_for_other_calls_do_not_overlap(state: PriceState) -> None:
    others = [
        replace(rate(), token_class="output"),
        replace(rate(), service_tier="batch"),
        replace(rate(), region="eu"),
        replace(rate(), above_tokens=200_000),
        replace(rate(), provider="azure"),
        replace(rate(), model="gpt-4o*"),
        rate("1", JAN - 5, JAN),
    ]
    assert {r.outcome for r in put(state, rate(), *others)} == {"added"}


def test_names_are_compared_without_case(state: PriceState) -> None:
    put(state, rate())
    [result] = put(state, replace(rate("3"), model="GPT-4o", provider=" OpenAI "))
    assert result.outcome == "replaces"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"token_class": "inputs"}, "'inputs' is no token class; use one of input"),
        ({"price": Decimal("-1")}, "must not be negative"),
        ({"price": Decimal("1e13")}, "below 10"),
        ({"per": 0}, "for 1 to 10"),
        ({"per": 10**21}, "for 1 to 10"),
        ({"above_tokens": 10**21}, "size of a request"),
        ({"currency": "EURO"}, "three letters"),
        ({"model": ""}, "model is missing"),
        ({"model": "gpt*o"}, "only at the end"),
        ({"model": "x" * 257}, "257 characters"),
        ({"provider": "a\nb"}, "cannot be printed"),
        ({"effective_to_ns": JAN}, "no time at all"),
    ],
)
def test_what_cannot_be_a_price_is_refused_with_the_reason(
    state: PriceState, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(PriceError, match=message):
        put(state, replace(rate(), **changes))  # type: ignore[arg-type]  # wrong on purpose
    assert state.log() == []


def test_a_rate_ends_from_a_date_on_or_altogether(state: PriceState) -> None:
    put(state, rate(), replace(rate(), token_class="output"))
    with state.change("ann", APR) as change:
        end_rate(change, 1, FEB)
        end_rate(change, 2, None)
    assert spans(state) == [("2.50", JAN, FEB)]
    for rate_id, at_ns, message in (
        (1, MAR, "already ends"),
        (2, FEB, "withdrawn"),
        (9, 1, "no such"),
    ):
        with pytest.raises(PriceError, match=message), state.change("ann", APR) as change:
            end_rate(change, rate_id, at_ns)


def test_a_rate_that_would_end_before_it_begins_is_withdrawn(state: PriceState) -> None:
    put(state, rate(start=MAR))
    with state.change("ann", APR) as change:
        end_rate(change, 1, FEB)
    assert state.rates() == []


def test_contracts_for_the_same_calls_do_not_overlap_and_ids_are_used_once(
    state: PriceState,
) -> None:
    with state.change("ann", APR) as change:
        add_contract(change, contract())
        add_contract(change, contract("acme-4o", "gpt-4o"))
    for row, message in (
        (contract("other"), "Contract 'acme' is for the same calls"),
        (contract("acme"), "was used before"),
        (contract("no spaces"), "letters, digits"),
        (replace(contract("c"), commitment_usd=Decimal(5), effective_to_ns=None), "--to"),
        (replace(contract("c"), multiplier=Decimal(0)), "greater than 0"),
        (replace(contract("c"), multiplier=Decimal("1234567.1")), "below 1,000,000"),
        (replace(contract("c"), provider="*"), "one provider"),
    ):
        with pytest.raises(PriceError, match=message), state.change("ann", APR) as change:
            add_contract(change, row)
    with state.change("ann", APR) as change:
        end_contract(change, "acme", FEB)
        add_contract(change, replace(contract("next"), effective_from_ns=FEB))
    assert [(c.id, c.effective_to_ns) for c in state.contracts()] == [
        ("acme", FEB),
        ("acme-4o", MAR),
        ("next", MAR),
    ]


def test_exchange_rates_of_one_date_replace_each_other(state: PriceState) -> None:
    rows = [ExchangeRateRow("eur", Decimal(usd), JAN) for usd in ("1.08", "1.080", "1.09")]
    with state.change("ann", APR) as change:
        results = set_exchange_rates(change, rows)
    assert [r.outcome for r in results] == ["added", "unchanged", "replaces"]
    assert [(r.currency, r.usd) for r in state.exchange_rates()] == [("EUR", Decimal("1.09"))]
    for row, message in (
        (ExchangeRateRow("USD", Decimal(1), JAN), "one US dollar"),
        (ExchangeRateRow("EUR", Decimal(0), JAN), "greater than 0"),
    ):
        with pytest.raises(PriceError, match=message), state.change("ann", APR) as change:
            set_exchange_rates(change, [row])
    with state.change("ann", APR) as change:
        remove_exchange_rate(change, state.exchange_rates()[0].id)
    assert state.exchange_rates() == []


def test_what_is_loaded_prices_calls(state: PriceState, engine: StateEngine) -> None:
    assert overrides_revision(engine) == 0
    assert load_overrides(engine).rates == ()
    put(state, replace(rate("0.10"), provider="vllm", model="Qwen/*", currency="EUR"))
    put(state, replace(rate("0.08", FEB), provider="vllm", model="Qwen/*", currency="EUR"))
    with state.change("ann", APR) as change:
        set_exchange_rates(change, [ExchangeRateRow("EUR", Decimal("1.10"), JAN)])
        add_contract(change, contract())
    overrides = load_overrides(engine)
    assert (overrides.revision, overrides_revision(engine)) == (3, 3)
    assert [c.id for c in overrides.contracts] == ["acme"]
    book = PriceBook.bundled(overrides)
    key = PriceKey("vllm", "Qwen/Qwen3-32B")
    priced = [book.resolve(key, at).for_input(1) for at in (JAN, FEB)]
    # 0.10 EUR per million at 1.10 USD is 110,000 picodollars a token.
    assert [p and Decimal(p.input or 0) / p.scale for p in priced] == [110_000, 88_000]
    assert not book.resolve(key, JAN - 1).bands
