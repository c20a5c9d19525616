"""What generated exports say is what their calls cost: read back by the importers, exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.provider_calls import Calls, Planned
from benchmarks.provider_exports import (
    AZURE_METERS,
    EXPORT_LANES,
    EXPORTS,
    aws_cur,
    aws_focus,
    azure_cost_details,
    fireworks_costs,
    fireworks_metrics,
    openrouter_activity,
    openrouter_generations,
)
from benchmarks.provider_reports import Use, use_of
from benchmarks.reconciliation_store import put_calls, put_file
from spanledger_analytics.entry_prices import price_entries
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.rules import Mappings, Rules
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.reconciliation.run import Means, compare
from spanledger_storage.invoice_state import MappingRow
from spanledger_storage.store import Store
from tests.invoicing import lines_of_text

DAYS = [date(2026, 11, day) for day in (1, 2, 3)]
Key = tuple[date, str]
_RATES = {"uncached": Decimal("0.56"), "cache_read": Decimal("0.28"), "output": Decimal("1.68")}


def planned(seed: int = 7) -> list[Planned]:
    calls = Calls(seed)
    found = [one for lane in EXPORT_LANES for day in DAYS for one in calls.day(lane, day)]
    for one in found:
        if one.lane.provider == "fireworks":  # the book has no price of it
            one.rates.update(_RATES)
    return found


@pytest.fixture(scope="module")
def uses() -> dict[str, list[Use]]:
    calls = planned()
    priced = price_entries([one.true for one in calls], [], PriceBook.bundled())
    found: dict[str, list[Use]] = defaultdict(list)
    for one, entry in zip(calls, priced, strict=True):
        found[one.lane.provider].append(use_of(one, entry))
    return found


def azure_rules() -> Rules:
    rows = [
        MappingRow("default", "line", "azure.ai.openai", one.meter_id,
                   {"token_class": one.token_class, "model": one.model})
        for one in AZURE_METERS
    ]  # fmt: skip
    return Rules({"default": Mappings(rows)})


def told(uses: Iterable[Use], *classes: str) -> dict[Key, tuple[int, Decimal]]:
    """Tokens and dollars by day and model, of the calls themselves."""
    found: dict[Key, tuple[int, Decimal]] = {}
    for use in uses:
        key = use.call.day, plain(use.call.true.model)
        tokens, usd = found.get(key, (0, Decimal(0)))
        found[key] = (
            tokens + sum(use.tokens[name] for name in classes),
            usd + sum(use.usd[name] for name in classes),
        )
    return found


def plain(model: str) -> str:
    return model.rpartition("/")[2].rpartition("anthropic.")[2].partition("-2025")[0]


def read(lines: Iterable[InvoiceLine], *classes: str) -> dict[Key, tuple[int, Decimal]]:
    found: dict[Key, tuple[int, Decimal]] = {}
    for line in lines:
        if line.token_class.value in classes:
            key = line.day, plain(line.model or "")
            tokens, usd = found.get(key, (0, Decimal(0)))
            found[key] = tokens + int(line.quantity or 0), usd + (line.amount or 0)
    return found


def dollars(found: Mapping[Key, tuple[int, Decimal]]) -> dict[Key, Decimal]:
    return {key: usd for key, (_, usd) in found.items()}


def tokens(found: Mapping[Key, tuple[int, Decimal]]) -> dict[Key, int]:
    return {key: number for key, (number, _) in found.items()}


@pytest.mark.parametrize("write", [aws_cur, aws_focus])
def test_aws_tells_every_class_in_thousands(
    uses: dict[str, list[Use]], write: Callable[[Sequence[Use]], str]
) -> None:
    calls = uses["aws.bedrock"]
    lines = lines_of_text(write(calls), "export.csv")
    for ours, theirs in (
        (["uncached"], ["uncached"]),
        (["cache_read"], ["cache_read"]),
        (["cache_write_5m", "cache_write_1h"], ["cache_write"]),
        (["output"], ["output"]),
    ):
        assert read(lines, *theirs) == told(calls, *ours)
    assert {line.scope for line in lines} == {"444455556666"}
    assert {line.provider for line in lines} == {"aws.bedrock"}


def test_azure_is_read_by_its_meters_and_ends_in_whole_cents(uses: dict[str, list[Use]]) -> None:
    calls = uses["azure.ai.openai"]
    rules = azure_rules()
    lines = [
        rules.read(line, "default", "default")
        for line in lines_of_text(azure_cost_details(calls), "details.csv")
    ]
    kept = [line for line in lines if line is not None]
    for name in ("uncached", "cache_read", "output"):
        assert read(kept, name) == told(calls, name)
    [rounding] = [line for line in kept if line.token_class is TokenClass.ROUNDING]
    total = sum((line.amount or Decimal(0) for line in kept), Decimal(0))
    assert total == total.quantize(Decimal("0.01"))
    assert rounding.amount == total - sum(dollars(told(calls, "uncached", "cache_read",
                                                       "output")).values())  # fmt: skip


def test_fireworks_tells_inclusive_tokens_and_dollars_to_the_nano(
    uses: dict[str, list[Use]],
) -> None:
    calls = uses["fireworks"]
    usage = lines_of_text(fireworks_metrics(calls), "metrics.csv")
    inputs = tokens(told(calls, "uncached", "cache_read"))
    assert tokens(read(usage, "input")) == inputs
    assert tokens(read(usage, "output")) == tokens(told(calls, "output"))
    assert all(line.amount is None for line in usage)
    costs = lines_of_text(fireworks_costs(calls, page_size=2), "costs.json")
    nano = Decimal("1e-9")
    true = dollars(told(calls, "uncached", "cache_read", "output"))
    assert dollars(read(costs, "model")) == {k: usd.quantize(nano) for k, usd in true.items()}


def test_openrouter_tells_dollars_of_days_and_of_calls(uses: dict[str, list[Use]]) -> None:
    calls = uses["openrouter"]
    true = told(calls, "uncached", "cache_read", "output")
    activity = lines_of_text(openrouter_activity(calls), "activity.json")
    assert dollars(read(activity, "model")) == dollars(true)
    assert tokens(read(activity, "input")) == tokens(told(calls, "uncached", "cache_read"))
    requests = [one for one in activity if one.token_class is TokenClass.REQUESTS]
    assert sum(one.quantity or 0 for one in requests) == len(calls)
    single = lines_of_text(openrouter_generations(calls), "generations.json")
    assert dollars(read(single, "model")) == dollars(true)
    assert tokens(read(single, "uncached")) == tokens(told(calls, "uncached"))
    assert len([one for one in single if one.dataset is Dataset.COST]) == len(calls)


def test_a_quiet_month_of_these_providers_reconciles_to_the_cent(
    store: Store, uses: dict[str, list[Use]], tmp_path: Path
) -> None:
    told_of = [use.call.true for provider in uses for use in uses[provider]
               if provider != "fireworks"]  # fmt: skip
    put_calls(store, told_of, PriceBook.bundled(), 1)
    for number, (name, (provider, write)) in enumerate(EXPORTS.items(), 2):
        if name.startswith(("aws_focus", "fireworks", "openrouter_gen")):
            continue  # the same money again, or a price the book lacks
        path = tmp_path / name
        path.write_text(write(uses[provider]), newline="")
        put_file(store, path, number)
    means = Means(store, "default", PriceBook.bundled(), azure_rules())

    cells = [cell for _, found in compare(means, DAYS[0], DAYS[-1]) for cell in found]

    assert {cell.key.provider for cell in cells} == {"aws.bedrock", "azure.ai.openai", "openrouter"}
    off = [cell for cell in cells if cell.variance_usd and cell.key.token_class != "rounding"]
    assert not off, [(cell.key, cell.variance_usd) for cell in off][:5]
    assert sum(cell.billed_usd for cell in cells) > 1
