"""Signatures of tool calls: equal when the same is done again, whatever always differs."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_collector.decode.columns import TEMPLATE, Row
from spanledger_collector.decode.signatures import is_signature, sign


def signed(key: bytes = b"", **columns: str) -> tuple[Any, Any]:
    row: Row = {**TEMPLATE, "tool_name": "search", "tool_outcome": "ok", **columns}
    sign(row, key)
    return row["call_sig"], row["result_sig"]


def test_the_order_of_keys_and_the_space_between_words_say_nothing() -> None:
    one = signed(tool_arguments='{"a": 1, "b": [1, 2]}', tool_result='{"x": 1, "y": 2}')
    other = signed(tool_arguments='{"b":[1,2],"a":1}', tool_result='{"y":2,"x":1}')
    assert one == other
    assert all(map(is_signature, one))
    assert signed(tool_arguments="a  b\n c") == signed(tool_arguments="a b c")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"q": "x", "requestId": "1"}', '{"q": "x", "requestId": "2"}'),
        ('{"q": {"trace_id": "1"}}', '{"q": {"trace_id": "2"}}'),
    ],
)
def test_ids_of_requests_in_arguments_say_nothing(one: str, other: str) -> None:
    assert signed(tool_arguments=one) == signed(tool_arguments=other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"path": "/a", "offset": 0}', '{"path": "/a", "offset": 100}'),
        ('{"cursor": "a"}', '{"cursor": "b"}'),
        ('{"line": 1}', '{"line": 2}'),
        ('{"id": 1}', '{"id": 2}'),
        ("1", "2"),
        ("true", "false"),
    ],
)
def test_progress_shows_in_arguments(one: str, other: str) -> None:
    assert signed(tool_arguments=one) != signed(tool_arguments=other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("done at 2026-11-21T10:25:25.123Z", "done at 2026-11-22 11:26:26+01:00"),
        ("took 12.5 ms", "took 3 ms"),
        ("wrote /tmp/abc123/x.txt", "wrote /tmp/def456/x.txt"),
        ("<object at 0x7f00aa12>", "<object at 0x7f00bb34>"),
        ("id 3fa85f64-5717-4562-b3fc-2c963f66afa6", "id 00000000-5717-4562-b3fc-2c963f66afa6"),
        ('{"tool_call_id": "a", "content": "x"}', '{"tool_call_id": "b", "content": "x"}'),
        ("answer to call_abcdef123456", "answer to call_ghijkl654321"),
        ("\x1b[31merror\x1b[0m", "\x1b[32merror\x1b[1;0m"),
    ],
)
def test_what_differs_in_every_result_says_nothing(one: str, other: str) -> None:
    assert signed(tool_result=one) == signed(tool_result=other)


def test_results_differ_by_what_they_say_and_how_it_ended() -> None:
    results = [
        signed(tool_result="3 flights"),
        signed(tool_result="4 flights"),
        signed(tool_result="3 flights", tool_outcome="error"),
        signed(tool_outcome="error", status_message="no such city"),
        signed(tool_outcome="error", error_type="ValueError"),
    ]
    assert len({result for _, result in results}) == len(results)


def test_what_nobody_told_has_no_signature() -> None:
    assert signed() == (0, 0)
    assert signed(tool_arguments="{}")[0] != 0
    assert signed(tool_name="", tool_arguments="{}")[0] != signed(tool_arguments="{}")[0]


def test_a_key_makes_other_signatures_that_are_equal_where_the_plain_ones_are() -> None:
    plain = signed(tool_arguments="{}", tool_result="x")
    keyed = signed(b"k" * 32, tool_arguments="{}", tool_result="x")
    assert keyed == signed(b"k" * 32, tool_arguments="{ }", tool_result=" x ")
    assert not set(plain) & set(keyed)
