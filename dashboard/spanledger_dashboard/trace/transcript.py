"""Transcript: the whole conversation of a trace in order, each message once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.connection import store
from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.trace.conversation import Utterance, said_alike
from spanledger_dashboard.trace.data import TraceKey, load_messages
from spanledger_dashboard.trace.links import show_trace_link
from spanledger_dashboard.trace.message_parts import Part, parse_message
from spanledger_dashboard.trace.span_messages import answers_in, show_message
from spanledger_dashboard.trace.steps import Step

_PER_PAGE = 40
# An answer that a later call sent along without its reasoning stands at most this far behind it.
_LOOK_BACK = 12
_NAME_LIMIT = 60

Line = tuple[Utterance, str, list[Part]]


def show_transcript(key: TraceKey, conversation: Sequence[Utterance]) -> None:
    """Show who said what, a page at a time, with what each answer cost.

    Raises:
        StoreError: the store does not answer.
    """
    if not conversation:
        st.info(
            "No messages were recorded in this trace. Most instrumentations keep content only when "
            "asked to, for example with OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true; "
            "a project may also be set to keep none.",
            icon=":material/speaker_notes_off:",
        )
        return
    pages = -(-len(conversation) // _PER_PAGE)
    talk = st.container(key="transcript")
    number = 1
    if pages > 1:
        with st.container(horizontal=True, horizontal_alignment="center"):
            number = min(st.pagination(pages, key="messages", bind="query-params"), pages)
    first = (number - 1) * _PER_PAGE
    read = conversation[max(0, first - _LOOK_BACK) : first + _PER_PAGE]
    contents = load_messages(store(), key.project, (u.message_hash for u in read if u.message_hash))
    shown = {id(u) for u in conversation[first : first + _PER_PAGE]}
    lines = [line for line in lines_of(read, contents) if id(line[0]) in shown]
    answers = answers_in([(role, parts) for _, role, parts in lines])
    with talk:
        for number, line in enumerate(lines):
            _show_line(key, number, line, answers)


def lines_of(read: Sequence[Utterance], contents: Mapping[str, str]) -> list[Line]:
    """Return utterances with role and parts, without answers that were sent along again."""
    answered: set[str] = set()
    lines: list[Line] = []
    for utterance in read:
        content = contents.get(utterance.message_hash)
        if content is None:
            lines.append((utterance, "assistant" if utterance.is_answer else "", []))
            continue
        role, parts = parse_message(content)
        if role == "assistant":
            alike = said_alike(content)
            if not utterance.is_answer and alike in answered:
                continue
            answered.add(alike)
        lines.append((utterance, role, parts))
    return lines


def _show_line(key: TraceKey, number: int, line: Line, answers: Mapping[str, Part]) -> None:
    utterance, role, parts = line
    step = utterance.step
    if not parts:
        _show_silence(key, number, utterance)
        return
    if not utterance.is_answer:
        show_message(role, parts, answers)
        return
    show_message(role, parts, answers, lambda: _show_speaker(key, number, step))


def _show_speaker(key: TraceKey, number: int, step: Step) -> None:
    tokens = " / ".join(fmt.short_count(n) for n in (step.input_tokens, step.output_tokens))
    who = plain(shortened(step.agent, _NAME_LIMIT)) if step.agent else "assistant"
    facts = [
        plain(shortened(step.what, _NAME_LIMIT)),
        plain(fmt.usd(step.cost_usd)) if step.cost_usd is not None else "not priced",
        f"{plain(tokens)} tokens",
        fmt.duration(step.duration_ns),
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":small[**{who}** :gray[{' · '.join(facts)}]]", width="content")
        show_trace_link("In the tree", key.trace_id, step.span_id, key=f"said-{number}")


def _show_silence(key: TraceKey, number: int, utterance: Utterance) -> None:
    step = utterance.step
    if utterance.is_answer:
        _show_speaker(key, number, step)
    if step.status == "error" and utterance.is_answer:
        st.error(
            f"The call failed: {plain(shortened(step.error or 'no message', 300))}",
            icon=":material/error:",
        )
    elif utterance.message_hash:
        st.caption("A message is no longer stored.")
    else:
        st.caption("The answer was not recorded.")
