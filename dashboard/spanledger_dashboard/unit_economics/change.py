"""Why a completed task costs more or less than before: in words and as a waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from spanledger_analytics.change.decomposition import UNEXPLAINED, Change, explain_per_task
from spanledger_analytics.unit_economics.full_cost import Group
from spanledger_dashboard import format as fmt
from spanledger_dashboard.cost.charts import signed_usd
from spanledger_dashboard.unit_economics.query import Ask, load_period
from spanledger_storage.store import Store

# What a factor is called, what it is called when it made things dearer, and when cheaper.
_WORDS = {
    "attempts": ("Attempts per completed task", "more attempts", "fewer attempts"),
    "calls": ("Calls per attempt", "more calls per attempt", "fewer calls per attempt"),
    "prompts": ("Prompt length", "longer prompts", "shorter prompts"),
    "answers": ("Answer length", "longer answers", "shorter answers"),
    "models": ("Model mix", "a dearer mix of models", "a cheaper mix of models"),
    "cache": ("Cache use", "worse cache use", "better cache use"),
    "prices": ("Prices", "higher prices", "lower prices"),
    "fees": ("Fees", "more fees", "fewer fees"),
    "tools": ("Tools and APIs", "dearer tools", "cheaper tools"),
    "gpu": ("GPU", "more GPU cost", "less GPU cost"),
    "infra": ("Infrastructure", "more infrastructure", "less infrastructure"),
    UNEXPLAINED: ("Other costs", "more of other costs", "less of other costs"),
}
_NAMED_AT_MOST = 4
_NAMED_FROM = Fraction(3, 100)  # of all movements together


@dataclass(frozen=True, slots=True)
class Explained:
    """The difference of the cost of a completed task; ``completed`` tasks before and now."""

    change: Change
    completed: tuple[int, int]

    @property
    def steps(self) -> list[tuple[str, Decimal]]:
        """The parts in words, in their order; those of nothing are left out."""
        return [(_WORDS[name][0], usd) for name, usd in self.change.parts.items() if usd]


def load_explained(
    store: Store, asked: tuple[Ask, Ask], groups: Sequence[Group]
) -> Explained | None:
    """Return why a completed task costs something else; None: a period has none that was completed.

    Args:
        store: Where the calls are read.
        asked: The tasks now, and before.
        groups: All of them added up, now and before, as far as there are any.

    Raises:
        StoreError: the store does not answer.
    """
    found = [group for group in groups if group.completed]
    if len(found) != len(asked):
        return None
    now, before = (load_period(store, ask, g) for ask, g in zip(asked, found, strict=True))
    return Explained(explain_per_task(before, now), (found[1].completed, found[0].completed))


def headline(change: Change) -> str:
    """Return how the cost of a completed task changed, without an end; holds no markdown."""
    if not change.difference:
        return f"A completed task costs what it did ({fmt.usd(change.now_usd)})"
    verb = "more" if change.difference > 0 else "less"
    relative = fmt.change(change.now_usd, change.before_usd)
    by = f"{fmt.usd(abs(change.difference))} {verb}"
    return f"A completed task costs {by} than before" + (f" ({relative})" if relative else "")


def reasons(change: Change) -> str:
    """Return the parts that matter, as a list in words; the rest is one. Empty: nothing moved."""
    parts = [(name, usd) for name, usd in change.parts.items() if usd]
    moved = sum((abs(Fraction(usd)) for _, usd in parts), Fraction(0))
    ranked = sorted(parts, key=lambda part: -abs(part[1]))
    named = [p for p in ranked[:_NAMED_AT_MOST] if abs(Fraction(p[1])) >= _NAMED_FROM * moved]
    said = [f"{signed_usd(usd)} {_WORDS[name][1 if usd > 0 else 2]}" for name, usd in named]
    left = sum((usd for name, usd in ranked if (name, usd) not in named), Decimal(0))
    return ", ".join([*said, *([f"{signed_usd(left)} all else"] if left else [])])
