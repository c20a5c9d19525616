"""OTLP/gRPC: refusals with their trailers, limits of memory and time, health, draining."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spanledger_collector import intake
from spanledger_collector.access.senders import OpenAccess
from spanledger_collector.edge import deadline, grpc_reading
from spanledger_collector.edge.admission import Admission, Ticket
from spanledger_collector.edge.grpc_reading import Reading
from spanledger_collector.edge.grpc_server import Health
from spanledger_collector.errors import Overloaded, TooSlow, Unavailable
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.project_settings import Privacy, Project, ProjectSettings
from spanledger_storage.store import Store
from tests.instance import wait_until
from tests.otlp import GRPC_METHOD, export_grpc, request, span
from tests.running import RunningCollector, running_collector


def trailers_of(error: grpc.RpcError) -> dict[str, bytes]:
    found = cast("list[tuple[str, bytes]]", error.trailing_metadata())
    return dict(found)


def test_bad_data_has_details_and_no_leave_to_send_again(collector: RunningCollector) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        export_grpc(collector.grpc_port, b"\x0a\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    trailers = trailers_of(refused.value)
    status = Status.FromString(trailers["grpc-status-details-bin"])
    assert [d.TypeName() for d in status.details] == [BadRequest.DESCRIPTOR.full_name]
    assert "google.rpc.retryinfo-bin" not in trailers


def test_a_call_that_is_given_up_is_counted_until_its_message_takes_no_room(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, go_on = [], threading.Event()

    def read(*arguments: Any) -> object:
        reads.append(arguments)
        assert go_on.wait(30)
        return _read(*arguments)

    _read = intake._read
    monkeypatch.setattr(intake, "_read", read)
    monkeypatch.setattr(intake, "_INLINE_BYTES", 1)
    secrets = Project("default", ProjectSettings(privacy=Privacy(drop_keys=("secret",))), b"salt")
    with running_collector(store, tmp_path, access=OpenAccess(secrets)) as collector:
        body = request(span()).SerializeToString()
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as given_up:
                export_grpc(collector.grpc_port, body, timeout=0.5)
            assert given_up.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert 0 < len(reads) <= 2, "two at once, whether anybody waits for them or not"
        assert _inflight_bytes(collector) >= 2 * len(body)
        go_on.set()
        wait_until(lambda: _inflight_bytes(collector) == 0)
        collector.await_spans(1)


def _inflight_bytes(collector: RunningCollector) -> float:
    told = httpx.get(f"{collector.url}/metrics", timeout=10).text
    [line] = [x for x in told.splitlines() if x.startswith("spanledger_collector_inflight_bytes ")]
    return float(line.split()[1])


def test_overload_has_both_trailers_that_clients_look_for(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Overloaded("no room; send again.")

    monkeypatch.setattr(Admission, "wait", refuse)
    with pytest.raises(grpc.RpcError) as refused:
        export_grpc(collector.grpc_port, request(span()).SerializeToString())
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    trailers = trailers_of(refused.value)
    info = RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"])
    assert 0 < info.retry_delay.seconds <= 2
    detail = RetryInfo()
    assert Status.FromString(trailers["grpc-status-details-bin"]).details[0].Unpack(detail)
    assert detail == info


@pytest.mark.parametrize("is_packed", [False, True])
def test_too_much_is_refused_for_good_before_and_after_decompression(
    collector: RunningCollector, is_packed: bool
) -> None:
    compression = grpc.Compression.Gzip if is_packed else grpc.Compression.NoCompression
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        export = channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        with pytest.raises(grpc.RpcError) as refused:
            export(bytes(8 << 20), timeout=10, compression=compression)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "google.rpc.retryinfo-bin" not in trailers_of(refused.value)


@pytest.mark.parametrize(
    "compression", [grpc.Compression.Gzip, grpc.Compression.Deflate], ids=["gzip", "deflate"]
)
def test_what_grpc_compresses_is_read(
    collector: RunningCollector, compression: grpc.Compression
) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        export = channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        export(request(span(x="y" * 9000)).SerializeToString(), compression=compression, timeout=10)
    collector.await_spans(1)


def test_a_fault_of_ours_is_unavailable_not_unknown(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from spanledger_collector import intake

    def fail(*_: object) -> None:
        raise KeyError("a fault of grpc")

    monkeypatch.setattr(intake, "screen", fail)
    for _ in range(3):
        with pytest.raises(grpc.RpcError) as refused:
            export_grpc(collector.grpc_port, request(span()).SerializeToString())
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len([r for r in caplog.records if r.exc_info]) == 1


def test_a_call_that_sends_nothing_is_given_up(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "RECEIVE_WITHIN_S", 0.3)
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        export = channel.stream_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )

        def nothing() -> Iterator[bytes]:
            time.sleep(1)
            yield from ()

        with pytest.raises(grpc.RpcError) as refused:
            export(nothing(), timeout=10)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.RpcError) as empty:
            export(iter(()), timeout=10)
        assert empty.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class _Call:
    """The part of a call's context that is read from: its message comes when told."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()

    async def read(self) -> bytes:
        await self.arrived.wait()
        return b"message"


def _admission(max_bytes: int) -> Admission:
    return Admission(max_bytes, Telemetry().inflight_bytes)


async def _read(reading: Reading, admission: Admission, call: _Call) -> object:
    with Ticket(admission) as ticket:
        return await reading.read(call, ticket)  # type: ignore[arg-type]  # all that is used


def test_messages_wait_for_the_memory_they_may_take() -> None:
    async def run() -> None:
        admission = _admission(20)
        reading = Reading(admission, max_bytes=10)
        calls = [_Call() for _ in range(3)]
        first, second, third = (
            asyncio.create_task(_read(reading, admission, call)) for call in calls
        )
        calls[2].arrived.set()
        await asyncio.sleep(0.05)
        assert not third.done()  # although its message is there
        calls[1].arrived.set()
        assert await second == await third == b"message"
        calls[0].arrived.set()
        assert await first == b"message"
        admission.check(20)  # everything was given back

    asyncio.run(run())


def test_slow_messages_give_way_to_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_reading, "_PATIENCE_S", 0.1)

    async def run() -> None:
        admission = _admission(10)
        reading = Reading(admission, max_bytes=64)
        slow = asyncio.create_task(_read(reading, admission, _Call()))
        await asyncio.sleep(0)
        quick = _Call()
        quick.arrived.set()
        assert await _read(reading, admission, quick) == b"message"
        with pytest.raises(TooSlow):
            await slow
        admission.check(10)

    asyncio.run(run())


def test_slow_messages_give_way_to_requests_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_reading, "_PATIENCE_S", 0.1)

    async def run() -> None:
        admission = _admission(10)
        slow = asyncio.create_task(_read(Reading(admission, max_bytes=64), admission, _Call()))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            admission.check(5)
        with pytest.raises(TooSlow):
            await asyncio.wait_for(slow, 10)
        admission.check(10)

    asyncio.run(run())


def test_a_message_without_a_turn_is_refused_retryably(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_reading, "_TURN_WITHIN_S", 0.05)

    async def run() -> None:
        admission = _admission(10)
        reading = Reading(admission, max_bytes=10)
        held = asyncio.create_task(_read(reading, admission, _Call()))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="0 MiB may be at once"):
            await _read(reading, admission, _Call())
        held.cancel()
        await asyncio.wait([held])
        admission.check(10)

    asyncio.run(run())


def test_health_follows_what_keeps_it_from_taking_requests() -> None:
    problems: list[str] = []

    async def run() -> list[int]:
        server = grpc.aio.server()
        health = Health(server, lambda: problems)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        found = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for now in ([], ["spool: full"], []):
                problems[:] = now
                await health.update()
                check = stub.Check  # type: ignore[attr-defined]  # its stubs miss the method
                found.append((await check(health_pb2.HealthCheckRequest())).status)
        await server.stop(0)
        return found

    status = health_pb2.HealthCheckResponse
    assert asyncio.run(run()) == [status.SERVING, status.NOT_SERVING, status.SERVING]


def test_requests_under_way_are_answered_while_the_collector_ends(
    store: Store, tmp_path: Path
) -> None:
    codes: list[object] = []
    with ThreadPoolExecutor(8) as pool:
        with running_collector(store, tmp_path) as collector:
            sending = [pool.submit(_send_until_refused, collector, n) for n in range(8)]
            wait_until(lambda: collector.span_count() > 50)
        for future in sending:
            codes.append(future.result(30))
    acknowledged = sum(count for count, _ in cast("list[tuple[int, str]]", codes))
    assert {end for _, end in cast("list[tuple[int, str]]", codes)} == {"retryable"}
    with running_collector(store, tmp_path) as collector:  # stores what the first one left
        wait_until(lambda: collector.span_count() >= acknowledged)
        assert collector.span_count() - acknowledged <= 8  # answers that were lost on the way


def _send_until_refused(collector: RunningCollector, number: int) -> tuple[int, str]:
    """Send one span after the other; return how many were acknowledged, and how it ended."""
    sent = 0
    body_of = request
    if number % 2:
        with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
            export = channel.unary_unary(
                GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
            )
            while True:
                try:
                    export(body_of(span()).SerializeToString(), timeout=10)
                    sent += 1
                except grpc.RpcError as error:
                    is_fine = error.code() in (
                        grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED,
                    )  # fmt: skip
                    return sent, "retryable" if is_fine else str(error)
    headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
    with httpx.Client(base_url=collector.url, headers=headers, timeout=10) as client:
        while True:
            try:
                body = gzip.compress(body_of(span()).SerializeToString())
                answer = client.post("/v1/traces", content=body)
            except httpx.TransportError:
                return sent, "retryable"
            if answer.status_code != 200:
                return sent, "retryable" if answer.status_code == 503 else answer.text
            sent += 1


def test_readiness_and_health_tell_of_the_end(store: Store, tmp_path: Path) -> None:
    from spanledger_collector.edge.readiness import Readiness
    from spanledger_collector.spool.spool import Spool

    spool = Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    try:
        readiness = Readiness(spool, store.settings)
        assert readiness.problems() == []
        spool.budget.max_bytes = 1
        [problem] = readiness.refusals()
        assert problem.startswith("spool: ")
        spool.budget.max_bytes = 1 << 30
        spool.append("p", bytes(10 << 20), 1, 1).result(10)
        spool.budget.max_bytes = int((10 << 20) / 0.945)  # all but small requests are refused
        assert [problem.split(":")[0] for problem in readiness.refusals()] == ["spool"]
        spool.budget.max_bytes = 1 << 30
        readiness.close()
        assert readiness.refusals() == ["shutting down"]
        unreachable = Readiness(spool, store.settings.with_database("no_such"), lambda: ["other"])
        assert [p.split(":")[0] for p in unreachable.problems()] == ["other", "store"]
    finally:
        spool.close()


def test_unavailable_never_asks_for_more_than_two_seconds() -> None:
    def below(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(found for sub in kind.__subclasses__() for found in below(sub))]

    from spanledger_collector.errors import IntakeError

    delays = {k.__name__: getattr(k, "retry_after_s", None) for k in below(IntakeError)}
    assert delays[Unavailable.__name__] == 1
    assert all(delay is None or 0 < delay <= 2 for delay in delays.values())


def test_profiles_are_not_served(collector: RunningCollector) -> None:
    method = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        export = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError) as refused:
            export(b"", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
