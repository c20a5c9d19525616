"""Which rows of which table a deletion is about."""

from __future__ import annotations

IS = "WHERE project = {project:String} AND"
TARGETS = "(SELECT id FROM deletion_targets WHERE deletion = {deletion:String} AND what = "
MEMBERS = "trace_ids"  # of a row of trajectories
_MESSAGES = "(SELECT toFixedString(unhex(id), 16) FROM deletion_targets WHERE deletion = "
# In this order: what tells the jobs first, so that they do not begin anew; messages after spans.
CONDITIONS: dict[str, str] = {
    "touches": f"trace_id IN {TARGETS}'trace')",
    "spans": f"trace_id IN {TARGETS}'trace')",
    "logs": f"(trace_id IN {TARGETS}'trace') OR log_id IN {TARGETS}'log'))",
    "metric_points": f"series_id IN {TARGETS}'series')",
    "trajectories": f"arrayExists(t -> t IN {TARGETS}'trace'), trace_ids)",
    "trajectory_traces": f"(trace_id IN {TARGETS}'trace') OR trace_id IN {TARGETS}'mate'))",
    "trajectory_keys": f"trace_id IN {TARGETS}'trace')",
    "traces": f"trace_id IN {TARGETS}'trace')",
    "ledger": f"(trace_id IN {TARGETS}'trace') OR entry_id IN {TARGETS}'entry'))",
    "cache_calls": f"(trace_id IN {TARGETS}'trace') OR previous_trace_id IN {TARGETS}'trace'))",
    "findings": f"(trace_id IN {TARGETS}'trace') OR finding_id IN {TARGETS}'finding'))",
    "dead_letters": f"letter_id IN {TARGETS}'letter')",
    "messages": (
        f"hash IN {_MESSAGES}{{deletion:String}} AND what = 'message')"
        " AND toUnixTimestamp(stored_at) <= {until_s:Int64}"
    ),
    "response_traces": f"trace_id IN {TARGETS}'trace')",
    "trace_hours": f"trace_id IN {TARGETS}'trace')",
}
"""Which rows of a table go; ids come from deletion_targets."""
_EVIDENCE = "arrayMap(span -> tupleElement(span, 'trace_id'), evidence)"
_QUOTED = """extractAll(details, '"([0-9a-f]{32})"')"""
NAMED = {"findings": f"arrayConcat({_EVIDENCE}, {_QUOTED})", "reconciliation_cells": _EVIDENCE}
"""Traces that a row names beside others; it loses them and stays."""

_KEPT = (
    f"evidence = arrayFilter(s -> tupleElement(s, 'trace_id') NOT IN {TARGETS}'trace'), evidence)"
)
KEPT = {
    "findings": (
        f"{_KEPT}, details = arrayFold((said, id) -> replaceAll(said, id, ''),"
        f" arrayFilter(id -> id IN {TARGETS}'trace'), {_QUOTED}), details)"
    ),
    "reconciliation_cells": _KEPT,
}
"""What of such a row stays."""
TABLES = (*CONDITIONS, "usage_by_user", "reconciliation_cells")
"""Those that change. Sums by user go hour by hour and come back without whoever left; what was
compared with bills loses the calls that it names."""

COLUMNS: dict[str, tuple[tuple[str, str], ...]] = {
    "spans": (("trace_id", "trace"),),
    "logs": (("trace_id", "trace"), ("if(trace_id = '', log_id, '')", "log")),
    "metric_points": (("series_id", "series"),),
    "trajectories": ((MEMBERS, "trace"),),
    "trajectory_traces": (("trace_id", "trace"),),
    "trajectory_keys": (("trace_id", "trace"),),
    "traces": (("trace_id", "trace"),),
    "ledger": (("trace_id", "trace"), ("if(trace_id = '', entry_id, '')", "entry")),
    "cache_calls": (("trace_id", "trace"), ("previous_trace_id", "trace")),
    "findings": (("trace_id", "trace"), ("if(trace_id = '', finding_id, '')", "finding")),
    "dead_letters": (("letter_id", "letter"),),
    "response_traces": (("trace_id", "trace"),),
    "trace_hours": (("trace_id", "trace"),),
    "touches": (("trace_id", "trace"),),
}
"""Columns in which a table names what is to go."""
