"""What nobody bears, and the rule that would change that; pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from spanledger_analytics.allocation.allocate import Allocation
from spanledger_analytics.allocation.owners import OWNER_FIELDS, UNALLOCATED
from spanledger_analytics.gpu_cost.arithmetic import dollars

_TOLD_BY = ("agent", "service", "kind", "unused")
_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Entries that meet no rule, by what they tell; ``command`` is a rule that would fit them."""

    agent: str
    service: str
    kind: str
    unused: str
    picodollars: int
    calls: int
    command: str

    @property
    def usd(self) -> Decimal:
        """In dollars."""
        return dollars(self.picodollars)


def unmatched(allocation: Allocation, project: str) -> list[Unmatched]:
    """Return what meets no rule, the dearest first."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for line in allocation.lines:
        if line.pool or line.owner != UNALLOCATED:
            continue
        key = tuple(line.group.facts.get(name, "") for name in _TOLD_BY)
        amount, calls = found.get(key, (0, 0))
        sums = line.group.sums
        found[key] = amount + sums.picodollars, calls + sums.calls
    ranked = sorted(found.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
    return [
        Unmatched(key[0], key[1], key[2], key[3], amount, calls, _command(key, project))
        for key, (amount, calls) in ranked
    ]


def dimension_command(names: Sequence[str], project: str) -> str:
    """Return the rule that takes owners from dimensions that entries name; '' where none fits.

    Args:
        names: of the dimensions that entries name, as in allocation_dimensions.
        project: whose rule.
    """
    fitting = [name for name in OWNER_FIELDS if name in names]
    if not fitting:
        return ""
    # One rule per name: a rule that takes several needs all of them.
    first = fitting[0]
    option = f"--{first.replace('_', '-')}"
    return _set(f"by-{first.replace('_', '-')}", f"{option} dimension:{first}", project, 900)


def _command(key: tuple[str, ...], project: str) -> str:
    agent, service, kind, unused = key
    if unused or (kind == "infra" and not agent):
        match = f"--match unused={unused or 'infra'}"
        return _set("unused-capacity", f"{match} --shared 'Unused capacity'", project, 100)
    for field, value in (("agent", agent), ("service", service), ("kind", kind)):
        if value:
            match = f"--match {shlex.quote(f'{field}={_pattern(value)}')}"
            return _set(_name(value), f"{match} --team TEAM", project, 500)
    return _set("everything-else", "--team TEAM", project, 9_000)


def _set(name: str, rest: str, project: str, position: int) -> str:
    whose = "" if project == "default" else f" --project {shlex.quote(project)}"
    return f"spanledger allocation set {name} {rest} --position {position}{whose}"


def _name(value: str) -> str:
    """Return a name of a rule: what of the value such a name may have."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in value)
    return kept.strip("-._")[:_NAME_LENGTH] or "rule"


def _pattern(value: str) -> str:
    """Return a pattern that fits the value; a star in it cannot be written."""
    return value.partition("*")[0] + "*" if "*" in value else value
