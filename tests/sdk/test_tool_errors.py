"""How a result tells of an error: what is certain, what looks like it, and what is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan

from spanledger import TOOL_ERROR_EVIDENCE
from spanledger._privacy import Privacy
from spanledger._signatures import Said, result_evidence
from spanledger.tool_errors import evidence_of_text
from spanledger_collector.decode.columns import TEMPLATE, Row
from spanledger_collector.decode.signatures import sign

PAYLOADS: list[Any] = [
    {"ok": False, "error": "channel_not_found"},
    {"success": False},
    {"status": "failed", "rows": 3},
    {"status": 503},
    {"status_code": "404"},
    {"statusCode": 500, "body": "x"},
    {"error": {"message": "no such user"}},
    {"errors": [{"message": "x"}], "data": None},
    {"exit_code": 1, "stdout": ""},
    {"content": [{"type": "text", "text": '{"ok": false}'}]},
    [{"type": "text", "text": '{"error": "nobody"}'}],
]
NONE: list[Any] = [
    {},
    [],
    {"ok": True, "error": None, "errors": []},
    {"error": "none", "status": "done"},
    {"error": 0.03, "errors": 7},
    {"status": 200, "exit_code": 0},
    {"items": [{"ok": False, "error": "x"}]},
    [{"ok": False}, {"ok": False}],
    {"content": [{"type": "text", "text": "3 flights"}], "isError": False},
    {"success": None, "status": 4040, "exit_code": True},
]
SUSPECTED = [
    "Error: user not found",
    "error executing tool book: timeout",
    "ValueError: x",
    "requests.exceptions.ConnectionError: x",
    "Traceback (most recent call last):\n  File ...",
    "fatal: not a git repository",
    "Permission denied",
    "404 Not Found",
    "HTTP error 502",
    '"Error: in quotes"',
    "bash: foo: command not found",
    "Failed to open the file",
    "exit code: 2",
    "Request timed out",
]
HARMLESS = [
    "",
    "3 flights",
    "Error handling in Go is explicit",
    "Errors are values",
    "Exceptional work",
    "The error: it was mine",
    "Timetable",
    "404",
    "Error: " + "x" * 5_000,
    "exit code 0",
    "no errors",
]


def by_the_collector(result: str, outcome: str = "ok", before: str = "") -> object:
    row: Row = {**TEMPLATE, "tool_outcome": outcome, "tool_result": result, "tool_evidence": before}
    sign(row)
    return row["tool_evidence"]


@pytest.mark.parametrize("result", PAYLOADS, ids=json.dumps)
def test_a_field_that_says_so_is_a_payload_error(result: Any) -> None:
    assert evidence_of_text(json.dumps(result)) == "payload"


@pytest.mark.parametrize("result", NONE, ids=json.dumps)
def test_fields_that_say_nothing_of_an_error_are_none(result: Any) -> None:
    assert evidence_of_text(json.dumps(result)) == ""


@pytest.mark.parametrize("text", SUSPECTED)
def test_a_short_text_that_begins_like_an_error_is_suspected(text: str) -> None:
    assert evidence_of_text(text) == "suspected"


@pytest.mark.parametrize("text", HARMLESS, ids=lambda text: text[:20])
def test_ordinary_texts_are_not_suspected(text: str) -> None:
    assert evidence_of_text(text) == ""


def test_an_error_of_an_mcp_tool_is_declared() -> None:
    assert evidence_of_text('{"content": [{"type": "text", "text": "x"}], "isError": true}') == (
        "declared"
    )


def test_the_collector_calls_a_failed_span_declared_whatever_its_result() -> None:
    assert by_the_collector("", "error") == "declared"
    assert by_the_collector("3 flights", "error", before="suspected") == "declared"


def test_what_the_sdk_said_stays_where_no_result_came() -> None:
    assert by_the_collector("", before="payload") == "payload"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.sampled_from(["error", "x", "", "ok"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["ok", "error", "errors", "status", "isError", "content", "text", "exit_code", "a"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(_VALUES)
def test_the_sdk_and_the_collector_judge_alike(value: Any) -> None:
    written = json.dumps(value)
    found = by_the_collector(written)
    assert evidence_of_text(written) == found == result_evidence(written)
    if not isinstance(value, str):
        assert result_evidence(value) == found


@given(st.text(max_size=50) | st.sampled_from(SUSPECTED))
def test_texts_are_judged_alike(text: str) -> None:
    assert by_the_collector(text) == result_evidence(text)


def test_hashes_say_that_a_result_was_an_error_and_nothing_else_of_it() -> None:
    said = Said("post")
    said.result({"ok": False, "error": "secret"}, is_error=False)
    assert said.signatures()[TOOL_ERROR_EVIDENCE] == "payload"
    span = ReadableSpan("x", attributes={"gen_ai.tool.call.result": "Error: secret"})
    private = Privacy("hashes", None).applied(span)
    assert private is not None
    assert (private.attributes or {})[TOOL_ERROR_EVIDENCE] == "suspected"
    assert "secret" not in repr(private.attributes)
    fine = Said("post")
    fine.result({"ok": True}, is_error=False)
    assert TOOL_ERROR_EVIDENCE not in fine.signatures()


def test_of_a_very_long_text_the_sdk_says_nothing() -> None:
    assert result_evidence('{"ok": false, "x": "' + "y" * 70_000 + '"}') == ""


def test_deep_results_are_no_trouble() -> None:
    deep = "[" * 5_000 + "]" * 5_000
    assert evidence_of_text(deep) == ""
    assert by_the_collector('{"content": [{"text": ' + json.dumps(deep) + "}]}") == ""
