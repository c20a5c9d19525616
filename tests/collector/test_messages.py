"""One message has one hash, whoever wrote it down."""

from __future__ import annotations

import json
from hashlib import blake2b

import orjson
import pytest

from spanledger_collector.decode.messages import MessageStore, canonical, split
from spanledger_collector.decode.values import Value

PARIS = {"city": "Paris"}
CALL = {"type": "tool_call", "id": "c1", "name": "get", "arguments": {"city": "Paris"}}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "parts": [CALL], "finish_reason": "tool_call", "name": None},
        {"role": "assistant", "parts": [{**CALL, "arguments": '{"city": "Paris"}'}]},
        {  # OpenAI chat
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "get", "arguments": '{"city": "Paris"}'},
                }
            ],
        },
        {  # Anthropic
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c1", "name": "get", "input": PARIS}],
        },
        {  # Bedrock
            "role": "assistant",
            "content": [{"toolUse": {"toolUseId": "c1", "name": "get", "input": PARIS}}],
        },
        {  # LangChain
            "role": "ai",
            "content": "",
            "tool_calls": [{"id": "c1", "name": "get", "args": PARIS}],
        },
    ],
)  # fmt: skip
def test_every_spelling_of_a_tool_call_is_one_message(message: dict[str, object]) -> None:
    assert canonical(message, "user") == {"role": "assistant", "parts": [CALL]}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "result": "18C"}]},
        {"role": "tool", "content": "18C", "tool_call_id": "c1"},
        {
            "role": "tool",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "18C"}],
        },
    ],
)  # fmt: skip
def test_every_spelling_of_a_tool_response_is_one_message(message: dict[str, object]) -> None:
    part = {"type": "tool_call_response", "id": "c1", "response": "18C"}
    assert canonical(message, "user") == {"role": "tool", "parts": [part]}


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("hi", {"type": "text", "content": "hi"}),
        ([{"type": "text", "text": "hi"}], {"type": "text", "content": "hi"}),
        ([{"text": "hi"}], {"type": "text", "content": "hi"}),
        ([{"type": "output_text", "text": "hi", "annotations": []}],
         {"type": "text", "content": "hi"}),
        ([{"type": "thinking", "thinking": "hm"}], {"type": "reasoning", "content": "hm"}),
        ([{"type": "blob", "mime_type": "image/png", "content": "aa"}],
         {"type": "blob", "mime_type": "image/png", "content": "aa"}),
        ([7], {"type": "unknown", "content": 7}),
        ([{"type": ["x"], "n": 1}], {"type": "unknown", "n": 1}),
    ],
)  # fmt: skip
def test_parts_take_the_canonical_type(given: object, part: dict[str, object]) -> None:
    assert canonical({"content": given}, "user") == {"role": "user", "parts": [part]}


def test_a_role_is_lower_case_and_known_under_one_name() -> None:
    assert canonical({"role": "Human", "content": "x"}, "system")["role"] == "user"
    assert canonical({"role": {"a": 1}, "content": "x"}, "user")["role"] == "user"
    assert canonical({"role": "developer", "content": "x"}, "user")["role"] == "system"


@pytest.mark.parametrize(
    "value",
    [
        '[{"role":"user","parts":[]',  # cut off by a length limit
        "plain text",
        "",
        7,
        None,
        '["just", "texts"]',
        '[{"neither": "role nor content"}]',
        '{"a": 1}',
    ],
)
def test_what_holds_no_messages_is_not_understood(value: Value) -> None:
    assert split(value, "user") is None


def test_a_list_a_single_message_and_a_wrapped_list_are_understood() -> None:
    message: dict[str, Value] = {"role": "user", "content": "hi"}
    spellings: list[Value] = [[message], message, {"messages": [message]}, json.dumps([message])]
    for value in spellings:
        assert split(value, "assistant") == [canonical({"role": "user", "content": "hi"}, "x")]
    assert split("[]", "user") == []


def test_the_hash_is_that_of_sorted_compact_json() -> None:
    store = MessageStore()
    [digest] = store.add("p", split('[{"role":"user","content":"hé"}]', "user") or [])
    role, content = store.rows["p", digest]
    assert role == "user"
    assert content == '{"parts":[{"content":"hé","type":"text"}],"role":"user"}'.encode()
    assert digest == blake2b(content, digest_size=16).digest()


def test_a_message_is_kept_once_in_each_project() -> None:
    store = MessageStore()
    messages = split('[{"role":"user","content":"a"},{"role":"user","content":"a"}]', "user") or []
    assert len(set(store.add("p", messages))) == 1
    assert store.add("q", messages) == store.add("p", messages)
    assert [project for project, _ in store.rows] == ["p", "q"]


def test_instructions_are_one_message_of_parts() -> None:
    store = MessageStore()
    text = store.add_parts("p", "Be brief.", "system")
    assert text == store.add_parts("p", '[{"type":"text","content":"Be brief."}]', "system")
    assert text == store.add_parts("p", [{"type": "text", "text": "Be brief."}], "system")
    assert len(store.rows) == 1
    assert store.add_parts("p", "not JSON", "tool_definitions") is None
    assert store.add_parts("p", None, "system") is None


def test_values_json_cannot_say_are_written_by_name() -> None:
    store = MessageStore()
    arguments: Value = {"nan": float("nan"), "raw": b"\xfb"}
    said: Value = [{"role": "user", "parts": [{"type": "blob", "content": arguments}]}]
    [digest] = store.add("p", split(said, "user") or [])
    part = orjson.loads(store.rows["p", digest][1])["parts"][0]
    assert part["content"] == {"nan": "NaN", "raw": "+w=="}


def test_a_message_too_deep_to_write_is_refused() -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300
    messages = split(f'[{{"role":"user","parts":[{{"type":"x","content":{deep}}}]}}]', "user")
    with pytest.raises(ValueError, match="cannot be kept"):
        MessageStore().add("p", messages or [])
    call = {"type": "tool_call", "arguments": deep}
    assert canonical({"parts": [call]}, "user")["parts"] == [call]
