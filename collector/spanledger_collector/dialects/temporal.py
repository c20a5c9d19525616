"""Temporal: workflows and the attempts of their activities, around whatever calls a model.

https://github.com/temporalio/sdk-python (temporalio/contrib/opentelemetry)
"""

from __future__ import annotations

from spanledger_collector.decode.values import text
from spanledger_collector.dialects.base import Dialect, Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS, ROLES

_WORKFLOW_SPANS = ("StartWorkflow", "RunWorkflow", "StartChildWorkflow", "CompleteWorkflow")


def _interpret(draft: Draft) -> None:
    """Read the span's name, ``<what>:<type>``; an activity may be anything, so it stays other."""
    what, _, kind = draft.span.name.partition(":")
    if what in _WORKFLOW_SPANS:
        draft.row["role"] = "workflow"
        draft.fill("workflow_name", kind)


TEMPORAL = Dialect(
    name="temporal",
    scopes=("temporalio.",),
    markers=frozenset({"temporalWorkflowID"}),
    columns={
        **COLUMNS,
        **sources("session_id", text, "gen_ai.conversation.id", "session.id", "temporalWorkflowID"),
    },
    roles=ROLES,
    interpret=_interpret,
)
