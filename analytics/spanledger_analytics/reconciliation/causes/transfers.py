"""Quantities that one side has under another key: their differences cancel."""

from __future__ import annotations

from typing import NamedTuple

from spanledger_analytics.reconciliation.case import Case
from spanledger_analytics.reconciliation.ledger_side import TOKEN_CLASSES
from spanledger_analytics.reconciliation.material import Material


class Transfer(NamedTuple):
    """A difference that others of its family cancel.

    Attributes:
        others: the cells that are off the other way.
        classes: of how many token classes of the same keys the differences cancel.
    """

    others: list[Case]
    classes: int


def find_transfer(case: Case, material: Material, *apart: str) -> Transfer | None:
    """Return where a case's difference in quantity went, among keys that differ in some fields.

    Looks at what other causes left. None: the differences of the family do not cancel.
    """
    if not case.quantity:
        return None
    family = [one for one in material.siblings(case, *apart) if one.token_class in TOKEN_CLASSES]
    others = [one for one in family if one is not case and one.quantity * case.quantity < 0]
    if not others or _off(family):
        return None
    return Transfer(others, _classes(case, material, apart))


def _classes(case: Case, material: Material, apart: tuple[str, ...]) -> int:
    """Return in how many token classes the same keys cancel."""
    found = 0
    for one in material.classes(case):
        family = material.siblings(one, *apart)
        found += bool(one.quantity) and len(family) > 1 and not _off(family)
    return found


def _off(family: list[Case]) -> int:
    return sum(one.quantity for one in family)
