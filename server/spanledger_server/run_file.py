"""``run.json`` in the data directory: what ``spanledger up`` runs now, for the other commands."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import IO

import psutil
from pydantic import BaseModel

from spanledger_server.errors import UsageError
from spanledger_server.guard import loopback_of

_LOOKS, _LOOK_S = 5, 0.02


class RunProcess(BaseModel, frozen=True):
    """A process and its creation time, so that a reused pid is not mistaken for it."""

    pid: int
    started_at_s: float

    @classmethod
    def of(cls, pid: int) -> RunProcess | None:
        """Return the process that has this pid now, None when none has."""
        try:
            return cls(pid=pid, started_at_s=psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def find(self) -> psutil.Process | None:
        """Return it while it runs, None when it ended."""
        try:
            found = psutil.Process(self.pid)
            return found if abs(found.create_time() - self.started_at_s) < 1 else None
        except psutil.Error:
            return None


class RunInfo(BaseModel, frozen=True):
    """A running (or last) instance.

    Attributes:
        pid: the supervisor.
        started_at_s: its process creation time, so that a reused pid is not mistaken for it.
        host: address of the OTLP and API ports.
        is_tls: the OTLP and API ports speak TLS.
        is_dashboard_guarded: people sign in to the dashboard, which listens and speaks as the
            others do; else it is on loopback, in plain text.
        processes: those it started, for cleaning up after a crash.
        ready: every process accepts work.
    """

    pid: int
    started_at_s: float
    host: str
    http_port: int
    grpc_port: int
    dashboard_port: int
    engine_port: int
    api_port: int = 0
    is_tls: bool = False
    is_dashboard_guarded: bool = False
    processes: tuple[RunProcess, ...] = ()
    ready: bool = False

    @property
    def otlp_url(self) -> str:
        """Base URL of OTLP/HTTP."""
        return f"{self._scheme}://{_for_url(self.host)}:{self.http_port}"

    @property
    def dashboard_url(self) -> str:
        """URL of the dashboard."""
        scheme = self._scheme if self.is_dashboard_guarded else "http"
        return f"{scheme}://{_for_url(self.dashboard_host)}:{self.dashboard_port}"

    @property
    def dashboard_host(self) -> str:
        """Address of the dashboard; of loopback where nobody signs in."""
        return self.host if self.is_dashboard_guarded else loopback_of(self.host)

    @property
    def api_url(self) -> str:
        """Base URL of the API."""
        return f"{self._scheme}://{_for_url(self.host)}:{self.api_port}"

    @property
    def _scheme(self) -> str:
        return "https" if self.is_tls else "http"

    def is_alive(self) -> bool:
        """Return whether its supervisor still runs."""
        return RunProcess(pid=self.pid, started_at_s=self.started_at_s).find() is not None

    def leftovers(self) -> list[psutil.Process]:
        """Return what still runs of it when its supervisor was killed."""
        if self.is_alive():
            return []
        return [found for process in self.processes if (found := process.find())]


def _for_url(host: str) -> str:
    """Return an address that a client on this machine can use."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


class RunFile:
    """Reads and writes ``run.json``; the lock beside it keeps instances apart."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "run.json"
        self._lock_path = directory / "lock"
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Become the only instance on this directory.

        Raises:
            UsageError: the directory cannot be written or locked, or another instance has it.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = self._lock_path.open("w", encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"The data directory {self._directory} cannot be written ({error.strerror}); "
                "choose another with --data."
            ) from None
        try:
            _lock_patiently(lock)
        except OSError as error:
            lock.close()
            raise self._refusal(error) from None
        self._lock = lock

    def is_held(self) -> bool:
        """Return whether an instance runs on this directory.

        The lock tells, not the process named in the file: of a copied directory, that is the
        instance of the other one, and times of processes move when the clock is set.
        """
        try:
            with self._lock_path.open(encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError as error:
            return _is_of_another(error)
        return False

    def release(self) -> None:
        """Let another instance have the directory."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _refusal(self, error: OSError) -> UsageError:
        """Return what to say when the lock is not to be had."""
        if not _is_of_another(error):
            return UsageError(
                f"The data directory {self._directory} cannot be locked ({error.strerror}); "
                "choose one on a local disk with --data."
            )
        running = self.read()
        where = f" (process {running.pid}, dashboard {running.dashboard_url})" if running else ""
        return UsageError(
            f"Spanledger already runs on {self._directory}{where}; stop it first, or choose "
            "another directory with --data."
        )

    def read(self) -> RunInfo | None:
        """Return what the file says, None when there is none or it is half-written."""
        try:
            return RunInfo.model_validate_json(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def write(self, info: RunInfo) -> None:
        """Replace the file's content, atomically."""
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(info.model_dump_json(), encoding="utf-8")
        os.replace(temporary, self._path)

    def mark_ready(self, info: RunInfo, *, ready: bool, children: tuple[int, ...]) -> None:
        """Write whether everything accepts work, and which processes there are."""
        processes = tuple(found for pid in children if (found := RunProcess.of(pid)))
        self.write(info.model_copy(update={"ready": ready, "processes": processes}))

    def remove(self) -> None:
        """Forget the instance: it stopped cleanly."""
        self._path.unlink(missing_ok=True)


def _lock_patiently(lock: IO[str]) -> None:
    """Lock a file; whoever only looks whether it is locked has it for a moment."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_S)
        else:
            return
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_of_another(error: OSError) -> bool:
    """Return whether a lock is refused because somebody has it: EAGAIN; EACCES on some disks."""
    return isinstance(error, BlockingIOError | PermissionError)


def running_instance(directory: Path) -> RunInfo:
    """Return the instance that runs on a data directory.

    Raises:
        UsageError: none does.
    """
    file = RunFile(directory)
    info = file.read()
    if info is None or not file.is_held():
        raise UsageError(
            f"No Spanledger runs on {directory}; start it with `spanledger up`, or name its "
            "directory with --data."
        )
    return info
