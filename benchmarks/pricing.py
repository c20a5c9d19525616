"""Pricing: entries a second in batches, beside genai-prices' own calculator on the same entries.

    python -m benchmarks.pricing [--entries 1000000] [--rounds 7]

One mix of providers, models, service tiers and sizes, over a month. The sums of both must agree
to the last digit. "from Arrow to Arrow" adds what repricing does around it: reading the columns the
store gives, and making those it takes.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psutil
import pyarrow as pa
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price

from spanledger_analytics import _price_columns
from spanledger_analytics.entry_prices import TOKEN_COLUMNS
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.pricing import PRICED, Charges, charge

_FIRST = datetime(2026, 10, 1, tzinfo=UTC)
_SECONDS = 31 * 86_400
_THEIRS = 20_000  # as many as take a few seconds
_MODELS = (
    ("openai", "gpt-4o-2024-08-06", ("", "batch", "priority")),
    ("openai", "gpt-5", ("", "flex", "priority")),
    ("anthropic", "claude-sonnet-4-5-20250929", ("", "batch")),
    ("anthropic", "claude-opus-4-6", ("",)),
    ("google", "gemini-2.5-pro", ("", "batch")),
    ("google", "gemini-2.5-flash", ("",)),
    ("deepseek", "deepseek-chat", ("",)),
    ("mistral", "mistral-large-latest", ("",)),
    ("aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", ("",)),
    ("x-ai", "grok-4", ("",)),
)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"{options.entries:,} entries, {options.rounds} rounds: median (min to max)"
    )
    table = entries(options.entries)
    book = PriceBook.bundled()
    usage = _price_columns.usage_of(table)
    charges = charge(usage, book)
    _check(table, charges)
    theirs = _rate("genai_prices.calc_price", lambda: _their_sum(table), 1, _THEIRS)
    ours = _rate("prices and costs", lambda: charge(usage, book), options.rounds, len(usage.keys))
    whole = _rate("from Arrow to Arrow", lambda: _columns(table, book), options.rounds, len(table))
    print(f"{ours / theirs:,.0f} and {whole / theirs:,.0f} times as many")


def entries(count: int) -> pa.Table:
    """Return made-up entries, as repricing reads them."""
    rng = random.Random(20261121)
    rows: list[dict[str, object]] = []
    for _ in range(count):
        provider, model, tiers = _MODELS[rng.randrange(len(_MODELS))]
        read, write = rng.randrange(50_000), rng.randrange(2_000)
        plain = rng.randrange(1, 300_000 if rng.random() < 0.05 else 8_000)
        rows.append(
            {
                "time": _FIRST + timedelta(seconds=rng.random() * _SECONDS),
                "provider": provider,
                "model": model,
                "service_tier": tiers[rng.randrange(len(tiers))],
                "input_tokens": plain + read + write,
                "cache_read_tokens": read,
                "cache_write_tokens": write,
                "output_tokens": rng.randrange(4_000),
            }
        )
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    texts = ("request_model", "region", "price_id", "contract_id", "billed_price_id", "reason")
    tokens = [name for name in TOKEN_COLUMNS.values() if name not in columns]
    return pa.table(
        {
            **columns,
            "time": pa.array(columns["time"], pa.timestamp("ns", "UTC")),
            **{name: pa.array([""] * count) for name in texts},
            **{name: pa.nulls(count, pa.uint64()) for name in tokens},
            **{
                name: pa.nulls(count, pa.decimal128(38, 12))
                for name in _price_columns.PRICE_COLUMNS
                if name.endswith("_usd")
            },
            "usage_source": pa.array(["span"] * count),
            "attempts": pa.nulls(count, pa.uint32()),
            "price_status": pa.array(["unpriced"] * count),
        }
    )


def _columns(table: pa.Table, book: PriceBook) -> None:
    usage = _price_columns.usage_of(table)
    _price_columns.price_columns(table, usage, charge(usage, book))


def _their_sum(table: pa.Table) -> Decimal:
    total = Decimal(0)
    for row in table.slice(0, _THEIRS).to_pylist():
        tier = str(row["service_tier"])
        total += calc_price(
            TheirUsage(
                input_tokens=row["input_tokens"],
                cache_read_tokens=row["cache_read_tokens"],
                cache_write_tokens=row["cache_write_tokens"],
                output_tokens=row["output_tokens"],
            ),
            str(row["model"]),
            provider_id=str(row["provider"]),
            genai_request_timestamp=row["time"],
            price_context={"service_tier": tier, "processing": tier} if tier else None,
        ).total_price
    return total


def _check(table: pa.Table, charges: Charges) -> None:
    if not (charges.status == PRICED).all():
        raise AssertionError("an entry has no price")
    ours = Decimal(int(charges.total[:_THEIRS].sum())).scaleb(-12)
    if ours != _their_sum(table):
        raise AssertionError(f"{ours} USD are not {_their_sum(table)}")


def _rate(what: str, run: Callable[[], object], rounds: int, count: int) -> float:
    run()
    seconds: list[float] = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    rates = sorted(count / one for one in seconds)
    median = statistics.median(rates)
    print(f"{what:<26} {median:12,.0f} entries/s ({rates[0]:,.0f} to {rates[-1]:,.0f})")
    return median


if __name__ == "__main__":
    main()
