"""The head of the trace page: what it was, what to know of its figures, what comes before."""

from __future__ import annotations

from decimal import Decimal
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, times
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import badge_text, code, plain, shortened
from spanledger_dashboard.trace.data import Row, Trace, TraceSums, first_span_id
from spanledger_dashboard.trace.links import show_trace_link
from spanledger_dashboard.trace.parts import TracePart, Trajectory
from spanledger_dashboard.trace.trajectory import show_trajectory

_NAME_LIMIT = 80
_PART_LIMIT = 48
_MOST_LISTED = 40
_MOST_FOUND = 3


def show_header(
    trace: Trace, total: TraceSums, verdicts: Row, trajectory: Trajectory, where: Scope
) -> None:
    """Show name, figures and verdicts of a trace, and the ways to its neighbours.

    Args:
        trace: at least one span.
        total: what it adds up to.
        verdicts: the row of dashboard_trace_verdicts.sql.
        trajectory: what the trace is part of.
        where: the reader's clock.
    """
    summary = trace.summary or {}
    name = str(summary.get("name") or _root_text(trace, "name") or "(no name)")
    agent = str(summary.get("agent_name") or _root_text(trace, "agent_name"))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            "app_pages/traces.py",
            label="Traces",
            icon=":material/arrow_back:",
            query_params=links.scope_query(),
        )
        st.markdown(f"### {plain(shortened(name, _NAME_LIMIT))}", width="content", anchors=False)
        if agent:
            st.badge(badge_text(shortened(agent, 40)), color="violet", icon=":material/smart_toy:")
        _show_status(trace, total)
        st.markdown(code(trace.key.trace_id), width="stretch", text_alignment="right")
        _show_neighbours(trajectory, where)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        facts = " &nbsp;·&nbsp; ".join(_facts(trace, total, where))
        st.markdown(facts, width="content", help=f"Began {times.utc(total.start_ns / 1e9)}")
        show_trajectory(trajectory)
        _show_session(summary)
        _show_found(trace)
        _show_verdicts(total, verdicts)


def _show_status(trace: Trace, total: TraceSums) -> None:
    summary = trace.summary or {}
    if total.errors:
        st.badge(f"{fmt.count(total.errors)} failed", color="red", icon=":material/error:")
    else:
        st.badge("no errors", color="green", icon=":material/check:")
    if trace.summary is None:
        st.badge(
            "not counted yet",
            color="orange",
            icon=":material/hourglass_top:",
            help="Calls are found and priced within seconds of their spans.",
        )
    elif summary.get("status") != "closed":
        st.badge(
            "still open",
            color="orange",
            icon=":material/hourglass_top:",
            help="The first span of the trace has not arrived.",
        )
    if summary.get("outcome"):
        st.badge(badge_text(summary["outcome"]), color="gray")


def _facts(trace: Trace, total: TraceSums, where: Scope) -> list[str]:
    summary = trace.summary or {}
    is_unknown = total.calls_without_usage or trace.summary is None
    tokens = None if is_unknown and not total.tokens else total.tokens
    facts = [
        f"**{plain(fmt.usd(total.cost_usd))}**",
        f"**{fmt.duration(total.duration_ns)}**",
        f"**{fmt.count(total.spans)}** span{'' if total.spans == 1 else 's'}",
        f"**{fmt.count(total.llm_calls)}** LLM call{'' if total.llm_calls == 1 else 's'}",
        f"**{plain(fmt.short_count(tokens))}** tokens",
    ]
    if summary.get("user_id"):
        facts.append(f":gray[user] {code(shortened(str(summary['user_id']), 40))}")
    started = where.local(total.start_ns / 1e9)
    facts.append(f":gray[{plain(started.strftime('%b %-d, %H:%M:%S'))}]")
    return facts


def _show_session(summary: Row) -> None:
    session = str(summary.get("session_id") or "")
    if session:
        st.page_link(
            links.PAGES["session"],
            label=f"Session {plain(shortened(session, 32))}",
            icon=":material/forum:",
            query_params=links.entity_query("session", session),
        )


def _show_found(trace: Trace) -> None:
    """Show ways to what was found in the trace, the dearest first."""
    for row in trace.findings[:_MOST_FOUND]:
        usd = row["direct_usd"] if row["avoidable_usd"] is None else row["avoidable_usd"]
        kind = str(row["kind"]).replace("_", " ").capitalize()
        st.page_link(
            "app_pages/findings.py",
            label=plain(kind if usd is None else f"{kind} {fmt.usd(cast('Decimal', usd))}"),
            icon=":material/flag:",
            help=plain(row["title"]),
            query_params={**links.scope_query(), "finding": str(row["finding_id"])},
        )


def _show_verdicts(total: TraceSums, verdicts: Row) -> None:
    """Show what should be known before trusting the sums."""
    chips = (
        (total.unpriced_calls, "not priced", "orange", ":material/money_off:",
         "Their tokens are counted, their cost is unknown and in no sum."),
        (total.calls_without_usage, "without token counts", "orange", ":material/help:",
         "Nobody reported how many tokens they used."),
        (verdicts["retries"], "retried", "yellow", ":material/replay:",
         "Attempts that were made again after a failure."),
        (verdicts["merged_calls"], "merged", "gray", ":material/call_merge:",
         "Calls that several spans told of; each is counted once."),
        (verdicts["aggregate_calls"], "only as a sum", "orange", ":material/functions:",
         "No single call reported its tokens; only the agent's sum is known."),
        (verdicts["estimated_calls"], "estimated", "orange", ":material/approval_delegation:",
         "The instrumentation made the token counts up where the provider sent none."),
        (verdicts["disagreeing_calls"], "disagree", "yellow", ":material/rule:",
         "Spans of one call reported different totals; per class the largest is taken."),
    )  # fmt: skip
    for value, words, color, icon, explanation in chips:
        number = cast("int", value)
        if number:
            is_retry = words == "retried"
            what = "attempt" if is_retry else "call"
            noun = f"{fmt.count(number)} {what}{'' if number == 1 else 's'} {words}"
            st.badge(noun, color=color, icon=icon, help=explanation)  # type: ignore[arg-type]  # a colour


def _show_neighbours(trajectory: Trajectory, where: Scope) -> None:
    if len(trajectory.parts) < 2:
        return
    for part, icon, word in (
        (trajectory.previous, ":material/chevron_left:", "previous"),
        (trajectory.next, ":material/chevron_right:", "next"),
    ):
        show_trace_link(
            word.capitalize(),
            part.trace_id if part else "",
            key=word,
            icon=icon,
            explanation=f"The {word} part of the trajectory" if part else f"No {word} part",
            is_open=part is not None,
        )
    label = f"Part {fmt.count(trajectory.number)} of {fmt.count(trajectory.total)}"
    with st.popover(label, icon=":material/linked_services:", width="content"):
        _show_parts(trajectory, where)


def _show_parts(trajectory: Trajectory, where: Scope) -> None:
    st.caption(
        "Traces tied by a conversation, a workflow, an id or span links, by their start; those "
        "nearest in time."
    )
    # The list begins within the trajectory: the number of its first row says where.
    offset = trajectory.number - 1 - trajectory.place
    first = max(0, min(trajectory.place - _MOST_LISTED // 2, len(trajectory.parts) - _MOST_LISTED))
    with st.container(
        height=360 if len(trajectory.parts) > 8 else "content", border=False, gap=None
    ):
        for number, part in enumerate(trajectory.parts[first : first + _MOST_LISTED], first):
            _show_part(number, offset, part, where, is_this=number == trajectory.place)


def _show_part(number: int, offset: int, part: TracePart, where: Scope, *, is_this: bool) -> None:
    ways = {"to": "linked from here", "from": "links here"}
    facts = [
        "not stored"
        if part.start_ms is None and not is_this
        else ""
        if part.start_ms is None
        else where.local(part.start_ms / 1000).strftime("%b %-d, %H:%M:%S"),
        fmt.duration(part.duration_ns) if part.duration_ns is not None else "",
        fmt.usd(part.cost_usd) if part.cost_usd is not None else "",
        f"{fmt.count(part.error_count)} failed" if part.error_count else "",
        ways.get(part.link, ""),
        "this trace" if is_this else "",
    ]
    name = shortened(part.name or part.trace_id, _PART_LIMIT)
    show_trace_link(
        f"{offset + number + 1}. {plain(name)}",
        part.trace_id,
        part.span_id,
        key=f"part-{number}",
        icon=":material/radio_button_checked:" if is_this else ":material/radio_button_unchecked:",
        is_open=not is_this,
    )
    st.caption(" · ".join(plain(fact) for fact in facts if fact))


def _root_text(trace: Trace, column: str) -> str:
    span_id = first_span_id(trace)
    at = trace.spans["span_id"].to_pylist().index(span_id)
    return str(trace.spans[column][at].as_py())
