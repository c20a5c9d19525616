"""How much a project may send, on a clock of its own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import orjson
import pytest

from spanledger_collector.access.rate_limit import RateLimits
from spanledger_collector.errors import RateLimited, Unavailable
from spanledger_collector.intake import Intake
from spanledger_collector.signals import Signal
from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.project_settings import Limits, Project, ProjectSettings
from tests.bad_requests import as_json
from tests.otlp import request, span


class Clock:
    now_ns = 5

    def __call__(self) -> int:
        return self.now_ns

    def tick(self, seconds: float) -> None:
        self.now_ns += int(seconds * 10**9)


def limited(items: int | None = None, size: int | None = None, name: str = "shop") -> Project:
    return Project(name, ProjectSettings(limits=Limits(items_per_s=items, bytes_per_s=size)))


def takes(limits: RateLimits, project: Project, items: int, size: int = 0) -> bool:
    try:
        limits.take(project, items, size)
    except RateLimited:
        return False
    return True


def test_a_limit_is_exact_after_a_burst_of_two_seconds() -> None:
    clock = Clock()
    limits, project = RateLimits(clock), limited(items=3)
    assert [takes(limits, project, 1) for _ in range(7)] == [True] * 6 + [False]
    clock.tick(1 / 3)
    assert not takes(limits, project, 1)  # a third of a second in nanoseconds is a bit short
    clock.now_ns += 1
    assert [takes(limits, project, 1) for _ in range(2)] == [True, False]
    for _ in range(1_000):  # and stays so for ever: no rounding adds up
        clock.tick(1)
        assert [takes(limits, project, 1) for _ in range(4)] == [True] * 3 + [False]
    clock.tick(3_600)
    assert [takes(limits, project, 1) for _ in range(7)] == [True] * 6 + [False]


def test_a_request_beyond_the_burst_passes_once_the_bucket_is_full() -> None:
    clock = Clock()
    limits, project = RateLimits(clock), limited(items=10)
    assert takes(limits, project, 100)  # 80 more than there were
    clock.tick(7.9)
    assert not takes(limits, project, 1)
    clock.tick(0.2)
    assert takes(limits, project, 1)
    clock.tick(1.9)
    assert not takes(limits, project, 1_000)
    clock.tick(0.1)
    assert takes(limits, project, 1_000)


def test_a_refused_request_counts_against_neither_limit() -> None:
    clock = Clock()
    limits, project = RateLimits(clock), limited(items=10, size=100)
    assert takes(limits, project, 1, 200)
    assert not takes(limits, project, 19, 1)  # for its bytes
    clock.tick(0.01)
    assert takes(limits, project, 19, 1)  # so the items are still there
    assert not takes(limits, project, 1, 1)


def test_projects_have_limits_of_their_own_and_none_is_none() -> None:
    limits = RateLimits(Clock())
    assert takes(limits, limited(items=1), 2)
    assert not takes(limits, limited(items=1), 1)
    assert takes(limits, limited(items=1, name="other"), 2)
    assert all(takes(limits, limited(), 10**9, 10**12) for _ in range(3))
    with pytest.raises(RateLimited, match="shop may send 1 items per second") as refused:
        limits.take(limited(items=1), 1, 1)
    assert refused.value.retry_after_s == 1


def test_a_limit_that_changes_holds_at_once() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    assert takes(limits, limited(items=1_000), 1)
    assert takes(limits, limited(items=1), 3)  # the bucket is full: it holds two
    assert not takes(limits, limited(items=1), 1)
    clock.tick(1)
    assert [takes(limits, limited(items=1_000), n) for n in (999, 1)] == [True, False]


# What counts of a request


SMALL = request(span("small"))
BAD = request(span("small"), span("x" * 30_000, trace_id=b"short"))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    yield opened
    opened.close()


def _sent_twice(spool: Spool, body: bytes, *, is_json: bool) -> list[bool]:
    """Return which of two requests are taken of a project that may send 10,000 bytes a second."""

    async def send() -> list[bool]:
        intake, taken = Intake(spool, Telemetry()), list[bool]()
        export = intake.export_json if is_json else intake.export_protobuf
        for _ in range(2):
            try:
                await export(Signal.TRACES, body, limited(size=10_000))
                taken.append(True)
            except RateLimited:
                taken.append(False)
        return taken

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("body", "is_json"),
    [
        (orjson.dumps(as_json(SMALL)) + b" " * 30_000, True),
        (orjson.dumps(as_json(BAD)), True),
        (BAD.SerializeToString(), False),
        (request(span("x" * 30_000, trace_id=b"short")).SerializeToString(), False),
    ],
    ids=["blanks", "left out of JSON", "left out of protobuf", "all left out"],
)
def test_bytes_are_counted_as_they_came_and_not_as_they_are_kept(
    spool: Spool, body: bytes, is_json: bool
) -> None:
    assert _sent_twice(spool, body, is_json=is_json) == [True, False]


def test_the_spool_holds_what_is_kept_whatever_came(spool: Spool, tmp_path: Path) -> None:
    body = orjson.dumps(as_json(SMALL)) + b" " * 5_000
    assert _sent_twice(spool, body, is_json=True) == [True, True]
    with sqlite3.connect(tmp_path / "spool.db") as file:
        held = file.execute("SELECT body FROM requests").fetchall()
    file.close()
    assert [bytes(row[0]) for row in held] == [SMALL.SerializeToString()] * 2


def test_what_the_spool_refused_was_not_sent(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    project, append, intake = limited(items=2), spool.append, Intake(spool, Telemetry())
    body = request(*(span() for _ in range(40))).SerializeToString()

    def refuse(*_: object) -> Future[None]:
        raise Unavailable("The spool is full; send again.")

    def fail(*_: object) -> Future[None]:
        done = Future[None]()
        done.set_exception(Unavailable("The spool could not be written; send again."))
        return done

    async def send() -> None:
        await intake.export_protobuf(Signal.TRACES, body, project)

    for trouble in (refuse, fail):
        monkeypatch.setattr(spool, "append", trouble)
        with pytest.raises(Unavailable):
            asyncio.run(send())
    monkeypatch.setattr(spool, "append", append)
    asyncio.run(send())
    with pytest.raises(RateLimited):
        asyncio.run(send())
