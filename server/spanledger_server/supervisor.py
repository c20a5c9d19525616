"""Runs engine, collector, worker, dashboard and API as child processes and keeps them alive."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from http.client import HTTPException
from urllib.parse import urlsplit

import psutil

from spanledger_alerts.settings import beside as alerts_beside
from spanledger_server.announcement import ready_text
from spanledger_server.child import Child
from spanledger_server.errors import StartError, UsageError
from spanledger_server.run_file import RunFile, RunInfo
from spanledger_server.up_settings import UpSettings
from spanledger_storage.child_log import bound_log
from spanledger_storage.engine import Engine, EngineSettings, find_binary
from spanledger_storage.errors import EngineError, StorageError
from spanledger_storage.migrations import all_migrations, create_database, migrate, pending
from spanledger_storage.project_settings import DEFAULT_PROJECT, Project
from spanledger_storage.state import Heartbeats, migrate_state, migrating, open_state, sqlite_url
from spanledger_storage.store import Store, StoreSettings

_READY_TIMEOUT_S, _STOP_TIMEOUT_S = 60, 2.2
_MIGRATION_TIMEOUT_S = 86_400
_RESTART_FAILED_S = 2.0
# A busy engine may miss one question; it is not ended for less than this.
_ASK_EVERY_S = 5.0
_UNANSWERED = 4
# The processes asked are on this machine: never through a proxy of the environment.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Supervisor:
    """Owns the processes of one instance."""

    def __init__(self, settings: UpSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._stop = threading.Event()
        self._file = RunFile(settings.data)
        self._engine: Engine | None = None
        self._roles: list[Child] = []
        self._started_ns = time.time_ns()
        self._asked_at_s = 0.0
        self._unanswered = 0
        self._said = ""

    def request_stop(self) -> None:
        """Ask :meth:`run` to end; safe in a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Start everything, tell when it is ready, keep it alive until asked to stop.

        Raises:
            UsageError: the directory, a port or the store cannot be used.
            StartError: a process of ours did not come up.
        """
        with ExitStack() as cleanup:
            self._file.acquire()
            cleanup.callback(self._file.release)
            self._end_leftovers()
            info = self._choose_ports()
            state_url = self._settings.state_url or sqlite_url(self._settings.data / "state.db")
            cleanup.callback(self._file.remove)
            cleanup.callback(self._stop_all)
            self._file.write(info)
            # Before any role: a job that meets the schema of an older version would get it wrong.
            with migrating(open_state(state_url)):
                _migrate_state(state_url)
                self._demand_ingest_key()
                self._start_engine(info)
                self._migrate_store()
            environment = self._environment(info, state_url)
            self._roles = self._make_roles(info, state_url)
            for role in self._roles:
                role.start(environment)
            self._await_ready(info)
            if not self._stop.is_set():
                self._say(ready_text(info, self._settings))
            while not self._stop.wait(0.2):
                self._revive(info, environment)
                if self._engine:
                    self._engine.look_after_disk()
                for role in self._roles:
                    bound_log(role.log)

    # Starting

    def _end_leftovers(self) -> None:
        """Let the processes of an instance that was killed end; they do so by themselves."""
        last = self._file.read()
        _, alive = psutil.wait_procs(last.leftovers() if last else [], timeout=5)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=5)

    def _choose_ports(self) -> RunInfo:
        s = self._settings
        dashboard_host = s.dashboard_guard.host_of(s.host)
        return RunInfo(
            pid=os.getpid(),
            started_at_s=psutil.Process().create_time(),
            host=s.host,
            is_tls=s.guard.tls is not None,
            is_dashboard_guarded=not s.dashboard_guard.is_open,
            http_port=_free(s.host, s.http_port, "--http-port"),
            grpc_port=_free(s.host, s.grpc_port, "--grpc-port"),
            dashboard_port=_free(dashboard_host, s.dashboard_port, "--dashboard-port"),
            api_port=_free(s.host, s.api_port, "--api-port"),
            engine_port=0 if s.store_url else _free("127.0.0.1", s.engine_port, "--engine-port"),
        )

    def _demand_ingest_key(self) -> None:
        guard = self._settings.guard
        guard.demand_ingest_key(guard.key_ring(Project(DEFAULT_PROJECT)))

    def _start_engine(self, info: RunInfo) -> None:
        if self._settings.store_url:
            return
        self._engine = Engine(
            EngineSettings(
                self._settings.data.absolute() / "engine", info.engine_port, find_binary()
            )
        )
        self._unanswered = 0
        try:
            self._engine.start()
        except EngineError as error:
            raise StartError(str(error)) from error

    def _store_settings(self) -> tuple[StoreSettings, StoreSettings]:
        """Return the settings of the writing and the reading user."""
        if self._engine:
            return self._engine.writer, self._engine.reader
        writer = StoreSettings.from_url(self._settings.store_url or "")
        reader = self._settings.read_store_url
        return writer, StoreSettings.from_url(reader) if reader else writer

    def _environment(self, info: RunInfo, state_url: str) -> Mapping[str, str]:
        writer, reader = self._store_settings()
        return {
            **alerts_beside(self._settings.data),
            "SPANLEDGER_ALERTS_BASE_URL": info.dashboard_url,
            **os.environ,
            "SPANLEDGER_STORE_URL": writer.url,
            "SPANLEDGER_READ_STORE_URL": reader.url,
            "SPANLEDGER_STATE_URL": state_url,
            "SPANLEDGER_OTLP_ENDPOINT": info.otlp_url,
            "PYTHONUNBUFFERED": "1",
        }

    def _make_roles(self, info: RunInfo, state_url: str) -> list[Child]:
        data, host = str(self._settings.data), self._settings.host
        budget = self._settings.max_spool_bytes
        spool = ["--max-spool-bytes", str(budget)] if budget else []
        memory = self._settings.max_inflight_bytes
        inflight = ["--max-inflight-bytes", str(memory)] if memory else []
        origins = [f"--cors-origin={origin}" for origin in self._settings.cors_origins]
        guard = self._settings.guard.options()
        heartbeats = Heartbeats(open_state(state_url))
        logs = self._settings.data / "logs"

        def worker_beats() -> bool:
            return (heartbeats.newest("worker") or 0) >= self._started_ns

        return [
            Child(
                "collector",
                ["collect", "--supervised", "--data", data, "--host", host,
                 "--http-port", str(info.http_port), "--grpc-port", str(info.grpc_port),
                 *spool, *inflight, *origins, *guard],
                lambda: _answers(f"{info.otlp_url}/healthz"),
                logs,
            ),
            Child("worker", ["work", "--supervised", "--data", data], worker_beats, logs),
            Child(
                "dashboard",
                ["dashboard", "--supervised", "--host", info.dashboard_host,
                 "--port", str(info.dashboard_port), *self._settings.dashboard_guard.options()],
                lambda: _answers(f"{info.dashboard_url}/_stcore/health"),
                logs,
            ),
            Child(
                "api",
                ["api", "--supervised", "--data", data, "--host", host,
                 "--port", str(info.api_port), *guard],
                lambda: _answers(f"{info.api_url}/healthz"),
                logs,
            ),
        ]  # fmt: skip

    def _migrate_store(self) -> None:
        writer, _ = self._store_settings()
        try:
            create_database(writer)
            # Moving the rows of a large table takes as long as it takes.
            with closing(Store.connect(writer, timeout_s=_MIGRATION_TIMEOUT_S)) as store:
                todo = pending(store)
                if 0 < len(todo) < len(all_migrations()):
                    self._say(f"Bringing the store up to date ({len(todo)} migrations) ...")
                migrate(store)
        except StorageError as error:
            raise StartError(str(error)) from error

    def _await_ready(self, info: RunInfo) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        waiting = list(self._roles)
        while waiting and not self._stop.is_set():
            for role in waiting:
                if role.has_ended:
                    raise StartError(f"The {role.name} did not start. {role.last_words()}")
            waiting = [role for role in waiting if not role.is_up()]
            if waiting and time.monotonic() > deadline:
                late = f"is not up after {_READY_TIMEOUT_S} s."
                told = (f"The {role.name} {late} {role.last_words()}" for role in waiting)
                raise StartError("\n".join(told))
            self._stop.wait(0.05 if waiting else 0)
        self._file.mark_ready(info, ready=True, children=self._pids())

    # Running

    def _revive(self, info: RunInfo, environment: Mapping[str, str]) -> None:
        """Start again what ended, the engine first."""
        changed = self._attempt(lambda: self._revive_engine(info))
        self._attempt(lambda: self._revive_roles(info, environment, changed))

    def _attempt(self, start: Callable[[], bool]) -> bool:
        """Return what ``start`` does, False when it fails: on a full disk it does for a while."""
        try:
            return start()
        except (StartError, OSError) as error:
            if str(error) != self._said:
                self._say(f"Not everything can be started now; trying again. {error}")
            self._said = str(error)
            self._stop.wait(_RESTART_FAILED_S)
            return False

    def _revive_engine(self, info: RunInfo) -> bool:
        if not self._engine or self._engine_lives():
            return False
        if not self._said:
            self._say("The engine ended or does not answer; starting it again.")
        self._engine.stop(timeout_s=0.5)
        self._start_engine(info)
        self._said = ""
        return True

    def _revive_roles(
        self, info: RunInfo, environment: Mapping[str, str], engine_is_new: bool
    ) -> bool:
        changed = engine_is_new
        for role in self._roles:
            if not role.has_ended:
                continue
            now_s = time.monotonic()
            if role.ended_at_s is None:
                role.note_end(now_s)
                self._say(f"The {role.name} ended; starting it again. {role.last_words()}")
            if role.is_due(now_s):
                role.start(environment)
            changed = True
        if changed:
            up = not any(role.has_ended for role in self._roles)
            self._file.mark_ready(info, ready=up, children=self._pids())
        return changed

    def _engine_lives(self) -> bool:
        """Return False when the engine ended, or has not answered for a while."""
        assert self._engine is not None
        if self._engine.poll() is not None:
            return False
        now_s = time.monotonic()
        if now_s - self._asked_at_s < _ASK_EVERY_S:
            return True
        self._asked_at_s = now_s
        self._unanswered = 0 if self._engine.answers() else self._unanswered + 1
        return self._unanswered < _UNANSWERED

    def _pids(self) -> tuple[int, ...]:
        engine = (self._engine.pid,) if self._engine and self._engine.pid else ()
        return (*engine, *(r.process.pid for r in self._roles if r.process))

    # Stopping

    def _stop_all(self) -> None:
        """End the roles together, then the engine, so that a batch in hand can be finished."""
        processes = [r.process for r in self._roles if r.process]
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        for process in processes:
            try:
                process.wait(max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._engine:
            self._engine.stop(timeout_s=0.5)


def _migrate_state(state_url: str) -> None:
    try:
        migrate_state(open_state(state_url))
    except StorageError as error:
        raise StartError(str(error)) from error


def _free(host: str, port: int, option: str) -> int:
    """Return the port, or any free one for 0.

    Raises:
        UsageError: somebody listens there already, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                raise UsageError(
                    f"Cannot listen on {host} ({error.strerror}); give an address of this machine "
                    "with --host."
                ) from None
            raise UsageError(
                f"Cannot listen on {host}:{port} ({error.strerror}); choose another port with "
                f"{option} (0: any free one)."
            ) from None
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    place = urlsplit(url)
    try:
        if place.scheme == "https":  # it may demand a certificate of its clients
            with socket.create_connection((place.hostname, place.port), timeout=1):
                return True
        with _DIRECT.open(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):  # also what is no HTTP at all
        return False
