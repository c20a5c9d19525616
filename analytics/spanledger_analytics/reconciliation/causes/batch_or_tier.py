"""Calls that were billed in another service tier, or as a batch."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from spanledger_analytics.reconciliation.bill_side import BillRow
from spanledger_analytics.reconciliation.case import Case, Claim, sure_if
from spanledger_analytics.reconciliation.causes.transfers import find_transfer
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material
from spanledger_analytics.reconciliation.pico import ONE, pro_rata
from spanledger_analytics.reconciliation.result import Cause

_TIERS = ("batch", "flex", "priority", "fast")
_HALF = Fraction(1, 2)  # batches cost half with most providers, whether or not the book says so


def explain_batch_or_tier(case: Case, material: Material) -> list[Claim]:
    """Return what another tier costs more or less.

    Where tiers are told apart: a difference that another tier cancels. Where they are not: the
    quantities agree, and the price is that of another tier.
    """
    if case.token_class not in TOKEN_CLASSES:
        return []
    return _moved(case, material) or _mixed(case, material) or _all(case, material)


def _moved(case: Case, material: Material) -> list[Claim]:
    transfer = find_transfer(case, material, "processing", "service_tier")
    if transfer is None:
        return _moved_into(case, material)
    is_sure = transfer.classes >= 2 or any(_is_tier_price(case, one) for one in transfer.others)
    text = f"As many tokens are {_where(case)} of the same model the other way: another tier."
    confidence = sure_if(is_sure)
    return [
        Claim(
            Cause.BATCH_OR_TIER, _in_full(case, material), confidence, text, case.quantity, "any",
            case.telemetry.calls,
        )
    ]  # fmt: skip


def _in_full(case: Case, material: Material) -> int:
    """Return what moved, at the tier's price where the bill has that in whole cents."""
    if case.ledger.quantity or not case.is_in_cents:
        return case.volume
    tier = "batch" if case.key.processing == "batch" else case.key.service_tier or ""
    standard = material.rate(case)
    rates = [material.rate(case, tier), standard and standard * _HALF if tier == "batch" else None]
    amounts = [round(rate * case.quantity / ONE) for rate in rates if rate is not None]
    fitting = [usd for usd in amounts if abs(usd - case.volume) <= case.rounding]
    return fitting[0] if fitting else case.volume


def _moved_into(case: Case, material: Material) -> list[Claim]:
    """Return what moved to a tier of which the ledger knows nothing, beside other differences.

    Where the ledger has more of some class in the tier it knows, calls that are missing alone
    cannot be why; all of the other tier must fit into what it has too much, class by class.
    """
    pairs = [_pair(one, material) for one in material.classes(case)]
    known = [pair for pair in pairs if pair is not None]
    mine = _pair(case, material)
    if mine is None or not any(old.quantity < 0 for old, _ in known):
        return []
    if any(old.quantity + new.quantity < 0 for old, new in known):
        return []
    quantity = mine[1].quantity if case is mine[1] else -mine[1].quantity
    text = "The provider has a part of these tokens in another tier, which no call tells of."
    return [Claim(Cause.BATCH_OR_TIER, case.worth(quantity), "medium", text, quantity)]


def _pair(case: Case, material: Material) -> tuple[Case, Case] | None:
    """Return the cell of the tier the ledger knows, and of the one it does not."""
    family = material.siblings(case, "processing", "service_tier")
    new = [one for one in family if not one.ledger.quantity and one.quantity > 0]
    old = [one for one in family if one.ledger.quantity and one.billed_rows]
    return (old[0], new[0]) if len(new) == len(old) == 1 else None


def _all(case: Case, material: Material) -> list[Claim]:
    if case.base_usd <= 0:
        return []
    for tier, ratio in _ratios(case, material):
        usd = round(case.base_usd * (ratio - 1))
        if not case.fits(usd):
            continue
        others = material.others(case)
        if not all(_has_ratio(one, material, tier) for one in others):
            continue
        is_sure = bool(others) and case.is_agreed
        text = f"The quantity agrees, and the price is that of the tier {tier}."
        return [
            Claim(
                Cause.BATCH_OR_TIER, case.exactly(usd), sure_if(is_sure), text, 0,
                "any", case.telemetry.calls,
            )
        ]  # fmt: skip
    return []


def _mixed(case: Case, material: Material) -> list[Claim]:
    """Return what a part is worth that the usage report has in another tier.

    Where that is all that differs of another class, this one has another price besides.
    """
    told = _told(case, material)
    if told is None:
        return []
    parts, usd = told
    named = " and ".join(sorted(parts))
    text = f"The usage report has a part of it as {named}"
    if case.fits(usd):
        said = f"{text}; at that price both sides agree."
        return [Claim(Cause.BATCH_OR_TIER, case.exactly(usd), "high", said)]
    others = [one for one in material.classes(case) if one is not case]
    theirs = [(one, _told(one, material)) for one in others]
    if usd and any(other is not None and one.fits(other[1]) for one, other in theirs):
        return [Claim(Cause.BATCH_OR_TIER, usd, "medium", f"{text}, as of its other classes.")]
    return []


def _told(case: Case, material: Material) -> tuple[set[str], int] | None:
    """Return which other tiers the usage report tells of, and what their price comes to."""
    parts: dict[str, int] = {}
    for row in case.usage_rows:
        tier = _tier_of(row)
        if tier:
            parts[tier] = parts.get(tier, 0) + (row.quantity or 0)
    ratios = dict(_ratios(case, material))
    charged = case.charged_quantity
    if not charged or not parts or not parts.keys() <= ratios.keys():
        return None
    usd = 0
    for tier, quantity in parts.items():
        usd += round(pro_rata(case.base_usd, quantity, charged) * (ratios[tier] - 1))
    return set(parts), usd


def _ratios(case: Case, material: Material) -> Iterator[tuple[str, Fraction]]:
    """Return by which factor tiers are dearer than what the ledger charged."""
    standard = material.rate(case)
    own = {row.names.service_tier or row.names.processing for row in case.ledger_rows}
    ledger_tier = next(iter(own)) if len(own) == 1 else "sync"
    ours = material.rate(case, "" if ledger_tier == "sync" else ledger_tier) or standard
    if ours and ledger_tier != "sync" and standard and standard != ours:
        yield "standard", standard / ours
    has_batch = False
    for tier in _TIERS if ours else ():
        rate = material.rate(case, tier)
        if rate is not None and ours and rate != ours and tier != ledger_tier:
            has_batch |= tier == "batch"
            yield tier, rate / ours
    if not has_batch and ledger_tier != "batch":
        yield "batch", _HALF


def _has_ratio(case: Case, material: Material, tier: str) -> bool:
    ratio = dict(_ratios(case, material)).get(tier)
    if ratio is None or case.base_usd <= 0:
        return False
    return abs(round(case.base_usd * ratio) - case.billed_usd) <= case.rounding


def _is_tier_price(case: Case, other: Case) -> bool:
    """Return whether the price of one is a simple multiple of the other's."""
    prices = [
        Fraction(one.billed_usd, one.charged_quantity)
        for one in (case, other)
        if one.charged_quantity and one.billed_usd
    ]
    if len(prices) != 2:
        return False
    ratio = max(prices) / min(prices)
    return abs(ratio - round(ratio * 4) / Fraction(4)) < Fraction(1, 10_000) and ratio > 1


def _tier_of(row: BillRow) -> str:
    return "batch" if row.key.processing == "batch" else row.key.service_tier or ""


def _where(case: Case) -> str:
    return "missing in another tier" if case.quantity > 0 else "in another tier"
