"""What the checks find: overlaps, gaps, currencies, unpriced models, another table's opinion."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.check import (
    SeenModel,
    check_overrides,
    check_usage,
    load_seen_models,
    needs_rate,
    set_command,
)
from spanledger_analytics.price_book.commitments import ContractUse, drawdown, load_use
from spanledger_analytics.price_book.cross_check import cross_check, listed_names
from spanledger_analytics.price_book.example import example_call
from spanledger_analytics.price_book.input import parse_time
from spanledger_analytics.price_book.log import change_text
from spanledger_analytics.price_book.lookup import find_model, hours_of_day, periods, rates_of
from spanledger_analytics.price_book.overrides import Contract, ExchangeRate, Overrides, Rate
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.table import compare, price_text
from spanledger_storage.price_state import ContractRow, LogRow
from spanledger_storage.store import Store
from tests.dashboard.seed import NS_PER_S, Seeder

DAY_NS = 86_400 * NS_PER_S
JAN, FEB, MAR = (parse_time(f"2026-0{month}-01", "") for month in (1, 2, 3))
NOON = parse_time("2026-11-20T12:00:00Z", "")
NOW_S = 1_780_000_000


def rate(**changes: object) -> Rate:
    row = Rate(1, "vllm", "qwen", "input", Decimal(1), 10**6, "USD", "", "", 0, JAN, None)
    return replace(row, **changes)  # type: ignore[arg-type]  # the fields have their types


def kinds(overrides: Overrides) -> list[str]:
    return [finding.kind for finding in check_overrides(overrides)]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    rates = (rate(effective_to_ns=FEB), rate(id=2, effective_from_ns=FEB), rate(id=3, region="eu"))
    contracts = (Contract("c", "openai", "", Decimal(1), None, JAN, None),)
    assert kinds(Overrides(1, rates, contracts)) == []


def test_overlaps_are_found_under_every_name_of_a_provider_and_tier() -> None:
    pairs = (
        (rate(), rate(id=2)),
        (rate(provider="gemini"), rate(id=2, provider="google")),
        (rate(service_tier="default"), rate(id=2)),
    )
    for pair in pairs:
        assert kinds(Overrides(1, pair)) == ["overlap"]


def test_a_gap_between_two_rates_is_found() -> None:
    rates = (rate(effective_to_ns=FEB), rate(id=2, effective_from_ns=MAR))
    [finding] = check_overrides(Overrides(1, rates))
    assert finding.kind == "gap"
    assert "from 2026-02-01 to 2026-03-01, between rates 1 and 2" in finding.detail


def test_a_currency_needs_an_exchange_rate_from_the_start() -> None:
    euro = rate(currency="EUR")
    late = ExchangeRate("EUR", Decimal("1.1"), FEB)
    for known in ((), (late,)):
        [finding] = check_overrides(Overrides(1, (euro,), (), known))
        assert finding.advice.endswith("add EUR DOLLARS --from 2026-01-01")
    early = replace(late, effective_from_ns=JAN)
    assert kinds(Overrides(1, (euro,), (), (late, early))) == []


def test_a_contract_with_nobody_is_found() -> None:
    contract = Contract("c", "opnai", "", Decimal(1), None, JAN, None)
    [finding] = check_overrides(Overrides(1, (), (contract,)))
    assert "the nearest name is openai" in finding.detail


def test_models_without_a_price_are_found_with_their_calls(store: Store) -> None:
    seed = Seeder(store, NOW_S)
    for number in range(3):
        span = seed.span("ab" * 16, f"{number:016x}", response_model="gpt-4o-mni", at_s=-number)
        seed.entry(span, None, provider="openai", flags=["unknown_model", "double_instrumented"])
    seed.entry(seed.span("ab" * 16, "9" * 16), "1.50")
    seed.entry(seed.span("ab" * 16, "8" * 16), None, tokens=None)
    seed.entry(seed.span("ab" * 16, "7" * 16, response_model="old", at_s=-9 * 86_400), None)
    seed.insert()
    seen = load_seen_models(store, (NOW_S - 86_400) * NS_PER_S)
    assert [(s.model, s.calls, s.unpriced_calls) for s in seen] == [
        ("gpt-4o-mni", 3, 3),
        ("claude-sonnet-4-5", 2, 0),
    ]
    assert (seen[0].unpriced_tokens, seen[0].reasons) == (3_600, ("unknown_model",))
    assert seen[0].first_ns == (NOW_S - 2) * NS_PER_S
    [finding] = check_usage(seen, PriceBook.bundled())
    assert (finding.calls, finding.tokens) == (3, 3_600)
    assert finding.detail == "unknown model; the nearest known name is gpt-4o-mini"
    assert finding.advice.startswith("spanledger prices set openai gpt-4o-mni --input PRICE")
    assert finding.advice.endswith("--from 2026-05-28")


def test_a_name_from_outside_cannot_leave_the_command() -> None:
    seen = SeenModel("", "x; rm -rf $HOME", 1, 1, 1, (), JAN)
    assert "set '*' 'x; rm -rf $HOME' --input" in set_command(seen)


def contract(**changes: object) -> ContractRow:
    row = ContractRow("acme", "openai", "", Decimal("0.85"), Decimal(1000), JAN, JAN + 100 * DAY_NS)
    return replace(row, **changes)  # type: ignore[arg-type]  # the fields have their types


def test_a_commitment_is_drawn_down_at_the_pace_of_thirty_days(store: Store) -> None:
    seed = Seeder(store, NOW_S)
    start = (NOW_S - 50 * 86_400) * NS_PER_S
    for days, usd in ((1, "100"), (29, "200"), (31, "250"), (60, "999")):
        span = seed.span(f"{days:032x}", "1" * 16, at_s=-days * 86_400)
        seed.entry(span, usd, contract_id="acme")
    seed.entry(seed.span("ab" * 16, "2" * 16), "70")
    seed.insert()
    row = contract(effective_from_ns=start, effective_to_ns=start + 100 * DAY_NS)
    now_ns = NOW_S * NS_PER_S
    use = load_use(store, [row], now_ns)
    assert use == {"acme": ContractUse(3, Decimal(550), Decimal(300))}
    drawn = drawdown(row, use["acme"], now_ns)
    assert (drawn.remaining_usd, drawn.per_day_usd) == (Decimal(450), Decimal(10))
    assert drawn.used_up_ns == now_ns + 45 * DAY_NS
    assert drawn.expected_usd == 1050
    assert load_use(store, [], now_ns) == {}


def test_a_commitment_that_is_not_reached_or_is_done_has_no_day_it_ends() -> None:
    now_ns = JAN + 50 * DAY_NS
    slow = drawdown(contract(), ContractUse(9, Decimal(100), Decimal(60)), now_ns)
    assert (slow.used_up_ns, slow.expected_usd) == (None, Decimal(200))
    done = drawdown(contract(), ContractUse(9, Decimal(1200), Decimal(60)), now_ns)
    assert (done.remaining_usd, done.used_up_ns) == (Decimal(0), None)


def test_a_young_or_ended_contract_has_no_pace() -> None:
    use = ContractUse(1, Decimal(5), Decimal(5))
    for now_ns in (JAN - 1, JAN + DAY_NS - 1, JAN + 100 * DAY_NS):
        drawn = drawdown(contract(), use, now_ns)
        assert (drawn.per_day_usd, drawn.used_up_ns, drawn.expected_usd) == (None, None, None)
    # Two days old: the pace is over two days, not thirty.
    assert drawdown(contract(), use, JAN + 2 * DAY_NS).per_day_usd == Decimal("2.5")


def other_table(provider: str, model: str, source: str, factor: str = "1") -> list[FlatRate]:
    """Our own rates of a model at noon, as another table would have them."""
    rows = [r for r in PriceBook.bundled().rows(NOON, provider, model) if not r.service_tier]
    assert rows, f"{provider}/{model} is no longer in the price data"
    return [replace(r, price=r.price * Decimal(factor), source=source) for r in rows]


def moved(rows: list[FlatRate], tokens: int) -> list[FlatRate]:
    return [replace(r, above_tokens=r.above_tokens + tokens) if r.above_tokens else r for r in rows]


def at_hour(hour: int) -> list[FlatRate]:
    midnight = NOON - NOON % DAY_NS
    rows = PriceBook.bundled().rows(
        midnight + hour * 3_600 * NS_PER_S, "deepseek", "deepseek-v4-pro"
    )
    return [replace(r, source="litellm:deepseek-v4-pro") for r in rows]


GROK, SONNET = ("x-ai", "grok-4.5", "litellm:xai/grok-4.5"), ("anthropic", "claude-sonnet-4-5", "x")
BEDROCK = "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"


def on_bedrock(source: str, factor: str) -> list[FlatRate]:
    name = BEDROCK.replace("regional", "us")
    return [replace(r, model=name) for r in other_table("aws", BEDROCK, source, factor)]


@pytest.mark.parametrize(
    ("others", "reading"),
    [
        (moved(other_table(*GROK), 1), "boundary"),
        ([r for r in other_table(*SONNET) if not r.above_tokens], "context tier"),
        (other_table(*GROK, factor="1.005"), "rounding"),
        (other_table(*GROK, factor="2"), "other"),
        (
            other_table("mistral", "mistral-large", "litellm:mistral/mistral-large-latest", "3"),
            "alias",
        ),
        (on_bedrock("litellm:x", "1.1"), "regional"),
        (on_bedrock("litellm:us-gov.anthropic.x", "1.2"), "regional"),
        (at_hour(2), "time of day"),
        (at_hour(12), "time of day"),
    ],
)
def test_a_disagreement_is_told_with_the_reading_that_applies(
    others: list[FlatRate], reading: str
) -> None:
    [found], _ = cross_check(others, NOON)
    assert (found.reading, found.steps != ()) == (reading, True)
    assert found.explanation.endswith("The price data apply unless own rates say otherwise.")


def test_what_agrees_is_counted_and_what_nobody_knows_is_not() -> None:
    stranger = replace(other_table(*GROK)[0], provider="nobody")
    regional = replace(other_table(*GROK, factor="9")[0], region="eu")
    unknown = replace(other_table(*GROK)[0], model="grok-0")
    assert cross_check([*other_table(*GROK), stranger, regional, unknown], NOON) == ([], 1)


def test_entries_that_say_the_same_are_one_disagreement() -> None:
    twice = other_table(*GROK, factor="2")
    twice += [replace(r, source="litellm:xai/grok-4.5-latest") for r in twice]
    [found], _ = cross_check(twice, NOON)
    assert found.sources == ("litellm:xai/grok-4.5", "litellm:xai/grok-4.5-latest")
    assert cross_check(twice, NOON, only=[("openai", "gpt-4o")]) == ([], 0)
    assert listed_names([("xai", "grok-4.5"), ("xai", "no")]) == {("x-ai", "grok-4.5")}


def test_a_model_is_found_by_its_alias_and_by_own_rates() -> None:
    book = PriceBook.bundled(Overrides(1, (rate(model="qwen*"),)))
    known = find_model(book, "openai", "gpt-4o-2024-08-06", NOON)
    assert known is not None
    assert (known.provider, known.model) == ("openai", "gpt-4o")
    own = find_model(book, "vllm", "qwen-3", NOON)
    assert own is not None
    assert not own.is_listed
    assert [r.source for r in rates_of(book, own, NOON)] == ["own:1"]
    assert find_model(book, "vllm", "llama", NOON) is None


def test_own_rates_for_an_alias_are_shown_with_the_model_it_stands_for() -> None:
    own = rate(provider="openai", model="gpt-4o-2024-08-06", price=Decimal(7))
    book = PriceBook.bundled(Overrides(1, (own,)))
    known = find_model(book, "openai", "gpt-4o-2024-08-06", NOON)
    assert known is not None
    assert known.model == "gpt-4o"
    assert [r.price for r in rates_of(book, known, NOON) if r.source == "own:1"] == [7]
    assert [p.from_ns for p in periods(book, known, NOON) if p.from_ns == JAN] == [JAN]


def test_dated_changes_are_walked_both_ways_and_hours_apart() -> None:
    rates = (
        rate(effective_to_ns=FEB),
        rate(id=2, price=Decimal(2), effective_from_ns=FEB, effective_to_ns=MAR),
        rate(id=3, price=Decimal(3), effective_from_ns=MAR),
    )
    book = PriceBook.bundled(Overrides(1, rates))
    for at_ns in (JAN + 5, FEB, MAR + 5):
        known = find_model(book, "vllm", "qwen", at_ns)
        assert known is not None
        table = [p for p in periods(book, known, at_ns) if p.rates]
        assert [(p.from_ns, str(p.rates[0].price)) for p in table] == [
            (JAN, "1"),
            (FEB, "2"),
            (MAR, "3"),
        ]
        assert len(hours_of_day(book, known, at_ns)) == 1
    deepseek = find_model(book, "deepseek", "deepseek-v4-pro", NOON)
    assert deepseek is not None
    assert len(hours_of_day(book, deepseek, NOON)) > 1


def test_the_example_is_what_the_ledger_would_charge() -> None:
    contract = Contract("acme", "vllm", "", Decimal("0.5"), None, JAN, None)
    rates = (
        rate(price=Decimal("2.50")),
        rate(id=2, token_class="cache_read", price=Decimal("1.25")),
        rate(id=3, token_class="output", price=Decimal(10)),
        rate(id=4, token_class="request", price=Decimal("0.01"), per=1),
    )
    example = example_call(PriceBook.bundled(Overrides(1, rates, (contract,))), "vllm", "qwen", JAN)
    assert example is not None
    assert [str(line.list_usd) for line in example.lines] == ["0.01", "0.0075", "0.01"]
    assert (example.fees_usd, example.list_usd) == (Decimal("0.01"), Decimal("0.0375"))
    assert (example.contract_id, example.total_usd) == ("acme", Decimal("0.01875"))
    only_input = PriceBook.bundled(Overrides(1, (rate(),)))
    short = example_call(only_input, "vllm", "qwen", JAN)
    assert short is not None
    assert [(line.part, line.tokens) for line in short.lines] == [("uncached", 10_000)]
    assert example_call(only_input, "vllm", "nothing", JAN) is None


def test_two_tables_are_compared_per_token() -> None:
    def flat(model: str, price: str, per: int, currency: str = "USD") -> FlatRate:
        return FlatRate(
            "p", model, "", "", 0, "input", Decimal(price), per, currency, None, None, "s", "id"
        )

    here = [flat("a", "2.50", 10**6), flat("b", "1", 1), flat("c", "1", 1), flat("d", "1", 1)]
    there = [
        flat("a", "0.0025", 1000),
        flat("b", "2", 1),
        flat("c", "1", 1, "EUR"),
        flat("e", "1", 1),
    ]
    assert [(d.key[1], d.status) for d in compare(here, there)] == [
        ("a", "same"),
        ("b", "different"),
        ("c", "different"),
        ("d", "only here"),
        ("e", "only there"),
    ]


def test_prices_and_changes_are_told_in_words() -> None:
    assert price_text(Decimal("2.5"), 10**6, "USD") == "$2.50 per 1,000,000"
    assert price_text(Decimal("0.0125"), 1, "EUR") == "0.0125 EUR each"
    closed = LogRow(
        1, 1, 1, "ann", "close", "rate 1",
        '{"id": 1, "effective_to_ns": null}', f'{{"id": 1, "effective_to_ns": {FEB}}}',
    )  # fmt: skip
    assert change_text(closed) == "to: none -> 2026-02-01"
    added = replace(closed, before=None, after='{"model": "m", "price": "2.50", "region": ""}')
    assert change_text(added) == "m, 2.50"


def test_what_a_list_shows_can_be_looked_up_by_its_id() -> None:
    # No call is named so: it is what the data call Bedrock's regional endpoints.
    book, name = PriceBook.bundled(), "regional.anthropic.claude-sonnet-4-5-20250929-v1:0"
    known = find_model(book, "aws", name, NOON)
    assert known is not None
    assert known.is_listed
    assert rates_of(book, known, NOON) == tuple(book.rows(NOON, "aws", name))


@pytest.mark.parametrize(
    ("model", "reason", "advice"),
    [
        ("", "unknown_model", "report the model"),
        ("gemini-2.5-pro", "tier_undecided", "usage itself is unclear"),
        ("gpt-4o", "inconsistent_usage", "usage itself is unclear"),
        ("in-house", "no_exchange_rate", "prices exchange-rates add CURRENCY DOLLARS --from 20"),
        ("in-house", "missing_rate", "prices set openai in-house"),
    ],
)
def test_a_rate_is_advised_only_where_it_gives_a_price(
    model: str, reason: str, advice: str
) -> None:
    seen = SeenModel("openai", model, 1, 1, 1, (reason,), JAN)
    [finding] = check_usage([seen], PriceBook.bundled())
    assert advice in finding.advice
    assert needs_rate(seen) == ("prices set" in finding.advice)
