"""Records of one tool call in two traces find each other in the store, whichever came first."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from spanledger_analytics.job import LedgerJob
from spanledger_analytics.ledger import run_ledger
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.spans import Span
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from tests.analytics.made import T0, TRACE, span, tool
from tests.analytics.test_ledger import put
from tests.marks import Marks

OTHER = "b" * 32
RECORDING = Path(__file__).parent.parent / "fixtures" / "otlp" / "claude-agent-sdk-oi"
_versions = itertools.count(T0)


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def agents_trace(**fields: str) -> list[Span]:
    named = {"tool_name": "mcp__srv__search", "tool_call_id": "c", **fields}
    return [
        span("0", role="agent", lasts=500, service_name="svc"),
        tool("1", "0", at=10, scope_name="framework", service_name="svc", **named),
    ]


def servers_trace(at: int = 20) -> list[Span]:
    return [tool("2", trace=OTHER, at=at, lasts=50, scope_name="mcp", service_name="svc")]


def tool_calls(store: Store) -> dict[str, int]:
    rows = store.sql_rows("SELECT trace_id, tool_calls FROM traces FINAL")
    return {str(row["trace_id"]): int(str(row["tool_calls"])) for row in rows}


def derive(store: Store, book: PriceBook, trace_id: str) -> None:
    run_ledger(store, "p", [trace_id], version=next(_versions), book=book)


@pytest.mark.parametrize("is_server_first", [True, False])
def test_the_servers_trace_gives_its_call_up_to_the_agents(
    store: Store, book: PriceBook, is_server_first: bool
) -> None:
    traces = [(OTHER, servers_trace()), (TRACE, agents_trace())]
    for trace_id, spans in traces if is_server_first else reversed(traces):
        put(store, "p", *spans)
        derive(store, book, trace_id)
    assert tool_calls(store) == {TRACE: 1, OTHER: 0}


@pytest.mark.parametrize(
    ("agent", "server"),
    [(agents_trace(), servers_trace(at=90)), (agents_trace(tool_name="fetch"), servers_trace())],
    ids=["later", "other tool"],
)
def test_traces_of_different_calls_keep_theirs(
    store: Store, book: PriceBook, agent: list[Span], server: list[Span]
) -> None:
    for trace_id, spans in ((OTHER, server), (TRACE, agent)):
        put(store, "p", *spans)
        derive(store, book, trace_id)
    assert tool_calls(store) == {TRACE: 1, OTHER: 1}


def test_recorded_agent_with_an_mcp_server_ran_as_many_tools_as_it_did(store: Store) -> None:
    """Claude Agent SDK: five spans of tools, and five of the server in traces of their own."""
    sent = json.loads((RECORDING / "headers.json").read_text())
    job = LedgerJob(store, lambda: next(_versions), Marks())
    for part in sent:
        body = Body("p", (RECORDING / part["file"]).read_bytes(), T0)
        store_rows(store, decode_batch([body], part["file"], T0), part["file"])
    job.run_once()
    assert sum(tool_calls(store).values()) == 5
