"""What instrumentations sent that cannot be true."""

from __future__ import annotations

from dataclasses import dataclass

from spanledger_analytics.data_quality import grouping
from spanledger_analytics.data_quality.evidence import CallKind, Evidence, FlaggedSpans
from spanledger_analytics.data_quality.model import Finding, Group, Severity


@dataclass(frozen=True, slots=True)
class _Fault:
    detail: str
    fix: str
    is_of_span: bool  # else of an entry, and counted there


_FAULTS = {
    "bad_token_count": _Fault(
        "a token count that is no count (negative, not a number, text); left out",
        "Report token counts as non-negative integers.",
        is_of_span=True,
    ),
    "long_model_name": _Fault(
        "a model name longer than 256 characters; cut",
        "Report the model's name alone; prompts or addresses do not belong into it.",
        is_of_span=True,
    ),
    "impossible_time": _Fault(
        "a start before 2000, in the future, or after the end",
        "Set the clock of the host, and let the SDK take both times.",
        is_of_span=True,
    ),
    "redaction_failed": _Fault(
        "texts that could not be redacted; all of them were left out",
        "Nest attributes and JSON in them less deep; counts and times were kept.",
        is_of_span=True,
    ),
    "parent_cycle": _Fault(
        "a span that is its own ancestor",
        "Let the SDK make span ids; ids made by hand were used twice.",
        is_of_span=False,
    ),
    "reused_response_id": _Fault(
        "one response id on several calls; kept apart",
        "Make the gateway or test double in front of the provider return an id per response.",
        is_of_span=False,
    ),
}


def check(evidence: Evidence) -> Finding | None:
    """Return the finding, None when all input is plausible."""
    groups = [_of_spans(flagged) for flagged in evidence.flagged if _is_of_span(flagged.flag)]
    groups += [
        _of_calls(kind, flag)
        for kind in evidence.calls
        for flag in sorted(kind.flags & _FAULTS.keys())
        if not _is_of_span(flag)
    ]
    return grouping.finding(
        "bad_input",
        "Input that cannot be true",
        Severity.warning,
        groups,
        usd_label="in the calls concerned",
        usd_means="The cost of the calls concerned, where single calls are.",
        fix="Correct what the instrumentation sends; nothing impossible enters a total.",
        unit="case",
    )


def _is_of_span(flag: str) -> bool:
    return flag in _FAULTS and _FAULTS[flag].is_of_span


def _of_spans(flagged: FlaggedSpans) -> Group:
    fault = _FAULTS[flagged.flag]
    return Group(
        service_name=flagged.service_name,
        scopes=(f"{flagged.scope_name}@{flagged.scope_version}",),
        count=flagged.spans,
        usd=None,
        fix=fault.fix,
        examples=flagged.examples,
        detail=fault.detail,
    )


def _of_calls(kind: CallKind, flag: str) -> Group:
    fault = _FAULTS[flag]
    usd = kind.cost_usd if kind.price_status == "priced" else None
    return grouping.of_calls(kind, usd=usd, detail=fault.detail, fix=fault.fix)
