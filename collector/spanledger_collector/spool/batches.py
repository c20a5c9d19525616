"""What waits in the spool, and the portions in which it goes to the store."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from spanledger_collector.signals import Signal

# What a row of the spool takes beside its body.
_ROW_BYTES = 128


@dataclass(frozen=True, slots=True)
class SpooledRequest:
    """One accepted request: ``body`` is the export request of its signal in protobuf.

    ``items`` counts its spans, log records or data points.
    """

    seq: int
    project: str
    received_ns: int
    items: int
    body: bytes
    signal: Signal


@dataclass(frozen=True, slots=True)
class Batch:
    """A frozen run of requests; ``flush_id`` names it for ever and everywhere."""

    batch_id: int
    flush_id: str
    requests: tuple[SpooledRequest, ...]

    @property
    def items(self) -> int:
        """Spans, log records and data points in it."""
        return sum(request.items for request in self.requests)

    @property
    def size_bytes(self) -> int:
        """Of all bodies together."""
        return sum(len(request.body) for request in self.requests)


@dataclass(frozen=True, slots=True)
class SpoolDepth:
    """What waits in the spool; of ``requests``, those in no batch yet are ``unfrozen``."""

    requests: int = 0
    items: int = 0
    bytes: int = 0
    dead_letters: int = 0
    dead_bytes: int = 0
    unfrozen_requests: int = 0
    unfrozen_items: int = 0
    unfrozen_bytes: int = 0

    @property
    def disk_bytes(self) -> int:
        """About what it takes of the disk budget."""
        rows = self.requests + self.dead_letters
        return self.bytes + self.dead_bytes + rows * _ROW_BYTES

    def plus(self, change: SpoolDepth) -> SpoolDepth:
        """Return the depth after a change, whose numbers may be negative."""
        return SpoolDepth(*(a + b for a, b in zip(astuple(self), astuple(change), strict=True)))

    def minus(self, requests: int, items: int, size: int) -> SpoolDepth:
        """Return the depth without requests that are done with."""
        if self.requests <= requests:  # also when a damaged row told wrong numbers before
            return replace(self, requests=0, items=0, bytes=0)
        return self.plus(SpoolDepth(-requests, -items, -size))
