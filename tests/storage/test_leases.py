"""Leases in the state database: who runs the jobs, who evaluates the rules."""

import time
from pathlib import Path

from spanledger_storage.alert_state import AlertState
from spanledger_storage.state import migrate_state, open_state

S = 10**9


def test_a_lease_from_a_clock_that_was_ahead_ends_when_nobody_renews_it(tmp_path: Path) -> None:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    now_ns = time.time_ns()
    ahead, right = AlertState(state), AlertState(state)
    assert ahead.acquire("jobs", "ahead", now_ns + 3_600 * S, 15 * S)
    assert right.acquire("jobs", "right", now_ns, 1) is None  # sees it for the first time
    assert ahead.acquire("jobs", "ahead", now_ns + 3_601 * S, 15 * S)
    assert right.acquire("jobs", "right", now_ns, 1) is None  # it was renewed
    assert right.acquire("jobs", "right", now_ns, 1)
    state.dispose()
