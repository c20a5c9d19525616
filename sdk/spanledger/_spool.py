"""Requests kept on disk until the collector has them: through outages, crashes and restarts.

Each is a file before it is sent and gone once it is answered, so that a crash in between
sends it again: the collector knows a span by its id and keeps it once. A process locks the
directory of its own; those of processes that are no more are taken over, where they were sending to
the same place with the same key.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import time
import uuid
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import requests

from spanledger._errors import told

try:
    import fcntl
except ImportError:  # Windows: leftovers of other processes stay where they are
    fcntl = None  # type: ignore[assignment]

_FOR = "for"  # file that says whom a directory's requests are for
_UNLOCKED = ".new"  # suffix of a directory nobody may take over: it is not locked yet
_KEPT_HEADERS = ("Content-Type", "Content-Encoding")
_RETRYABLE = frozenset((408, 429, 500, 502, 503, 504))
_AT_ONCE = 16  # files sent again in one go, so that new spans need not wait
_LONGEST_PAUSE_S = 30.0
_LOOPBACK = re.compile(r"127\.\d+\.\d+\.\d+")
_LEFT_AFTER_S = 3600  # a directory takes microseconds to be locked


class Spool:
    """Files of one process, the oldest first.

    Args:
        directory: shared by all processes of a program.
        max_bytes: of the files of this process; beyond it the oldest go.
        destination: see ``destination_of``; what others left is taken over where theirs is equal.
    """

    def __init__(self, directory: Path, max_bytes: int, destination: str = "") -> None:
        self.dropped = 0
        self._destination = destination
        self._root = directory
        self._max_bytes = max_bytes
        self._numbers = itertools.count()
        self._pid = os.getpid()
        self._lock = -1
        self._own = self._made_own()
        self._take_over()

    def add(self, headers: dict[str, str], body: bytes) -> Path:
        """Keep a request; return its file.

        Raises:
            OSError: the disk does not take it.
        """
        if self._pid != os.getpid():  # a fork: the parent's files are the parent's
            self._own = self._made_own()
            self._pid = os.getpid()
        self._make_room(len(body))
        data = json.dumps(headers).encode() + b"\n" + body
        try:
            return self._written(data)
        except FileNotFoundError:  # somebody removed the directory
            self._own = self._made_own()
            return self._written(data)

    def files(self) -> list[Path]:
        """Return what waits, the oldest first."""
        return sorted(self._own.glob("*.otlp"))

    @staticmethod
    def read(path: Path) -> tuple[dict[str, str], bytes]:
        """Return headers and body of a file.

        Raises:
            OSError: it cannot be read.
            ValueError: it is damaged.
        """
        headers, _, body = path.read_bytes().partition(b"\n")
        return cast("dict[str, str]", json.loads(headers)), body

    def _written(self, data: bytes) -> Path:
        path = self._own / f"{time.time_ns():020}-{next(self._numbers):08}.otlp"
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.rename(path)
        return path

    def _made_own(self) -> Path:
        """Make the directory of this process; others see it only once it is locked."""
        own = self._root / uuid.uuid4().hex
        if fcntl is None:
            own.mkdir(parents=True, mode=0o700)
            (own / _FOR).write_text(self._destination)
            return own
        made = own.with_suffix(_UNLOCKED)
        made.mkdir(parents=True, mode=0o700)
        (made / _FOR).write_text(self._destination)
        lock = os.open(made / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made.rename(own)
        except OSError:
            os.close(lock)
            raise
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = lock
        return own

    def _make_room(self, size: int) -> None:
        sizes = [(path, path.stat().st_size) for path in self.files()]
        total = sum(length for _, length in sizes) + size
        for path, length in sizes:
            if total <= self._max_bytes:
                return
            path.unlink(missing_ok=True)
            self.dropped += 1
            total -= length
            told("the spool is full", "the oldest spans are dropped")

    def _take_over(self) -> None:
        if fcntl is None:
            return
        for other in self._root.iterdir():
            if other.suffix == _UNLOCKED:
                _clear_away(other)
                continue
            if other == self._own:
                continue
            lock = -1
            try:
                lock = os.open(other / "lock", os.O_RDWR)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (other / _FOR).read_text() != self._destination:
                    continue  # with our key they would end up in our project
                for path in other.glob("*.otlp"):
                    path.rename(self._own / path.name)
                for path in other.iterdir():
                    path.unlink()
                other.rmdir()
            except OSError:
                continue  # its process lives, another one was faster, or it is none of ours
            finally:
                if lock >= 0:
                    os.close(lock)


def destination_of(endpoint: str, *secrets: str) -> str:
    """Return a text that is equal for the same endpoint and keys, and tells neither."""
    return hashlib.sha256(json.dumps([endpoint, *secrets]).encode()).hexdigest()


def _clear_away(unlocked: Path) -> None:
    """Remove a directory whose process died before it locked it; it never had a request."""
    try:
        is_left = time.time() - unlocked.stat().st_mtime > _LEFT_AFTER_S
        if is_left and {path.name for path in unlocked.iterdir()} <= {_FOR, "lock"}:
            for name in (_FOR, "lock"):
                (unlocked / name).unlink(missing_ok=True)
            unlocked.rmdir()
    except OSError:
        return  # another process was faster, or it is none of ours


def is_on_this_machine(url: str) -> bool:
    """Return whether a URL is of loopback."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or bool(_LOOPBACK.fullmatch(host))


class SteadySession(requests.Session):
    """Looks up proxies and certificates in the environment once, not for each request.

    That is a third of the time a request takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[tuple[object, ...], Any] = {}

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """Return what holds for requests to an address."""
        key = (url, stream, verify, cert)
        if proxies:
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        if key not in self._found:
            found = super().merge_environment_settings(url, proxies, stream, verify, cert)
            if is_on_this_machine(str(url)):  # a proxy would look for it on its own
                found["proxies"] = {}
            self._found[key] = found
        return dict(self._found[key])


class SpoolSession(SteadySession):
    """Sends requests of OpenTelemetry's exporter, and keeps those that do not get through.

    To the exporter a kept request is an answered one; it is sent again by ``drain``.
    """

    def __init__(self, spool: Spool) -> None:
        super().__init__()
        self.spool = spool
        self._like: tuple[requests.PreparedRequest, dict[str, Any]] | None = None
        self._pause_s = 1.0
        self._not_before_s = 0.0

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Keep a request, send it, and let it go when it is answered."""
        said = request.headers
        kept = {name: str(said[name]) for name in _KEPT_HEADERS if name in said}
        body = request.body
        try:
            path = self.spool.add(kept, body if isinstance(body, bytes) else b"")
        except OSError as error:
            told("the spool does not take spans", error)
            return super().send(request, **kwargs)
        self._like = (request, kwargs)
        if time.monotonic() < self._not_before_s:
            return _kept_answer(request)
        answer = self._tried(path, request, kwargs)
        return _kept_answer(request) if answer is None else answer

    def drain(self) -> None:
        """Send again what waits, unless the last try was just now."""
        if self._like is None or time.monotonic() < self._not_before_s:
            return
        request, kwargs = self._like
        for path in self.spool.files()[:_AT_ONCE]:
            try:
                headers, body = self.spool.read(path)
            except (OSError, ValueError) as error:
                told("a file of the spool", error)
                path.unlink(missing_ok=True)
                continue
            again = request.copy()
            for name in _KEPT_HEADERS:
                again.headers.pop(name, None)
            again.headers.update(headers)
            again.prepare_body(body, None)
            if self._tried(path, again, kwargs) is None:
                return

    def _tried(
        self, path: Path, request: requests.PreparedRequest, kwargs: dict[str, Any]
    ) -> requests.Response | None:
        """Send a request; return the answer, or ``None`` when it must wait."""
        try:
            answer = super().send(request, **kwargs)
        except requests.RequestException as error:
            told("the collector is not reached; spans wait on disk", error)
            answer = None
        if answer is None or answer.status_code in _RETRYABLE:
            self._not_before_s = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
            return None
        self._pause_s = 1.0
        path.unlink(missing_ok=True)
        return answer


def _kept_answer(request: requests.PreparedRequest) -> requests.Response:
    answer = requests.Response()
    answer.status_code = 200
    answer.reason = "kept on disk"
    answer.request = request
    answer._content = b""  # pyright: ignore[reportPrivateUsage] # no other way to make one
    return answer
