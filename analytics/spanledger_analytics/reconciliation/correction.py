"""What to do about differences: one correction for all cells that need the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from typing import Literal

from spanledger_analytics.reconciliation.result import Cause, CauseShare, Cell

CorrectionKind = Literal[
    "rate", "contract", "exchange_rate", "mapping", "instrument", "deduplicate", "adjust", "dispute"
]
Way = Literal["apply", "apply_with_value", "adjust", "dispute", "by_hand"]
"""How a correction is done: by one command or click, with a value besides, by posting adjustments,
by a dispute pack, or only by a person where the calls are made."""
WAYS: Mapping[Way, str] = {
    "apply": "command or click",
    "apply_with_value": "command or click, with a value",
    "adjust": "posting adjustments",
    "dispute": "dispute pack",
    "by_hand": "a person",
}
"""The same for people."""
_ZERO = Decimal(0)
Part = tuple[Cell, CauseShare]


@dataclass(frozen=True, slots=True)
class Correction:
    """What to do about the differences of some cells.

    Attributes:
        correction_id: 16 hex digits, a function of what it does.
        title: one line.
        advice: what to do, and where.
        command: what does the same by hand; empty: no command does.
        what: what is stored when it is applied; empty: it cannot be applied.
        asks: what has to be given to apply it, for people; empty: nothing.
        example: what may be given, as far as it can be told.
        usd: of the differences it is about, net.
        size_usd: the same without signs.
        cells: their ids.
    """

    correction_id: str
    kind: CorrectionKind
    cause: Cause
    provider: str
    title: str
    advice: str
    first_day: date
    last_day: date
    usd: Decimal
    size_usd: Decimal
    cells: tuple[str, ...]
    command: str = ""
    what: Mapping[str, str] = field(default_factory=dict[str, str])
    asks: str = ""
    example: str = ""

    @property
    def is_applicable(self) -> bool:
        """Whether it can be applied from here."""
        return bool(self.what)

    def stored(self, value: str = "") -> dict[str, str]:
        """Return what an action stores to apply it, with the value it asks for."""
        given = {"value": value.strip()} if self.asks else {}
        return {**self.what, **given, "correction": self.correction_id}

    @property
    def way(self) -> Way:
        """How it is done."""
        if self.is_applicable:
            return "apply_with_value" if self.asks else "apply"
        if self.kind in ("adjust", "dispute"):
            return "adjust" if self.kind == "adjust" else "dispute"
        return "by_hand"


def correction(
    parts: Sequence[Part],
    kind: CorrectionKind,
    title: str,
    advice: str,
    *,
    command: str = "",
    what: Mapping[str, str] | None = None,
    asks: str = "",
    distinct: str = "",
) -> Correction:
    """Return a correction about parts of cells of one cause and provider, at least one.

    ``distinct`` tells it from others that store the same.
    """
    cell, share = parts[0]
    what = {"kind": kind, **what} if what else {}
    return Correction(
        correction_id=correction_id(kind, share.cause, cell.key.provider, distinct, what),
        kind=kind,
        cause=share.cause,
        provider=cell.key.provider,
        title=title,
        advice=advice,
        first_day=min(c.key.day for c, _ in parts),
        last_day=max(c.key.day for c, _ in parts),
        usd=sum((s.usd for _, s in parts), _ZERO),
        size_usd=sum((abs(s.usd) for _, s in parts), _ZERO),
        cells=tuple(c.cell_id for c, _ in parts),
        command=command,
        what=what,
        asks=asks,
    )


def correction_id(
    kind: CorrectionKind, cause: Cause, provider: str, distinct: str, what: Mapping[str, str]
) -> str:
    """Return the id of a correction: the same whenever it is suggested again."""
    told = (kind, cause, provider, distinct, *sorted(what.items()))
    return blake2b(repr(told).encode(), digest_size=8).hexdigest()
