"""What people say of findings, and what holds of them then."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_analytics.findings.muting import Said, Verdict
from spanledger_storage.errors import ConfigError, StateError
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.state import migrate_state, open_state

ONE, OTHER = "1" * 32, "2" * 32
POLL = "loop / same_call / bot / poll"


@pytest.fixture
def kept() -> FindingStates:
    engine = open_state("sqlite://")
    migrate_state(engine)
    return FindingStates(engine)


def say(kept: FindingStates, state: str, at: int, finding: str = ONE, **more: int) -> None:
    kept.say(
        "p",
        finding,
        state,
        pattern=POLL,
        who="ann",
        now_ns=at,
        mute_until_ns=more.get("until"),
    )


def verdict(
    kept: FindingStates, finding: str = ONE, *, seen: int = 0, now: int = 100, pattern: str = POLL
) -> Verdict:
    return Said.read(kept, "p", now, [finding]).about(finding, pattern, seen)


def test_a_new_finding_is_open_and_asks_for_somebody(kept: FindingStates) -> None:
    assert verdict(kept) == Verdict("open")
    assert verdict(kept).asks


@pytest.mark.parametrize("state", ["acknowledged", "expected", "resolved"])
def test_what_was_said_holds_for_that_finding_alone(kept: FindingStates, state: str) -> None:
    say(kept, state, 10)
    assert (verdict(kept).state, verdict(kept).asks) == (state, False)
    assert verdict(kept, OTHER).asks
    assert Said.read(kept, "q", 100).about(ONE, POLL, 0).asks


def test_what_is_resolved_and_seen_again_is_open(kept: FindingStates) -> None:
    say(kept, "resolved", 10)
    assert verdict(kept, seen=10).state == "resolved"
    back = verdict(kept, seen=11)
    assert (back.state, back.is_back, back.asks) == ("open", True, True)


def test_a_false_alarm_hides_its_pattern_until_it_is_taken_back(kept: FindingStates) -> None:
    say(kept, "false_alarm", 10)
    assert verdict(kept, OTHER).is_muted
    assert not verdict(kept, OTHER, pattern="loop / exact / bot / poll").is_muted
    assert not verdict(kept, OTHER, pattern="").is_muted
    say(kept, "open", 20)
    assert kept.mutes("p") == []
    assert verdict(kept, OTHER).asks
    actions = [row.action for row in kept.history("p")]
    assert actions == ["unmute", "open", "mute", "false_alarm"]


def test_a_mute_ends_when_its_time_is_over(kept: FindingStates) -> None:
    say(kept, "false_alarm", 10, until=50)
    assert verdict(kept, OTHER, now=49).is_muted
    assert not verdict(kept, OTHER, now=50).is_muted


def test_a_muted_finding_that_somebody_opens_is_shown(kept: FindingStates) -> None:
    say(kept, "acknowledged", 5, OTHER)
    say(kept, "false_alarm", 10)
    assert verdict(kept, OTHER).is_muted
    say(kept, "open", 20, OTHER)
    assert not verdict(kept, OTHER).is_muted
    assert verdict(kept, ONE).is_muted


def test_states_of_many_findings_are_read_in_parts(kept: FindingStates) -> None:
    ids = [f"{n:032x}" for n in range(1_200)]
    for finding in ids[::400]:
        say(kept, "resolved", 7, finding)
    assert set(kept.of("p", ids)) == set(ids[::400])
    assert [row.finding_id for row in kept.since("p", 7, 2)] == ids[:1] + ids[400:401]
    assert kept.since("p", 8, 2) == []
    assert kept.of("p", []) == {}


def test_what_cannot_be_is_refused(kept: FindingStates, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="false_alarm"):
        say(kept, "fine", 1)
    with pytest.raises(ConfigError, match="characters"):
        kept.say("p", ONE, "open", pattern="", who="a", now_ns=1, note="x" * 2_001)
    assert kept.history("p") == []
    bare = FindingStates(open_state(f"sqlite:///{tmp_path / 'empty.db'}"))
    with pytest.raises(StateError, match="migrate"):
        bare.of("p")
