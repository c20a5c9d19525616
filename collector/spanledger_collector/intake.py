"""What both transports share: validate a request, spool it, answer after the commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from spanledger_collector.access.rate_limit import RateLimits
from spanledger_collector.edge.left_out import LeftOut, Reason
from spanledger_collector.edge.parsing import parse_json, parse_protobuf
from spanledger_collector.edge.screening import screen
from spanledger_collector.errors import InvalidRequest, RequestTooLarge, Unavailable
from spanledger_collector.privacy.policy import Policy, policy_of
from spanledger_collector.privacy.redact import redacted_body
from spanledger_collector.signals import ITEMS, RESPONSES, Request, Response, Signal, rejection
from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.project_settings import Project

# Rows take far more memory than the smallest spans do on the wire.
_MOST_ITEMS = 250_000


class Intake:
    """Accepts requests of all signals into the spool."""

    def __init__(
        self,
        spool: Spool,
        telemetry: Telemetry,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._spool = spool
        self._telemetry = telemetry
        self._now_ns = now_ns
        self._limits = RateLimits()
        self._is_open = True

    def close(self) -> None:
        """Refuse what comes from now on, retryably."""
        self._is_open = False

    async def export_protobuf(self, signal: Signal, body: bytes, project: Project) -> Response:
        """Accept a serialised request.

        Raises:
            InvalidRequest: not a request of this signal.
            RequestTooLarge: more than is taken at once.
            RateLimited: the project is over its limits; nothing was kept.
            Unavailable: not now; nothing was kept.
        """
        left_out = LeftOut()
        # No name is given to the parsed request: it takes more memory than the body.
        return await self.export(
            signal, parse_protobuf(signal, body, left_out), project, body, left_out
        )

    async def export_json(self, signal: Signal, body: bytes, project: Project) -> Response:
        """Accept a request in OTLP/JSON; raises like ``export_protobuf``."""
        left_out = LeftOut()
        return await self.export(
            signal, parse_json(signal, body, left_out), project, None, left_out
        )

    async def export(
        self,
        signal: Signal,
        request: Request,
        project: Project,
        body: bytes | None = None,
        left_out: LeftOut | None = None,
    ) -> Response:
        """Accept a request.

        Args:
            signal: what it carries.
            request: is consumed.
            project: whose it is.
            body: its serialisation, when the caller has it.
            left_out: what the caller already left out.

        Returns after the good items are on disk. Bad spans are left out and counted in
        ``partial_success``, which tells the client not to send them again
        (https://opentelemetry.io/docs/specs/otlp/#partial-success-1).
        """
        if not self._is_open:
            raise Unavailable("The collector is shutting down; send again.")
        left_out = LeftOut() if left_out is None else left_out
        items = screen(request, left_out)
        _check_items(items, left_out)
        if items:
            if left_out or body is None:
                body = request.SerializeToString()
            self._limits.take(project, items, len(body))
            policy = policy_of(project)
            if policy is not None:
                body = await self._redacted(policy, request, body, project)
            del request  # its memory is not needed while the commit is awaited
            done = self._spool.append(project.name, body, items, self._now_ns(), signal)
            await asyncio.wrap_future(done)
        self._telemetry.accepted_items.labels(signal, project.name).inc(items)
        if not left_out:
            return RESPONSES[signal]()
        for reason, count in left_out.by_reason.items():
            self._telemetry.rejected_items.labels(signal, reason).inc(count)
        return rejection(signal, len(left_out), _explanation(signal, items, left_out))

    async def _redacted(
        self, policy: Policy, request: Request, body: bytes, project: Project
    ) -> bytes:
        """Return a request's serialisation without what its project wants taken out."""
        body, found = await redacted_body(policy, request, body, self._now_ns())
        for kind, count in found.items():
            self._telemetry.redacted_values.labels(project.name, kind).inc(count)
        return body


def _check_items(items: int, left_out: LeftOut) -> None:
    if items > _MOST_ITEMS:
        raise RequestTooLarge(
            f"A request may hold {_MOST_ITEMS:,} spans, log records or data points, not {items:,}."
        )
    if not items and set(left_out.by_reason) == {Reason.UNREADABLE}:
        raise InvalidRequest(f"Nothing in the request can be read: {left_out.summary}")


def _explanation(signal: Signal, kept: int, left_out: LeftOut) -> str:
    text = f"{len(left_out)} of {kept + len(left_out)} {ITEMS[signal]} rejected: {left_out.summary}"
    if signal is Signal.TRACES and not kept and " has 0" in left_out.summary:
        text += "; no span has an id: are these logs or metrics sent to the traces endpoint?"
    return text
