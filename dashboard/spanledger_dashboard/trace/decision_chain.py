"""Decisions: turn by turn, what an agent saw, thought, did, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.connection import store
from spanledger_dashboard.text import badge_text, beginning, plain, shortened
from spanledger_dashboard.trace.conversation import Utterance
from spanledger_dashboard.trace.data import Row, TraceKey, load_messages
from spanledger_dashboard.trace.decision_turns import Turn, Turns
from spanledger_dashboard.trace.links import show_trace_link
from spanledger_dashboard.trace.message_parts import (
    Part,
    as_json,
    media_label,
    parse_message,
    response_of,
    text_of,
    tool_calls,
    without_data,
)
from spanledger_dashboard.trace.steps import Step
from spanledger_storage.store import Store

_PER_PAGE = 10
_TEXT_LIMIT = 420
_VALUE_LIMIT = 240
_NAME_LIMIT = 60
_MOST_SHOWN = 8
_MOST_OBSERVED = 4
_NOT_RECORDED = ":gray[not recorded]"


@dataclass(frozen=True, slots=True)
class _Said:
    """What the messages of one turn say."""

    sent: list[tuple[str, list[Part]]] = field(default_factory=list)
    answered: list[tuple[str, list[Part]]] = field(default_factory=list)


def load_step_texts(store: Store, key: TraceKey, span_ids: Iterable[str]) -> dict[str, Row]:
    """Read what tools were asked and answered (dashboard_step_texts.sql), by span.

    Raises:
        StoreError: the store does not answer.
    """
    wanted = sorted(set(span_ids))
    if not wanted:
        return {}
    rows = store.rows("dashboard_step_texts", {**key.params, "span_ids": wanted})
    return {str(row["span_id"]): row for row in rows}


def show_decisions(key: TraceKey, turns: Turns, conversation: Sequence[Utterance]) -> None:
    """Show the turns of a trace, a page at a time.

    Raises:
        StoreError: the store does not answer.
    """
    if not turns.all:
        st.info(
            "No model was asked in this trace, so nothing was decided. The tree shows what ran.",
            icon=":material/alt_route:",
        )
        return
    if not conversation:
        st.caption(
            "The messages of this trace were not recorded: turns show which tools were chosen, "
            "not why."
        )
    pages = -(-len(turns.all) // _PER_PAGE)
    table = st.container()
    number = 1
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            number = min(st.pagination(pages, key="turns", bind="query-params"), pages)
    shown = turns.all[(number - 1) * _PER_PAGE : number * _PER_PAGE]
    actions = [s.span_id for t in shown for s in (*t.before, *t.actions)]
    texts = load_step_texts(store(), key, actions)
    said = _said(key, shown, conversation)
    with table:
        for turn in shown:
            _show_turn(key, turn, said.get(turn.call.span_id, _Said()), texts)
    _show_apart(turns)


def _said(
    key: TraceKey, turns: Sequence[Turn], conversation: Sequence[Utterance]
) -> dict[str, _Said]:
    wanted = {turn.call.span_id for turn in turns}
    spoken = [u for u in conversation if u.step.span_id in wanted and u.message_hash]
    contents = load_messages(store(), key.project, (u.message_hash for u in spoken))
    found: dict[str, _Said] = {}
    for utterance in spoken:
        content = contents.get(utterance.message_hash)
        if content is not None:
            said = found.setdefault(utterance.step.span_id, _Said())
            target = said.answered if utterance.is_answer else said.sent
            target.append(parse_message(content))
    return found


def _show_turn(key: TraceKey, turn: Turn, said: _Said, texts: Mapping[str, Row]) -> None:
    with st.container(border=True, key=f"turn-{turn.call.span_id}"):
        _show_turn_head(key, turn)
        columns = st.columns([1, 1, 1, 1], gap="medium")
        cells: tuple[tuple[str, Callable[[], None]], ...] = (
            ("Observation", lambda: _show_observation(turn, said)),
            ("Reasoning", lambda: _show_reasoning(turn, said)),
            ("Action", lambda: _show_actions(turn, said, texts)),
            ("Result", lambda: _show_results(turn, said, texts)),
        )
        for column, (label, show) in zip(columns, cells, strict=True):
            with column:
                st.markdown(f":small[:gray[{label}]]")
                show()


def _show_turn_head(key: TraceKey, turn: Turn) -> None:
    call = turn.call
    facts = [
        f"**{plain(fmt.usd(turn.cost_usd))}**" if turn.cost_usd is not None else ":gray[no cost]",
        f"{plain(fmt.short_count(call.input_tokens))} in, "
        f"{plain(fmt.short_count(call.output_tokens))} out",
        f"answer {fmt.duration(call.duration_ns)}",
    ]
    if turn.actions:
        facts.append(f"turn {fmt.duration(turn.duration_ns)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**Turn {turn.number}**", width="content")
        if call.agent:
            st.badge(
                badge_text(shortened(call.agent, _NAME_LIMIT)),
                color="violet",
                icon=":material/smart_toy:",
            )
        st.badge(badge_text(shortened(call.what, _NAME_LIMIT)), color="gray")
        if call.status == "error":
            st.badge("failed", color="red", icon=":material/error:")
        st.markdown(" · ".join(facts), width="stretch", text_alignment="right")
        show_trace_link("In the tree", key.trace_id, call.span_id, key=f"turn-{call.span_id}")


def _show_observation(turn: Turn, said: _Said) -> None:
    lines = [_prepared(step) for step in turn.before]
    for role, parts in said.sent:
        lines += _observed(role, parts)
    if len(lines) > _MOST_OBSERVED:
        # What came last is what the decision answers to; the transcript has the rest.
        st.caption(f"{fmt.count(len(lines) - _MOST_OBSERVED)} earlier")
        lines = lines[-_MOST_OBSERVED:]
    _show_lines(lines, "nothing new" if said.answered or said.sent else "")


def _observed(role: str, parts: Sequence[Part]) -> list[str]:
    if role == "tool_definitions":
        return [f":gray[{fmt.count(len(parts))} tools offered]"]
    if role == "system":
        return [f":gray[instructions, {fmt.count(len(text_of(parts)))} characters]"]
    found: list[str] = []
    for part in parts:
        if part.get("type") == "tool_call_response":
            found.append(f":gray[result] {_value(response_of(part))}")
        elif label := media_label(part):
            found.append(f":material/attach_file: {plain(shortened(label, _VALUE_LIMIT))}")
        elif part.get("type") == "text":
            text = as_json(part.get("content") or "")
            found.append(
                f":gray[{plain(role or 'message')}] {plain(beginning(text, _VALUE_LIMIT))}"
            )
    return found


def _show_reasoning(turn: Turn, said: _Said) -> None:
    parts = [part for _, found in said.answered for part in found]
    thought = text_of(parts, "reasoning")
    spoken = text_of(parts) if tool_calls(parts) or turn.actions else ""
    _show_lines([_text(text) for text in (thought, spoken) if text], "")


def _show_actions(turn: Turn, said: _Said, texts: Mapping[str, Row]) -> None:
    lines: list[str] = []
    for step in turn.actions:
        arguments = texts.get(step.span_id, {}).get("tool_arguments")
        lines.append(f"{_icon(step)} **{plain(shortened(step.what, _NAME_LIMIT))}**")
        if arguments:
            lines[-1] += f"  \n{_value(str(arguments))}"
    if not lines:
        asked = tool_calls(part for _, found in said.answered for part in found)
        lines = [_asked(part) for part in asked]
    if not lines and turn.call.status != "error":
        lines = [":material/chat: answers"]
    _show_lines(lines, "none: the call failed")


def _asked(part: Part) -> str:
    name = plain(shortened(str(part.get("name") or "tool"), _NAME_LIMIT))
    return f":material/call_made: **{name}**  \n{_value(part.get('arguments') or {})}"


def _show_results(turn: Turn, said: _Said, texts: Mapping[str, Row]) -> None:
    if turn.call.status == "error":
        _show_lines([f":red[{_text(turn.call.error or 'failed without a message')}]"], "")
        return
    lines: list[str] = []
    for step in turn.actions:
        result = texts.get(step.span_id, {}).get("tool_result")
        state = f":red[{_text(step.error or 'failed')}]" if step.status == "error" else "ok"
        lines.append(f"{state} :gray[{fmt.duration(step.duration_ns)}]")
        if result:
            lines[-1] += f"  \n{_value(str(result))}"
    if not turn.actions:
        parts = [part for _, found in said.answered for part in found]
        text = "" if tool_calls(parts) else text_of(parts)
        lines += [_text(text)] if text else []
    _show_lines(lines, "")


def _show_lines(lines: Sequence[str], otherwise: str) -> None:
    """Show markdown lines whose texts are safe already; what there is none of is said."""
    for line in lines[:_MOST_SHOWN]:
        st.markdown(line)
    if len(lines) > _MOST_SHOWN:
        st.caption(f"and {fmt.count(len(lines) - _MOST_SHOWN)} more")
    if not lines:
        st.markdown(f":gray[{otherwise}]" if otherwise else _NOT_RECORDED)


def _show_apart(turns: Turns) -> None:
    if not turns.apart:
        return
    cost = turns.apart_usd
    dear = f", {plain(fmt.usd(cost))}" if cost is not None else ""
    names = ", ".join(dict.fromkeys(plain(shortened(s.what, 40)) for s in turns.apart[:20]))
    word = "step belongs" if len(turns.apart) == 1 else "steps belong"
    st.caption(f"{fmt.count(len(turns.apart))} {word} to no turn{dear}: {names}")


def _prepared(step: Step) -> str:
    name = plain(shortened(step.what, _NAME_LIMIT))
    return f"{_icon(step)} {name} :gray[{fmt.duration(step.duration_ns)}]"


_ICONS = {
    "tool": ":material/build:",
    "agent": ":material/smart_toy:",
    "retrieval": ":material/search:",
    "embedding": ":material/data_array:",
    "guardrail": ":material/shield:",
}


def _icon(step: Step) -> str:
    return _ICONS.get(step.role, ":material/chat:")


def _text(text: str) -> str:
    return plain(beginning(text, _TEXT_LIMIT))


def _value(value: object) -> str:
    small = value if isinstance(value, str) else as_json(without_data(value))
    return plain(beginning(small, _VALUE_LIMIT))
