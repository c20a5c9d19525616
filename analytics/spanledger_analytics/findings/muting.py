"""What people say of findings, joined with findings: their state, and whether they are hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from spanledger_storage.finding_state import FindingState, FindingStates, MuteRow, StateRow

_SHOWN_AGAIN = ("open", "acknowledged")


class Verdict(NamedTuple):
    """What holds of one finding.

    Attributes:
        state: as it is now: what was resolved and seen again later is open.
        is_muted: its pattern is muted, and nobody has opened this one again since.
        is_back: it was resolved, and has been seen since.
        note: what was said last; empty: nothing.
        who: by whom.
        at_ns: when, UTC nanoseconds; 0: nobody has said anything.
    """

    state: FindingState = "open"
    is_muted: bool = False
    is_back: bool = False
    note: str = ""
    who: str = ""
    at_ns: int = 0

    @property
    def asks(self) -> bool:
        """Whether the finding still asks for somebody: open, and not hidden."""
        return self.state == "open" and not self.is_muted


@dataclass(frozen=True, slots=True)
class Said:
    """What people said of a project's findings.

    Attributes:
        states: by finding.
        mutes: patterns that are muted now.
    """

    states: Mapping[str, StateRow] = field(default_factory=dict[str, StateRow])
    mutes: Mapping[str, MuteRow] = field(default_factory=dict[str, MuteRow])

    @classmethod
    def of(cls, states: Mapping[str, StateRow], mutes: Iterable[MuteRow], now_ns: int) -> Said:
        """Return what holds at a time (UTC nanoseconds)."""
        return cls(states, {mute.pattern: mute for mute in mutes if mute.holds(now_ns)})

    @classmethod
    def read(
        cls, kept: FindingStates, project: str, now_ns: int, finding_ids: list[str] | None = None
    ) -> Said:
        """Read what was said of some findings, or of all.

        Raises:
            StateError: the state database does not answer or lacks the tables.
        """
        return cls.of(kept.of(project, finding_ids), kept.mutes(project), now_ns)

    def about(self, finding_id: str, pattern: str, last_seen_ns: int) -> Verdict:
        """Return what holds of a finding; pure."""
        said = self.states.get(finding_id)
        mute = self.mutes.get(pattern) if pattern else None
        if said is None:
            return Verdict(is_muted=mute is not None)
        is_shown = mute is not None and said.state in _SHOWN_AGAIN and said.at_ns > mute.at_ns
        is_back = said.state == "resolved" and last_seen_ns > said.at_ns
        return Verdict(
            state="open" if is_back else said.state,
            is_muted=mute is not None and not is_shown,
            is_back=is_back,
            note=said.note,
            who=said.who,
            at_ns=said.at_ns,
        )
