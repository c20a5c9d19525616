"""The local engine: a private ClickHouse server, child of this process, bound to loopback."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from spanledger_storage.child_log import bound_log, open_log
from spanledger_storage.engine_disk import MergePause, kept_free_bytes
from spanledger_storage.errors import EngineError
from spanledger_storage.store import StoreSettings

DATABASE = "spanledger"
_WRITER, _READER = "spanledger", "reader"
_START_TIMEOUT_S = 60
# Never through a proxy of the environment: the request carries a password.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# That of the wheel, with which every statement is tested: older ones refuse some of them.
_OLDEST_BINARY = (26, 9)


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How to run the local engine.

    Attributes:
        directory: owned by the engine; created when missing.
        http_port: port on 127.0.0.1.
        binary: path of a ``clickhouse`` executable; None: the server inside the chdb-core wheel.
        max_memory_bytes: the engine refuses queries beyond this.
    """

    directory: Path
    http_port: int
    binary: str | None = None
    max_memory_bytes: int = 4 << 30


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords of the engine's two users, made once per data directory."""

    writer: str
    reader: str

    @classmethod
    def of(cls, directory: Path) -> Credentials:
        """Return the stored passwords, making them (mode 0600) the first time.

        Also where a loss of power cut the file off: a start tells the engine what they are.

        Raises:
            EngineError: they are another user's, or cannot be made.
        """
        path = directory / "credentials.json"
        try:
            return cls._stored(path) or cls._made(path)
        except OSError as error:
            raise EngineError(
                f"The passwords of the local engine, {path}, cannot be read or made: "
                f"{error.strerror}. They are for the user that runs Spanledger alone."
            ) from None

    @classmethod
    def _stored(cls, path: Path) -> Credentials | None:
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls(writer=stored["writer"], reader=stored["reader"])
        return None

    @classmethod
    def _made(cls, path: Path) -> Credentials:
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # a command may look for them while `up` starts
            if found := cls._stored(path):
                new.unlink(missing_ok=True)
                return found
            made = cls(writer=secrets.token_urlsafe(24), reader=secrets.token_urlsafe(24))
            file.truncate()
            json.dump({"writer": made.writer, "reader": made.reader}, file)
            file.flush()
            new.replace(path)
            return made


class Engine:
    """A running local engine. Ends with the process that started it."""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._log = settings.directory / "engine.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._merge_pause: MergePause | None = None
        settings.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._credentials = Credentials.of(settings.directory)

    @property
    def writer(self) -> StoreSettings:
        """Settings of the user the product itself uses."""
        return self._store(_WRITER, self._credentials.writer)

    @property
    def reader(self) -> StoreSettings:
        """Settings of the read-only user, with limits on time, rows and memory."""
        return self._store(_READER, self._credentials.reader)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the engine and return once it answers.

        Raises:
            EngineError: it did not come up; the message quotes the end of its log.
        """
        self.stop()  # forget one that ended by itself
        config = _write_config(self._settings, self._credentials)
        with open_log(self._log, is_new=True) as log:
            self._process = subprocess.Popen(
                _command(self._settings, config),
                stdin=subprocess.PIPE,  # its end of file tells the engine that we are gone
                stdout=log,
                stderr=log,
                cwd=config.parent,
                # Its own session: a Ctrl-C at the terminal must reach the supervisor alone.
                start_new_session=True,
            )
        self._await_answer()
        self._merge_pause = MergePause(self._settings.directory, self._ask)
        self._drop_logs_of_its_own()

    def stop(self, timeout_s: float = 5) -> None:
        """Stop the engine; everything it acknowledged is on disk."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._process.poll() if self._process else 0

    def look_after_disk(self) -> None:
        """Keep merges from a disk that others fill, and its log small; to be called often."""
        bound_log(self._log)
        if self._merge_pause and self.poll() is None:
            self._merge_pause.look()

    def _store(self, username: str, password: str) -> StoreSettings:
        return StoreSettings("127.0.0.1", self._settings.http_port, DATABASE, username, password)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.answers():
                return
            if self.poll() is not None:
                self.stop()
                raise EngineError(f"The local engine ended while starting. {self._why()}")
            time.sleep(0.02)
        self.stop()
        raise EngineError(f"The local engine did not answer in {_START_TIMEOUT_S} s. {self._why()}")

    def answers(self) -> bool:
        """Return whether our own engine answers: another server would refuse our password."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._settings.http_port}/?query=SELECT%201",
            headers={"Authorization": f"Basic {_basic(_WRITER, self._credentials.writer)}"},
        )
        try:
            with _DIRECT.open(request, timeout=2) as answer:
                return bool(answer.read() == b"1\n")
        except (urllib.error.URLError, OSError):
            return False

    def _drop_logs_of_its_own(self) -> None:
        """Remove what engines of earlier versions logged about themselves; nothing is added now."""
        listed = self._ask(
            "SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree'"
        )
        for name in (listed or "").split():
            self._ask(f"DROP TABLE IF EXISTS system.`{name}` SYNC")

    def _ask(self, sql: str) -> str | None:
        """Return what the engine answers; None when it refuses or does not answer in time."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._settings.http_port}/",
            data=sql.encode(),
            headers={"Authorization": f"Basic {_basic(_WRITER, self._credentials.writer)}"},
        )
        try:
            with _DIRECT.open(request, timeout=30) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return None

    def _why(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace").strip()
        reasons = [
            line
            for line in text.splitlines()
            if "Exception" in line or "Error" in line or "Cannot lock" in line
        ]
        quoted = (reasons or text.splitlines() or ["(empty log)"])[-1].strip()
        return f"Its log ({self._log}) says: {quoted[:500]}"


def find_binary() -> str | None:
    """Return an installed ClickHouse server that is new enough, None when there is none."""
    for name in ("clickhouse", "clickhouse-server"):
        path = shutil.which(name)
        if path and _version_of(path) >= _OLDEST_BINARY:
            return path
    return None


def _version_of(binary: str) -> tuple[int, int]:
    """Return major and minor version, (0, 0) when it does not say."""
    try:
        said = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0, 0
    match = re.search(r"(\d+)\.(\d+)\.\d+", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _command(settings: EngineSettings, config: Path) -> list[str]:
    if settings.binary:
        server = [settings.binary]
        if Path(settings.binary).name == "clickhouse":
            server.append("server")
        # The wrapper gives an installed server the same manners: it ends with our end of stdin.
        return [sys.executable, "-m", "spanledger_storage._engine_process", *server,
                f"--config-file={config}"]  # fmt: skip
    return [
        sys.executable,
        "-m",
        "spanledger_storage._engine_process",
        "chdb",
        str(config.parent),
        str(settings.directory / "store"),
    ]


def _write_config(settings: EngineSettings, credentials: Credentials) -> Path:
    """Write config.xml and users.xml for this start; return the path of config.xml."""
    directory = settings.directory / "config"
    directory.mkdir(exist_ok=True)
    template = (Path(__file__).parent / "engine_config.xml").read_text(encoding="utf-8")
    users = (Path(__file__).parent / "engine_users.xml").read_text(encoding="utf-8")
    values = {
        "@directory@": escape(str(settings.directory)),
        "@http_port@": str(settings.http_port),
        "@max_memory_bytes@": str(settings.max_memory_bytes),
        "@kept_free_bytes@": str(kept_free_bytes(settings.directory)),
        "@max_query_memory_bytes@": str(settings.max_memory_bytes // 2),
        "@writer_basic@": _basic(_WRITER, credentials.writer),
        "@reader_basic@": _basic(_READER, credentials.reader),
        "@writer_password@": escape(credentials.writer),
        "@reader_password@": escape(credentials.reader),
    }
    for mark, value in values.items():
        template, users = template.replace(mark, value), users.replace(mark, value)
    _write_private(directory / "config.xml", template)
    _write_private(directory / "users.xml", users)
    return directory / "config.xml"


def _basic(user: str, password: str) -> str:
    """Return the credentials of HTTP Basic authentication."""
    return base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
