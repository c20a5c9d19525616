"""A store with the ledger job and the findings job, and agents' traces to feed it with."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanledger_analytics.findings.detectors import DETECTORS, Detector
from spanledger_analytics.findings.job import FindingsJob
from spanledger_analytics.findings.lanes import TraceView
from spanledger_analytics.findings.limits import DetectorSettings
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import PriceBook
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from tests.marks import Marks
from tests.otlp import Value, attributes, request

S = 10**9
T0 = time.time_ns() // S * S - 3_600 * S
BOOK = PriceBook.bundled()
_flushes = itertools.count(1)
_numbers = itertools.count(1)


class AgentTrace:
    """The spans of one trace; times in seconds from its start, tools last one second."""

    def __init__(self, start_ns: int = T0, trace_id: bytes | None = None) -> None:
        self.trace_id = trace_id or next(_numbers).to_bytes(16, "big")
        self.start_ns = start_ns
        self.spans: list[Span] = []

    @property
    def id(self) -> str:
        return self.trace_id.hex()

    def add(
        self,
        name: str,
        start_s: float,
        end_s: float,
        parent: Span | bytes = b"",
        **values: Value,
    ) -> Span:
        made = Span(
            trace_id=self.trace_id,
            span_id=next(_numbers).to_bytes(8, "big"),
            parent_span_id=parent if isinstance(parent, bytes) else parent.span_id,
            name=name,
            start_time_unix_nano=self.start_ns + int(start_s * S),
            end_time_unix_nano=self.start_ns + int(end_s * S),
            attributes=attributes({key.replace("__", "."): v for key, v in values.items()}),
        )
        self.spans.append(made)
        return made

    def agent(
        self, agent: str, start_s: float, end_s: float, parent: Span | bytes = b"", **values: Value
    ) -> Span:
        said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent}
        made = self.add(f"invoke_agent {agent}", start_s, end_s, parent, **values)
        made.attributes.extend(attributes(said))
        return made

    def llm(
        self,
        start_s: float,
        parent: Span | bytes = b"",
        *,
        asked: Sequence[Mapping[str, object]] = (),
        answer: str = "",
        input_tokens: int = 100,
        **values: Value,
    ) -> Span:
        said: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": input_tokens,
            "gen_ai.usage.output_tokens": 10,
        }
        if asked:
            said["gen_ai.input.messages"] = json.dumps(list(asked))
        if answer:
            said["gen_ai.output.messages"] = json.dumps([message("assistant", answer)])
        made = self.add("chat", start_s, start_s + 1, parent, **values)
        made.attributes.extend(attributes(said))
        return made

    def tool(
        self,
        name: str,
        start_s: float,
        parent: Span | bytes = b"",
        *,
        arguments: object = None,
        result: object = None,
        status: str = "",
        **values: Value,
    ) -> Span:
        said: dict[str, Value] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
        }
        if arguments is not None:
            said["gen_ai.tool.call.arguments"] = json.dumps(arguments)
        if result is not None:
            said["gen_ai.tool.call.result"] = json.dumps(result)
        made = self.add(f"execute_tool {name}", start_s, start_s + 1, parent, **values)
        if status == "error":
            made.status.code = Status.STATUS_CODE_ERROR
        made.attributes.extend(attributes(said))
        return made


def message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


class Watched:
    """A store with both jobs; ``views`` are what detectors were shown last, by trace."""

    def __init__(
        self,
        store: Store,
        detectors: Mapping[str, Detector] = DETECTORS,
        settings: Mapping[str, DetectorSettings] | None = None,
    ) -> None:
        self.store = store
        self.settings: dict[str, DetectorSettings] = dict(settings or {})
        self.views: dict[str, TraceView] = {}
        self.marks = Marks()
        self.detectors = {**detectors, "watcher": self._watch}
        self.ledger = LedgerJob(store, time.time_ns, Marks(), lambda: BOOK)
        self.job = self.new_job()

    def new_job(self) -> FindingsJob:
        return FindingsJob(
            self.store, time.time_ns, self.marks, lambda: self.settings, self.detectors
        )

    def put(
        self, *traces: AgentTrace, project: str = "p", scope: str = "test", at_ns: int = T0
    ) -> None:
        spans = [span for trace in traces for span in trace.spans]
        bodies = [
            Body(project, request(*spans[at : at + 500], scope=scope).SerializeToString(), at_ns)
            for at in range(0, len(spans), 500)
        ]
        flush = f"findings-{next(_flushes)}"
        store_rows(self.store, decode_batch(bodies, flush, time.time_ns()), flush)
        for trace in traces:
            trace.spans = []

    def look(self) -> int:
        """Let both jobs follow; return how many rows of findings were written or removed."""
        while not self.ledger.run_once().is_drained:
            pass
        written = 0
        while True:
            stats = self.job.run_once()
            written += stats.written + stats.removed
            if stats.is_drained:
                return written

    def findings(self, project: str = "p") -> list[dict[str, Any]]:
        sql = (
            "SELECT * FROM findings FINAL WHERE is_deleted = 0 AND project = {p:String}"
            " ORDER BY first_seen, finding_id"
        )
        return [dict(row) for row in self.store.sql_rows(sql, {"p": project})]

    def _watch(self, view: TraceView) -> list[Any]:
        self.views[view.trace_id] = view
        return []
