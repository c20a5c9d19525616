"""Whatever arrives becomes data: flagged, never a crash, never a wrong number in a total."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from spanledger_analytics.calls import derive_calls
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.price_book.book import PriceBook
from spanledger_analytics.spans import Span
from spanledger_analytics.traces import derive_traces
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from tests.analytics.made import llm, span, tool, usages
from tests.marks import Marks
from tests.otlp import Value, attributes, request
from tests.otlp import span as otlp_span
from tests.processor_time import processor_s
from tests.variants import first

DAY_NS = 86_400 * 10**9
DEEP, WIDE, ONE_ID = 10_000, 50_000, 20_000


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.bundled()


def call(model: str = "gpt-4o", **values: Value) -> dict[str, Value]:
    """Attributes of a call of 1,000 and 10 tokens; ``input`` and ``output`` replace the counts."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": values.get("input", 1_000),
        "gen_ai.usage.output_tokens": values.get("output", 10),
        **{key: value for key, value in values.items() if key not in ("input", "output")},
    }


class Ledger:
    """A store with the ledger of what was put into it."""

    def __init__(self, store: Store, book: PriceBook) -> None:
        self.store = store
        self._job = LedgerJob(store, time.time_ns, Marks(), lambda: book)
        self._flushes = 0

    def put(self, *spans: Any, scope: str = "test") -> None:
        """Store OTLP spans as the collector does, and derive."""
        self._flushes += 1
        flush = f"f{self._flushes}"
        body = Body("default", request(*spans, scope=scope).SerializeToString(), time.time_ns())
        store_rows(self.store, decode_batch([body], flush, time.time_ns()), flush)
        self._job.run_once()

    def entries(self) -> list[dict[str, Any]]:
        return self.store.sql_rows("SELECT * FROM ledger_current ORDER BY time, span_id")

    def sums(self) -> tuple[int, int, int]:
        """Input, output and unpriced calls over all traces."""
        [row] = self.store.sql_rows(
            "SELECT sum(input_tokens) AS i, sum(output_tokens) AS o, sum(llm_calls) AS c"
            " FROM traces FINAL WHERE is_deleted = 0"
        )
        return int(str(row["i"])), int(str(row["o"])), int(str(row["c"]))


@pytest.fixture
def ledger(store: Store, book: PriceBook) -> Ledger:
    return Ledger(store, book)


def made(said: dict[str, Value], **place: Any) -> Any:
    found = otlp_span("chat", **place)
    found.attributes.extend(attributes(said))
    return found


@pytest.mark.parametrize(
    "bad",
    first([-5, 2**63 - 1, float("nan"), "many", -(2**63), 1e300, float("inf"), 1.5, "", True], 4),
    ids=repr,
)
def test_what_is_no_count_is_unknown_and_flagged(ledger: Ledger, bad: Value) -> None:
    ledger.put(made(call(input=bad)), made(call()))
    wrong, right = sorted(ledger.entries(), key=lambda entry: entry["input_tokens"] or 0)
    assert wrong["input_tokens"] is None
    assert (wrong["output_tokens"], wrong["uncached_cost_usd"]) == (10, None)
    assert ("bad_token_count" in wrong["flags"]) == (bad != "")
    assert right["flags"] == []
    assert ledger.sums() == (1_000, 20, 2)


def test_parts_larger_than_any_total_stay_within_what_was_said(ledger: Ledger) -> None:
    huge = {"gen_ai.usage.cache_read.input_tokens": 2**60}
    ledger.put(made({**call(), **huge}))
    [entry] = ledger.entries()
    assert (entry["input_tokens"], entry["cache_read_tokens"]) == (1_000, None)
    assert "bad_token_count" in entry["flags"]


def test_model_names_of_10_kb_are_cut_and_never_priced(ledger: Ledger) -> None:
    ledger.put(made(call("x" * 10_000)))
    [entry] = ledger.entries()
    assert len(entry["model"]) == 256
    assert entry["price_status"] == "unpriced"
    assert "long_model_name" in entry["flags"]
    assert ledger.sums() == (1_000, 10, 1)


@pytest.mark.parametrize("start_ns", [1, 365 * DAY_NS, 140 * 365 * DAY_NS], ids=str)
def test_impossible_clocks_are_counted_and_flagged(ledger: Ledger, start_ns: int) -> None:
    ledger.put(made(call(), start_ns=start_ns))
    [entry] = ledger.entries()
    assert entry["flags"] == ["impossible_time"]
    assert entry["input_tokens"] == 1_000


def test_spans_that_end_before_they_start_last_no_time(ledger: Ledger) -> None:
    backwards = made(call())
    backwards.end_time_unix_nano = backwards.start_time_unix_nano - 10**9
    ledger.put(backwards)
    [entry] = ledger.entries()
    assert (entry["duration_ns"], entry["input_tokens"]) == (0, 1_000)


def test_parents_in_a_circle_are_flagged_and_counted_once(ledger: Ledger) -> None:
    trace = b"t" * 16
    ring = [made(call(input=n + 1), trace_id=trace) for n in range(4)]
    for n, one in enumerate(ring):
        one.parent_span_id = ring[n - 1].span_id
    alone = made(call(), trace_id=trace)
    alone.parent_span_id = alone.span_id
    below = made(call(input=50), trace_id=trace, parent=alone.span_id)
    ledger.put(*ring, alone, below)
    entries = ledger.entries()
    assert all("parent_cycle" in entry["flags"] for entry in entries)
    assert ledger.sums()[0] == sum(entry["input_tokens"] for entry in entries)
    spans = [key for entry in entries for key in map(str, entry["source_spans"])]
    assert len(spans) == len(set(spans)) <= 6


def test_nothing_at_all_is_no_call(ledger: Ledger) -> None:
    empty = otlp_span("")
    empty.ClearField("attributes")
    empty.start_time_unix_nano = empty.end_time_unix_nano = 0
    ledger.put(empty)
    ledger.put(made(dict.fromkeys(call(), "")))
    assert ledger.entries() == []
    [count] = ledger.store.sql_rows("SELECT count() AS n FROM traces FINAL")
    assert count["n"] == 2
    assert derive_calls([]) == []
    assert derive_traces("p", [], []) == []


def test_an_id_on_thousands_of_calls_is_stored_priced_and_flagged(ledger: Ledger) -> None:
    start, trace = time.time_ns() - 10**12, b"t" * 16
    spans = [
        made(call(**{"gen_ai.response.id": "x"}), trace_id=trace, start_ns=start + n * 10**9)
        for n in range(2_000)
    ]
    ledger.put(*spans)
    entries = ledger.entries()
    assert len(entries) == 2_000
    assert {tuple(entry["flags"]) for entry in entries} == {("reused_response_id",)}
    assert ledger.sums() == (2_000_000, 20_000, 2_000)


# Time may grow with the input, not with its square: four times as many spans may take some more
# than four times as long, sixteen times is what must not be.
_TIMES_MORE = 4
_MOST_TIMES = 9


def chain(n: int, role: str = "other") -> list[Span]:
    parts = [span(f"{i}", f"{i - 1}", role=role, at=i, lasts=3 * n - 2 * i) for i in range(1, n)]
    return [*parts, llm("last", f"{n - 1}", usage=(10, 1), at=n, lasts=n // 2)]


def siblings(n: int) -> list[Span]:
    return [
        span("0", role="agent", lasts=n),
        *(llm(f"{i}", "0", usage=(10, 1), at=i) for i in range(1, n)),
    ]


def half_silent(n: int) -> list[Span]:
    """Calls at one time, of which every other one is known, each to another scope."""
    known = [(10, 1), (None, None)]
    return [
        span("0", role="agent", lasts=n),
        *(llm(f"{i}", "0", usage=known[i % 2], at=i / n, scope_name=f"s{i % 3}") for i in range(n)),
    ]


def one_id(n: int, at: Callable[[int], float], scope: Callable[[int], str]) -> list[Span]:
    return [
        llm(f"{i}", response_id="x", usage=(10, i % 7), at=at(i), scope_name=scope(i))
        for i in range(n)
    ]


def ring(n: int) -> list[Span]:
    return [span(f"{i}", f"{(i + 1) % n}", role=["llm", "agent"][i % 2], at=i) for i in range(n)]


def comb(n: int) -> list[Span]:
    spans: list[Span] = []
    for i in range(n // 2):
        spans.append(llm(f"r{i}", f"r{i - 1}" if i else "", at=i, lasts=20_000 - 2 * i))
        spans.append(llm(f"c{i}", f"r{i}", at=i, usage=(i + 1, 1), lasts=1, scope_name=f"s{i % 3}"))
    return spans


def tools(n: int) -> list[Span]:
    return [tool(f"{i}", "0", scope_name=f"s{i % 2}", at=i % 50, lasts=20) for i in range(n)]


SHAPES: dict[str, tuple[int, Callable[[int], list[Span]]]] = {
    "chain": (DEEP, chain),
    "chain of calls": (DEEP, lambda n: chain(n, "llm")),
    "chain of agents": (DEEP, lambda n: chain(n, "agent")),
    "chain of tools": (DEEP, lambda n: chain(n, "tool")),
    "siblings": (WIDE, siblings),
    "siblings, half silent": (ONE_ID, half_silent),
    "one id in a row": (ONE_ID, lambda n: one_id(n, lambda i: i * 200, lambda i: "s")),
    "one id at one time": (ONE_ID, lambda n: one_id(n, lambda i: 0, lambda i: f"s{i % 2}")),
    "one id, a scope each": (ONE_ID, lambda n: one_id(n, lambda i: i / n, lambda i: f"s{i}")),
    "ring": (DEEP, ring),
    "comb": (DEEP, comb),
    "tools of one name": (ONE_ID, tools),
}


@pytest.mark.endurance
@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_spans_take_about_four_times_as_long(shape: str) -> None:
    most, make = SHAPES[shape]

    def seconds(size: int) -> float:
        spans = make(size)
        return processor_s(
            lambda: (derive_calls(spans), derive_traces("p", spans, [])),
            times=3 if size < most else 1,
        )

    # What else runs on the machine shares its caches: what is quadratic is so at every attempt.
    pairs = ((seconds(most), seconds(most // _TIMES_MORE)) for _ in range(3))
    assert any(many < _MOST_TIMES * few for many, few in pairs)


@pytest.mark.parametrize("role", ["other", "llm", "agent"])
def test_chain_of_ten_thousand_spans_is_one_call(role: str) -> None:
    assert usages(derive_calls(chain(DEEP, role))) == [(10, 1)]


def test_comb_of_nested_routers_counts_each_tooth() -> None:
    calls = derive_calls(comb(DEEP))
    assert sum(call.tokens.input or 0 for call in calls) == sum(range(1, DEEP // 2 + 1))


@pytest.mark.endurance
def test_fifty_thousand_siblings_are_that_many_calls() -> None:
    assert len(derive_calls(siblings(WIDE))) == WIDE - 1


@pytest.mark.parametrize(
    "odd", first(["it's", "a\\b", "tab\tnl\n", "Ä€😀", "a\\'b", "`x`", "[1,'2']", "\\N"], 4)
)
def test_ids_of_any_characters_tie_traces(ledger: Ledger, odd: str) -> None:
    start = time.time_ns() - 10**10
    said = {"gen_ai.response.id": odd, "service.instance.id": odd}
    first, second = made(call(**said), start_ns=start), made(call(**said), start_ns=start + 1)
    second.attributes.extend(attributes({"gen_ai.usage.cache_read.input_tokens": 7}))
    ledger.put(first, scope="one")
    ledger.put(second, scope="two")
    [entry] = ledger.entries()
    assert (entry["response_id"], entry["cache_read_tokens"]) == (odd, 7)
