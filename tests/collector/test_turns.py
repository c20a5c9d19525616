"""Turns are taken one after the other, each project has its own, and little may wait for one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from spanledger_collector import intake
from spanledger_collector.access.senders import OpenAccess
from spanledger_collector.edge import turns
from spanledger_collector.edge.turns import Turns
from spanledger_collector.errors import Overloaded
from spanledger_collector.privacy import redact
from spanledger_collector.privacy.policy import Policy, policy_of
from spanledger_storage.project_settings import (
    Content,
    Pattern,
    Preset,
    Privacy,
    Project,
    ProjectSettings,
)
from tests.otlp import request, span
from tests.running import RunningCollector


def post(collector: RunningCollector, body: bytes, project: str = "") -> httpx.Response:
    headers = {"content-type": "application/x-protobuf", "x-project": project}
    return httpx.post(f"{collector.url}/v1/traces", content=body, headers=headers, timeout=10)


def test_what_waits_is_bounded_and_has_its_turn_in_order() -> None:
    async def work() -> list[int]:
        one_at_a_time, done, go_on = Turns(1, "read", 100), list[int](), asyncio.Event()

        async def take(number: int, size_bytes: int) -> None:
            async with one_at_a_time.one(size_bytes):
                await go_on.wait()
                done.append(number)

        async with asyncio.TaskGroup() as group:
            for number, size_bytes in enumerate((1_000, 60, 40)):  # the first does not wait
                group.create_task(take(number, size_bytes))
                await asyncio.sleep(0)
            with pytest.raises(Overloaded, match="being read; send again"):
                await take(9, 1)
            go_on.set()
        await take(3, 1_000)
        return done

    assert asyncio.run(work()) == [0, 1, 2, 3]


def test_who_waits_too_long_is_refused_and_leaves_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        one_at_a_time = Turns(1, "read", 100)
        async with one_at_a_time.one(1):
            for _ in range(2):
                with pytest.raises(Overloaded):
                    async with one_at_a_time.one(100):
                        pass
        async with one_at_a_time.one(1):
            pass

    monkeypatch.setattr(turns, "_WITHIN_S", 0.01)
    asyncio.run(work())


def test_large_requests_to_be_redacted_take_turns(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most = [0], [0]

    def redacted(_: object, made: ExportTraceServiceRequest, __: int) -> tuple[bytes, Counter[str]]:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.2)
        at_once[0] -= 1
        return made.SerializeToString(), Counter()

    monkeypatch.setattr(intake, "redact_body", redacted)
    monkeypatch.setattr(turns, "_WITHIN_S", 0.3)
    whose = Project("default", ProjectSettings(privacy=Privacy(content=Content.OFF)), bytes(32))
    monkeypatch.setattr(OpenAccess, "ingest", lambda *_: whose)
    body = request(span(x="y" * 20_000)).SerializeToString()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(post, collector, body) for _ in range(8)]
        statuses = Counter(answer.result().status_code for answer in answers)
    assert most == [1]
    assert statuses.keys() == {200, 503}
    assert at_once == [0]


OWN = (Pattern(name="ticket", regex=r"TCK-\d+"),)


@pytest.mark.parametrize("hidden", [Privacy(patterns=OWN), Privacy(drop_keys=("*a*b" * 50,) * 9)])
@pytest.mark.parametrize("size", [10, 20_000])
def test_nobody_waits_for_what_another_project_takes_out(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch, hidden: Privacy, size: int
) -> None:
    """Small and large requests of others are answered, whatever they take out themselves."""
    redacting, go_on, ours = redact.redact, threading.Event(), policy_of(_project("web", hidden))

    def wait_and_redact(policy: Policy, *arguments: Any) -> Counter[str]:
        assert policy is not ours or go_on.wait(30)
        return redacting(policy, *arguments)

    def whose(_: object, headers: Mapping[str, str]) -> Project:
        return projects[headers["x-project"]]

    monkeypatch.setattr(redact, "redact", wait_and_redact)
    monkeypatch.setattr(OpenAccess, "ingest", whose)
    others = {
        "plain": Privacy(),
        "presets": Privacy(presets=tuple(Preset)),
        "patterns": Privacy(patterns=OWN),
    }
    projects = {name: _project(name, privacy) for name, privacy in others.items()}
    projects["web"] = _project("web", hidden)
    body = request(span(x="y" * size)).SerializeToString()
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(post, collector, body, "web") for _ in range(4)]
        try:
            time.sleep(0.3)
            for name in others:
                for more in (body, request(span(x="y" * 20_000)).SerializeToString()):
                    assert post(collector, more, name).status_code == 200
            assert not any(one.done() for one in waiting)
        finally:
            go_on.set()
        assert {one.result().status_code for one in waiting} == {200}


def _project(name: str, privacy: Privacy) -> Project:
    return Project(name, ProjectSettings(privacy=privacy), bytes(32))
