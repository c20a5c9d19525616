"""Rows for the dashboard: a made-up agent fleet, inserted as the collector and the jobs would."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa

from spanledger_storage.store import Store

Row = dict[str, Any]

NS_PER_S = 1_000_000_000
_MONEY = pa.decimal128(38, 12)
_MAP = pa.map_(pa.string(), pa.string())
_TYPES: dict[str, pa.DataType] = {
    "start_time": pa.timestamp("ns", "UTC"),
    "end_time": pa.timestamp("ns", "UTC"),
    "time": pa.timestamp("ns", "UTC"),
    "ingested_at": pa.timestamp("ms", "UTC"),
    "hour": pa.timestamp("s", "UTC"),
    "trace_hour": pa.timestamp("s", "UTC"),
    "trajectory_hour": pa.timestamp("s", "UTC"),
    "stored_at": pa.timestamp("s", "UTC"),
    "attributes": _MAP,
    "dimensions": _MAP,
    "resource_attributes": _MAP,
    "events.time": pa.list_(pa.timestamp("ns", "UTC")),
    "events.name": pa.list_(pa.string()),
    "events.attributes": pa.list_(_MAP),
    "links.trace_id": pa.list_(pa.string()),
    "links.span_id": pa.list_(pa.string()),
    "links.attributes": pa.list_(_MAP),
    "input_messages": pa.list_(pa.binary(16)),
    "output_messages": pa.list_(pa.binary(16)),
    "hash": pa.binary(16),
    "source_spans": pa.list_(pa.struct([("trace_id", pa.string()), ("span_id", pa.string())])),
    "trace_ids": pa.list_(pa.string()),
    "agents": pa.list_(pa.string()),
    "models": pa.list_(pa.string()),
}


@dataclass
class Seeder:
    """Collects rows and inserts them; columns a row omits take their defaults.

    Hours of entries are summed up by user, too, as the job does.
    """

    store: Store
    now_s: int
    rows: dict[str, list[Row]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    sums_by_user: bool = True

    def span(self, trace_id: str, span_id: str, parent: Any = "", **columns: Any) -> Row:
        """Add a span; ``at_s`` and ``duration_s`` place it relative to now."""
        start = int((self.now_s + columns.pop("at_s", -60)) * NS_PER_S)
        end = start + int(columns.pop("duration_s", 1) * NS_PER_S)
        row = {
            "project": "default",
            "trace_id": trace_id,
            "span_id": span_id,
            "parent_span_id": parent,
            "name": "chat",
            "role": "llm",
            "status": "ok",
            "start_time": start,
            "end_time": end,
            "ingested_at": end // 1_000_000 + 800,
            "version": next(self.numbers),
            **columns,
        }
        hour = start // NS_PER_S // 3600 * 3600
        self._add("spans", row)
        touch = {"project": row["project"], "trace_id": trace_id, "hour": hour, "spans": 1}
        self._add("touches", touch | {"flush_id": f"flush-{next(self.numbers)}"})
        return row

    def entry(self, span: Row, cost: str | None, **columns: Any) -> Row:
        """Add the ledger entry of a call; ``cost`` None: not priced."""
        total = None if cost is None else Decimal(cost)
        tokens = columns.pop("tokens", (1000, 200))
        known = tokens is not None
        row = {
            "project": span["project"],
            "entry_id": f"{next(self.numbers):032x}",
            "kind": "llm",
            "time": span["start_time"],
            "duration_ns": span["end_time"] - span["start_time"],
            "trace_id": span["trace_id"],
            "span_id": span["span_id"],
            "agent_name": span.get("agent_name", ""),
            "provider": "anthropic",
            "model": span.get("response_model", "claude-sonnet-4-5"),
            "status": span["status"],
            "input_tokens": tokens[0] if known else None,
            "uncached_tokens": tokens[0] * 4 // 10 if known else None,
            "cache_read_tokens": tokens[0] - tokens[0] * 4 // 10 if known else None,
            "output_tokens": tokens[1] if known else None,
            "usage_source": "span" if known else "none",
            "price_status": "unpriced" if total is None else "priced",
            "price_id": "" if total is None else "anthropic/claude-sonnet-4-5@2025-09-29",
            "uncached_cost_usd": _part(total, "0.5"),
            "cache_read_cost_usd": _part(total, "0.1"),
            "output_cost_usd": _part(total, "0.4"),
            "total_cost_usd": total,
            "source_spans": [{"trace_id": span["trace_id"], "span_id": span["span_id"]}],
            "version": next(self.numbers),
            "is_deleted": 0,
            **columns,
        }
        self._add("ledger", row)
        return row

    def message(self, role: str, *parts: Row) -> bytes:
        """Add a message and return its hash."""
        content = json.dumps({"role": role, "parts": list(parts)}, ensure_ascii=False)
        digest = hashlib.blake2b(content.encode(), digest_size=16).digest()
        row = {"project": "default", "hash": digest, "role": role, "content": content}
        self._add("messages", row | {"stored_at": self.now_s})
        return digest

    def trace(self, trace_id: str, **columns: Any) -> Row:
        """Add the row of a trace, summed over what was added for it."""
        spans = [s for s in self.rows["spans"] if s["trace_id"] == trace_id]
        entries = [e for e in self.rows.get("ledger", []) if e["trace_id"] == trace_id]
        costs = [e["total_cost_usd"] for e in entries if e["total_cost_usd"] is not None]
        row = {
            "project": spans[0]["project"],
            "trace_id": trace_id,
            "name": spans[0]["name"],
            "root_span_id": spans[0]["span_id"],
            "start_time": min(s["start_time"] for s in spans),
            "end_time": max(s["end_time"] for s in spans),
            "status": "closed",
            "service_name": spans[0].get("service_name", ""),
            "agent_name": spans[0].get("agent_name", ""),
            "agents": sorted({s.get("agent_name", "") for s in spans}),
            "models": sorted({e["model"] for e in entries}),
            "session_id": spans[0].get("session_id", ""),
            "user_id": spans[0].get("user_id", ""),
            "span_count": len(spans),
            "error_count": sum(s["status"] == "error" for s in spans),
            "llm_calls": len(entries),
            "unpriced_calls": sum(e["price_status"] == "unpriced" for e in entries),
            "input_tokens": sum(e["input_tokens"] or 0 for e in entries),
            "output_tokens": sum(e["output_tokens"] or 0 for e in entries),
            "total_cost_usd": sum(costs, Decimal(0)) if costs else None,
            "version": next(self.numbers),
            "is_deleted": 0,
            **columns,
        }
        self._add("traces", row)
        return row

    def trajectory(self, *trace_ids: str, **columns: Any) -> Row:
        """Add the row of a trajectory over traces that were added, in order of their start."""
        traces = [t for one in trace_ids for t in self.rows["traces"] if t["trace_id"] == one]
        start = min(t["start_time"] for t in traces)
        row = {
            "project": traces[0]["project"],
            "trajectory_id": trace_ids[0],
            "trace_ids": list(trace_ids),
            "name": traces[0]["name"],
            "start_time": start,
            "end_time": max(t["end_time"] for t in traces),
            "status": "closed",
            "traces": len(traces),
            "version": next(self.numbers),
            "is_deleted": 0,
            **columns,
        }
        self._add("trajectories", row)
        for trace in traces if len(traces) > 1 else ():
            part = {
                "project": row["project"],
                "trace_id": trace["trace_id"],
                "trajectory_id": row["trajectory_id"],
                "trace_hour": _hour_s(trace["start_time"]),
                "trajectory_hour": _hour_s(start),
                "version": next(self.numbers),
                "is_deleted": 0,
            }
            self._add("trajectory_traces", part)
        return row

    def usage(self, **columns: Any) -> Row:
        """Add a row of the hourly cube; ``hours_ago`` places it."""
        hour = self.now_s // 3600 * 3600 - 3600 * columns.pop("hours_ago", 0)
        row = {
            "project": "default",
            "hour": hour,
            "kind": "llm",
            "provider": "anthropic",
            "model": "claude-sonnet-4-5",
            "agent_name": "support-agent",
            "calls": 10,
            "errors": 0,
            "unpriced_calls": 0,
            "calls_without_usage": 0,
            "input_tokens": 10_000,
            "uncached_tokens": 4_000,
            "cache_read_tokens": 6_000,
            "cache_write_tokens": 0,
            "output_tokens": 2_000,
            "total_cost_usd": Decimal("0.25"),
            "version": next(self.numbers),
            "is_deleted": 0,
            **columns,
        }
        self._add("usage_hourly", row)
        return row

    def insert(self) -> None:
        """Insert everything added so far."""
        for table, rows in self.rows.items():
            names = sorted({name for row in rows for name in row})
            for columns in {tuple(n for n in names if n in row) for row in rows}:
                same = [row for row in rows if set(row) == set(columns)]
                token = f"seed-{table}-{next(self.numbers)}"
                self.store.insert(table, arrow_rows(same, columns), token=token)
        if self.sums_by_user:
            self._sum_by_user(self.rows.get("ledger", []))
        self.rows.clear()

    def _sum_by_user(self, entries: list[Row]) -> None:
        hours = {(e["project"], _hour_s(e["time"])) for e in entries}
        for project in {project for project, _ in hours}:
            params = {
                "project": project,
                "hours": sorted(hour for of, hour in hours if of == project),
                "version": next(self.numbers),
            }
            self.store.command("usage_by_user_recompute", params)
            self.store.command("usage_by_user_remove_vanished", params)

    def _add(self, table: str, row: Row) -> None:
        self.rows.setdefault(table, []).append(row)


def arrow_rows(rows: list[Row], columns: tuple[str, ...]) -> pa.Table:
    """Rows as Arrow, typed as the store's columns."""
    return pa.table({n: pa.array([r[n] for r in rows], _type_of(n, rows)) for n in columns})


def _type_of(name: str, rows: list[Row]) -> pa.DataType | None:
    if name.endswith("cost_usd"):
        return _MONEY
    if name.endswith("_tokens"):
        return pa.uint64()
    return _TYPES.get(name)


def _hour_s(time_ns: int) -> int:
    return time_ns // (3_600 * NS_PER_S) * 3_600


def _part(total: Decimal | None, share: str) -> Decimal | None:
    return None if total is None else total * Decimal(share)
