"""Figures of a finding, as its detector measured them, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import cast

import pandas as pd

from spanledger_dashboard import format as fmt
from spanledger_dashboard.text import beginning

_VALUE_LIMIT = 300
_MOST_ROWS = 200
_LONG_LIST = 20


def scalars(figures: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return name and value of each figure that is one value or a list of such, in order."""
    found: list[tuple[str, str]] = []
    for key, value in figures.items():
        if isinstance(value, Mapping):
            inner = cast("Mapping[str, object]", value)
            found += [(f"{words(key)}: {name}", text) for name, text in scalars(inner)]
        elif not _is_table(value):
            found.append((words(key), said(key, value)))
    return found


def listings(figures: Mapping[str, object]) -> dict[str, pd.DataFrame]:
    """Return the figures that are rows, as tables of texts, by their names."""
    found: dict[str, pd.DataFrame] = {}
    for key, value in figures.items():
        if not _is_table(value):
            continue
        rows = cast("Sequence[Mapping[str, object]]", value)[:_MOST_ROWS]
        names = list(dict.fromkeys(name for row in rows for name in row))
        found[words(key)] = pd.DataFrame(
            {words(name): [said(name, row.get(name)) for row in rows] for name in names}
        )
    return found


def said(key: str, value: object) -> str:
    """Return a value by the unit at the end of its name."""
    if value is None:
        return fmt.UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return _joined(key, cast("Sequence[object]", value))
    number = _number(value)
    if number is None or (isinstance(value, str) and not _is_money(key)):
        return beginning(str(value), _VALUE_LIMIT) or fmt.UNKNOWN
    return _with_unit(key, number)


def words(key: str) -> str:
    """Return the name of a figure without its unit, as people read it."""
    if key == "usd":
        return "Dollars"
    for unit in ("_usd", "_ns", "_ratio", "_s"):
        if key.endswith(unit):
            key = key.removesuffix(unit)
            break
    text = key.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _with_unit(key: str, number: Decimal) -> str:
    if _is_money(key):
        return fmt.usd(number)
    if key.endswith("_ns"):
        return fmt.duration(int(number))
    if key.endswith("_s"):
        return fmt.duration(int(number * 10**9))
    if key.endswith("_ratio"):
        return fmt.percent(number, 1)
    return number_text(number)


def number_text(number: Decimal) -> str:
    """Return a plain number with the digits that matter: ``1,234,567``, ``94.44``, ``0.00123``."""
    if number == number.to_integral_value() or abs(number) >= 1_000:
        return fmt.count(round(number))
    return f"{number:.4g}"


def _is_money(key: str) -> bool:
    return key == "usd" or key.endswith("_usd")


def _number(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**24 else None


def _joined(key: str, values: Sequence[object]) -> str:
    shown = ", ".join(said(key, value) for value in values[:_LONG_LIST])
    rest = len(values) - _LONG_LIST
    return f"{shown} and {rest} more" if rest > 0 else shown or fmt.UNKNOWN


def _is_table(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(row, Mapping) for row in cast("list[object]", value))
