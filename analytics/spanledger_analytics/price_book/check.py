"""What is missing or doubtful in the prices: overlaps, gaps, currencies, unpriced models."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, cast

from genai_prices.data_snapshot import get_snapshot

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.input import NS_PER_S, Period, time_text
from spanledger_analytics.price_book.overrides import Contract, Overrides, Rate
from spanledger_analytics.price_book.own import plain_tier
from spanledger_analytics.price_book.store import RateKey, rate_key
from spanledger_analytics.providers import is_self_hosted, price_book_id, wire_names
from spanledger_storage.store import Store

Kind = Literal[
    "overlap", "gap", "no exchange rate", "unknown provider", "unpriced model", "disagreement"
]
_DAY_NS = 86_400 * NS_PER_S
_RATES_MEND = frozenset({"unknown_model", "missing_rate"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to put right.

    Attributes:
        advice: a command, or a sentence where no command can be given.
        calls: calls that have no price for it; None: not counted.
        tokens: input and output tokens of these.
    """

    kind: Kind
    provider: str
    model: str
    detail: str
    advice: str
    calls: int | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class SeenModel:
    """A model that was called, and how much of it has no price.

    Attributes:
        model: the response's name, else the request's.
        unpriced_calls: calls with known usage and no price.
        unpriced_tokens: input and output of these.
        reasons: flags of the ledger that say why.
        first_ns: start of the first unpriced call, UTC nanoseconds; 0: none.
    """

    provider: str
    model: str
    calls: int
    unpriced_calls: int
    unpriced_tokens: int
    reasons: tuple[str, ...]
    first_ns: int


def load_seen_models(store: Store, from_ns: int) -> list[SeenModel]:
    """Read which models were called since an instant, most unpriced calls first.

    Raises:
        StoreError: the store does not answer.
    """
    rows = store.rows("prices_models_seen", {"from_s": from_ns // NS_PER_S})
    return [_seen(row) for row in rows]


def check_overrides(overrides: Overrides) -> list[Finding]:
    """Return what is doubtful in own rates, contracts and exchange rates, without any usage."""
    return [
        *_overlaps(overrides.rates),
        *_gaps(overrides.rates),
        *_missing_exchange_rates(overrides),
        *_unknown_providers(overrides.contracts),
    ]


def check_usage(seen: Iterable[SeenModel], book: PriceBook) -> list[Finding]:
    """Return the models that were called and have no price."""
    return [_unpriced(model, book) for model in seen if model.unpriced_calls]


def unknown_provider(provider: str) -> str:
    """Return a warning about a provider that nobody knows, "" for one that somebody does."""
    known = {listed.id for listed in get_snapshot().providers}
    if not provider or wire_names(provider) & known or is_self_hosted(provider):
        return ""
    near = get_close_matches(provider, known, n=1)
    hint = f"; the nearest name is {near[0]}" if near else ""
    return (
        f"The price data know no provider {provider!r}{hint}: this is for calls that name theirs "
        "so, and for no others."
    )


def needs_rate(seen: SeenModel) -> bool:
    """Return whether a rate would give the unpriced calls of a model a price."""
    return bool(seen.model) and (not seen.reasons or bool(_RATES_MEND & {*seen.reasons}))


def set_command(seen: SeenModel) -> str:
    """Return the command that prices a model from its first unpriced day on."""
    day_ns = seen.first_ns - seen.first_ns % _DAY_NS
    name = shlex.join([seen.provider or "*", seen.model])
    prices = "--input PRICE --output PRICE"
    return f"spanledger prices set {name} {prices} --from {time_text(day_ns)}"


def _seen(row: Mapping[str, object]) -> SeenModel:
    return SeenModel(
        provider=str(row["provider"]),
        model=str(row["model"]),
        calls=cast("int", row["calls"]),
        unpriced_calls=cast("int", row["unpriced_calls"]),
        unpriced_tokens=cast("int", row["unpriced_tokens"]),
        reasons=tuple(cast("Sequence[str]", row["reasons"])),
        first_ns=cast("int", row["first_s"]) * NS_PER_S,
    )


def _by_key(rates: Iterable[Rate]) -> dict[RateKey, list[Rate]]:
    """Return rates that are alternatives, under whatever name of provider and tier, by start."""
    found: defaultdict[RateKey, list[Rate]] = defaultdict(list)
    for rate in rates:
        _, model, token_class, tier, region, above = rate_key(rate)
        provider = price_book_id(rate.provider) or rate.provider
        found[provider, model, token_class, plain_tier(tier), region, above].append(rate)
    for alternatives in found.values():
        alternatives.sort(key=lambda rate: (rate.effective_from_ns, rate.id))
    return found


def _overlaps(rates: Iterable[Rate]) -> Iterator[Finding]:
    for alternatives in _by_key(rates).values():
        for place, rate in enumerate(alternatives):
            for other in alternatives[place + 1 :]:
                if _period(rate).overlaps(_period(other)):
                    yield Finding(
                        "overlap",
                        rate.provider,
                        rate.model,
                        f"Rates {rate.id} and {other.id} both price {rate.token_class} from "
                        f"{time_text(other.effective_from_ns)} on; the later one applies.",
                        f"spanledger prices remove {rate.id} --from "
                        f"{time_text(other.effective_from_ns)}",
                    )


def _gaps(rates: Iterable[Rate]) -> Iterator[Finding]:
    for alternatives in _by_key(rates).values():
        for rate, later in zip(alternatives, alternatives[1:], strict=False):
            end = rate.effective_to_ns
            if end is not None and end < later.effective_from_ns:
                yield Finding(
                    "gap",
                    rate.provider,
                    rate.model,
                    f"No own rate for {rate.token_class} from {time_text(end)} to "
                    f"{time_text(later.effective_from_ns)}, between rates {rate.id} and "
                    f"{later.id}: the list price applies there, if there is one.",
                    "Set a rate with --from and --to of the gap, if it should not be there.",
                )


def _missing_exchange_rates(overrides: Overrides) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for known in overrides.exchange_rates:
        earliest = first.get(known.currency, known.effective_from_ns)
        first[known.currency] = min(earliest, known.effective_from_ns)
    for rate in overrides.rates:
        start = first.get(rate.currency)
        if rate.currency == "USD" or (start is not None and start <= rate.effective_from_ns):
            continue
        since = time_text(rate.effective_from_ns)
        until = "" if start is None else f" to {time_text(start)}"
        yield Finding(
            "no exchange rate",
            rate.provider,
            rate.model,
            f"Rate {rate.id} is in {rate.currency}, which has no exchange rate from {since}"
            f"{until}: calls then have no price.",
            f"spanledger prices exchange-rates add {rate.currency} DOLLARS --from {since}",
        )


def _unknown_providers(contracts: Iterable[Contract]) -> Iterator[Finding]:
    for contract in contracts:
        if warning := unknown_provider(contract.provider):
            yield Finding(
                "unknown provider",
                contract.provider,
                contract.model,
                f"Contract {contract.id}: {warning}",
                f"spanledger prices contracts remove {contract.id} --entirely",
            )


def _unpriced(seen: SeenModel, book: PriceBook) -> Finding:
    near = book.nearest(seen.provider, seen.model)
    reasons = ", ".join(reason.replace("_", " ") for reason in seen.reasons) or "reason not stored"
    return Finding(
        "unpriced model",
        seen.provider,
        seen.model,
        f"{reasons}; the nearest known name is {near}" if near else reasons,
        set_command(seen) if needs_rate(seen) else _other_fix(seen),
        calls=seen.unpriced_calls,
        tokens=seen.unpriced_tokens,
    )


def _other_fix(seen: SeenModel) -> str:
    if not seen.model:
        return "Make the instrumentation report the model (gen_ai.request.model)."
    if "no_exchange_rate" in seen.reasons:
        since = time_text(seen.first_ns - seen.first_ns % _DAY_NS)
        return f"spanledger prices exchange-rates add CURRENCY DOLLARS --from {since}"
    return "Update the instrumentation, or add the provider SDK's: the usage itself is unclear."


def _period(rate: Rate) -> Period:
    return Period(rate.effective_from_ns, rate.effective_to_ns)
