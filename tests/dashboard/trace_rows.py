"""Traces made by hand, as the store would return them, and what the browser makes of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from spanledger_dashboard.trace.data import Row, Trace, TraceKey
from spanledger_dashboard.trace.view import javascript

TRACE = "ab" * 16
S = 10**9
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

_TEXTS: dict[str, str] = {
    "parent": "", "name": "chat", "role": "llm", "status": "ok", "error_type": "",
    "agent_name": "", "model": "m", "tool_name": "",
}  # fmt: skip
_NUMBERS: dict[str, tuple[pa.DataType, int | None]] = {
    "duration_ns": (pa.uint64(), S),
    "ttft_ns": (pa.uint64(), None),
    "input_tokens": (pa.uint64(), None),
    "output_tokens": (pa.uint64(), None),
    "attempts": (pa.uint32(), None),
    "call_sig": (pa.uint64(), 0),
    "result_sig": (pa.uint64(), 0),
}
_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_IDS = pa.list_(pa.string())


def span_id(number: int) -> str:
    return f"{number:016x}"


def span(number: int, parent: int | str = "", at: float = 0, **columns: Any) -> Row:
    """A span: a model call of one second unless ``columns`` say otherwise; ``at`` in seconds."""
    up = span_id(parent) if isinstance(parent, int) else parent
    return {"span_id": span_id(number), "start_ns": int((1000 + at) * S), **columns, "parent": up}


def tool(number: int, parent: int, at: float, called: int, returned: int, **columns: Any) -> Row:
    """A tool call with signatures."""
    made = {"name": "execute_tool search", "role": "tool", "tool_name": "search", "model": ""}
    return span(number, parent, at, call_sig=called, result_sig=returned, **{**made, **columns})


def call(number: int, cost: str | None, **columns: Any) -> Row:
    """A ledger entry: 100 tokens in, 20 out, unless ``columns`` say otherwise."""
    micro, rest = (None, None) if cost is None else divmod(int(Decimal(cost) * 10**12), 10**6)
    return {
        "span_id": span_id(number),
        "kind": "llm",
        "total_cost_usd": None if cost is None else Decimal(cost),
        "cost_micro": micro,
        "cost_rest": rest,
        "price_status": "unpriced" if cost is None else "priced",
        "usage_source": "span",
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_read_tokens": None,
        "cache_write_tokens": None,
        "cache_write_1h_tokens": None,
        "merged_span_ids": [],
        "sources": 1,
        **columns,
    }


def trace(spans: list[Row], *calls: Row) -> Trace:
    """The trace of some spans, by start, and of ledger entries."""
    rows = sorted(spans, key=lambda s: (s["start_ns"], s["span_id"]))
    return Trace(TraceKey("default", TRACE, (0,)), _spans(rows), _calls(list(calls)), None)


def _spans(rows: list[Row]) -> pa.Table:
    def column(name: str, default: object) -> list[Any]:
        return [row.get(name, default) for row in rows]

    table: dict[str, pa.Array[Any]] = {"span_id": pa.array(column("span_id", ""), pa.string())}
    table["start_ns"] = pa.array(column("start_ns", 0), pa.int64())
    for name, default in _TEXTS.items():
        table[name] = pa.array(column(name, default), pa.string())
    table["parent_span_id"] = table.pop("parent")
    for name, (kind, number) in _NUMBERS.items():
        table[name] = pa.array(column(name, number), kind)
    for name in ("link_trace_ids", "link_span_ids"):
        table[name] = pa.array([row.get(name, []) for row in rows], _IDS)
    return pa.table(table)


def _calls(rows: list[Row]) -> pa.Table:
    kinds = {
        "total_cost_usd": pa.decimal128(38, 12), "cost_micro": pa.float64(),
        "cost_rest": pa.uint32(), "merged_span_ids": _IDS, "sources": pa.uint32(),
        **dict.fromkeys((*_COUNTS, "cache_write_1h_tokens"), pa.uint64()),
    }  # fmt: skip
    return pa.table(
        {
            name: pa.array([r[name] for r in rows], kinds.get(name, pa.string()))
            for name in call(0, None)
        }
    )


def in_browser(payload: bytes, expression: str) -> Any:
    """What JavaScript makes of a payload: the value of an expression over ``m``, its model."""
    program = f"""{javascript()}
    const block = openBlock(Uint8Array.from(Buffer.from("{payload.hex()}", "hex")));
    const body = block.is_deflated ? await inflated(block.body) : block.body;
    const {{ header, columns }} = unpack(body);
    const m = new TraceModel(header, columns);
    const text = (key, value) => (typeof value === "bigint" ? String(value) : value);
    console.log(JSON.stringify({expression}, text));"""
    run = subprocess.run(
        ["node", "--input-type=module", "-"],
        input=program, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
