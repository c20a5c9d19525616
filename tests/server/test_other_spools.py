"""What a deletion does about requests that wait in the spools of other collectors."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from spanledger_collector.spool.spool import Spool
from spanledger_server import other_spools
from spanledger_server.errors import UsageError
from spanledger_server.other_spools import OtherSpools
from spanledger_server.spool_notes import read_spool
from spanledger_storage.collector_spools import CollectorSpools
from spanledger_storage.state import migrate_state, open_state

S = 10**9
BEGAN = 1_763_900_000 * S
Tell = Callable[[int], None]


@pytest.fixture
def spools(tmp_path: Path) -> Iterator[CollectorSpools]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    yield CollectorSpools(state)
    state.dispose()


def awaited(patch: pytest.MonkeyPatch, others: OtherSpools, tell: Tell) -> float:
    """Wait with a clock that moves while the command sleeps; return for how many seconds."""
    now_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds
        if round(now_s, 1) % 2 == 0:
            tell(round(now_s))

    clock = SimpleNamespace(monotonic=lambda: now_s, sleep=sleep)
    patch.setattr(other_spools, "time", clock)
    others.await_empty()
    return now_s


@pytest.mark.parametrize("ahead_s", [-3_600, 0, 3_600])
def test_what_others_had_accepted_is_waited_for_whatever_their_clocks_show(
    spools: CollectorSpools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: int
) -> None:
    clock_ns = BEGAN + ahead_s * S

    def tell(second: int) -> None:
        came_ns = clock_ns - 5 * S if second < 30 else clock_ns + (second - 1) * S
        spools.note("busy", 3, came_ns, clock_ns + second * S)
        spools.note("idle", 0, None, clock_ns + second * S)

    tell(0)
    others = OtherSpools(spools, tmp_path / "none.db")
    assert awaited(monkeypatch, others, tell) == pytest.approx(30)


def test_a_store_that_takes_nothing_from_another_collector_stops_a_deletion(
    spools: CollectorSpools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(second: int) -> None:
        spools.note("stuck", 3, BEGAN - S, BEGAN + second * S)

    tell(0)
    with pytest.raises(UsageError, match="3 requests wait in the spools of other collectors"):
        awaited(monkeypatch, OtherSpools(spools, tmp_path / "none.db"), tell)


def test_a_silent_collector_is_named_and_not_waited_for(
    spools: CollectorSpools,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spools.note("dead", 2, BEGAN - S, BEGAN)
    spools.note("ended", 0, None, BEGAN)
    others = OtherSpools(spools, tmp_path / "none.db")
    assert awaited(monkeypatch, others, lambda _: None) < 15
    others.say_silent()
    [said] = capsys.readouterr().out.splitlines()
    assert "2 requests" in said
    assert "last heard of at 2025-11-23T12:13:20Z" in said


def test_the_spool_on_this_machine_is_no_other(
    spools: CollectorSpools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spool.db"
    Spool(file, max_bytes=1 << 30).close()
    told = read_spool(file)
    assert told
    spools.note(told[0], 5, BEGAN - S, BEGAN)
    assert awaited(monkeypatch, OtherSpools(spools, file), lambda _: None) == 0
