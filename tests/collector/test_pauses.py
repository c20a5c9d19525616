"""An interrupt of LangGraph that waits for a human is no error, whoever records it."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.decoded import NOW_NS, pairs, row

ERROR = Status(code=Status.STATUS_CODE_ERROR, message="(Interrupt(value='send it?'),)")


def raised(kind: str) -> Span.Event:
    said = {"exception.type": kind, "exception.message": "(Interrupt(value='send it?'),)"}
    return Span.Event(name="exception", time_unix_nano=NOW_NS, attributes=pairs(said))


@pytest.mark.parametrize("kind", ["GraphInterrupt", "langgraph.errors.GraphInterrupt"])
def test_an_exception_that_waits_is_a_pause(kind: str) -> None:
    # As OpenLLMetry, as OpenInference, and as a span with nothing but the attribute.
    task = {"gen_ai.operation.name": "execute_task", "gen_ai.task.status": "failure"}
    made = [
        row({**task, "error.type": "GraphInterrupt"}, status=ERROR, events=[raised(kind)]),
        row({"openinference.span.kind": "CHAIN"}, events=[raised(kind)]),
        row({"error.type": kind}, status=ERROR),
    ]
    for one in made:
        assert (one["status"], one["error_type"], one["status_message"]) == ("unset", "", "")


def test_a_tool_that_waits_has_not_failed() -> None:
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.task.status": "failure"}
    made = row({**tool, "error.type": "GraphInterrupt"}, status=ERROR)
    assert made["tool_outcome"] == "ok"


def test_other_exceptions_stay_errors() -> None:
    for kind in ("GraphRecursionError", "langgraph.errors.InvalidUpdateError"):
        made = row({"error.type": kind}, status=ERROR)
        assert (made["status"], made["error_type"]) == ("error", kind)
