"""The queue of spans: the thread that sends leaves the program room, and hurries when asked."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

import pytest
import requests
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from spanledger import _queue
from spanledger._processor import StepProcessor
from spanledger._queue import SpanQueue
from spanledger._spool import SteadySession
from tests.instance import wait_until


class Reading(SpanExporter):
    """Reads every span of a batch, as an encoder does."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.batches = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches += 1
        self.names += [span.name for span in spans]
        return SpanExportResult.SUCCESS


def filled(exporter: Reading, count: int) -> SpanQueue:
    """Return a queue that got spans, whose thread has not started yet."""
    queue = SpanQueue(lambda: exporter, lambda span, _: span)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(StepProcessor(queue))
    tracer = provider.get_tracer("test")
    for n in range(count):
        tracer.start_span(str(n)).end()
    return queue


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(_queue, "sleep", lambda _: found.append(threading.current_thread().name))
    return found


def test_the_thread_that_sends_lets_the_program_work_in_between(
    pauses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_queue, "_EVERY_S", 0.01)
    exporter = Reading()
    queue = filled(exporter, 200)
    wait_until(lambda: len(exporter.names) == 200)
    # Once for every 16 spans when they are made fit to leave, and again when they are encoded.
    assert len(pauses) >= 2 * (200 // 16) - 2 * exporter.batches
    assert set(pauses) == {"spanledger"}
    queue.shutdown()
    assert exporter.names == [str(n) for n in range(200)]


def test_after_a_span_that_is_much_work_the_program_has_its_turn(
    pauses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_queue, "_EVERY_S", 0.01)
    worked_ms = itertools.count()
    monkeypatch.setattr(_queue, "thread_time", lambda: next(worked_ms) / 1000)
    exporter = Reading()
    queue = filled(exporter, 10)
    wait_until(lambda: len(exporter.names) == 10)
    assert len(pauses) == 2 * 10  # made fit to leave, and encoded
    queue.shutdown()


def test_who_waits_for_a_flush_does_not_wait_for_pauses(
    pauses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SpanQueue, "_start_thread", lambda _: None)
    exporter = Reading()
    queue = filled(exporter, 200)
    monkeypatch.undo()
    monkeypatch.setattr(_queue, "sleep", pauses.append)
    queue._is_idle.clear()  # pyright: ignore[reportPrivateUsage] # as if somebody waited
    queue._start_thread()  # pyright: ignore[reportPrivateUsage]
    assert queue.force_flush()
    assert len(exporter.names) == 200
    assert pauses == []
    queue.shutdown()


def test_odd_baggage_does_not_get_in_the_way() -> None:
    exporter = Reading()
    queue = filled(exporter, 0)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(StepProcessor(queue))
    odd = baggage.set_baggage(7, "seven", context.Context())  # type: ignore[arg-type] # it may be
    provider.get_tracer("test").start_span("with odd baggage", odd).end()
    assert queue.force_flush()
    assert exporter.names == ["with odd baggage"]
    queue.shutdown()


def test_proxies_are_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    session, plain = SteadySession(), requests.Session()

    def proxy(asked: requests.Session, given: dict[str, str]) -> object:
        url = "http://collector:4318/v1/traces"
        return asked.merge_environment_settings(url, given, False, True, None)["proxies"]["http"]

    assert proxy(plain, {}) == proxy(session, {}) == "http://proxy:3128"
    monkeypatch.setenv("HTTP_PROXY", "http://other:3128")
    assert proxy(plain, {}) == "http://other:3128"
    assert proxy(session, {}) == "http://proxy:3128"
    assert proxy(session, {"http": "http://mine:1"}) == "http://mine:1"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", None), ("localhost", None), ("[::1]", None), ("127.evil.com", "http://proxy:1")],
)
def test_no_proxy_is_asked_for_this_machine(
    host: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    url = f"http://{host}:4318/v1/traces"
    found = SteadySession().merge_environment_settings(url, {}, False, True, None)
    assert found["proxies"].get("http") == expected
