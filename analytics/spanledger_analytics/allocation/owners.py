"""Who bears a cost: a team, a cost centre, a customer, or several of these."""

from __future__ import annotations

from typing import NamedTuple


class Owner(NamedTuple):
    """Who bears a cost; empty: not told. Field names are what rules set."""

    team: str = ""
    cost_center: str = ""
    customer: str = ""

    @property
    def label(self) -> str:
        """The names in one text, the team first."""
        return " · ".join(name for name in self if name)


OWNER_FIELDS = Owner._fields
UNALLOCATED = Owner()
"""Who bears what no rule gave to anybody."""
