"""Hourly usage, whole and by user: the ledger summed per hour, anew where it changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from spanledger_analytics._rows import batches, integers, strings
from spanledger_storage.store import Store

ProjectHour = tuple[str, int]


def recompute_usage(store: Store, hours: Iterable[ProjectHour], version: int) -> None:
    """Write hourly usage, whole and by user, anew for (project, UTC start hour in UNIX seconds).

    Keys that no longer occur in an hour get tombstones. ``version`` is UTC nanoseconds, greater
    than at any earlier call. Running it again gives the same numbers.
    """
    by_project: defaultdict[str, list[int]] = defaultdict(list)
    for project, hour in sorted(set(hours)):
        by_project[project].append(hour)
    for project, project_hours in by_project.items():
        for part in batches(project_hours):
            params = {"project": project, "hours": list(part), "version": version}
            # Before usage_hourly: its version tells others that the hour is summed.
            store.command("usage_by_user_recompute", params)
            store.command("usage_by_user_remove_vanished", params)
            store.command("usage_recompute", params)
            store.command("usage_remove_vanished", params)


def stale_hours(store: Store, since: int) -> tuple[set[ProjectHour], int]:
    """Return the hours in which the ledger changed after version ``since``, and its newest version.

    The newest version is ``since`` when nothing changed.
    """
    table = store.arrow("usage_stale_hours", {"since": since})
    hours = zip(strings(table, "project"), integers(table, "hour"), strict=True)
    return set(hours), max(integers(table, "newest_version"), default=since)
