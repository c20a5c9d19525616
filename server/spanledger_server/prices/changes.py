"""Changes of own rates, and what is said about them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from spanledger_analytics.errors import PriceError
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.check import unknown_provider
from spanledger_analytics.price_book.files import read_rates
from spanledger_analytics.price_book.input import (
    checked_rate,
    parse_amount,
    parse_currency,
    parse_time,
    time_text,
)
from spanledger_analytics.price_book.overrides import FEES
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.store import Changed, end_rate, set_rates
from spanledger_analytics.price_book.table import price_text
from spanledger_server.errors import UsageError
from spanledger_server.prices.session import moment, now_ns, user
from spanledger_storage.price_state import EndingRow, ExchangeRateRow, PriceState, RateRow

_MAX_FILE_BYTES = 64 << 20
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the rates of one ``prices set`` have in common, as typed."""

    provider: str
    model: str
    per: int
    currency: str
    tier: str
    region: str
    above_tokens: int
    start: str
    end: str
    note: str


@dataclass(slots=True)
class _ListPrices:
    """What the price data ask for the classes an own rate is for; read once per model."""

    book: PriceBook = field(default_factory=PriceBook.bundled)
    found: dict[tuple[str, str, int], list[FlatRate]] = field(default_factory=dict)

    def of(self, row: RateRow) -> FlatRate | None:
        key = (row.provider, row.model, row.effective_from_ns)
        if key not in self.found:
            rows = self.book.rows(row.effective_from_ns, row.provider or None, row.model)
            self.found[key] = list(rows)
        return next((flat for flat in self.found[key] if _is_for(flat, row)), None)


def set_prices(state: PriceState, terms: Terms, prices: Mapping[str, str], by: str) -> None:
    """Store one rate per class; print what changed and how to apply it to the past.

    Raises:
        UsageError: no price or no provider is given.
        PriceError: one cannot be.
    """
    if not prices:
        raise UsageError("Give at least one price, such as --input 2.50 --output 10.")
    if not terms.provider.strip():
        raise UsageError("Name the provider, or * for any.")
    start_ns = moment(terms.start, "--from")
    rows = [
        (f"--{n.replace('_', '-')}", _rate_row(terms, n, t, start_ns)) for n, t in prices.items()
    ]
    with state.change(user(by), now_ns()) as change:
        results = set_rates(change, rows)
    _say_results(results)
    _advise(state, results)


def remove_price(state: PriceState, rate_id: int, start: str, entirely: bool, by: str) -> None:
    """Let a rate end, or withdraw it; print what that means.

    Raises:
        PriceError: there is no such rate, or it already ended.
    """
    at_ns = None if entirely else moment(start, "--from")
    with state.change(user(by), now_ns()) as change:
        row = end_rate(change, rate_id, at_ns)
    say_ended(f"Rate {row.id} ({_subject(row)})", row, at_ns)
    from_ns = max(row.effective_from_ns, at_ns or 0)
    advise_reprice(from_ns, row.effective_to_ns, row.provider, row.model)


def import_prices(state: PriceState, file: Path, by: str) -> None:
    """Store the rates of a file, all or none.

    Raises:
        UsageError: the file cannot be read.
        PriceError: a line cannot be taken; names the lines.
    """
    located = parsed_file(file, read_rates)
    try:
        with state.change(user(by), now_ns()) as change:
            results = set_rates(change, located)
    except PriceError as error:
        raise PriceError(f"{file}: nothing was taken.\n{error}") from None
    say_taken(file, results)
    _advise(state, results)


def parsed_file(file: Path, read: Callable[[str], Parsed]) -> Parsed:
    """Return what a reader makes of a file's text.

    Raises:
        UsageError: the file cannot be read or is no text.
        PriceError: a line cannot be taken; names the file and the lines.
    """
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise UsageError(f"{file} is larger than {_MAX_FILE_BYTES >> 20} MiB: no price list.")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text; save it as CSV in UTF-8.") from None
    try:
        return read(text)
    except PriceError as error:
        raise PriceError(f"{file}: {error}") from None


def say_taken(file: Path, results: Sequence[Changed]) -> None:
    """Print how many rows of a file changed something."""
    counts = {name: sum(r.outcome == name for r in results) for name in _OUTCOMES}
    told = ", ".join(f"{counts[name]} {text}" for name, text in _OUTCOMES.items() if counts[name])
    print(f"{file}: {told or 'no rates in it'}.")


def say_ended(what: str, row: EndingRow, at_ns: int | None) -> None:
    """Print that a rate or contract ended, or was withdrawn."""
    if at_ns is None or at_ns <= row.effective_from_ns:
        print(f"{what} is withdrawn: nothing is priced with it any more.")
    else:
        print(f"{what} ends on {time_text(at_ns)}; earlier calls keep it.")


def say_unknown_providers(providers: Iterable[str]) -> None:
    """Warn of providers that nobody knows: a misspelt one would never price a call."""
    for provider in sorted(providers):
        if warning := unknown_provider(provider):
            print(warning)


def advise_reprice(from_ns: int, to_ns: int | None, provider: str = "", model: str = "") -> None:
    """Print the command that applies a change to calls the ledger already holds, if it can."""
    if from_ns >= now_ns():
        return
    command = ["spanledger", "prices", "reprice", "--from", time_text(from_ns)]
    if to_ns is not None:
        command += ["--to", time_text(to_ns)]
    if provider:
        command += ["--provider", provider]
    if model:
        command += ["--model", model]
    print(
        "To see what it changes for calls the ledger already holds, and with --apply to change "
        f"them:\n  {shlex.join(command)}"
    )


_OUTCOMES = {
    "added": "added",
    "follows": "added after an older one, which ends there",
    "replaces": "corrected",
    "unchanged": "unchanged",
}


def _rate_row(terms: Terms, token_class: str, price: str, start_ns: int) -> RateRow:
    option = f"--{token_class.replace('_', '-')}"
    row = RateRow(
        provider=terms.provider,
        model=terms.model,
        token_class=token_class,
        price=parse_amount(price, option),
        per=1 if token_class in FEES else terms.per,
        currency=parse_currency(terms.currency),
        service_tier=terms.tier,
        region=terms.region,
        above_tokens=terms.above_tokens,
        effective_from_ns=start_ns,
        effective_to_ns=parse_time(terms.end, "--to") if terms.end else None,
        note=terms.note,
    )
    return checked_rate(row)


def _say_results(results: Sequence[Changed]) -> None:
    listed = _ListPrices()
    for result in results:
        row = result.after
        if not isinstance(row, RateRow):
            continue
        now = price_text(row.price, row.per, row.currency)
        if result.outcome == "unchanged":
            print(f"{_subject(row)}: {now} already, rate {row.id}.")
            continue
        print(f"{_subject(row)}: {_before(result, listed)} -> {now}, rate {row.id}, {_span(row)}.")


def _before(result: Changed, listed: _ListPrices) -> str:
    before = result.before
    if isinstance(before, RateRow):
        end = ", which is withdrawn" if result.outcome == "replaces" else ", which ends there"
        return f"{price_text(before.price, before.per, before.currency)} (rate {before.id}{end})"
    flat = listed.of(result.after) if isinstance(result.after, RateRow) else None
    if flat is None:
        return "no price of its own"
    return f"{price_text(flat.price, flat.per, flat.currency)} ({flat.source})"


def _is_for(flat: FlatRate, row: RateRow) -> bool:
    return (
        flat.token_class == row.token_class
        and flat.service_tier == row.service_tier
        and flat.above_tokens == row.above_tokens
        and flat.region in ("", row.region)
    )


def _advise(state: PriceState, results: Sequence[Changed]) -> None:
    """Print what is still missing for the changes to show in the ledger."""
    rows = [r.after for r in results if r.outcome != "unchanged" and isinstance(r.after, RateRow)]
    if not rows:
        return
    say_unknown_providers({row.provider for row in rows})
    known = state.exchange_rates()
    for currency in sorted({row.currency for row in rows} - {"USD"}):
        start_ns = min(row.effective_from_ns for row in rows if row.currency == currency)
        _warn_of_currency(currency, start_ns, known)
    ends = [row.effective_to_ns for row in rows]
    end_ns = None if None in ends else max(end for end in ends if end is not None)
    models = {(row.provider, row.model) for row in rows}
    provider, model = models.pop() if len(models) == 1 else ("", "")
    advise_reprice(min(row.effective_from_ns for row in rows), end_ns, provider, model)


def _warn_of_currency(currency: str, start_ns: int, known: Sequence[ExchangeRateRow]) -> None:
    if any(k.currency == currency and k.effective_from_ns <= start_ns for k in known):
        return
    print(
        f"There is no exchange rate for {currency} on {time_text(start_ns)}: calls stay unpriced "
        f"until there is. Add it: spanledger prices exchange-rates add {currency} DOLLARS "
        f"--from {time_text(start_ns)}"
    )


def _subject(row: RateRow) -> str:
    parts = [f"{row.provider or 'any provider'} / {row.model}", row.token_class]
    parts += [f"{row.service_tier} tier"] if row.service_tier else []
    parts += [f"in {row.region}"] if row.region else []
    parts += [f"above {row.above_tokens:,} input tokens"] if row.above_tokens else []
    return " ".join(parts)


def _span(row: RateRow) -> str:
    end = "" if row.effective_to_ns is None else f" until {time_text(row.effective_to_ns)}"
    return f"from {time_text(row.effective_from_ns)}{end}"
