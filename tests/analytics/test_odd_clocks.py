"""Times that cannot be right must not keep anything else from being counted."""

import time
from pathlib import Path

import pytest

from spanledger_analytics import ledger
from spanledger_analytics.job import LedgerJob
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store
from tests.marks import Marks
from tests.otlp import attributes, llm_span, request

DAY_NS = 86_400 * 10**9


def put(store: Store, *starts_ns: int, flush: str = "f") -> None:
    """Store calls of 1,000 input tokens that start at these times, each with a response id."""
    spans = [llm_span("gpt-4o-mini", 1_000, 0) for _ in starts_ns]
    for n, (made, start_ns) in enumerate(zip(spans, starts_ns, strict=True)):
        made.start_time_unix_nano = made.end_time_unix_nano = start_ns
        made.attributes.extend(attributes({"gen_ai.response.id": f"resp-{flush}-{n}"}))
    body = Body("default", request(*spans).SerializeToString(), time.time_ns())
    store_rows(store, decode_batch([body], flush, time.time_ns()), flush)


def count(store: Store, query: str) -> int:
    [row] = store.sql_rows(query)
    return int(str(next(iter(row.values()))))


def usage_tokens(store: Store) -> int:
    return count(store, "SELECT sum(input_tokens) FROM usage_hourly FINAL WHERE is_deleted = 0")


def test_1970_and_2262_are_priced_and_in_the_hourly_usage(store: Store) -> None:
    put(store, 0, 1, time.time_ns(), 2**63 - 1, 2**64 - 1, 140 * 365 * DAY_NS)
    job = LedgerJob(store, time.time_ns, Marks())
    job.run_once()
    assert count(store, "SELECT count() FROM ledger_current WHERE total_cost_usd > 0") == 6
    job.run_usage_once()
    assert usage_tokens(store) == 6_000


@pytest.mark.endurance
def test_usage_of_more_months_than_an_insert_may_touch(store: Store) -> None:
    put(store, *(1 + n * 31 * DAY_NS for n in range(150)))
    job = LedgerJob(store, time.time_ns, Marks())
    job.run_once()
    job.run_usage_once()
    assert usage_tokens(store) == 150_000


def test_after_the_clock_was_set_back_new_spans_are_still_counted(store: Store) -> None:
    marks = Marks()
    marks.set("ledger", time.time_ns() // 1_000 + 3_600 * 10**6)
    put(store, time.time_ns())
    LedgerJob(store, time.time_ns, marks).run_once()
    assert count(store, "SELECT count() FROM ledger_current") == 1


def test_a_trace_the_store_refuses_does_not_hold_up_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, *(time.time_ns() for _ in range(5)))
    [bad] = store.sql_rows("SELECT max(trace_id) AS id FROM spans")
    real = ledger.run_ledger

    def run_ledger(store: Store, project: str, traces: list[str], **rest: object) -> object:
        if bad["id"] in traces:
            raise StoreError("value too long", permanent=True, code=1000)
        return real(store, project, traces, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr("spanledger_analytics.job.run_ledger", run_ledger)
    LedgerJob(store, time.time_ns, Marks()).run_once()
    assert count(store, "SELECT count() FROM ledger_current") == 4


def test_a_damaged_part_keeps_its_traces_waiting(store: Store) -> None:
    put(store, time.time_ns(), time.time_ns())
    [part] = store.sql_rows(
        "SELECT path FROM system.parts"
        " WHERE database = currentDatabase() AND table = 'spans' AND active"
    )
    file = Path(str(part["path"])) / "data.bin"
    whole = file.read_bytes()
    job = LedgerJob(store, time.time_ns, Marks())
    for place in (3, 20, len(whole) // 2):  # its checksum, its header, and within a block
        flipped = bytes([whole[place] ^ 0xFF])
        file.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        with pytest.raises(StoreError) as told:
            job.run_once()
        assert not told.value.permanent
    assert count(store, "SELECT count() FROM ledger_current") == 0
    file.write_bytes(whole)  # from a copy, for example
    job.run_once()
    assert count(store, "SELECT count() FROM ledger_current") == 2


def test_a_response_id_of_a_megabyte_is_no_response_id(store: Store, tmp_path: Path) -> None:
    made = llm_span("gpt-4o-mini", 1_000, 0)
    made.attributes.extend(attributes({"gen_ai.response.id": "x" * 1_200_000}))
    body = Body("default", request(made).SerializeToString(), time.time_ns())
    store_rows(store, decode_batch([body], "f", time.time_ns()), "f")
    LedgerJob(store, time.time_ns, Marks()).run_once()
    assert count(store, "SELECT sum(input_tokens) FROM ledger_current") == 1_000
