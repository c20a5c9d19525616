"""What leaves a program that keeps its conversations to itself."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status, StatusCode

from spanledger._privacy import _CONTENT_KEYS, Privacy, is_content
from spanledger._settings import Content
from spanledger._signatures import Said

SECRET = "the merger is on Friday"
MESSAGES = f'[{{"role":"user","parts":[{{"type":"text","content":"{SECRET}"}}]}}]'
QUIET = [mode for mode in get_args(Content) if mode != "full"]
TEXTS = st.sampled_from([MESSAGES, SECRET, f'{{"q":"{SECRET}"}}'])


def left(span: ReadableSpan, mode: Content, said: Said | None = None) -> ReadableSpan:
    made = Privacy(mode, None).applied(span, said)
    assert made is not None
    return made


@given(
    content=st.dictionaries(st.sampled_from(sorted(_CONTENT_KEYS)), TEXTS, max_size=6),
    event=st.dictionaries(st.sampled_from(sorted(_CONTENT_KEYS)), TEXTS, max_size=2),
    name=st.sampled_from(["exception", "gen_ai.user.message", "note"]),
    has_event=st.booleans(),
    description=st.sampled_from([None, SECRET, f"ValueError: {SECRET}"]),
    mode=st.sampled_from(QUIET),
)
def test_no_text_leaves_whatever_else_the_span_has(
    content: dict[str, str],
    event: dict[str, str],
    name: str,
    has_event: bool,
    description: str | None,
    mode: Content,
) -> None:
    span = ReadableSpan(
        name="chat",
        attributes={"gen_ai.request.model": "m", **content},
        events=[Event(name, event)] if has_event else [],
        status=Status(StatusCode.ERROR, description),
    )
    made = left(span, mode)
    assert SECRET not in f"{made.attributes} {made.status.description}"
    assert SECRET not in str([one.attributes for one in made.events])
    assert (made.attributes or {})["gen_ai.request.model"] == "m"
    assert made.status.status_code is StatusCode.ERROR
    assert [one.name for one in made.events] == [one.name for one in span.events]


@pytest.mark.parametrize(
    ("description", "stays"),
    [
        (None, None),
        ("RateLimitError", "RateLimitError"),
        ("openai.RateLimitError: 429 for prompt x", "openai.RateLimitError"),
        ("You asked: what?", None),
        ("429", None),
    ],
)
def test_of_a_status_the_type_of_the_error_stays(
    description: str | None, stays: str | None
) -> None:
    span = ReadableSpan(name="chat", status=Status(StatusCode.ERROR, description))
    assert left(span, "hashes").status.description == stays
    assert left(span, "full").status.description == description


def test_hashes_stand_in_the_place_of_messages_and_none_of_nothing() -> None:
    attributes = {"gen_ai.input.messages": MESSAGES, "gen_ai.output.messages": MESSAGES}
    span = ReadableSpan(name="chat", attributes=attributes)
    assert set(left(span, "hashes").attributes or {}) == {
        "spanledger.input.hashes",
        "spanledger.output.hashes",
    }
    assert not left(span, "none").attributes
    assert left(span, "full") is span


def test_a_span_without_content_is_not_made_anew() -> None:
    span = ReadableSpan(name="step", attributes={"gen_ai.agent.name": "planner"})
    assert left(span, "hashes") is span
    assert not any(map(is_content, span.attributes or {}))
