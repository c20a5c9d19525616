"""Rules of allocation changed: checked first, and what was is never overwritten."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from spanledger_analytics.allocation.errors import AllocationError
from spanledger_analytics.allocation.matching import (
    DIMENSION,
    FIELDS,
    FROM_DIMENSION,
    PERCENT,
    SPLITS,
)
from spanledger_analytics.allocation.owners import OWNER_FIELDS
from spanledger_analytics.price_book.input import parse_amount, time_text
from spanledger_storage.allocation_rules import AllocationChange, RuleRow

Outcome = Literal["added", "follows", "replaces", "unchanged"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}", re.ASCII)
_LONGEST = 256
_MOST_CONDITIONS = 20
_POSITIONS = range(10_000)
_NS = 10**9


def set_rule(change: AllocationChange, row: RuleRow) -> tuple[Outcome, RuleRow]:
    """Store a rule, and end the one of the same name that holds when it begins.

    Returns:
        What became of it, and the stored rule.

    Raises:
        AllocationError: the rule cannot be, or one of its name begins later.
    """
    row = checked(row)
    found: Outcome = "added"
    for old in change.rows(row.project):
        if old.name != row.name or not _overlaps(old, row):
            continue
        if _same(old, row):
            return "unchanged", old
        if old.effective_from_s > row.effective_from_s or (
            row.effective_to_s is not None
            and (old.effective_to_s is None or old.effective_to_s > row.effective_to_s)
            and old.effective_from_s != row.effective_from_s
        ):
            raise AllocationError(_overlap(old, row))
        if old.effective_from_s == row.effective_from_s:
            change.withdraw(old)
            found = "replaces"
        else:
            change.close(old, row.effective_from_s)
            found = "follows"
    return found, change.add(row)


def end_rule(change: AllocationChange, project: str, name: str, at_s: int | None) -> list[RuleRow]:
    """Let the rules of a name hold until ``at_s``, or withdraw them altogether (None).

    Returns:
        Those that changed, as they are now.

    Raises:
        AllocationError: there is no rule of the name that holds then or later.
    """
    found: list[RuleRow] = []
    for row in change.rows(project):
        if row.name != name:
            continue
        if at_s is None or row.effective_from_s >= at_s:
            found.append(change.withdraw(row))
        elif row.effective_to_s is None or row.effective_to_s > at_s:
            found.append(change.close(row, at_s))
    if not found:
        when = "" if at_s is None else f" that holds on {_text(at_s)} or later"
        raise AllocationError(
            f"There is no rule {name!r}{when}; `spanledger allocation list` shows them."
        )
    return found


def checked(row: RuleRow) -> RuleRow:
    """Return a rule as it is stored.

    Raises:
        AllocationError: it cannot be; says what, and what is allowed.
    """
    if not _NAME.fullmatch(row.name):
        raise AllocationError(
            "A rule's name has up to 64 letters, digits, dots, dashes and spaces, and begins with "
            f"a letter or digit; it is {row.name[:80]!r}."
        )
    if row.position not in _POSITIONS:
        raise AllocationError(f"--position goes from 0 to {_POSITIONS[-1]}.")
    if row.effective_to_s is not None and row.effective_to_s <= row.effective_from_s:
        raise AllocationError("The rule would end before it begins.")
    if len(row.conditions) > _MOST_CONDITIONS:
        raise AllocationError(f"A rule has at most {_MOST_CONDITIONS} conditions.")
    for name, pattern in row.conditions.items():
        _check_condition(name, pattern)
    if row.pool:
        return _checked_pool(row)
    if not row.owner:
        raise AllocationError(
            "Say who bears it (--team, --cost-center, --customer), or that it is --shared."
        )
    if row.split or row.among or row.percents:
        raise AllocationError("--split, --among and --percent go with --shared.")
    for name, value in row.owner.items():
        _check_owner(name, value)
    return row


def parse_condition(text: str) -> tuple[str, str]:
    """Return a condition written as ``agent=support-*``.

    Raises:
        AllocationError: it is not written so.
    """
    name, equals, pattern = text.partition("=")
    if not equals:
        raise AllocationError(f"A condition is written FIELD=VALUE, not {text[:80]!r}.")
    _check_condition(name.strip(), pattern.strip())
    return name.strip(), pattern.strip()


def parse_percents(texts: Mapping[str, str]) -> dict[str, str]:
    """Return percents as they are stored; they add up to 100.

    Raises:
        AllocationError: they do not.
        PriceError: one is no number of zero or more.
    """
    amounts = {
        name: parse_amount(text.strip().removesuffix("%"), f"The percent of {name}")
        for name, text in texts.items()
    }
    if sum(amounts.values(), Decimal(0)) != 100:
        raise AllocationError(
            f"The percents must add up to 100; they are {sum(amounts.values(), Decimal(0))}."
        )
    return {name: f"{amount:f}" for name, amount in amounts.items()}


def _checked_pool(row: RuleRow) -> RuleRow:
    if row.owner:
        raise AllocationError("A rule gives to owners or collects shared costs, not both.")
    if not _NAME.fullmatch(row.pool):
        raise AllocationError(f"--shared is a short name like Platform, not {row.pool[:80]!r}.")
    split, among = row.split or "spend", row.among or "team"
    if split not in SPLITS:
        raise AllocationError(f"--split is one of {', '.join(SPLITS)}, not {split!r}.")
    if among not in OWNER_FIELDS:
        raise AllocationError(f"--among is one of {', '.join(OWNER_FIELDS)}, not {among!r}.")
    if (split == PERCENT) != bool(row.percents):
        raise AllocationError("--percent NAME=20 goes with --split percent, one for each name.")
    percents = parse_percents(row.percents) if row.percents else {}
    return replace(row, split=split, among=among, percents=percents)


def _check_condition(name: str, pattern: str) -> None:
    is_dimension = name.startswith(DIMENSION) and len(name) > len(DIMENSION)
    if name not in FIELDS and not is_dimension:
        raise AllocationError(
            f"{name[:80]!r} is nothing a rule can look at. It can look at {', '.join(FIELDS)} "
            "and dimension.NAME."
        )
    if not pattern or "*" in pattern[:-1] or len(pattern) > _LONGEST:
        raise AllocationError(
            f"{name}= needs a value, or a beginning with * as in support-*; * alone is any value."
        )


def _check_owner(name: str, value: str) -> None:
    if name not in OWNER_FIELDS:
        raise AllocationError(f"An owner has {', '.join(OWNER_FIELDS)}, not {name!r}.")
    if not value.strip().removeprefix(FROM_DIMENSION).strip() or len(value) > _LONGEST:
        raise AllocationError(
            f"The {name.replace('_', ' ')} must be a name, or dimension:NAME to take it from one."
        )


def _overlaps(old: RuleRow, new: RuleRow) -> bool:
    ends_before = old.effective_to_s is not None and old.effective_to_s <= new.effective_from_s
    starts_after = new.effective_to_s is not None and new.effective_to_s <= old.effective_from_s
    return not (ends_before or starts_after)


def _same(old: RuleRow, new: RuleRow) -> bool:
    """Return whether both say the same of the same time; the note may differ."""
    stored = {"id": 0, "created_at_ns": 0, "note": ""}
    is_same_time = old.effective_to_s == new.effective_to_s
    begins = old.effective_from_s <= new.effective_from_s
    plain = replace(old, **stored, effective_from_s=new.effective_from_s)  # type: ignore[arg-type]  # names are fields
    return is_same_time and begins and plain == replace(new, **stored)  # type: ignore[arg-type]  # the same


def _overlap(old: RuleRow, new: RuleRow) -> str:
    end = "on" if old.effective_to_s is None else f"to {_text(old.effective_to_s)}"
    return (
        f"Rule {old.name!r} already holds from {_text(old.effective_from_s)} {end}. Let the new "
        f"one begin with it or later and end no earlier, or take that one back: "
        f"`spanledger allocation remove {old.name!r} --entirely`."
    )


def _text(unix_s: int) -> str:
    return time_text(unix_s * _NS)
