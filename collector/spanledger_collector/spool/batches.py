"""What waits in the spool, and the portions in which it goes to the store."""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, replace

from spanledger_collector.signals import Signal

PAGE_BYTES = 32_768
"""Of new files. Every page of a body is a write of its own, to the log and then to the file; but a
commit writes two pages at least, however small its requests are."""
ROW_BYTES = 128
"""What a row of the spool takes beside its body."""


def held_bytes(size: int) -> int:
    """Return about what a body of ``size`` bytes takes in the file.

    What does not go into pages of its own shares one with as many of its length as it can hold.
    https://www.sqlite.org/fileformat.html#cell_payload_overflow_pages
    """
    least, row = (PAGE_BYTES - 12) * 32 // 255 - 23, size + ROW_BYTES
    shared, own = row, 0
    if row > PAGE_BYTES - 35:
        shared = least + (row - least) % (PAGE_BYTES - 4)
        shared = shared if shared <= PAGE_BYTES - 35 else least
        own = -(-(row - shared) // (PAGE_BYTES - 4))
    return own * PAGE_BYTES + PAGE_BYTES // (PAGE_BYTES // shared)


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

    @property
    def held_bytes(self) -> int:
        """About what they take in the file."""
        return sum(held_bytes(len(request.body)) for request in self.requests)


@dataclass(frozen=True, slots=True)
class SpoolDepth:
    """What waits in the spool; of ``requests``, those in no batch yet are ``unfrozen``.

    ``held_bytes`` is what the requests take in the file, see the function of that name.
    """

    requests: int = 0
    items: int = 0
    bytes: int = 0
    dead_letters: int = 0
    dead_bytes: int = 0
    unfrozen_requests: int = 0
    unfrozen_items: int = 0
    unfrozen_bytes: int = 0
    held_bytes: int = field(default=0, compare=False)

    @property
    def disk_bytes(self) -> int:
        """About what it takes of the disk budget."""
        return self.held_bytes + self.dead_bytes + self.dead_letters * ROW_BYTES

    def plus(self, change: SpoolDepth) -> SpoolDepth:
        """Return the depth after a change, whose numbers may be negative."""
        return SpoolDepth(*(a + b for a, b in zip(astuple(self), astuple(change), strict=True)))

    def minus(self, requests: int, items: int, size: int, held: int) -> SpoolDepth:
        """Return the depth without requests that are done with."""
        if self.requests <= requests:  # also when a damaged row told wrong numbers before
            return replace(self, requests=0, items=0, bytes=0, held_bytes=0)
        return self.plus(SpoolDepth(-requests, -items, -size, held_bytes=-held))
