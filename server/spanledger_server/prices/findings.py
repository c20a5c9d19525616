"""``spanledger prices check``: everything missing or doubtful, with what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.price_book.check import (
    Finding,
    SeenModel,
    check_overrides,
    check_usage,
    load_seen_models,
)
from spanledger_analytics.price_book.cross_check import Disagreement, cross_check, listed_names
from spanledger_analytics.price_book.overrides import Overrides
from spanledger_analytics.price_book.rates import FlatRate
from spanledger_analytics.price_book.store import load_overrides
from spanledger_server.output import Format
from spanledger_server.prices.session import now_ns, store_if_any
from spanledger_server.rows import print_rows
from spanledger_storage.price_state import StateEngine

_COLUMNS = ("kind", "provider", "model", "calls", "tokens", "detail", "advice")
_DAY_NS = 86_400 * 10**9
_MAX_STEPS = 3


def print_findings(
    state: StateEngine,
    other: Sequence[FlatRate] | None,
    data: Path,
    store_url: str,
    days: int,
    output: Format,
    *,
    every_model: bool,
) -> int:
    """Print what was found; return how many findings there are.

    ``other`` is another price table to check against, None where there is none.

    Raises:
        StateError: the state database does not answer.
        StoreError: the store does not answer.
    """
    overrides = load_overrides(state)
    seen = _seen(data, store_url, days)
    found = check_overrides(overrides)
    found += check_usage(seen or (), PriceBook.bundled(overrides))
    if other is None:
        print("litellm is not installed: no cross-check (name its file: --litellm FILE).",
              file=sys.stderr)  # fmt: skip
    else:
        only = None if every_model or seen is None else [(s.provider, s.model) for s in seen]
        found += _disagreements(other, only)
    rows = [{name: getattr(finding, name) for name in _COLUMNS} for finding in found]
    if output is Format.table:
        _print_text(found, overrides, seen)
    else:
        print_rows(_COLUMNS, rows, output)
    return len(found)


def _seen(data: Path, store_url: str, days: int) -> list[SeenModel] | None:
    with store_if_any(data, store_url) as store:
        return None if store is None else load_seen_models(store, now_ns() - days * _DAY_NS)


def _disagreements(
    other: Sequence[FlatRate], models: Sequence[tuple[str, str]] | None
) -> list[Finding]:
    only = None if models is None else listed_names(models)
    found, agreeing = cross_check(other, now_ns(), only)
    print(f"Cross-check: {agreeing:,} agree, {len(found):,} differ.", file=sys.stderr)
    return [_finding(d) for d in found]


def _finding(found: Disagreement) -> Finding:
    steps = [_step(*step) for step in found.steps[:_MAX_STEPS]]
    more = len(found.steps) - _MAX_STEPS
    steps += [f"and {more} more"] if more > 0 else []
    names = found.sources[0] + (
        f" and {len(found.sources) - 1} more" if len(found.sources) > 1 else ""
    )
    return Finding(
        "disagreement",
        found.provider,
        found.model,
        f"{found.reading}: {'; '.join(steps)} ({names})",
        found.explanation,
    )


def _step(step: tuple[str, str, int], mine: Fraction | None, other: Fraction | None) -> str:
    tier, token_class, above = step
    where = "".join([f" {tier}" if tier else "", f" above {above:,}" if above else ""])
    return f"{token_class}{where} {_usd(mine)} here, {_usd(other)} there"


def _usd(price: Fraction | None) -> str:
    return "none" if price is None else f"${float(price * 1_000_000):g}/M"


def _print_text(
    found: Sequence[Finding], overrides: Overrides, seen: Sequence[SeenModel] | None
) -> None:
    """Print findings by kind: long sentences do not fit into columns."""
    for kind in dict.fromkeys(finding.kind for finding in found):
        print(f"{kind[0].upper()}{kind[1:]}:")
        for finding in (f for f in found if f.kind == kind):
            usage = ""
            if finding.calls is not None:
                calls = f"{finding.calls:,} call{'' if finding.calls == 1 else 's'}"
                usage = f", {calls}, {finding.tokens or 0:,} tokens"
            print(f"  {finding.provider or '(no provider)'} / {finding.model or '*'}{usage}")
            print(f"    {finding.detail}\n    {finding.advice}")
        print()
    looked = f"{len(overrides.rates)} own rates, {len(overrides.contracts)} contracts"
    looked += "" if seen is None else f", {len(seen)} models called"
    print(f"{len(found) or 'No'} finding{'' if len(found) == 1 else 's'} in {looked}.")
