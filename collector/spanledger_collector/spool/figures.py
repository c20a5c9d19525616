"""The spool's figures, asked for when somebody looks."""

from __future__ import annotations

import time

from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry


def show_spool(telemetry: Telemetry, spool: Spool) -> None:
    """Let the gauges of the spool read it; none of them asks the file."""
    budget = spool.budget
    telemetry.spool_requests.set_function(lambda: spool.depth().requests)
    telemetry.spool_items.set_function(lambda: spool.depth().items)
    telemetry.spool_bytes.set_function(lambda: spool.depth().bytes)
    telemetry.spool_dead_letters.set_function(lambda: spool.depth().dead_letters)
    telemetry.spool_oldest_seconds.set_function(lambda: spool.oldest_age_s(time.time_ns()))
    telemetry.spool_limit_bytes.set(budget.max_bytes)
    telemetry.spool_used_ratio.set_function(lambda: spool.depth().disk_bytes / budget.max_bytes)
    telemetry.spool_free_bytes.set_function(budget.free_bytes)
