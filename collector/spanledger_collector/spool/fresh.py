"""Requests that were just written, still in memory: storing these needs no reading."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from spanledger_collector.spool.batches import SpooledRequest

_MOST_BYTES = 48 << 20
_LARGEST_BYTES = 4 << 20
"""Of a body: few large ones would leave no room for others, and reading these costs least."""


class FreshRequests:
    """Some of the requests on disk by number, until they are taken. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[int, SpooledRequest] = {}
        self._bytes = 0

    def add(self, request: SpooledRequest) -> None:
        """Keep a request that is on disk, if there is room."""
        size = len(request.body)
        with self._lock:
            if size <= _LARGEST_BYTES and self._bytes + size <= _MOST_BYTES:
                self._requests[request.seq] = request
                self._bytes += size

    def take(self, seqs: Iterable[int]) -> dict[int, SpooledRequest]:
        """Return and forget those of these requests that are here."""
        with self._lock:
            found = {seq: self._requests.pop(seq) for seq in seqs if seq in self._requests}
            self._bytes -= sum(len(request.body) for request in found.values())
        return found

    def clear(self) -> None:
        """Forget all: their numbers mean others now."""
        with self._lock:
            self._requests.clear()
            self._bytes = 0
