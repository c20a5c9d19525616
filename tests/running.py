"""A collector with both of its servers, on a real engine, inside the test process."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spanledger_collector.access.senders import Access, OpenAccess
from spanledger_collector.edge.tls import TlsFiles
from spanledger_collector.service import CollectorSettings, serve
from spanledger_storage.project_settings import Project
from spanledger_storage.store import Store
from tests.instance import wait_until
from tests.ports import free_port


@dataclass(frozen=True)
class RunningCollector:
    http_port: int
    grpc_port: int
    store: Store
    settings: CollectorSettings

    @property
    def url(self) -> str:
        scheme = "https" if self.settings.tls else "http"
        return f"{scheme}://127.0.0.1:{self.http_port}"

    def span_count(self) -> int:
        return int(str(self.store.sql_rows("SELECT count() AS n FROM spans FINAL")[0]["n"]))

    def await_spans(self, count: int) -> None:
        wait_until(lambda: self.span_count() >= count)
        assert self.span_count() == count

    def await_stored(self) -> None:
        """Wait until all that was accepted can be read, the notes to the jobs too.

        Those come after the spans: who sees all spans may find nothing to do yet.
        """
        wait_until(lambda: self._waiting_in_spool() == 0)

    def _waiting_in_spool(self) -> int:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            told = answer.read().decode()
        found = re.search(r"^spanledger_collector_spool_items (\S+)$", told, re.M)
        assert found, "the collector does not say what waits in its spool"
        return int(float(found[1]))


@contextlib.contextmanager
def running_collector(
    store: Store,
    directory: Path,
    max_request_bytes: int = 64 << 20,
    project: str = "default",
    access: Access | None = None,
    tls: TlsFiles | None = None,
    cors_origins: tuple[str, ...] = (),
) -> Iterator[RunningCollector]:
    settings = CollectorSettings(
        host="127.0.0.1",
        http_port=free_port(),
        grpc_port=free_port(),
        spool=directory / "spool" / "spool.db",
        store=store.settings,
        access=access or OpenAccess(Project(project)),
        tls=tls,
        cors_origins=cors_origins,
        max_request_bytes=max_request_bytes,
    )
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run() -> None:
        stop = asyncio.Event()
        started.append((asyncio.get_running_loop(), stop))
        await serve(settings, stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    running = RunningCollector(settings.http_port, settings.grpc_port, store, settings)
    wait_until(lambda: _is_up(running), every_s=0.02)
    try:
        yield running
    finally:
        loop, stop = started[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
    assert not thread.is_alive()


def _is_up(running: RunningCollector) -> bool:
    try:
        if running.settings.tls:  # it may want a certificate of ours
            with socket.create_connection(("127.0.0.1", running.http_port), timeout=1):
                return True
        with urllib.request.urlopen(f"{running.url}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
