"""What nobody bears, and the rule that would change that; pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b

from spanledger_analytics.allocation.allocate import Allocation
from spanledger_analytics.allocation.owners import OWNER_FIELDS, UNALLOCATED
from spanledger_analytics.gpu_cost.arithmetic import dollars

_TOLD_BY = ("agent", "service", "kind", "unused")
_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Entries that meet no rule, by what they tell.

    ``command`` is a rule that would fit them; '': none would.
    """

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
            pattern = _pattern(value)
            match = f"--match {shlex.quote(f'{field}={pattern}')} --team TEAM"
            # An agent and a service may have the same name.
            name = _name(value if field == "agent" else f"{field}-{value}")
            return _set(name, match, project, 500) if pattern else ""
    return _set("everything-else", "--team TEAM", project, 9_000)


def _set(name: str, rest: str, project: str, position: int) -> str:
    whose = "" if project == "default" else f" --project {shlex.quote(project)}"
    return f"spanledger allocation set {name} {rest} --position {position}{whose}"


def _name(value: str) -> str:
    """Return a name of a rule: what of the value such a name may have, and a hash of the rest.

    Without the hash, values that differ in something else would get rules of one name.
    """
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in value)
    kept = kept.strip("-._")
    if kept == value and len(kept) <= _NAME_LENGTH:
        return kept
    rest = "-" + blake2b(value.encode(), digest_size=3).hexdigest()
    return (kept[: _NAME_LENGTH - len(rest)] or "rule") + rest


def _pattern(value: str) -> str:
    """Return a pattern that fits the value; '' where only one that fits everything would.

    A star in it cannot be written, and what does not print would reach a terminal by the clipboard.
    """
    odd = next((place for place, c in enumerate(value) if c == "*" or not c.isprintable()), None)
    if odd is None:
        return value
    return f"{value[:odd]}*" if odd else ""
