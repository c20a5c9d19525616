"""Looking for text in prompts, answers, and the arguments and results of tools.

Messages are not indexed by their words: an index that finds parts of words would take as much room
as the text. Days are read instead, newest first, for as long as a reader wants to wait.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

AT_MOST = 2_000
BUDGET_S = 10
_DAY_S = 86_400
_TIMEOUT_EXCEEDED = 159  # ClickHouse's code


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        trace_ids: newest first, at most ``AT_MOST``.
        searched_from_s: unix seconds; what is older was not looked at.
        limit: what ended the search early; empty: nothing did.
    """

    trace_ids: tuple[str, ...]
    searched_from_s: int
    limit: Literal["", "time", "traces"] = ""


def search(
    store: Store,
    project: str,
    from_s: int,
    to_s: int,
    needle: str,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Return the traces whose spans started in ``[from_s, to_s)`` and say ``needle`` somewhere.

    Upper and lower case are the same. Takes about ``BUDGET_S`` at most.
    """
    deadline = clock() + BUDGET_S
    found: dict[str, None] = {}
    end_s = to_s
    while end_s > from_s:
        start_s = max(from_s, (end_s - 1) // _DAY_S * _DAY_S)
        left_s = int(deadline - clock())
        ids = _day(store, project, start_s, end_s, needle, left_s) if left_s > 0 else None
        if ids is None:
            return Found(tuple(found), end_s, "time")
        found.update(dict.fromkeys(ids))
        if len(found) >= AT_MOST:
            return Found(tuple(found)[:AT_MOST], start_s, "traces")
        end_s = start_s
    return Found(tuple(found), from_s)


def _day(
    store: Store, project: str, from_s: int, to_s: int, needle: str, timeout_s: int
) -> list[str] | None:
    """Return the traces of one day, None when the time was too short."""
    try:
        rows = store.rows(
            "dashboard_trace_search",
            {
                "project": project,
                "from_s": from_s,
                "to_s": to_s,
                "needle": needle,
                "needle_json": json.dumps(needle, ensure_ascii=False)[1:-1],
                "at_most": AT_MOST,
                "timeout_s": timeout_s,
            },
        )
    except StoreError as error:
        if error.code == _TIMEOUT_EXCEEDED:
            return None
        raise
    return [str(row["trace_id"]) for row in rows]
