"""Signatures that the sending thread makes are those that the program would have made at once."""

from __future__ import annotations

import enum
import gc
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger import TOOL_CALL_SIGNATURE, TOOL_ERROR_EVIDENCE, TOOL_RESULT_SIGNATURE
from spanledger._signatures import Said, call_signature, result_evidence, result_signature
from tests.instance import environment
from tests.sdk.receiver import receiving


class Word(enum.StrEnum):
    YES = "yes"


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [
        *(1, True, None, 1e-7, float("nan"), 10**20, "a  b ", '{"b": 1, "a": 2}', "x" * 100_000),
        *({"q": "x"}, {"q": [1, {"z": 2}]}, [1, 2], (1, 2), {1: 2}, {1: 2, "a": 3}, {}),
        *({"a": float("inf")}, {"trace_id": "x", "a": 1}, {"k": Word.YES}, Word.YES),
        *(Text(' [1, 2]"'), ["y" * 50_000, "z" * 50_000], b"abc", object),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_was_said_is_signed_later_to_the_same_effect(value: object) -> None:
    for is_error in (False, True):
        said = Said("search")
        said.arguments(value)
        said.result(value, is_error=is_error)
        assert said.signatures() == {
            TOOL_CALL_SIGNATURE: call_signature("search", value),
            TOOL_RESULT_SIGNATURE: result_signature(value, is_error=is_error),
        }


def test_what_a_guard_signed_first_is_the_same_and_lasts_when_the_words_are_gone() -> None:
    said = Said("search")
    assert said.call_signature() == said.result_signature() == 0
    said.arguments({"q": "Paris"})
    said.result({"ok": False}, is_error=False)
    asked = said.call_signature(), said.result_signature()
    assert said.signatures() == {
        TOOL_CALL_SIGNATURE: asked[0],
        TOOL_RESULT_SIGNATURE: asked[1],
        TOOL_ERROR_EVIDENCE: "payload",
    }
    assert (said.call_signature(), said.result_signature()) == asked
    assert not any(isinstance(one, dict) for one in gc.get_referents(said))
    said.result("other", is_error=False)
    assert said.result_signature() == result_signature("other")


def test_what_changes_meanwhile_does_not_matter() -> None:
    plain: dict[str, Any] = {"q": "Paris"}
    nested: dict[str, Any] = {"q": ["Paris"]}
    said = Said("search")
    said.arguments(plain)
    said.result(nested, is_error=False)
    plain["q"] = "Rome"
    nested["q"].append("Rome")
    assert said.signatures() == {
        TOOL_CALL_SIGNATURE: call_signature("search", {"q": "Paris"}),
        TOOL_RESULT_SIGNATURE: result_signature({"q": ["Paris"]}),
    }


_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
_values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner)
    ),
)


@given(_values)
def test_whatever_was_said_is_kept_as_it_was(value: object) -> None:
    call, result = call_signature("search", value), result_signature(value)
    evidence = "" if isinstance(value, str) else result_evidence(value)
    said = Said("search")
    said.arguments(value)
    said.result(value, is_error=False)
    _spoil(value)
    signatures = said.signatures()
    assert signatures[TOOL_CALL_SIGNATURE] == call
    assert signatures[TOOL_RESULT_SIGNATURE] == result
    if not isinstance(value, str):
        assert signatures.get(TOOL_ERROR_EVIDENCE, "") == evidence


def _spoil(value: object) -> None:
    """Change everything in a value that can be changed."""
    for one in (
        list(value.values())
        if isinstance(value, dict)
        else value
        if isinstance(value, (list, tuple))
        else ()
    ):
        _spoil(one)
    if isinstance(value, (list, dict)):
        value.clear()


_PROGRAM = """
import spanledger
spanledger.init(instrument=False)

@spanledger.tool
def search(q):
    q.append("changed")
    if len(q) > 2:
        raise ValueError("too many")
    return {"found": q}

def attempt(*words):
    try:
        search(list(words))
    except ValueError:
        pass

attempt("Paris")
attempt("Paris", "Rome")
with spanledger.tool("print") as work:
    work.result("printed")
with spanledger.loop_guard():
    attempt("Paris")
with spanledger.agent("quiet"):
    pass

class Box:
    @spanledger.tool
    def find(self, q, *more, limit=3):
        return None

Box().find("a", limit=[5])
Box().find("a", "b", "c", limit=5)
Box().find(**{"q": {"city": ["Paris"]}})
Box().find(Box)
"""


def test_signatures_travel_with_their_own_spans() -> None:
    variables = {**environment(), "SPANLEDGER_SEND_UNDER_PYTEST": "true"}
    with receiving() as receiver:
        variables["SPANLEDGER_ENDPOINT"] = receiver.url
        subprocess.run([sys.executable, "-c", _PROGRAM], check=True, timeout=60, env=variables)
    signed = [_signed(span) for span in receiver.spans]
    first, failed, printed, guarded, agent = signed[:5]
    call = call_signature("search", {"q": ["Paris"]})
    assert first == guarded == (call, result_signature({"found": ["Paris", "changed"]}))
    error = result_signature("ValueError: too many", is_error=True)
    assert failed == (call_signature("search", {"q": ["Paris", "Rome"]}), error)
    assert printed == (0, result_signature("printed"))
    assert agent == (0, 0)
    assert [call for call, _ in signed[5:8]] == [
        call_signature("find", {"q": "a", "limit": [5]}),
        call_signature("find", {"q": "a", "*": ["b", "c"], "limit": 5}),
        call_signature("find", {"q": {"city": ["Paris"]}}),
    ]
    assert signed[8][0] == call_signature("find", {"q": "<class '__main__.Box'>"})
    assert "Paris" not in str(receiver.spans)


def _signed(span: Span) -> tuple[int, int]:
    found = {one.key: one.value.int_value for one in span.attributes}
    return found.get(TOOL_CALL_SIGNATURE, 0), found.get(TOOL_RESULT_SIGNATURE, 0)
