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


def difference(case: Case) -> int:
    """Return what the provider counted beyond the ledger."""
    return (case.charged_quantity or 0) - case.ledger.quantity


def find_transfer(case: Case, material: Material, *apart: str) -> Transfer | None:
    """Return where a case's difference in quantity went, among keys that differ in some fields.

    None: the differences of the family do not cancel, or it is not off.
    """
    if not case.quantity or case.quantity != difference(case):
        return None
    family = [one for one in material.siblings(case, *apart) if one.token_class in TOKEN_CLASSES]
    if len(family) < 2 or sum(map(difference, family)):
        return None
    others = [one for one in family if one is not case and difference(one) * case.quantity < 0]
    if not others:
        return None
    return Transfer(others, _classes(case, material, apart))


def _classes(case: Case, material: Material, apart: tuple[str, ...]) -> int:
    """Return in how many token classes the same keys cancel."""
    found = 0
    for one in material.classes(case):
        family = material.siblings(one, *apart)
        found += bool(difference(one)) and len(family) > 1 and not sum(map(difference, family))
    return found
