"""Findings as people are shown them: what is stored, with what people said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spanledger_analytics.findings.muting import Said, Verdict
from spanledger_analytics.findings.rows import FindingRow, read_rows
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.store import Store

MOST = 10_000
"""Findings read at once, the dearest."""


class Shown(NamedTuple):
    """A finding, and what holds of it."""

    row: FindingRow
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; empty texts narrow nothing.

    Attributes:
        from_ns: UTC nanoseconds; seen at or after this, and before ``to_ns``.
        finding: its id, or how it begins.
        state: as it is now.
    """

    from_ns: int
    to_ns: int
    kind: str = ""
    severity: str = ""
    finding: str = ""
    state: str = ""
    with_muted: bool = False


class Listing(NamedTuple):
    """What is shown, the dearest first, and how many more are hidden because they are muted."""

    shown: list[Shown]
    muted: int


def read_shown(
    store: Store, kept: FindingStates, project: str, wanted: Wanted, now_ns: int
) -> Listing:
    """Read the findings that are asked for.

    Raises:
        StoreError: the store refused or did not answer.
        StateError: the state database did.
    """
    params: dict[str, object] = {
        "project": project,
        "from_ns": wanted.from_ns,
        "to_ns": wanted.to_ns,
        "kind": wanted.kind,
        "severity": wanted.severity,
        "finding": wanted.finding,
        "most": MOST,
    }
    rows = read_rows([store.arrow("findings_seen", params)]).rows
    said = Said.read(kept, project, now_ns, [row.finding_id for row in rows])
    return narrowed(joined(rows, said), wanted)


def joined(rows: Sequence[FindingRow], said: Said) -> list[Shown]:
    """Return findings with what holds of them, in their order; pure."""
    return [Shown(row, said.about(row.finding_id, row.pattern, row.last_seen_ns)) for row in rows]


def narrowed(shown: Sequence[Shown], wanted: Wanted) -> Listing:
    """Return those in the state that is asked for; muted ones are counted; pure."""
    found = [one for one in shown if wanted.state in ("", one.verdict.state)]
    muted = sum(one.verdict.is_muted for one in found)
    if wanted.with_muted:
        return Listing(found, 0)
    return Listing([one for one in found if not one.verdict.is_muted], muted)
