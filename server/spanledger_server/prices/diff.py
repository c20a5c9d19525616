"""``spanledger prices diff``: the rates in force beside another table."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.files import read_rates
from spanledger_analytics.price_book.litellm_table import installed_file, read_litellm
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.store import load_overrides
from spanledger_analytics.price_book.table import Difference, compare, price_text
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.prices.changes import parsed_file
from spanledger_server.prices.views import RateFilter, rates_in_force
from spanledger_server.rows import print_rows
from spanledger_storage.price_state import RateRow, StateEngine

_COLUMNS = (
    "status",
    "provider",
    "model",
    "region",
    "service_tier",
    "above_tokens",
    "token_class",
    "here",
    "there",
    "source_here",
    "source_there",
)


def other_table(
    file: Path | None, is_litellm: bool, litellm: Path | None, at_ns: int
) -> list[FlatRate]:
    """Return the table to compare with: of a file, or litellm's.

    Raises:
        UsageError: neither or both are given, or litellm's table is nowhere.
        PriceError: the file cannot be read as one.
    """
    is_litellm = is_litellm or litellm is not None
    if (file is None) != is_litellm:
        raise UsageError("Name a file, or --against litellm.")
    if file is not None:
        located = parsed_file(file, read_rates)
        return [_flat(row, str(file)) for _, row in located if _holds(row, at_ns)]
    table = litellm_table(litellm)
    if table is None:
        raise UsageError("litellm is not installed here; name its file with --litellm FILE.")
    return table


def litellm_table(file: Path | None) -> list[FlatRate] | None:
    """Return litellm's table, of a file or the installed package; None: there is none.

    Raises:
        UsageError: the file cannot be read.
        PriceError: it is no such table.
    """
    found = file or installed_file()
    return None if found is None else parsed_file(found, read_litellm)


def print_difference(
    state: StateEngine,
    other: Iterable[FlatRate],
    at_ns: int,
    narrowed: RateFilter,
    output: Format,
    *,
    with_same: bool,
) -> None:
    """Print the keys of both tables that differ, and how many are the same."""
    book = PriceBook.bundled(load_overrides(state))
    here = rates_in_force(book, at_ns, narrowed)
    there = [f for f in other if narrowed.takes(f.provider, f.model, f.service_tier)]
    found = compare(here, there)
    shown = [d for d in found if with_same or d.status != "same"]
    print_rows(_COLUMNS, [_fields(d) for d in shown], output, "Both tables are the same.")
    print(_summary(found), file=sys.stderr)


def _summary(found: Sequence[Difference]) -> str:
    counts = Counter(d.status for d in found)
    return ", ".join(f"{counts[status]:,} {status}" for status in sorted(counts)) + "."


def _fields(d: Difference) -> dict[str, object]:
    provider, model, region, tier, above, token_class = d.key
    return {
        "status": d.status,
        "provider": provider,
        "model": model,
        "region": region,
        "service_tier": tier,
        "above_tokens": above or None,
        "token_class": token_class,
        "here": _price(d.here),
        "there": _price(d.there),
        "source_here": d.here.source if d.here else "",
        "source_there": d.there.source if d.there else "",
    }


def _price(flat: FlatRate | None) -> str:
    return "" if flat is None else price_text(flat.price, flat.per, flat.currency)


def _holds(row: RateRow, at_ns: int) -> bool:
    end = row.effective_to_ns
    return row.effective_from_ns <= at_ns and (end is None or at_ns < end)


def _flat(row: RateRow, source: str) -> FlatRate:
    return FlatRate(
        provider=row.provider,
        model=row.model,
        region=row.region,
        service_tier=row.service_tier,
        above_tokens=row.above_tokens,
        token_class=row.token_class,
        price=row.price,
        per=row.per,
        currency=row.currency,
        effective_from_ns=row.effective_from_ns,
        effective_to_ns=row.effective_to_ns,
        source=source,
        price_id="",
    )
