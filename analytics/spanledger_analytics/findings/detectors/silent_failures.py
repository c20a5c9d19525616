"""A tool failed, nothing made up for it, and the agent reported success without a word of it.

The ladder of evidence is of ``spanledger.tool_errors``. Only what is declared or what the result
says itself is sure, and only where the last answer is known. One run asks for nobody: a failed call
is common in runs that fail *and* in runs that succeed (tau-bench airline, gpt-4o: 27 of 116 failed
runs have one, and 9 of 84 successful ones). It is a rate to watch: ``findings/silent_rates.py``.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, cast

from spanledger.tool_errors import DECLARED, EVIDENCE, PAYLOAD, SUSPECTED
from spanledger_analytics.findings.finding import Finding, SpanRef, Subject
from spanledger_analytics.findings.lanes import Lane, ModelCall, Texts, ToolCall, TraceView
from spanledger_analytics.findings.spending import told, total
from spanledger_analytics.intervals import length, union

KIND = "silent_failure"
_ADMITS = re.compile(
    r"sorry|apolog|unfortunate|regret|\bunable|\bnot able\b|(?:could|can|did|was|were|is|are"
    r"|has|have|does|do|would|wo)(?:n['’]?t| not)\b|\bcannot\b|\bfail|\berror"
    r"|(?:had|into|encountered|was|is|are|were) (?:an? |some )?(?:\w+ )?(?:issue|problem)"
    r"|\bunsuccessful|\bnot (?:found|possible|available|permitted|allowed)|\bunavailable|\bdenied"
    r"|\bdeclined|\brejected|\btimed? ?out|\bno (?:results?|data|longer)|\btry(?:ing)? again"
    r"|\bwithout success|\bmanually|\binstead\b|\bblocked|\bincomplete"
    r"|leider|fehler|fehlgeschlagen|konnte|nicht möglich|désolé|échec|erreur|impossible"
    r"|lo siento|no (?:pude|se pudo|ha sido posible)|spiacente"
    r"|失败|错误|抱歉|無法|无法|エラー|失敗",
    re.IGNORECASE,
)
"""What an answer says that admits a failure, in the languages most agents answer in."""
_NAMES = re.compile(
    r"(?:^|_)(?:id|ids|key|name|email|to|path|file|url|uri|sku|number|account)$|Id$"
)
"""Arguments that say what a call is about, by their last word."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much of a trace is compared.

    Attributes:
        most_failures: failed calls of one tool whose arguments are read.
        most_successes: later successes that they are compared with.
    """

    most_failures: int = 20
    most_successes: int = 50


DEFAULTS = Thresholds()


class _Call(NamedTuple):
    """A call of a tool with the turn it is in."""

    tool: ToolCall
    lane: Lane
    turn: SpanRef  # of its call of the model; of the call itself where there is none
    model: ModelCall | None


class _Failures(NamedTuple):
    """Failed calls of one tool that nothing made up for."""

    calls: list[_Call]
    evidence: str
    is_corrected: bool  # the tool worked later, for something else


class _Paid(NamedTuple):
    """What the failed calls of one tool cost, with the turns in which nothing else succeeded.

    ``shared_usd`` is the part of ``usd`` that an earlier finding of the trace holds, too: of turns
    in which another tool failed. ``turns`` are the calls of models.
    """

    usd: Decimal | None
    shared_usd: Decimal
    turns: list[SpanRef]

    @classmethod
    def of(cls, failed: Sequence[_Call], useful: Set[SpanRef], charged: Set[SpanRef]) -> _Paid:
        turns = {
            call.turn: call.model.total_cost_usd
            for call in failed
            if call.model is not None and call.turn not in useful
        }
        shared = total(cost for turn, cost in turns.items() if turn in charged)
        tools = [call.tool.cost_usd for call in failed]
        return cls(total([*turns.values(), *tools]), shared or Decimal(0), list(turns))


def evidence_of(tool: ToolCall) -> str:
    """Return how an error of a call is known; empty: there is none."""
    return tool.evidence or (DECLARED if tool.is_error else "")


def detect(view: TraceView, thresholds: Thresholds = DEFAULTS) -> list[Finding]:
    """Return a finding for each tool whose failure a trace that ended well does not admit."""
    if view.is_open or view.is_error or view.outcome not in ("", "completed"):
        return []
    calls = _calls_by_tool(view)
    failed = {
        name: left
        for name, of_tool in calls.items()
        if (left := _left(of_tool, view.texts, thresholds)) is not None
    }
    if not failed:
        return []
    last = _last_answer(view.lanes)
    answer = view.texts.output(last) if last is not None else ""
    if answer and _ADMITS.search(answer):
        return []
    useful = {
        call.turn for of_tool in calls.values() for call in of_tool if not evidence_of(call.tool)
    }
    charged: set[SpanRef] = set()
    found: list[Finding] = []
    for left in sorted(failed.values(), key=_first):
        paid = _Paid.of(left.calls, useful, charged)
        charged.update(paid.turns)
        found.append(_finding(view, left, paid, last, answer))
    return found


def _calls_by_tool(view: TraceView) -> dict[str, list[_Call]]:
    """Return the calls of each tool by start, each once."""
    found: dict[SpanRef, _Call] = {}
    for lane in view.lanes:
        for step in lane.steps:
            for tool in step.tools:
                turn = step.model.ref if step.model else tool.ref
                found.setdefault(tool.ref, _Call(tool, lane, turn, step.model))
    by_tool: defaultdict[str, list[_Call]] = defaultdict(list)
    for call in sorted(found.values(), key=lambda call: (call.tool.start_ns, call.tool.ref)):
        by_tool[call.tool.name].append(call)
    return by_tool


def _left(calls: Sequence[_Call], texts: Texts, thresholds: Thresholds) -> _Failures | None:
    """Return the failures of one tool that no later success made up for; None: there are none."""
    last_success: dict[int, int] = {}
    successes: list[ToolCall] = []
    failures: list[_Call] = []
    for call in calls:
        if evidence_of(call.tool):
            failures.append(call)
        else:
            last_success[call.tool.call_sig] = call.tool.start_ns
            successes.append(call.tool)
    latest = successes[-1].start_ns if successes else -1
    left: list[_Call] = []
    is_corrected = False
    compared = 0
    for call in failures:
        tool = call.tool
        if latest < tool.start_ns:
            left.append(call)
        elif evidence_of(tool) == SUSPECTED or last_success.get(tool.call_sig, -1) > tool.start_ns:
            continue
        elif compared < thresholds.most_failures:
            compared += 1
            if not _is_made_up(tool, successes[-thresholds.most_successes :], texts):
                left.append(call)
                is_corrected = True
    if not left:
        return None
    evidence = min((evidence_of(call.tool) for call in left), key=EVIDENCE.index)
    return _Failures(left, evidence, is_corrected)


def _is_made_up(failed: ToolCall, successes: Sequence[ToolCall], texts: Texts) -> bool:
    """Tell whether the tool worked later for the same thing; where that is not known, it did."""
    named = _named(texts.arguments(failed))
    for success in successes:
        if success.start_ns < failed.start_ns:
            continue
        other = _named(texts.arguments(success))
        if (
            not named
            or not other
            or all(other.get(key, said) == said for key, said in named.items())
        ):
            return True
    return False


def _named(arguments: str) -> Mapping[str, str]:
    """Return the arguments that say what a call is about, as text."""
    try:
        parsed: object = json.loads(arguments) if arguments.startswith("{") else None
    except (ValueError, RecursionError):  # cut off, or no JSON
        return {}
    if not isinstance(parsed, dict):
        return {}
    items = cast("dict[str, object]", parsed).items()
    return {
        key: str(said) for key, said in items if isinstance(said, (str, int)) and _NAMES.search(key)
    }


def _last_answer(lanes: Sequence[Lane]) -> ModelCall | None:
    """Return the last call of a model of the outermost agent, or of any where it made none."""
    outermost = [lane for lane in lanes if lane.parent is None]
    for among in (outermost, lanes):
        answers = [
            step.model for lane in among for step in lane.steps[-3:] if step.model is not None
        ]
        if answers:
            return max(answers, key=lambda call: (call.end_ns, call.ref))
    return None


def _first(failed: _Failures) -> tuple[int, SpanRef]:
    return failed.calls[0].tool.start_ns, failed.calls[0].tool.ref


def _finding(
    view: TraceView, failed: _Failures, paid: _Paid, last: ModelCall | None, answer: str
) -> Finding:
    calls = failed.calls
    tool, lane = calls[0].tool, calls[0].lane
    is_sure = bool(answer) and failed.evidence != SUSPECTED and not failed.is_corrected
    shown = [*(call.tool.ref for call in calls), *paid.turns]
    if last is not None:
        shown.append(last.ref)
    return Finding(
        kind=KIND,
        code=SUSPECTED if failed.evidence == SUSPECTED else "failed",
        anchor=(view.trace_id, tool.name),
        severity="info",  # the rate of the agent asks for somebody
        title=_title(tool.name, len(calls)),
        explanation=_explanation(failed, answer, view, paid.usd),
        first_seen_ns=tool.start_ns,
        last_seen_ns=max(view.end_ns, max(call.tool.end_ns for call in calls)),
        subject=Subject(
            trace_id=view.trace_id,
            session_id=view.session_id,
            user_id=view.user_id,
            agent_name=lane.agent_name or view.agent_name,
            agent_version=lane.agent_version or view.agent_version,
            tool_name=tool.name,
        ),
        evidence=tuple(dict.fromkeys(shown)),
        direct_usd=paid.usd,
        wasted_ns=length(union((call.tool.start_ns, call.tool.end_ns) for call in calls)),
        is_sure=is_sure,
        details={
            "failures": len(calls),
            "evidence": failed.evidence,
            "error_type": tool.error_type,
            "answer_known": bool(answer),
            "worked_later_for_something_else": failed.is_corrected,
            "of_other_tools_usd": str(paid.shared_usd),
            "trace_usd": None if view.total_cost_usd is None else str(view.total_cost_usd),
        },
    )


def _title(tool: str, failures: int) -> str:
    times = "failed" if failures == 1 else f"failed {failures} times"
    return f"{tool or 'A tool'} {times}, and the agent reported success"


_HOW = {
    DECLARED: "The span of the call, or the result of an MCP tool, says that it failed.",
    PAYLOAD: "The span of the call says it succeeded, but its result says that it failed.",
    SUSPECTED: "The result of the call reads like an error message; nothing else says so.",
}


def _explanation(failed: _Failures, answer: str, view: TraceView, wasted: Decimal | None) -> str:
    answered = (
        "The last answer has no word of it."
        if answer
        else "The last answer was not captured: whether the agent admitted it is not known."
    )
    later = " The tool worked later, but for something else." if failed.is_corrected else ""
    stake = told(view.total_cost_usd)
    return (
        f"{_HOW[failed.evidence]}{later} {answered} The turns of the failed calls cost "
        f"{told(wasted)}, the whole trace {stake}. Have the tool raise an error, or tell the agent "
        "to check results before it reports success."
    )
