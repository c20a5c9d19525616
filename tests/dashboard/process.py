"""The dashboard as its own process, and the browser to look at it with."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from spanledger_storage.store import StoreSettings
from tests.ports import free_port

CHROMIUM = shutil.which("chromium")
START_TIMEOUT_S = 120  # a start is mostly imports, and other tests want the cores too
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@dataclass(frozen=True)
class Dashboard:
    """A running dashboard and how long it took to answer."""

    process: subprocess.Popen[bytes]
    base: str
    start_s: float


def store_url(settings: StoreSettings) -> str:
    s = settings
    return f"clickhouse://{s.username}:{s.password}@{s.host}:{s.port}/{s.database}"


def start_dashboard(url: str, output: Path, **variables: str) -> Dashboard:
    """Start the dashboard on a store, with more settings, and return once it is healthy."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    started = time.monotonic()
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "spanledger_dashboard", "--port", str(port)],
            env={**os.environ, "SPANLEDGER_STORE_URL": url, **variables},
            stdout=log,
            stderr=log,
        )
    while not _is_healthy(base):
        if process.poll() is not None or time.monotonic() - started > START_TIMEOUT_S:
            process.kill()
            process.wait()
            raise AssertionError(f"the dashboard did not start: {output.read_text()}")
        time.sleep(0.02)
    return Dashboard(process, base, time.monotonic() - started)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The distribution's chromium, without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


def _is_healthy(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/_stcore/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
