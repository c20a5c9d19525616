"""``spanledger prices show``: everything the price book knows about one model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.example import Example, example_call
from spanledger_analytics.price_book.input import time_text
from spanledger_analytics.price_book.lookup import (
    KnownModel,
    Period,
    find_model,
    hours_of_day,
    periods,
    rates_of,
    sellers,
)
from spanledger_analytics.price_book.overrides import FEES, TOKEN_CLASSES
from spanledger_analytics.price_book.own import CallNames, OwnPrices
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.price_book.table import compare, price_text
from spanledger_analytics.providers import wire_names
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.rows import print_rows, table_text
from spanledger_storage.price_state import StateEngine

_PER = 1_000_000
_COLUMNS = (
    "from",
    "to",
    "provider",
    "model",
    "service_tier",
    "region",
    "above_tokens",
    "token_class",
    "price",
    "per",
    "currency",
    "source",
    "price_id",
)


def print_model(state: StateEngine, provider: str, name: str, at_ns: int, output: Format) -> None:
    """Print a model's rates, their changes, own rates and contracts, and a worked example.

    As JSON or CSV: the rates alone, of every period.

    Raises:
        UsageError: nothing prices the name; the message has the nearest name that is known.
    """
    book = PriceBook.bundled(load_overrides(state))
    known = find_model(book, provider, name, at_ns)
    if known is None:
        raise UsageError(_unknown(book, provider, name))
    table = periods(book, known, at_ns)
    if output is not Format.table:
        print_rows(_COLUMNS, [_fields(flat) for p in table for flat in p.rates], output)
        return
    print(_heading(known, provider, name, at_ns))
    print(_matrix(rates_of(book, known, at_ns)))
    _print_hours(hours_of_day(book, known, at_ns))
    _print_changes(table)
    _print_own(book, known)
    example = example_call(book, provider, name, at_ns)
    if example is not None:
        _print_example(example)


def _unknown(book: PriceBook, provider: str, name: str) -> str:
    near = book.nearest(provider, name)
    hint = f" The nearest known name is {near}." if near else ""
    seller = provider or "PROVIDER"
    return (
        f"No price is known for {name}{f' of {provider}' if provider else ''}.{hint} Set one: "
        f"spanledger prices set {seller} {name} --input 2.50 --output 10"
    )


def _heading(known: KnownModel, provider: str, name: str, at_ns: int) -> str:
    title = f"{known.provider or 'any provider'} / {known.model}, {time_text(at_ns)}"
    if known.model != name:
        title += f" ({name} is priced as this model)"
    others = sellers(known.model, at_ns) if known.is_listed and not provider else []
    if len(others) > 1:
        title += f"\nSold by {', '.join(others)}; choose with --provider."
    return title


def _matrix(rates: Sequence[FlatRate]) -> str:
    """Return one line per tier, region and size of request, one column per class."""
    if not rates:
        return "No rate is in force then."
    lines: dict[tuple[str, str, int], dict[str, object]] = {}
    for flat in rates:
        key = (flat.service_tier, flat.region, flat.above_tokens)
        line = lines.setdefault(
            key,
            {
                "tier": flat.service_tier or "standard",
                "region": flat.region,
                "above_tokens": flat.above_tokens or None,
            },
        )
        line[flat.token_class] = _cell(flat)
        line["source"] = flat.source
    columns = ("tier", "region", "above_tokens", *TOKEN_CLASSES, *FEES, "source")
    text = table_text(columns, list(lines.values()))
    note = f"\nPrices are US dollars per {_PER:,} tokens unless they say otherwise."
    if len(lines) > 1:
        note += "\n'-' costs what the line above, or the standard tier, says."
    return f"\n{text}{note}"


def _cell(flat: FlatRate) -> str:
    is_plain = flat.per == _PER and flat.currency == "USD"
    price = f"{flat.price:f}" if is_plain else price_text(flat.price, flat.per, flat.currency)
    return f"{price}*" if flat.source.startswith("own:") else price


def _print_hours(hours: Sequence[Period]) -> None:
    if len(hours) < 2:
        return
    print("\nBy time of day (UTC, from):")
    for period in hours:
        print(f"  {_clock(period.from_ns or 0)}  {_listing(period.rates)}")


def _print_changes(table: Sequence[Period]) -> None:
    lines: list[str] = []
    for before, after in zip(table, table[1:], strict=False):
        changed = [d for d in compare(before.rates, after.rates) if d.status != "same"]
        if not changed or after.from_ns is None:
            continue
        lines.append(f"  {time_text(after.from_ns)}")
        for d in changed:
            where = " ".join(str(part) for part in d.key[2:5] if part)
            change = f"{_price(d.here)} -> {_price(d.there)}"
            lines.append(f"    {d.key[5]}{f' ({where})' if where else ''}: {change}")
    if lines:
        print("\nChanges:", *lines, sep="\n")


def _print_own(book: PriceBook, known: KnownModel) -> None:
    names = frozenset({known.model.lower(), known.name.lower()})
    own = OwnPrices(book.overrides)
    who = CallNames(wire_names(known.provider), names, "", "")
    if rates := own.named(who):
        print("\nOwn rates (marked * above while they hold):")
        for rate in rates:
            price = price_text(rate.price, rate.per, rate.currency)
            span = _span(rate.effective_from_ns, rate.effective_to_ns)
            print(f"  {rate.id}: {rate.token_class} of {rate.model} {price}, {span}")
    if contracts := own.contracts(who):
        print("\nContracts:")
        for contract in contracts:
            span = _span(contract.effective_from_ns, contract.effective_to_ns)
            print(f"  {contract.id}: {contract.multiplier:f} times the list price, {span}")


def _print_example(example: Example) -> None:
    print("\nExample, one call:")
    for line in example.lines:
        price = price_text(line.usd_per_mtok, _PER, "USD")
        print(f"  {line.tokens:,} {line.part} x {price} = {_dollars(line.list_usd)}")
    if example.fees_usd:
        print(f"  fee per request = {_dollars(example.fees_usd)}")
    if example.contract_id:
        listed = _dollars(example.list_usd)
        print(f"  list price {listed}, after contract {example.contract_id}:")
    print(f"  total {_dollars(example.total_usd)}   ({example.price_id})")


def _dollars(amount: Decimal) -> str:
    return price_text(amount, 1, "USD").removesuffix(" each")


def _listing(rates: Iterable[FlatRate]) -> str:
    standard = [r for r in rates if not r.service_tier and not r.region and not r.above_tokens]
    return ", ".join(f"{flat.token_class} {_price(flat)}" for flat in standard)


def _price(flat: FlatRate | None) -> str:
    return "none" if flat is None else price_text(flat.price, flat.per, flat.currency)


def _clock(ns: int) -> str:
    minutes = ns // (60 * 10**9) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _span(start_ns: int, end_ns: int | None) -> str:
    end = "" if end_ns is None else f" until {time_text(end_ns)}"
    return f"from {time_text(start_ns)}{end}"


def _fields(flat: FlatRate) -> dict[str, object]:
    start, end = flat.effective_from_ns, flat.effective_to_ns
    fields = {name: getattr(flat, name) for name in _COLUMNS if hasattr(flat, name)}
    return {
        **fields,
        "from": "" if start is None else time_text(start),
        "to": "" if end is None else time_text(end),
    }
