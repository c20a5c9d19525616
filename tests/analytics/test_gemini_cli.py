"""Calls of Gemini CLI 0.61: records as it writes them, counted once at what Gemini charges."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from spanledger_analytics.job import LedgerJob
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from tests.analytics.made import MS, T0
from tests.analytics.test_ledger import ledger
from tests.marks import Marks
from tests.otlp import Value
from tests.signals import logs, record

DETAILS = "gen_ai.client.inference.operation.details"
SESSION = "b0f4b989-e1ba-4efc-9f67-2d5917cad58b"
TRACE, SPAN = bytes(range(16)), bytes(range(1, 9))
_versions = itertools.count(T0)


def common(event: str, *, session: str = SESSION, at: str = "789") -> dict[str, Value]:
    return {
        "session.id": session,
        "auth_type": "gemini-api-key",
        "event.name": event,
        "event.timestamp": f"2026-11-24T01:07:44.{at}Z",
    }


CONVENTIONS: dict[str, Value] = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.provider.name": "gcp.gen_ai",
    "gen_ai.request.model": "gemini-2.5-flash",
}


def written(said: dict[str, Value], at_ms: int) -> LogRecord:
    made = record("", time_ns=T0 + at_ms * MS, said=said)
    made.event_name = ""  # it writes the name as an attribute alone
    return made


def asked() -> LogRecord:
    said = {"gen_ai.input.messages": '[{"role":"user","parts":[{"content":"hi","type":"text"}]}]'}
    made = written({**common(DETAILS, at="732"), **CONVENTIONS, **said}, 1)
    made.trace_id, made.span_id = TRACE, SPAN
    return made


def answered(number: int = 0, **fields: str) -> list[LogRecord]:
    counts = {"input": 36_440, "output": 8_835 + number}
    whole: dict[str, Value] = {
        **common("gemini_cli.api_response", **fields),
        "model": "gemini-2.5-flash",
        "duration_ms": 56,
        "input_token_count": counts["input"],
        "output_token_count": counts["output"],
        "cached_content_token_count": 12_729,
        "thoughts_token_count": 3_554,
        "tool_token_count": 0,
        "total_token_count": 48_829 + number,
        "prompt_id": SESSION,
        "status_code": 200,
    }
    view: dict[str, Value] = {
        **common(DETAILS, **fields),
        **CONVENTIONS,
        "gen_ai.response.model": "gemini-2.5-flash",
        "gen_ai.response.id": f"gem-{number}",
        "gen_ai.usage.input_tokens": counts["input"],
        "gen_ai.usage.output_tokens": counts["output"],
    }
    return [written(whole, 58), written(view, 58)]


def failed() -> list[LogRecord]:
    whole: dict[str, Value] = {
        **common("gemini_cli.api_error"),
        "model": "gemini-2.5-flash",
        "duration_ms": 56,
        "error": "overloaded",
        "status_code": 503,
    }
    view = {**common(DETAILS), **CONVENTIONS, "gen_ai.response.model": "gemini-2.5-flash"}
    return [written(whole, 58), written(view, 58)]


def counted(store: Store, *records: LogRecord) -> list[dict[str, object]]:
    for number, one in enumerate(records):  # each arrives by itself
        request = logs(one, scope="gemini-cli").SerializeToString()
        name = f"{number}-{next(_versions)}"
        store_rows(store, decode_batch([Body("p", request, T0, Signal.LOGS)], name, T0), name)
    LedgerJob(store, lambda: next(_versions), Marks()).run_once()
    return ledger(store)


@pytest.mark.parametrize("order", [1, -1])
def test_a_call_is_counted_once_with_its_thoughts_and_its_cache(store: Store, order: int) -> None:
    """USD per million tokens: 0.30 input, 0.03 cached input, 2.50 output, thoughts included."""
    [entry] = counted(store, *[asked(), *answered()][::order])
    by_hand = (36_440 - 12_729) * Decimal("0.3") + 12_729 * Decimal("0.03")
    by_hand += (8_835 + 3_554) * Decimal("2.5")
    assert entry["total_cost_usd"] == by_hand / 10**6 == Decimal("0.03846767")
    assert (entry["input_tokens"], entry["cache_read_tokens"]) == (36_440, 12_729)
    assert (entry["output_tokens"], entry["reasoning_tokens"]) == (12_389, 3_554)
    assert (entry["provider"], entry["model"]) == ("gcp.gen_ai", "gemini-2.5-flash")
    assert (entry["response_id"], entry["session_id"]) == ("gem-0", SESSION)
    assert (entry["duration_ns"], entry["flags"]) == (56 * MS, [])


def test_parallel_calls_stay_apart(store: Store) -> None:
    other = "27099aa9-a4a9-43f3-bfcc-76c5b372caf7"
    records = [*answered(), *answered(1), *answered(session=other), *answered(at="790")]
    assert len(counted(store, *records)) == 4


def test_a_failed_request_is_one_failed_call(store: Store) -> None:
    [entry] = counted(store, asked(), *failed())
    assert (entry["status"], entry["error_type"]) == ("error", "503")
    assert (entry["input_tokens"], entry["total_cost_usd"]) == (None, None)


def test_a_request_without_an_answer_is_no_call_and_keeps_its_messages(store: Store) -> None:
    assert counted(store, asked()) == []
    [row] = store.sql_rows("SELECT role, length(input_messages) AS messages FROM spans")
    assert (row["role"], row["messages"]) == ("other", 1)
