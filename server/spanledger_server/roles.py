"""The long-running roles, each in the process it is called in."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from pythonjsonlogger.json import JsonFormatter

from spanledger_server.guard import Guard
from spanledger_server.loading import loading
from spanledger_server.run_file import RunFile


def configure_logging(level: str, log_format: str = "text") -> None:
    """Log to standard error, one line per event, UTC; as text, or each line as a JSON object."""
    logging.Formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    if log_format == "json":
        fields = {"timestamp": "time", "levelname": "level", "name": "logger", "exc_info": "error"}
        handler.setFormatter(
            JsonFormatter(
                "%(levelname)s %(name)s %(message)s", rename_fields=fields, timestamp=True
            )
        )
    else:
        handler.setFormatter(logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in ("alembic", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns whenever a busy job skips a tick, which is how our jobs are meant to run.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def end_with_parent() -> None:
    """Treat the end of standard input, that is the supervisor's death, like SIGTERM."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def instance_name() -> str:
    """Return host and process id: names this process among its kind."""
    return f"{socket.gethostname()[:48]}:{os.getpid()}"


def collect(
    *,
    host: str,
    http_port: int,
    grpc_port: int,
    data: Path,
    store_url: str,
    store_processes: int,
    project: str,
    max_spool_bytes: int | None,
    max_inflight_bytes: int | None,
    cors_origins: tuple[str, ...],
    guard: Guard,
    supervised: bool,
) -> None:
    """Run the collector until SIGTERM or SIGINT."""
    # Else grpc writes a line, in no form of ours, for whoever knocks without TLS or with another's.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with loading():
        import uvloop

        from spanledger_collector.service import DEFAULT_INFLIGHT_BYTES, CollectorSettings, serve
        from spanledger_server.spool_notes import notes_of
        from spanledger_storage.project_settings import Project
        from spanledger_storage.store import StoreSettings

    own = Project(project)
    ring = guard.key_ring(own)
    if not supervised:  # the supervisor has asked; a restart must still empty the spool
        guard.demand_ingest_key(ring)
    settings = CollectorSettings(
        host=host,
        http_port=http_port,
        grpc_port=grpc_port,
        spool=data / "spool" / "spool.db",
        store=StoreSettings.from_url(store_url),
        store_processes=store_processes,
        max_spool_bytes=max_spool_bytes,
        max_inflight_bytes=max_inflight_bytes or DEFAULT_INFLIGHT_BYTES,
        cors_origins=cors_origins,
        access=guard.collector_access(ring, own),
        tls=guard.tls,
        not_ready=_not_ready(data) if supervised else list,
    )

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await serve(settings, stop)

    ring.start()
    notes = notes_of(settings.spool, guard.state_writer())
    try:
        with notes:
            uvloop.run(run())
    finally:
        ring.stop()


def _not_ready(data: Path) -> Callable[[], list[str]]:
    """Return what tells whether the supervisor has seen everything come up."""
    file = RunFile(data)

    def check() -> list[str]:
        info = file.read()
        return [] if info and info.ready else ["starting: not every process is up yet"]

    return check


def work(*, store_url: str, state_url: str, data: Path | None) -> None:
    """Run the jobs until SIGTERM or SIGINT.

    Args:
        store_url: of the telemetry store.
        state_url: of the state database.
        data: directory of the instance that this is the only worker of; None: of no instance.
    """
    with loading():
        from spanledger_collector import memory
        from spanledger_server.worker import Worker
        from spanledger_storage.state import open_state
        from spanledger_storage.store import StoreSettings

    memory.share()  # before there are threads
    # The supervisor starts no worker before the last one ended: a new one goes on at once.
    own = hashlib.sha256(str(data.resolve()).encode()).hexdigest() if data else secrets.token_hex(8)
    holder = f"{socket.gethostname()[:48]}:{own[:16]}"
    settings = StoreSettings.from_url(store_url)
    worker = Worker(settings, open_state(state_url), instance_name(), holder=holder)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker.start()
    stop.wait()
    worker.stop()


def api(*, host: str, port: int, store_url: str, project: str, guard: Guard) -> None:
    """Run the API until SIGTERM or SIGINT."""
    with loading():
        from spanledger_alerts.settings import SLACK_SECRET
        from spanledger_server.api.app import serve
        from spanledger_server.guard import Auth
        from spanledger_storage.project_settings import Project
        from spanledger_storage.store import StoreSettings

    # Uvicorn stops on these by itself, then raises them again for whoever handled them before:
    # without a handler of ours the process would die of the signal instead of ending well.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    # With the key of the environment, which agents send with: they ask for their budgets here.
    ring = guard.key_ring(Project(project))
    ring.start()
    store = StoreSettings.from_url(store_url)
    secret = os.environ.get(SLACK_SECRET, "")
    open_to = project if guard.auth is Auth.NONE else None
    serve(store, host, port, ring, guard.tls, guard.state_writer(), secret, open_to)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
