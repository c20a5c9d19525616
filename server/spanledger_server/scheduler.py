"""A scheduler that goes on when the clock is set back."""

from __future__ import annotations

from datetime import datetime

from apscheduler.schedulers.background import BackgroundScheduler

_LONGEST_WAIT_S = 1.0


class SteadyScheduler(BackgroundScheduler):  # type: ignore[misc]  # APScheduler has no types
    """Runs jobs of intervals; none waits longer than its own.

    APScheduler waits until the clock shows the next time. Set back by an hour, nothing would run
    for an hour: no ledger, no alerts, no sign of life.
    """

    def _process_jobs(self) -> float:
        now = datetime.now(self.timezone)
        for job in self.get_jobs():
            latest = now + job.trigger.interval
            if job.next_run_time > latest:
                job.modify(next_run_time=latest)
        wait_s = super()._process_jobs()
        return _LONGEST_WAIT_S if wait_s is None else min(wait_s, _LONGEST_WAIT_S)
