"""Sends OTLP/HTTP requests and keeps trying while the endpoint is absent or overloaded.

Which answers may be retried: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

import gzip
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from spanledger_server.demo.clock import Clock
from spanledger_server.errors import UsageError
from spanledger_server.guard import INGEST_KEY, sender_headers

PATIENCE_S = 60.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
REQUEST_TIMEOUT_S = 30.0
RETRYABLE = frozenset({429, 502, 503, 504})
_NS = 10**9


class DemoError(UsageError):
    """The endpoint cannot be used; the message says which and what to do."""


class Stopped(Exception):
    """The user asked to stop while a request was waiting to be sent again."""


class Sender:
    """Sends to one endpoint; use as a context manager.

    Args:
        endpoint: Base URL of an OTLP/HTTP endpoint, with or without ``/v1/traces``.
        signal: traces, or metrics, whose answers have the same form.
        on_progress: Told once per outage, in words for the user.
        stop: Ends waiting between two attempts.

    Raises:
        DemoError: ``endpoint`` is not an http or https URL.
    """

    def __init__(
        self,
        endpoint: str,
        on_progress: Callable[[str], None],
        stop: threading.Event,
        clock: Clock,
        signal: str = "traces",
    ) -> None:
        if not endpoint.startswith(("http://", "https://")):
            raise DemoError(f"The endpoint must be an http:// or https:// URL, not {endpoint!r}.")
        base = endpoint.rstrip("/").removesuffix("/v1/traces")
        self._url = f"{base}/v1/{signal}"
        self._say = on_progress
        self._stop = stop
        self._clock = clock
        # Proxy variables are for the internet; the endpoint is the user's own.
        self._client = httpx.Client(
            timeout=REQUEST_TIMEOUT_S, trust_env=False, headers=sender_headers()
        )

    def __enter__(self) -> Self:
        """Return the sender itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._client.close()

    def send(self, body: bytes) -> int:
        """Send one serialised export request and return how many spans were rejected.

        The identical body is sent again when it has to be, so nothing is counted twice.

        Raises:
            DemoError: The endpoint said no for good, or was not usable for ``PATIENCE_S`` seconds.
            Stopped: ``stop`` was set before the request was accepted.
        """
        content = gzip.compress(body, compresslevel=1, mtime=0)
        deadline_ns = self._clock.now_ns() + int(PATIENCE_S * _NS)
        pause_s, is_outage_known = FIRST_PAUSE_S, False
        while True:
            problem, wanted_s = self._attempt(content)
            if isinstance(problem, int):
                return problem
            wait_s = pause_s if wanted_s is None else wanted_s
            if self._clock.now_ns() + int(wait_s * _NS) > deadline_ns:
                raise DemoError(
                    f"{self._url} was not usable for {PATIENCE_S:.0f} s: {problem}. "
                    "Is `spanledger up` running, and is this its OTLP/HTTP address?"
                )
            if not is_outage_known:
                self._say(f"{self._url}: {problem}; trying again for {PATIENCE_S:.0f} s")
                is_outage_known = True
            if self._clock.wait(self._stop, wait_s):
                raise Stopped
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _attempt(self, content: bytes) -> tuple[int | str, float | None]:
        """Return (rejected spans, None), or (what went wrong, seconds to wait or None)."""
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip"}
        try:
            answer = self._client.post(self._url, content=content, headers=headers)
        except httpx.TransportError as error:
            return f"no connection ({error or type(error).__name__})", None
        if answer.status_code in RETRYABLE:
            wanted_s = _retry_after_s(answer.headers.get("retry-after"), self._clock.now_ns())
            return f"the endpoint answered {answer.status_code}", wanted_s
        if answer.status_code != 200:
            raise DemoError(
                f"{self._url} refused the data for good with status {answer.status_code}: "
                f"{_reason(answer)}"
            )
        return self._rejected_spans(answer), None

    def _rejected_spans(self, answer: httpx.Response) -> int:
        try:
            partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
        except DecodeError:
            raise DemoError(
                f"{self._url} did not answer as an OTLP endpoint does: {_excerpt(answer)}"
            ) from None
        if partial.rejected_spans:
            self._say(f"{partial.rejected_spans} spans were rejected: {partial.error_message}")
        return partial.rejected_spans


def _reason(answer: httpx.Response) -> str:
    """Return why an answer refuses, in its own words, and what to do where we know."""
    try:
        said = Status.FromString(answer.content).message
    except DecodeError:  # not from a collector
        said = ""
    is_about_keys = answer.status_code in (401, 403)
    hint = f" Set {INGEST_KEY} to a key with the scope ingest." if is_about_keys else ""
    return (said or _excerpt(answer)) + hint


def _excerpt(answer: httpx.Response) -> str:
    text = "".join(c for c in answer.text[:200] if c.isprintable()).strip()
    return text or "(empty answer)"


def _retry_after_s(header: str | None, now_ns: int) -> float | None:
    """Return the seconds a ``Retry-After`` asks for, as a number or as an HTTP date."""
    if not header:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    now = datetime.fromtimestamp(now_ns / _NS, tz=UTC)
    return max(0.0, (moment - now).total_seconds())
