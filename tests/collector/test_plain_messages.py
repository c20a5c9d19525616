"""Plain messages get the canonical form that the general way gives them, or none."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_collector.decode.messages import split
from spanledger_collector.decode.plain_messages import plain_messages

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ['say "hi"\n', "tab\tand \\ back", "\\u0041", 'ends with \\"', "é😀\u2028", "\x7f", "/"]
)
_PARTS = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "reasoning"]), "content": _TEXTS})
    | st.fixed_dictionaries({"content": _TEXTS, "type": st.just("text")})
    | st.fixed_dictionaries({"content": _TEXTS}),
    max_size=2,
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "ai", "system", "User", "x y"])},
        optional={"parts": _PARTS, "finish_reason": _TEXTS, "name": _TEXTS},
    ),
    max_size=3,
)


def _general(text: str) -> list[tuple[str, bytes]] | None:
    messages = split(text, "user")
    if messages is None:
        return None
    return [(str(m["role"]), orjson.dumps(m, option=orjson.OPT_SORT_KEYS)) for m in messages]


def _check(text: str) -> None:
    found = plain_messages(text.encode())
    assert found is None or found == _general(text)


@given(_MESSAGES, st.booleans(), st.booleans())
def test_the_form_is_that_of_the_general_way(
    messages: list[dict[str, object]], spaced: bool, ascii_only: bool
) -> None:
    if spaced:
        _check(json.dumps(messages, ensure_ascii=ascii_only))
    else:
        _check(orjson.dumps(messages).decode())


@given(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.integers(0, 70),
    st.integers(0, 5),
)
def test_damaged_texts_are_not_taken_for_messages(noise: str, at: int, gone: int) -> None:
    text = '[{"role":"user","parts":[{"type":"text","content":"line\\none"}]}]'
    _check(text[:at] + noise + text[at + gone :])


@pytest.mark.parametrize("separator", ["", " "])
def test_ordinary_messages_take_the_short_way(separator: str) -> None:
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": 'two\nlines and "quotes"'}]},
        {"role": "assistant", "parts": [{"content": "ü", "type": "text"}], "finish_reason": "stop"},
    ]
    text = json.dumps(messages, ensure_ascii=False, separators=(f",{separator}", f":{separator}"))
    found = plain_messages(text.encode())
    assert found is not None
    assert found == _general(text)


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", "[{", '[{"role":"user","parts":[{"', "[]]"])
def test_anything_else_is_left_to_the_general_way(text: str) -> None:
    assert plain_messages(text.encode()) is None


def test_a_line_break_within_a_string_is_no_json() -> None:
    broken = b'[{"role":"user","parts":[{"type":"text","content":"a\nb"}]}]'
    assert plain_messages(broken) is None
    assert _general(broken.decode()) is None
