"""Our own SDK: OpenTelemetry's names wherever there is one, ours where there is none.

Spans that have only started come under a scope of their own; the ended span takes their place.
"""

from __future__ import annotations

from spanledger import (
    STEP_KIND,
    TOOL_CALL_SIGNATURE,
    TOOL_ERROR_EVIDENCE,
    TOOL_RESULT_SIGNATURE,
    WEB_SEARCHES,
)
from spanledger.tool_errors import EVIDENCE
from spanledger_collector.decode.signatures import is_signature
from spanledger_collector.decode.values import Value, count, paid
from spanledger_collector.dialects.base import Dialect, Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS, CONTENT, ROLES, interpret

PENDING_FLAG = "pending"
"""Of a span that has only started."""


def _signature(value: Value) -> Value:
    return value if is_signature(value) else None


def _evidence(value: Value) -> Value:
    return value if value in EVIDENCE else None


_COLUMNS = {
    **COLUMNS,
    **sources("reported_cost_usd", paid, "operation.cost"),
    **sources("web_searches", count, WEB_SEARCHES),
    **sources("call_sig", _signature, TOOL_CALL_SIGNATURE),
    **sources("result_sig", _signature, TOOL_RESULT_SIGNATURE),
    **sources("tool_evidence", _evidence, TOOL_ERROR_EVIDENCE),
}
_ROLES = (*ROLES, (STEP_KIND, {"task": "workflow"}))


def _announced(draft: Draft) -> None:
    interpret(draft)
    draft.row["status"] = "unset"
    draft.flags.append(PENDING_FLAG)


SPANLEDGER = Dialect(
    name="spanledger",
    scopes=("spanledger",),
    markers=frozenset(),
    columns=_COLUMNS,
    roles=_ROLES,
    content=CONTENT,
    interpret=interpret,
)
SPANLEDGER_PENDING = Dialect(
    name="spanledger_pending",
    scopes=("spanledger.pending",),
    markers=frozenset(),
    columns=_COLUMNS,
    roles=_ROLES,
    content=CONTENT,
    interpret=_announced,
)
