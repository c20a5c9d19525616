"""Calls whose tokens are known and whose price is not."""

from __future__ import annotations

import shlex
from functools import cache
from typing import TYPE_CHECKING

from spanledger_analytics.data_quality import grouping
from spanledger_analytics.data_quality.evidence import CallKind, Evidence
from spanledger_analytics.data_quality.model import Finding, Group, Severity

if TYPE_CHECKING:
    from spanledger_analytics.price_book.book import PriceBook

# Why an entry has no price: flags of the ledger, the first that an entry has.
_REASONS = {
    "unknown_model": "the price data does not know this model",
    "missing_rate": "the price data lacks a rate for one of its token classes",
    "tier_undecided": "the price depends on the size of each request, which is not known",
    "unknown_requests": "the price has a fee per request, and how many there were is not known",
    "no_exchange_rate": "the price is in a currency without an exchange rate",
    "inconsistent_usage": "the reported token classes contradict each other",
}
# They come of sums, where each call's own size or the number of calls decides.
_SUMS = frozenset({"tier_undecided", "unknown_requests"})


def check(evidence: Evidence) -> Finding | None:
    """Return the finding, None when every call with tokens has a price."""
    kinds = [kind for kind in evidence.calls if kind.is_unpriced]
    return grouping.finding(
        "unpriced_models",
        "Models without a price",
        Severity.error,
        [_group(kind) for kind in kinds],
        usd_label="claimed by instrumentations",
        usd_means=(
            "What the instrumentations themselves claim these calls cost; unknown where they "
            "claim nothing."
        ),
        fix=(
            "Give the model a price from its first call on with `spanledger prices set`, and apply "
            "it to stored calls with the command that this prints."
        ),
    )


def _group(kind: CallKind) -> Group:
    reason = next((text for flag, text in _REASONS.items() if flag in kind.flags), "no price found")
    if "inconsistent_usage" in kind.flags:
        fix = "Update the instrumentation: no price can be right for token classes that contradict."
    elif kind.flags & _SUMS:
        fix = "Add the instrumentation of the provider's SDK, so that each call has a span."
    elif "no_exchange_rate" in kind.flags:
        fix = (
            "Run `spanledger prices exchange-rates add CURRENCY USD --from DATE`; "
            "`spanledger prices check` names the currency and the date."
        )
    elif not kind.model:
        fix = "Make the instrumentation report the model (gen_ai.request.model)."
    else:
        fix = _price_it(kind.provider, kind.model)
    claimed = kind.claimed_usd if kind.claimed_calls else None
    return grouping.of_calls(kind, usd=claimed, detail=reason, fix=fix)


def _price_it(provider: str, model: str) -> str:
    command = f"spanledger prices set {shlex.quote(provider or '*')} {shlex.quote(model)}"
    near = _book().nearest(provider, model)
    like = f" The nearest known name is {near}." if near not in ("", model) else ""
    return (
        f"Run `{command} --input USD --output USD --from DATE` (dollars per million tokens; the "
        f"day of the first call).{like}"
    )


@cache
def _book() -> PriceBook:
    from spanledger_analytics.price_book.book import PriceBook  # slow to import, and seldom needed

    return PriceBook.bundled()
