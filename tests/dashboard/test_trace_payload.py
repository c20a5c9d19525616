"""The block of bytes the tree is drawn from."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from spanledger_dashboard.trace_data import (
    Trace,
    TraceKey,
    find_trace,
    first_span_id,
    load_trace,
    sums,
)
from spanledger_dashboard.trace_payload import (
    FLAG_ERROR,
    FLAG_MERGED,
    FLAG_NO_USAGE,
    FLAG_UNPRICED,
    pack,
)
from spanledger_dashboard.trace_view import javascript
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

TRACE = "ab" * 16
ROOT, CALL, TOOL, TWIN = (f"{n:016x}" for n in range(1, 5))
_DTYPES = {"f8": "<f8", "i4": "<i4", "u1": "u1"}


def unpack(payload: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    (length,) = struct.unpack_from("<I", payload)
    header = json.loads(payload[4 : 4 + length])
    at, columns = 4 + length, {}
    for name, kind, count in header["columns"]:
        columns[name] = np.frombuffer(payload, _DTYPES[kind], count, at)
        at += columns[name].nbytes + -columns[name].nbytes % 8
    assert at == len(payload)
    return header, columns


def spans(*rows: tuple[str, str], **columns: Any) -> pa.Table:
    """Spans by (id, parent), one second each, one second apart."""
    n = len(rows)
    made: dict[str, Any] = {
        "span_id": [r[0] for r in rows],
        "parent_span_id": [r[1] for r in rows],
        "name": ["chat"] * n,
        "role": ["llm"] * n,
        "status": ["ok"] * n,
        "start_ns": pa.array([(i + 1) * 10**9 for i in range(n)], pa.int64()),
        "duration_ns": pa.array([10**9] * n, pa.uint64()),
        "agent_name": [""] * n,
        "model": ["m"] * n,
        "input_tokens": pa.array([None] * n, pa.uint64()),
        "output_tokens": pa.array([None] * n, pa.uint64()),
        **columns,
    }
    return pa.table(made)


def entry(span_id: str, cost: str | None, **columns: Any) -> dict[str, Any]:
    return {
        "span_id": span_id,
        "kind": "llm",
        "total_cost_usd": None if cost is None else Decimal(cost),
        "price_status": "priced",
        "usage_source": "span",
        "input_tokens": 100,
        "output_tokens": 20,
        "merged_span_ids": [],
        **columns,
    }


def trace(table: pa.Table, *entries: dict[str, Any]) -> Trace:
    return Trace(TraceKey("default", TRACE, (0,)), table, entries, None)


def test_spans_point_to_their_parents() -> None:
    _, columns = unpack(pack(trace(spans((ROOT, ""), (CALL, ROOT), (TOOL, CALL)))))
    assert columns["parent"].tolist() == [-1, 0, 1]
    assert columns["start"].tolist() == [0, 1e9, 2e9]
    assert columns["id"].tobytes().hex() == ROOT + CALL + TOOL


def test_a_parent_that_has_not_arrived_is_told_apart_from_none() -> None:
    _, columns = unpack(pack(trace(spans((ROOT, "ff" * 8), (CALL, "")))))
    assert columns["parent"].tolist() == [-2, -1]


def test_costs_are_whole_picodollars_on_the_primary_span() -> None:
    _, columns = unpack(pack(trace(spans((ROOT, ""), (CALL, ROOT)), entry(CALL, "0.000123456789"))))
    assert np.isnan(columns["cost"][0])
    assert columns["cost"][1] == 123_456_789


def test_a_merged_span_shows_neither_cost_nor_tokens_of_its_own() -> None:
    table = spans(
        (ROOT, ""), (CALL, ROOT), (TWIN, CALL), input_tokens=pa.array([None, 100, 100], pa.uint64())
    )
    _, columns = unpack(pack(trace(table, entry(CALL, "0.5", merged_span_ids=[TWIN]))))
    assert columns["flags"].tolist() == [0, 0, FLAG_MERGED]
    assert columns["input"].tolist()[1] == 100
    assert np.isnan(columns["input"][2])
    assert np.isnan(columns["cost"][2])


def test_unpriced_and_unmeasured_calls_are_flagged_and_not_zero() -> None:
    table = spans((CALL, ""), (TOOL, ""), (TWIN, ""), status=["error", "ok", "ok"])
    packed = pack(
        trace(
            table,
            entry(CALL, None, price_status="unpriced"),
            entry(TOOL, None, usage_source="none", input_tokens=None, output_tokens=None),
        )
    )
    _, columns = unpack(packed)
    assert columns["flags"].tolist() == [FLAG_ERROR | FLAG_UNPRICED, FLAG_NO_USAGE, 0]
    assert np.isnan(columns["cost"]).all()


def test_names_are_sent_once() -> None:
    table = spans((ROOT, ""), (CALL, ROOT), (TOOL, ROOT), name=["run", "chat", "chat"])
    header, columns = unpack(pack(trace(table), selected=CALL))
    assert [header["dictionaries"]["name"][i] for i in columns["name"]] == ["run", "chat", "chat"]
    assert len(header["dictionaries"]["name"]) == 2
    assert header["selected"] == CALL


def test_reading_starts_at_the_earliest_root() -> None:
    assert first_span_id(trace(spans((CALL, ROOT), (ROOT, "")))) == ROOT
    assert first_span_id(trace(spans((CALL, TOOL), (TOOL, CALL)))) == CALL


def test_ten_thousand_spans_are_packed_in_less_than_a_second() -> None:
    ids = [f"{n:016x}" for n in range(1, 10_001)]
    table = spans(*[(i, ids[n // 7 - 1] if n >= 7 else "") for n, i in enumerate(ids)])
    entries = [entry(i, "0.001") for i in ids[::2]]
    started = time.perf_counter()
    payload = pack(trace(table, *entries))
    assert time.perf_counter() - started < 1
    assert len(payload) < 1_000_000


def test_a_trace_is_read_back_from_the_store(store: Store, seed: Seeder) -> None:
    root = seed.span(TRACE, ROOT, name="run", role="agent", duration_s=3)
    call = seed.span(TRACE, CALL, ROOT, at_s=-59, status="error", duration_s=4)
    seed.span(TRACE, TWIN, CALL, at_s=-59)
    twin = {"trace_id": TRACE, "span_id": TWIN}
    seed.entry(call, "0.25", source_spans=[{"trace_id": TRACE, "span_id": CALL}, twin])
    seed.span(TRACE, CALL, ROOT, at_s=-59, status="error", duration_s=4, name="resent")
    seed.trajectory(TRACE)
    seed.insert()

    key = find_trace(store, TRACE, "default")
    assert key is not None
    found = load_trace(store, key)
    total = sums(found)

    assert found.spans["span_id"].to_pylist() == [ROOT, CALL, TWIN]
    assert found.spans["name"].to_pylist() == ["run", "resent", "chat"]
    assert found.entries[0]["merged_span_ids"] == [TWIN]
    assert (total.spans, total.errors, total.llm_calls) == (3, 1, 1)
    assert total.cost_usd == Decimal("0.25")
    assert total.duration_ns == 5 * 10**9
    assert total.start_ns == root["start_time"]


def test_a_trace_that_never_arrived_is_none(store: Store) -> None:
    assert find_trace(store, "cd" * 16, "default") is None


def test_the_preferred_project_wins_when_two_hold_the_trace(store: Store, seed: Seeder) -> None:
    for project in ("alpha", "beta"):
        seed.span(TRACE, ROOT, project=project)
    seed.insert()
    keys = [find_trace(store, TRACE, p) for p in ("beta", "gamma")]
    assert [k.project for k in keys if k] == ["beta", "alpha"]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_browser_builds_the_tree_and_its_sums() -> None:
    table = spans(
        (ROOT, ""), (CALL, ROOT), (TOOL, ROOT), (TWIN, CALL),
        ("aa" * 8, "bb" * 8), ("bb" * 8, "aa" * 8),
        status=["ok", "ok", "error", "ok", "ok", "ok"],
    )  # fmt: skip
    payload = pack(trace(table, entry(CALL, "0.5"), entry(TWIN, "0.25")))
    program = f"""{javascript()}
    const bytes = Uint8Array.from(Buffer.from("{payload.hex()}", "hex"));
    const {{ header, columns }} = unpack(bytes);
    const m = new TraceModel(header, columns);
    console.log(JSON.stringify({{
      order: [...m.order], depth: [...m.depth], total: [...m.total], errors: [...m.errors],
      closed: [...m.visible(new Set([1]))], found: m.search("chat").length, id: m.search("{TOOL}"),
      grand: m.grandTotal,
    }}));"""
    run = subprocess.run(
        ["node", "--input-type=module", "-"],
        input=program, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    tree = json.loads(run.stdout)
    # The last two are each other's parent: opened at the earlier one.
    assert tree["order"] == [0, 1, 3, 2, 4, 5]
    assert tree["depth"] == [0, 1, 1, 2, 0, 1]
    assert tree["total"][:4] == [0.75e12, 0.75e12, 0, 0.25e12]
    assert tree["errors"][0] == 1
    assert tree["closed"] == [0, 1, 2, 4, 5]
    assert (tree["found"], tree["id"], tree["grand"]) == (6, [2], 0.75e12)
