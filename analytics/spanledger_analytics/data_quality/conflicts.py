"""Views that count differently: without the cached part or a second model, or that disagree."""

from __future__ import annotations

from spanledger_analytics.data_quality import grouping
from spanledger_analytics.data_quality.evidence import CallKind, Evidence
from spanledger_analytics.data_quality.model import Finding, Group, Severity

_CASES = {
    "input_excluded_cache": (
        "input reported without its cached part; corrected",
        "Nothing to do here; other tools that read the same spans need the same correction.",
    ),
    "advisor_left_out": (
        "tokens of Anthropic's advisor, a second model, are listed beside the totals; not counted",
        "Record the advisor's calls as spans of their own, or compare with the usage report.",
    ),
    "views_disagree": (
        "the views of one call report different totals; the larger counts",
        "Look at an example, and switch off the instrumentation that is wrong.",
    ),
}


def check(evidence: Evidence) -> Finding | None:
    """Return the finding, None when all that is reported agrees."""
    groups = [
        _group(kind, flag) for kind in evidence.calls for flag in sorted(kind.flags & _CASES.keys())
    ]
    disagree = any("views_disagree" in kind.flags for kind in evidence.calls)
    return grouping.finding(
        "conflicts",
        "Instrumentations that count differently",
        Severity.warning if disagree else Severity.info,
        groups,
        usd_label="in calls whose views disagree",
        usd_means="The cost of the calls whose views disagree; corrected calls are not at risk.",
        fix="Keep one instrumentation per call where views disagree.",
    )


def _group(kind: CallKind, flag: str) -> Group:
    detail, fix = _CASES[flag]
    is_known = flag == "views_disagree" and kind.price_status == "priced"
    return grouping.of_calls(kind, usd=kind.cost_usd if is_known else None, detail=detail, fix=fix)
