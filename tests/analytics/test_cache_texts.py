"""What differs between two texts: its place, its value, and what kind of value that is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.cache.texts import (
    MESSAGE,
    SYSTEM,
    TOOLS,
    first_difference,
    read_segment,
    similarity,
    tool_name,
)


@pytest.mark.parametrize(
    ("before", "after", "kind", "values"),
    [
        ("Now: 2026-11-21T17:02:03Z.", "Now: 2026-11-21T17:02:04Z.", "timestamp",
         ("2026-11-21T17:02:03Z", "2026-11-21T17:02:04Z")),
        ("It is 9:05 PM here", "It is 9:06 PM here", "timestamp", ("9:05 PM", "9:06 PM")),
        ("Today is Friday, Nov 20, 2026", "Today is Friday, Nov 27, 2026", "timestamp",
         ("Friday, Nov 20, 2026", "Friday, Nov 27, 2026")),
        ("on 21 November 2026", "on 22 November 2026", "timestamp",
         ("21 November 2026", "22 November 2026")),
        ("ts=1795280000", "ts=1795280001", "timestamp", ("1795280000", "1795280001")),
        ("for 21.11.2026", "for 22.11.2026", "timestamp", ("21.11.2026", "22.11.2026")),
        ("id 1b4e28ba-2fa1-11d2-883f-0016d3cca427", "id 1b4e28ba-2fa1-11d2-883f-0016d3cca428",
         "uuid", ("1b4e28ba-2fa1-11d2-883f-0016d3cca427", "1b4e28ba-2fa1-11d2-883f-0016d3cca428")),
        ("mail anna@x.test now", "mail bert@x.test now", "user_id", ("anna@x.test", "bert@x.test")),
        ("for user_81a", "for user_82b", "user_id", ("user_81a", "user_82b")),
        ("User ID: anna", "User ID: bert", "user_id", ("User ID: anna", "User ID: bert")),
        ("step 7 of 9", "step 8 of 9", "counter", ("7", "8")),
        ("nonce a8Kd93jf done", "nonce b8Kd93jf done", "token", ("a8Kd93jf", "b8Kd93jf")),
        ("be brief", "be verbose", "", ("brief", "verbose")),
    ],
)  # fmt: skip
def test_what_differs(before: str, after: str, kind: str, values: tuple[str, str]) -> None:
    found = first_difference(before, after)
    assert found is not None
    assert (found.kind, found.before, found.after) == (kind, *values)
    assert before[: found.position] == after[: found.position]
    assert before[found.position : found.position + 1] != after[found.position : found.position + 1]


def test_equal_texts_do_not_differ() -> None:
    assert first_difference("a", "a") is None
    assert similarity("a b c", "a b c") == similarity("", "") == 1


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_part_at_their_first_difference(before: str, after: str) -> None:
    found = first_difference(before, after)
    assert (found is None) == (before == after)
    if found is not None:
        assert before[: found.position] == after[: found.position]
        assert 0 <= found.rest_ratio <= 1
    assert 0 <= similarity(before, after) <= 1


def test_the_rest_that_is_equal_again_is_measured() -> None:
    found = first_difference("at 10:01 " + "x" * 91, "at 10:02 " + "x" * 91)
    assert found is not None
    assert found.rest_ratio == pytest.approx(0.92)


def test_stored_messages_become_segments() -> None:
    tools = '{"parts":[{"name":"b"},{"type":"function","function":{"name":"a"}}]}'
    found = read_segment("tool_definitions", tools, len(tools))
    assert found.kind == TOOLS
    assert [tool_name(tool) for tool in found.tools] == ["b", "a"]
    system = read_segment("system", '{"parts":[{"content":"Be kind.","type":"text"}]}', 50)
    assert (system.kind, system.text, system.size) == (SYSTEM, "Be kind.", 50)
    image = '{"parts":[{"content":"see","type":"text"},{"type":"uri","uri":"https://x.test/1"}]}'
    message = read_segment("user", image, len(image))
    assert (message.kind, message.text, len(message.attachments)) == (MESSAGE, "see", 1)
    cut = read_segment("user", image[:30], 9_000)  # as much as is looked at
    assert (cut.text, cut.size) == (image[:30], 9_000)


def test_hostile_texts_take_no_time() -> None:
    """Patterns look at a few characters around the difference only."""
    for unit in ("Mon, ", "9", "a-", "user_", "1:1", " "):
        long = unit * 50_000
        assert first_difference(f"{long}1", f"{long}2") is not None
