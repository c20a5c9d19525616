"""What ``spanledger prices`` shows: rates in force, everything about a model, the log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.files import RATE_COLUMNS, csv_text, json_text, rate_fields
from spanledger_analytics.price_book.input import time_text
from spanledger_analytics.price_book.log import change_text
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.providers import price_book_id
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.session import now_ns
from spanledger_server.rows import print_rows
from spanledger_storage.price_state import LogRow, PriceState, RateRow, StateEngine

_LIST_COLUMNS = (
    "provider",
    "model",
    "service_tier",
    "region",
    "above_tokens",
    "token_class",
    "price",
    "per",
    "currency",
    "from",
    "to",
    "source",
)
_OWN_COLUMNS = ("id", *RATE_COLUMNS, "status")
_EXPORT_COLUMNS = (*RATE_COLUMNS[:-1], "source", "price_id")
_LOG_WORDS = ("revision", "at", "who", "action", "object", "what")
_LOG_COLUMNS = ("revision", "at", "who", "action", "object", "before", "after")


@dataclass(frozen=True, slots=True)
class RateFilter:
    """What a list is narrowed to; empty narrows nothing. ``model`` may end in ``*``."""

    provider: str = ""
    model: str = ""
    tier: str = ""

    def providers(self) -> list[str | None]:
        """Return the names the provider goes by, that of the price data first; None: any."""
        name = self.provider.strip().lower()
        return list(dict.fromkeys((price_book_id(name) or name, name))) if name else [None]

    def takes(self, provider: str, model: str, tier: str) -> bool:
        """Return whether a rate is in the list."""
        wanted, name = self.model.lower(), model.lower()
        is_model = not wanted or name == wanted
        if wanted.endswith("*"):
            is_model = name.startswith(wanted[:-1])
        is_provider = not self.provider or provider in self.providers()
        is_tier = not self.tier or tier == ("" if self.tier == "standard" else self.tier.lower())
        return is_provider and is_model and is_tier


def print_list(state: StateEngine, at_ns: int, narrowed: RateFilter, output: Format) -> None:
    """Print the rates in force at an instant."""
    book = PriceBook.bundled(load_overrides(state))
    rows = [_flat_fields(flat) for flat in rates_in_force(book, at_ns, narrowed)]
    hint = ""
    if not rows and narrowed.model:
        near = book.nearest(narrowed.provider, narrowed.model)
        hint = f" The nearest known name is {near}." if near else ""
    print_rows(_LIST_COLUMNS, rows, output, f"No rate matches.{hint}")


def print_own(state: PriceState, narrowed: RateFilter, output: Format, *, withdrawn: bool) -> None:
    """Print own rates, whenever they hold; with ``withdrawn`` also those that price nothing."""
    rows = [
        _own_fields(row)
        for row in state.rates(withdrawn=withdrawn)
        if narrowed.takes(row.provider, row.model, row.service_tier)
    ]
    nothing = "No own rates. Set one: spanledger prices set PROVIDER MODEL --input 2.50 --output 10"
    print_rows(_OWN_COLUMNS, rows, output, nothing)


def print_rate(state: PriceState, rate_id: int, output: Format) -> None:
    """Print one own rate, also a withdrawn one, by the id that price ids name.

    Raises:
        UsageError: there never was such a rate.
    """
    rows = [row for row in state.rates(withdrawn=True) if row.id == rate_id]
    if not rows:
        raise UsageError(f"There is no rate {rate_id}; `spanledger prices list --own` shows them.")
    print_rows(_OWN_COLUMNS, [_own_fields(row) for row in rows], output)


def print_log(state: PriceState, limit: int, output: Format) -> None:
    """Print the newest changes, newest first; as a table in words, else with the whole rows."""
    columns = _LOG_WORDS if output is Format.table else _LOG_COLUMNS
    rows = [_log_fields(row) for row in state.log(limit)]
    print_rows(columns, rows, output, "Nothing has been changed.")


def export_own(state: PriceState, narrowed: RateFilter, *, is_json: bool) -> None:
    """Print own rates so that an import reads them back exactly."""
    write = json_text if is_json else csv_text
    columns = ("id", *RATE_COLUMNS)
    rows = [row for row in state.rates() if narrowed.takes(row.provider, row.model, "")]
    sys.stdout.write(write(columns, [rate_fields(row) for row in rows]))


def export_all(state: StateEngine, at_ns: int, narrowed: RateFilter, *, is_json: bool) -> None:
    """Print the rates in force so that an import can take them as own rates."""
    book = PriceBook.bundled(load_overrides(state))
    rows = [export_fields(flat) for flat in rates_in_force(book, at_ns, narrowed)]
    sys.stdout.write((json_text if is_json else csv_text)(_EXPORT_COLUMNS, rows))


def export_fields(flat: FlatRate) -> dict[str, object]:
    """Return a rate as an export holds it."""
    fields = {name: getattr(flat, name) for name in RATE_COLUMNS if hasattr(flat, name)}
    end = flat.effective_to_ns
    return {
        **fields,
        "effective_from": time_text(flat.effective_from_ns or 0),
        "effective_to": None if end is None else time_text(end),
        "source": flat.source,
        "price_id": flat.price_id,
    }


def rates_in_force(book: PriceBook, at_ns: int, narrowed: RateFilter) -> Iterator[FlatRate]:
    """Return the rates of a book at an instant that a filter lets through."""
    shown: set[str] = set()
    for provider in narrowed.providers():
        own: set[str] = set()
        for flat in book.rows(at_ns, provider):
            if flat.source in shown:
                continue  # under the provider's other name
            if flat.source.startswith("own:"):
                own.add(flat.source)
            if narrowed.takes(flat.provider, flat.model, flat.service_tier):
                yield flat
        shown |= own


def _flat_fields(flat: FlatRate) -> dict[str, object]:
    start, end = flat.effective_from_ns, flat.effective_to_ns
    fields = {name: getattr(flat, name) for name in _LIST_COLUMNS if hasattr(flat, name)}
    return {
        **fields,
        "above_tokens": flat.above_tokens or None,
        "from": "" if start is None else time_text(start),
        "to": "" if end is None else time_text(end),
    }


def _own_fields(row: RateRow) -> dict[str, object]:
    fields = rate_fields(row)
    return {**fields, "above_tokens": row.above_tokens or None, "status": _status(row)}


def _status(row: RateRow) -> str:
    if row.withdrawn_at_ns is not None:
        return f"withdrawn {time_text(row.withdrawn_at_ns)}"
    now = now_ns()
    if row.effective_from_ns > now:
        return "not yet"
    is_over = row.effective_to_ns is not None and row.effective_to_ns <= now
    return "over" if is_over else "in force"


def _log_fields(row: LogRow) -> dict[str, object]:
    return {
        "revision": row.revision,
        "at": time_text(row.at_ns),
        "who": row.who,
        "action": row.action,
        "object": row.object,
        "what": change_text(row),
        "before": row.before,
        "after": row.after,
    }
