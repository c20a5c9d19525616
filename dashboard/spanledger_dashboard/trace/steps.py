"""What a trace did, step by step: calls of models and tools, agents at work. Each call once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from spanledger_dashboard.trace.data import Row, TraceKey
from spanledger_storage.store import Store

_STEP_ROLES = frozenset({"llm", "embedding", "tool", "agent", "retrieval", "guardrail"})
_CALL_ROLES = frozenset({"llm", "embedding"})
_LOG = "log"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trace.

    Attributes:
        span_id: of its primary span.
        role: llm embedding tool agent retrieval guardrail; of a sum over calls, "llm".
        what: the model, tool or agent it was; else the name of its span.
        error: type or message of the failure; empty when it did not fail.
        agent: name of the agent it was done by; empty when nobody says.
        owner_id: span of that agent; empty: none.
        above_id: step above it that is no agent; empty: none.
        call_sig: equal for the same tool with the same arguments; 0: not known.
        result_sig: of the tool's result; 0: not known.
        answer: hash of the model's first answer; empty: not stored.
        cost_usd: None: not priced, or nothing that costs.
        merged: how many more spans of this trace told of the same call.
        sources: spans its messages may be found in, the primary first, log records last.
    """

    span_id: str
    role: str
    name: str
    what: str
    status: str
    error: str
    start_ns: int
    duration_ns: int
    ttft_ns: int | None
    agent: str
    owner_id: str
    above_id: str
    finish_reason: str
    tool_call_id: str
    call_sig: int
    result_sig: int
    answer: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    is_counted: bool
    merged: int
    sources: tuple[str, ...]

    @property
    def end_ns(self) -> int:
        """Unix ns of its end."""
        return self.start_ns + self.duration_ns

    @property
    def is_call(self) -> bool:
        """Whether a model was asked."""
        return self.role in _CALL_ROLES

    @property
    def tokens(self) -> int | None:
        """Input and output together; None when neither is known."""
        if self.input_tokens is None and self.output_tokens is None:
            return None
        return (self.input_tokens or 0) + (self.output_tokens or 0)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of a trace.

    Attributes:
        all: by start.
        rest_usd: what the ledger counts in this trace on spans that are no longer stored; None:
            nothing.
        has_messages: whether any span holds messages.
    """

    all: tuple[Step, ...]
    rest_usd: Decimal | None
    has_messages: bool


def load_steps(store: Store, key: TraceKey) -> Steps:
    """Read the steps of a trace.

    Raises:
        StoreError: the store does not answer.
    """
    return steps_of(
        store.rows("dashboard_trace_steps", key.params),
        store.rows("dashboard_trace_calls", key.params),
    )


def steps_of(spans: Sequence[Row], entries: Sequence[Row]) -> Steps:
    """Return the steps that spans (dashboard_trace_steps) and entries (…_trace_calls) tell of.

    A span that was merged into another one's call is no step; nor is a model span that no entry
    names, unless there are no entries yet.
    """
    lineage = _Lineage(spans)
    charged: dict[str, list[Row]] = {}
    merged: set[str] = set()
    for entry in entries:
        charged.setdefault(str(entry["span_id"]), []).append(entry)
        merged.update(cast("list[str]", entry["merged_span_ids"]))
    made = tuple(
        _step(span, charged.get(str(span["span_id"]), ()), lineage)
        for span in spans
        if _is_step(span, charged, merged, lineage, has_entries=bool(entries))
    )
    lost = [e for span_id, es in charged.items() if span_id not in lineage.rows for e in es]
    return Steps(made, _sum(lost), any(span["message_count"] for span in spans))


def _is_step(
    span: Row,
    charged: Mapping[str, object],
    merged: set[str],
    lineage: _Lineage,
    *,
    has_entries: bool,
) -> bool:
    span_id, role = str(span["span_id"]), str(span["role"])
    if span_id in charged:
        return True
    if span_id in merged or role not in _STEP_ROLES:
        return False
    if role in _CALL_ROLES:
        return not has_entries
    if role == "tool":
        # The framework, the MCP client and the server may each report one call of a tool.
        return span["kind"] != _LOG and not lineage.repeats_tool_above(span)
    return True


def _step(span: Row, entries: Iterable[Row], lineage: _Lineage) -> Step:
    entries = list(entries)
    first = entries[0] if entries else None
    counted = first if first is not None else span
    span_id, role = str(span["span_id"]), str(span["role"])
    owner = lineage.owner(span_id)
    twins = tuple(s for e in entries for s in cast("list[str]", e["merged_span_ids"]))
    is_model = role in _CALL_ROLES or (first is not None and first["kind"] != "tool")
    what = str(span["model"]) if is_model else str(span["tool_name"] or "")
    if role == "agent" and not is_model:
        what = str(span["agent_name"])
    return Step(
        span_id=span_id,
        role="llm" if is_model and role not in _CALL_ROLES else role,
        name=str(span["name"]),
        what=what or str((first or span).get("model") or "") or str(span["name"]),
        status=str(span["status"]),
        error=str(span["error"]) if span["status"] == "error" else "",
        start_ns=cast("int", span["start_ns"]),
        duration_ns=cast("int", span["duration_ns"]),
        ttft_ns=cast("int | None", span["ttft_ns"]),
        agent=lineage.agent(span_id) or str(first["agent_name"] if first else ""),
        owner_id=owner,
        above_id=lineage.step_above(span_id),
        finish_reason=str(span["finish_reason"]),
        tool_call_id=str(span["tool_call_id"]),
        call_sig=cast("int", span["call_sig"]),
        result_sig=cast("int", span["result_sig"]),
        answer=str(span["answer_hash"]) or lineage.answer(twins),
        input_tokens=cast("int | None", counted["input_tokens"]),
        output_tokens=cast("int | None", counted["output_tokens"]),
        cost_usd=_sum(entries),
        is_counted=bool(entries),
        merged=len(twins),
        sources=(span_id, *twins, *lineage.logs.get(span_id, ())),
    )


def _sum(entries: Iterable[Row]) -> Decimal | None:
    costs = [
        cast("Decimal", e["total_cost_usd"]) for e in entries if e["total_cost_usd"] is not None
    ]
    return sum(costs, Decimal(0)) if costs else None


class _Lineage:
    """Who lies below whom."""

    def __init__(self, spans: Sequence[Row]) -> None:
        self.rows = {str(span["span_id"]): span for span in spans}
        self.logs: dict[str, list[str]] = {}
        for span in spans:
            if span["kind"] == _LOG:
                self.logs.setdefault(str(span["parent_span_id"]), []).append(str(span["span_id"]))
        self._owners: dict[str, str] = {}
        self._agents: dict[str, str] = {}
        self._above: dict[str, str] = {}
        for span_id in self.rows:
            self._settle(span_id)

    def owner(self, span_id: str) -> str:
        """Return the nearest agent's span above one; empty: none."""
        return self._owners[span_id]

    def agent(self, span_id: str) -> str:
        """Return the agent's name a span carries, or the nearest one above it."""
        return self._agents[span_id]

    def step_above(self, span_id: str) -> str:
        """Return the nearest model or tool span above one, below its agent; empty: none."""
        return self._above[span_id]

    def answer(self, span_ids: Iterable[str]) -> str:
        """Return the first answer any of some spans holds; empty: none."""
        found = (str(self.rows[s]["answer_hash"]) for s in span_ids if s in self.rows)
        return next((answer for answer in found if answer), "")

    def repeats_tool_above(self, span: Row) -> bool:
        """Return whether the tool call above a span is of the same tool."""
        above = self.rows.get(self._above[str(span["span_id"])])
        return (
            above is not None
            and above["role"] == "tool"
            and bool(span["tool_name"])
            and above["tool_name"] == span["tool_name"]
        )

    def _settle(self, span_id: str) -> None:
        """Fill in a span and all above it; spans that are each other's parents end the climb."""
        path: dict[str, None] = {}
        at = span_id
        while at in self.rows and at not in self._owners and at not in path:
            path[at] = None
            at = str(self.rows[at]["parent_span_id"])
        for place in reversed(path):
            row = self.rows[place]
            parent_id = str(row["parent_span_id"])
            parent = self.rows.get(parent_id) if parent_id in self._owners else None
            role = "" if parent is None else str(parent["role"])
            is_agent = role == "agent"
            self._owners[place] = parent_id if is_agent else self._owners.get(parent_id, "")
            self._agents[place] = str(row["agent_name"]) or self._agents.get(parent_id, "")
            self._above[place] = (
                parent_id
                if role in ("llm", "tool")
                else ""
                if is_agent
                else self._above.get(parent_id, "")
            )
