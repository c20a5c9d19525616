"""Where inference workers tell their metrics, what runs there, and how they are asked."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# What the names of an engine's metrics begin with.
ENGINES = {
    "vllm": ("vllm:", "vllm_"),
    "sglang": ("sglang:", "sglang_"),
    "tgi": ("tgi_",),
    "tensorrt-llm": ("trtllm_",),
    "triton": ("nv_",),
    "llama.cpp": ("llamacpp:",),
    "dcgm": ("DCGM_",),
}
_MOST_BYTES = 32 << 20
_HERE = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


class ScrapeError(Exception):
    """A worker did not answer with metrics; the message says how."""


@dataclass(frozen=True, slots=True)
class Target:
    """One place to ask.

    Attributes:
        url: of the metrics page; a bare ``host:port`` gets ``http://`` and ``/metrics``.
        headers: sent with every request: a key, where the page is guarded.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, text: str, headers: Mapping[str, str] | None = None) -> Target:
        """Return the target a person wrote.

        Raises:
            ValueError: it is no HTTP address.
        """
        url = text if "://" in text else f"http://{text}"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"A target is an address like http://worker:8000/metrics, not {text!r}."
            )
        if parts.path in ("", "/"):
            url = f"{parts.scheme}://{parts.netloc}/metrics"
        return cls(url, headers or {})

    def identity(self, engine: str) -> dict[str, str | int]:
        """Return who the worker is, as resource attributes."""
        parts = urlsplit(self.url)
        host = str(parts.hostname)
        host = socket.gethostname() if host in _HERE else host
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return {
            "service.name": engine or "inference",
            "service.instance.id": f"{host}:{port}",
            "server.address": host,
            "server.port": port,
            "host.name": host,
            "spanledger.inference.engine": engine,
        }

    def read(self, timeout_s: float) -> str:
        """Return the page.

        Raises:
            ScrapeError: nobody answers, or with something else.
        """
        # The classic format: every engine speaks it, and the parser for it is the lenient one.
        wanted = {"Accept": "text/plain;version=0.0.4", **self.headers}
        try:
            request = urllib.request.Request(self.url, headers=wanted)
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                body: bytes = answer.read(_MOST_BYTES + 1)
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise ScrapeError(f"{self.url}: {error}") from error
        if len(body) > _MOST_BYTES:
            raise ScrapeError(f"{self.url}: more than {_MOST_BYTES >> 20} MiB of metrics")
        return body.decode("utf-8", errors="replace")


def engine_of(names: set[str]) -> str:
    """Return which engine tells metrics of these names; '' for none we know."""
    for engine, prefixes in ENGINES.items():
        if any(name.startswith(prefixes) for name in names):
            return engine
    return ""
