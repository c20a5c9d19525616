"""The SDK and the collector sign alike: one algorithm, written twice, because neither may
depend on the other's libraries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger._privacy import is_content
from spanledger._signatures import VOLATILE_KEYS, call_signature, message_hashes, result_signature
from spanledger_collector.decode import signatures
from spanledger_collector.decode.columns import TEMPLATE, Row
from spanledger_collector.decode.messages import MessageStore, split
from spanledger_collector.privacy.known import CONTENT_KEYS

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
_KEYS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(sorted(VOLATILE_KEYS))
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4)
)


def by_the_collector(tool: str, arguments: str, result: str, outcome: str) -> tuple[Any, Any]:
    row: Row = {**TEMPLATE, "tool_name": tool, "tool_outcome": outcome}
    row |= {"tool_arguments": arguments, "tool_result": result}
    signatures.sign(row)
    return row["call_sig"], row["result_sig"]


def assert_agree(said: str) -> None:
    for outcome in ("ok", "error"):
        ours = call_signature("search", said), result_signature(said, is_error=outcome == "error")
        assert ours == by_the_collector("search", said, said, outcome)


@given(_VALUES, st.booleans())
def test_json_is_signed_alike(value: object, has_spaces: bool) -> None:
    assert_agree(json.dumps(value, ensure_ascii=has_spaces, indent=1 if has_spaces else None))


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_text_is_signed_alike(text: str) -> None:
    assert_agree(text)


@pytest.mark.parametrize(
    "said",
    [
        "took 12.5 ms at 2026-11-21T10:25:25.123Z, see /tmp/x 0x7f00aa12",
        "id 3fa85f64-5717-4562-b3fc-2c963f66afa6 call_abcdef123456 \x1b[31mred\x1b[0m",
        '{"n": 1e16, "m": 1e-7, "o": 0.00001, "p": 123456789012345678901234567890}',
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        "[1, 2",
        " [1]",
    ],
)
def test_odd_texts_are_signed_alike(said: str) -> None:
    assert_agree(said)


def test_values_are_signed_as_their_json() -> None:
    value = {"q": "x", "n": [1, 2.5, None, True], "ts": 3}
    assert call_signature("t", value) == call_signature("t", json.dumps(value))


def test_messages_of_opentelemetry_have_the_same_hashes() -> None:
    messages = [
        {"role": "user", "parts": [{"type": "text", "content": "é"}]},
        {"role": "assistant", "parts": [{"type": "text", "content": "b"}], "finish_reason": "stop"},
    ]
    written = json.dumps(messages)
    kept = split(written, "user")
    assert kept is not None
    assert message_hashes(written) == [one.hex() for one in MessageStore().add("p", kept)]


def test_every_content_key_the_collector_knows_stays_in_the_process() -> None:
    assert sorted(key for key in CONTENT_KEYS if not is_content(key)) == []
