"""Arguments of guards, checked where they are given: a guard with a wrong one would not guard."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

from spanledger._prices import PICODOLLARS


def check_choice(name: str, given: object, allowed: tuple[str, ...]) -> None:
    """Check that an argument is one of a few words.

    Raises:
        ValueError: it is not.
    """
    if given not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {given!r}")


def check_limit(name: str, given: float | None) -> None:
    """Check that a limit is a number of 0 or more, or not given.

    Raises:
        ValueError: it is not.
    """
    try:
        is_number = given is None or (math.isfinite(given) and given >= 0)
    except TypeError:  # no number at all
        is_number = False
    if not is_number:
        raise ValueError(f"{name} must be a number of 0 or more, not {given!r}")


def picodollars(usd: Decimal | float | str | None) -> int | None:
    """Return a limit in US dollars as picodollars; ``None``: it is not given.

    Raises:
        ValueError: it is no amount of dollars.
    """
    if usd is None:
        return None
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        amount = Decimal("nan")
    if not amount.is_finite() or amount < 0:
        raise ValueError(f"usd must be a limit of 0 or more, such as '2.50', not {usd!r}")
    return int(amount * PICODOLLARS)
