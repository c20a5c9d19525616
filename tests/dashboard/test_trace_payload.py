"""The block of bytes the tree is drawn from."""

from __future__ import annotations

import json
import struct
import zlib
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from spanledger_dashboard.trace.data import find_trace, first_span_id, load_trace, sums
from spanledger_dashboard.trace.payload import (
    FLAG_CALL,
    FLAG_ERROR,
    FLAG_MERGED,
    FLAG_NO_USAGE,
    FLAG_UNPRICED,
    pack,
)
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder
from tests.dashboard.trace_rows import S, call, span, span_id, trace
from tests.processor_time import processor_s

TRACE = "ab" * 16
ROOT, CALL, TWIN = (span_id(n) for n in (1, 2, 4))
PARTS = ("uncached_cost_usd", "cache_read_cost_usd", "output_cost_usd")
_DTYPES = {"f8": "<f8", "i4": "<i4", "u1": "u1", "u2": "<u2", "u4": "<u4"}


def head(block: bytes) -> tuple[dict[str, Any], int]:
    (length,) = struct.unpack_from("<I", block)
    return json.loads(block[4 : 4 + length]), 4 + length


def unpack(payload: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    front, at = head(payload)
    body = zlib.decompress(payload[at:]) if front["is_deflated"] else payload[at:]
    header, at = head(body)
    columns: dict[str, Any] = {}
    for name, kind, count, is_shifted in header["columns"]:
        column = np.frombuffer(body, _DTYPES[kind], count, at)
        at += column.nbytes + -column.nbytes % 8
        columns[name] = np.where(column == 0, np.nan, column - 1.0) if is_shifted else column
    assert at == len(body)
    return {**header, "front": front}, columns


def test_spans_point_to_their_parents() -> None:
    _, columns = unpack(pack(trace([span(1), span(2, 1, at=1), span(3, 2, at=2)])))
    assert columns["parent"].tolist() == [-1, 0, 1]
    assert columns["start"].tolist() == [0, S, 2 * S]
    assert columns["id"].tobytes().hex() == span_id(1) + span_id(2) + span_id(3)


def test_a_parent_that_has_not_arrived_is_told_apart_from_none() -> None:
    _, columns = unpack(pack(trace([span(1, "ff" * 8), span(2, at=1)])))
    assert columns["parent"].tolist() == [-2, -1]


def test_costs_are_exact_and_on_the_primary_span() -> None:
    made = trace([span(1), span(2, 1, at=1)], call(2, "12345.000123456789"))
    _, columns = unpack(pack(made))
    assert np.isnan(columns["micro"][0])
    assert int(columns["micro"][1]) * 10**6 + int(columns["pico"][1]) == 12345_000123456789


def test_two_entries_of_one_span_add_up() -> None:
    _, columns = unpack(pack(trace([span(1)], call(1, "0.5"), call(1, "0.25"))))
    assert columns["micro"].tolist() == [750_000]


def test_a_merged_span_shows_neither_cost_nor_tokens_of_its_own() -> None:
    rows = [span(1), span(2, 1, at=1, input_tokens=100), span(4, 2, at=2, input_tokens=100)]
    _, columns = unpack(pack(trace(rows, call(2, "0.5", merged_span_ids=[TWIN]))))
    assert columns["flags"].tolist() == [0, FLAG_CALL, FLAG_MERGED]
    assert columns["input"].tolist()[1] == 100
    assert np.isnan(columns["input"][2])
    assert np.isnan(columns["micro"][2])


def test_unpriced_and_unmeasured_calls_are_flagged_and_not_zero() -> None:
    rows = [span(2, status="error"), span(3, at=1), span(4, at=2)]
    silent = {"usage_source": "none", "input_tokens": None, "output_tokens": None}
    _, columns = unpack(pack(trace(rows, call(2, None), call(3, None, **silent))))
    assert columns["flags"].tolist() == [
        FLAG_ERROR | FLAG_UNPRICED | FLAG_CALL,
        FLAG_NO_USAGE | FLAG_CALL,
        0,
    ]
    assert np.isnan(columns["micro"]).all()
    assert np.isnan(columns["input"][1])


def test_money_that_is_no_call_of_a_model_adds_to_the_cost_alone() -> None:
    rows = [span(1, input_tokens=100, output_tokens=7), span(2, 1, at=1, role="tool")]
    entries = [call(1, "0.5"), call(1, "0.25", kind="gpu", input_tokens=None, output_tokens=None),
               call(2, "0.125", kind="tool", input_tokens=None, output_tokens=None)]  # fmt: skip
    _, columns = unpack(pack(trace(rows, *entries)))
    assert columns["micro"].tolist() == [750_000, 125_000]
    assert columns["flags"].tolist() == [FLAG_CALL, 0]
    assert not np.isnan(columns["input"][0])


def test_an_entry_whose_span_has_not_arrived_changes_nothing() -> None:
    _, columns = unpack(pack(trace([span(1)], call(9, "0.5", merged_span_ids=[span_id(8)]))))
    assert np.isnan(columns["micro"]).all()
    assert columns["flags"].tolist() == [0]


def test_names_are_sent_once() -> None:
    rows = [span(1, name="run"), span(2, 1, at=1), span(3, 1, at=2)]
    header, columns = unpack(pack(trace(rows), selected=CALL))
    assert [header["dictionaries"]["name"][i] for i in columns["name"]] == ["run", "chat", "chat"]
    assert len(header["dictionaries"]["name"]) == 2
    assert header["front"]["selected"] == CALL


def test_the_signature_tells_whether_the_spans_are_the_same() -> None:
    def signature(selected: str, *numbers: int) -> str:
        header, _ = unpack(pack(trace([span(n) for n in numbers]), selected=selected))
        return str(header["front"]["signature"])

    assert signature("", 1, 2) == signature(CALL, 1, 2) != signature("", 1)


def test_reading_starts_at_the_earliest_root() -> None:
    assert first_span_id(trace([span(2, 1), span(1, at=1)])) == ROOT
    assert first_span_id(trace([span(2, 3), span(3, 2, at=1)])) == CALL


@pytest.mark.endurance
def test_ten_thousand_spans_are_packed_in_less_than_a_second() -> None:
    rows = [span(n, n // 7 if n >= 7 else "", at=n) for n in range(1, 10_001)]
    made = trace(rows, *[call(n, "0.001") for n in range(1, 10_001, 2)])
    assert processor_s(lambda: pack(made)) < 1
    assert len(pack(made)) < 300_000


def test_a_trace_is_read_back_from_the_store(store: Store, seed: Seeder) -> None:
    root = seed.span(TRACE, ROOT, name="run", role="agent", duration_s=3)
    late = seed.span(TRACE, CALL, ROOT, at_s=-59, status="error", duration_s=4)
    links = {"links.trace_id": [TRACE], "links.span_id": [ROOT], "links.attributes": [[]]}
    seed.span(TRACE, TWIN, CALL, at_s=-59, ttft_ns=7, attempts=2, **links)
    twin = {"trace_id": TRACE, "span_id": TWIN}
    seed.entry(late, "0.250000000010", source_spans=[{"trace_id": TRACE, "span_id": CALL}, twin])
    seed.span(TRACE, CALL, ROOT, at_s=-59, status="error", duration_s=4, name="resent")
    seed.trace(TRACE)
    seed.insert()

    key = find_trace(store, TRACE, "default")
    assert key is not None
    found = load_trace(store, key)
    total = sums(found)
    _, columns = unpack(pack(found))

    assert found.spans["span_id"].to_pylist() == [ROOT, CALL, TWIN]
    assert found.spans["name"].to_pylist() == ["run", "resent", "chat"]
    assert found.entries[0]["merged_span_ids"] == [TWIN]
    assert (total.spans, total.errors, total.llm_calls) == (3, 1, 1)
    assert total.tokens == 1200
    assert total.cost_usd == Decimal("0.250000000010")
    assert total.duration_ns == 5 * S
    assert total.start_ns == root["start_time"]
    assert (columns["micro"][1], columns["pico"][1]) == (250_000, 10)
    assert columns["ttft"][2] == 7


@pytest.mark.parametrize(
    "costs",
    [
        ["12345678.900000000001"],
        ["8000000000.000000999999", "0.000000000002"],
        ["9223372.036854775807", "9223372.036854775807", "0.000000000001"],
        ["-0.000000000001"],
    ],
)
def test_amounts_of_any_size_are_read_to_the_picodollar(
    store: Store, seed: Seeder, costs: list[str]
) -> None:
    """In picodollars, whole numbers of 64 bits end at nine million dollars."""
    of = seed.span(TRACE, ROOT)
    for cost in costs:
        seed.entry(of, cost, **dict.fromkeys(PARTS))
    seed.trace(TRACE)
    seed.insert()
    key = find_trace(store, TRACE, "default")
    assert key is not None
    _, columns = unpack(pack(load_trace(store, key)))
    picodollars = int(columns["micro"][0]) * 10**6 + int(columns["pico"][0])
    assert picodollars == sum(int(Decimal(cost).scaleb(12)) for cost in costs)


def test_an_amount_beyond_what_is_exact_still_opens(store: Store, seed: Seeder) -> None:
    seed.entry(seed.span(TRACE, ROOT), str(10**16))
    seed.trace(TRACE)
    seed.insert()
    key = find_trace(store, TRACE, "default")
    assert key is not None
    _, columns = unpack(pack(load_trace(store, key)))
    assert columns["micro"][0] == 10.0**22


def test_a_trace_without_entries_has_no_known_cost(store: Store, seed: Seeder) -> None:
    seed.span(TRACE, ROOT, input_tokens=70, output_tokens=7)
    seed.insert()
    key = find_trace(store, TRACE, "default")
    assert key is not None
    found = load_trace(store, key)
    header, columns = unpack(pack(found))
    assert sums(found).cost_usd is None
    assert (sums(found).tokens, sums(found).unpriced_calls) == (0, 0)
    assert columns["input"].tolist() == [70]
    assert header["dictionaries"]["mark_kind"] == []


def test_a_trace_that_never_arrived_is_none(store: Store) -> None:
    assert find_trace(store, "cd" * 16, "default") is None


def test_the_preferred_project_wins_when_two_hold_the_trace(store: Store, seed: Seeder) -> None:
    for project in ("alpha", "beta"):
        seed.span(TRACE, ROOT, project=project)
    seed.insert()
    keys = [find_trace(store, TRACE, p) for p in ("beta", "gamma")]
    assert [k.project for k in keys if k] == ["beta", "alpha"]
