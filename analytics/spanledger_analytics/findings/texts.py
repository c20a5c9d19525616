"""What was said in a trace, read from the store when a detector first asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spanledger_analytics._rows import Literal, strings
from spanledger_analytics.findings.lanes import ModelCall, Step, ToolCall, TraceView
from spanledger_storage.store import Store

LONGEST = 4_096
"""Characters read of each text."""
MOST_READS = 20
"""Statements for one trace and kind; what lies beyond counts as not captured."""
_BLOCK = 512  # calls of which the texts are read together


class StoredTexts:
    """Texts of one trace: those of up to 512 calls by one statement, at most 20 of each kind.

    Make it, give it to the view, and tell it the view: it reads in the order of the view.
    """

    def __init__(self, store: Store, project: str, trace_id: str, hours: Sequence[int]) -> None:
        self._store = store
        self._project = project
        self._trace_id = trace_id
        self._hours = hours
        self._tools: _Blocks | None = None
        self._outputs: _Blocks | None = None
        self._said: dict[str, tuple[str, str]] = {}
        self._answers: dict[str, str] = {}
        self._view: TraceView | None = None

    def tell(self, view: TraceView) -> None:
        """Say what the trace consists of."""
        self._view = view

    def arguments(self, tool: ToolCall) -> str:
        """Return the arguments of a tool call; empty: not captured."""
        return self._of_tool(tool)[0]

    def result(self, tool: ToolCall) -> str:
        """Return the result of a tool call; empty: not captured."""
        return self._of_tool(tool)[1]

    def output(self, model: ModelCall) -> str:
        """Return what the model answered; empty: not captured."""
        if not model.output:
            return ""
        if self._outputs is None:
            models = (step.model for step in self._steps() if step.model)
            self._outputs = _Blocks(one.hex() for model in models for one in model.output)
        wanted = [digest.hex() for digest in model.output]
        for digest in wanted:
            if digest not in self._answers:
                block = self._outputs.of(digest)
                self._answers |= dict.fromkeys(block, "") | self._read_messages(block)
        return "\n".join(filter(None, (self._answers.get(one, "") for one in wanted)))[:LONGEST]

    def _of_tool(self, tool: ToolCall) -> tuple[str, str]:
        if self._tools is None:
            self._tools = _Blocks(one.ref.span_id for step in self._steps() for one in step.tools)
        span_id = tool.ref.span_id
        if span_id not in self._said:
            block = self._tools.of(span_id)
            self._said |= dict.fromkeys(block, ("", "")) | self._read_tools(block)
        return self._said.get(span_id, ("", ""))

    def _steps(self) -> Iterable[Step]:
        return (step for lane in self._view.lanes for step in lane.steps) if self._view else ()

    def _read_tools(self, span_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        if not span_ids:
            return {}
        params: dict[str, object] = {
            "project": self._project,
            "trace_id": self._trace_id,
            "hours": list(self._hours),
            "span_ids": Literal(span_ids),
            "longest": LONGEST,
        }
        table = self._store.arrow("findings_tool_texts", params)
        texts = zip(strings(table, "arguments"), strings(table, "result"), strict=True)
        return dict(zip(strings(table, "span_id"), texts, strict=True))

    def _read_messages(self, digests: Sequence[str]) -> dict[str, str]:
        if not digests:
            return {}
        params = {"project": self._project, "hashes": Literal(digests), "longest": LONGEST}
        table = self._store.arrow("findings_message_texts", params)
        return dict(zip(strings(table, "digest"), strings(table, "said"), strict=True))


class _Blocks:
    """Names in blocks, in order; after so many blocks were handed out, there are none."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(names))
        self._at = {name: index for index, name in enumerate(self._names)}
        self._left = MOST_READS

    def of(self, name: str) -> list[str]:
        """Return the block that a name is in; empty: it is not there, or enough was read."""
        if name not in self._at or not self._left:
            return []
        self._left -= 1
        start = self._at[name] // _BLOCK * _BLOCK
        return self._names[start : start + _BLOCK]
