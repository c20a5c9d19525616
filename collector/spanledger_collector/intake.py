"""What both transports share: validate a request, spool it, answer after the commit."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from spanledger_collector.access.rate_limit import RateLimits
from spanledger_collector.edge.left_out import LeftOut, Reason
from spanledger_collector.edge.parsing import TakesLong, parse_json, parse_protobuf
from spanledger_collector.edge.screening import screen
from spanledger_collector.edge.turns import Turns
from spanledger_collector.errors import InvalidRequest, RequestTooLarge, Unavailable
from spanledger_collector.privacy.policy import policy_of
from spanledger_collector.privacy.redact import redact_body
from spanledger_collector.signals import ITEMS, RESPONSES, Request, Response, Signal, rejection
from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.project_settings import Project

# Rows take far more memory than the smallest spans do on the wire.
_MOST_ITEMS = 250_000
_INLINE_JSON_BYTES = 256 << 10
_INLINE_BYTES = 16 << 10
"""Of projects with privacy, and of protobuf with something wrong, which is read piece by piece:
what takes longer would keep the event loop from answering."""
_MOST_READ = 2  # at once: parsed, requests take far more memory than their bytes
_MOST_REDACTED = 32  # at once, each of another project
_MOST_WAITING_BYTES = 32 << 20  # of one project, so that those of others find room in memory


class Intake:
    """Accepts requests of all signals into the spool."""

    def __init__(self, spool: Spool, telemetry: Telemetry) -> None:
        self._spool = spool
        self._telemetry = telemetry
        self._limits = RateLimits()
        self._reading = Turns(_MOST_READ, "read")
        # Of each project one at a time, so that nobody waits for the patterns of another.
        self._redacting = defaultdict[str, Turns](lambda: Turns(1, "redacted", _MOST_WAITING_BYTES))
        # Not the loop's own threads: reading does not wait for redacting.
        self._threads = ThreadPoolExecutor(_MOST_REDACTED, "redact")
        self._is_open = True

    def close(self) -> None:
        """Refuse what comes from now on, retryably."""
        self._is_open = False

    async def export_protobuf(self, signal: Signal, body: bytes, project: Project) -> Response:
        """Accept a serialised request.

        Returns after the good items are on disk. Bad spans are left out and counted in
        ``partial_success``, which tells the client not to send them again
        (https://opentelemetry.io/docs/specs/otlp/#partial-success-1).

        Raises:
            InvalidRequest: not a request of this signal.
            RequestTooLarge: more than is taken at once.
            RateLimited: the project is over its limits; nothing was kept.
            Unavailable: not now; nothing was kept.
        """
        return await self._export(signal, body, project, is_json=False)

    async def export_json(self, signal: Signal, body: bytes, project: Project) -> Response:
        """Accept a request in OTLP/JSON; returns and raises like ``export_protobuf``."""
        return await self._export(signal, body, project, is_json=True)

    async def _export(
        self, signal: Signal, body: bytes, project: Project, *, is_json: bool
    ) -> Response:
        if not self._is_open:
            raise Unavailable("The collector is shutting down; send again.")
        left_out, came_bytes = LeftOut(), len(body)
        items, body = await self._taken(signal, body, project, left_out, is_json)
        if items:
            try:
                done = self._spool.append(project.name, body, items, time.time_ns(), signal)
                await asyncio.wrap_future(done)
            except Unavailable:
                self._limits.give_back(project, items, came_bytes)
                raise
        self._telemetry.accepted_items.labels(signal, project.name).inc(items)
        if not left_out:
            notice = left_out.notice
            return rejection(signal, 0, notice) if notice else RESPONSES[signal]()
        for reason, count in left_out.by_reason.items():
            self._telemetry.rejected_items.labels(signal, reason).inc(count)
        return rejection(signal, len(left_out), _explanation(signal, items, left_out))

    async def _taken(
        self, signal: Signal, body: bytes, project: Project, left_out: LeftOut, is_json: bool
    ) -> tuple[int, bytes]:
        """Return the number of items that are kept, and their request; raises like ``_redacted``.

        What would keep the event loop from answering others is done in threads.
        """
        policy = policy_of(project)
        is_large = policy is not None and len(body) > _INLINE_BYTES
        has_turn = is_large or (policy is not None and policy.may_be_slow)
        turns = self._redacting[project.name]
        async with turns.one(len(body)) if has_turn else contextlib.nullcontext():
            # No name is given to the parsed request: it takes more memory than the body.
            return await self._redacted(
                project, len(body), *await self._parsed(signal, body, left_out, is_json, is_large)
            )

    async def _parsed(
        self, signal: Signal, body: bytes, left_out: LeftOut, is_json: bool, is_large: bool
    ) -> tuple[Request, int, bytes]:
        """Do what ``_read`` does, in a thread where that would keep others waiting."""
        if not is_large and not (is_json and len(body) > _INLINE_JSON_BYTES):
            with contextlib.suppress(TakesLong):
                return _read(signal, body, left_out, is_json, _INLINE_BYTES)
        async with self._reading.one(len(body)):
            return await asyncio.to_thread(_read, signal, body, left_out, is_json)

    async def _redacted(
        self, project: Project, came_bytes: int, request: Request, items: int, body: bytes
    ) -> tuple[int, bytes]:
        """Return the number of items, and the request without what its project wants taken out.

        Args:
            project: whose request it is.
            came_bytes: the request as it came, decompressed: with blanks and what is left out.
            request: what of it is kept.
            items: in that.
            body: that, serialised.

        Raises:
            RateLimited: the project is over its limits.
        """
        self._limits.take(project, items, came_bytes)
        if not items:
            return 0, body
        policy = policy_of(project)
        if policy is None:
            return items, body
        work = (policy, request, time.time_ns())
        if policy.may_be_slow or len(body) > _INLINE_BYTES:
            loop = asyncio.get_running_loop()
            body, found = await loop.run_in_executor(self._threads, redact_body, *work)
        else:
            body, found = redact_body(*work)
        for kind, count in found.items():
            self._telemetry.redacted_values.labels(project.name, kind).inc(count)
        return items, body


def _read(
    signal: Signal,
    body: bytes,
    left_out: LeftOut,
    is_json: bool,
    most_salvaged_bytes: int | None = None,
) -> tuple[Request, int, bytes]:
    """Return the request in a body without what cannot be kept, its items, its serialisation."""
    if is_json:
        request = parse_json(signal, body, left_out)
    else:
        request = parse_protobuf(signal, body, left_out, most_salvaged_bytes)
    items = screen(request, left_out)
    _check_items(items, left_out)
    if items and (is_json or left_out or left_out.is_mended):
        body = request.SerializeToString()
    return request, items, body


def _check_items(items: int, left_out: LeftOut) -> None:
    if items > _MOST_ITEMS:
        raise RequestTooLarge(
            f"A request may hold {_MOST_ITEMS:,} spans, log records or data points, not {items:,}."
        )
    if not items and set(left_out.by_reason) == {Reason.UNREADABLE}:
        raise InvalidRequest(
            f"Nothing in the request can be read: {left_out.summary}", field=left_out.place
        )


def _explanation(signal: Signal, kept: int, left_out: LeftOut) -> str:
    text = f"{len(left_out)} of {kept + len(left_out)} {ITEMS[signal]} rejected: {left_out.summary}"
    if signal is Signal.TRACES and not kept and " has 0" in left_out.summary:
        text += "; no span has an id: are these logs or metrics sent to the traces endpoint?"
    return f"{text}; {left_out.notice}" if left_out.notice else text
