"""Makes guessing passwords slow: failures of an account or an address cost waiting time."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass

_FREE = {"name": 5, "address": 20}
_LONGEST_WAIT_S = 60.0
_FORGET_AFTER_S = 900.0
_MAX_KEPT = 20_000


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last_s: float = 0.0


class Attempts:
    """Failures by account and by address, in memory. The wait doubles, up to a minute.

    An attempt counts as a failure until it is known to have succeeded, so that many at once are
    not checked side by side. Times are seconds of one clock that never goes back.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, name: str, address: str, now_s: float) -> float:
        """Count an attempt; return 0, or the seconds to wait, and then nothing was counted."""
        with self._lock:
            keys = _keys(name, address)
            wait_s = max(self._wait_s(key, now_s) for key in keys)
            if wait_s > 0:
                return wait_s
            for key in keys:
                self._count(key, now_s)
            return 0.0

    def succeeded(self, name: str, address: str) -> None:
        """Take the attempt back, and forget the failures of the account."""
        with self._lock:
            by_name, by_address = _keys(name, address)
            self._records.pop(by_name, None)
            record = self._records.get(by_address)
            if record:
                record.failures -= 1

    def _wait_s(self, key: str, now_s: float) -> float:
        record = self._records.get(key)
        if record is None or now_s - record.last_s > _FORGET_AFTER_S:
            return 0.0
        beyond = record.failures - _FREE[key.partition(":")[0]]
        if beyond < 0:
            return 0.0
        return record.last_s + min(2.0 ** min(beyond, 10), _LONGEST_WAIT_S) - now_s

    def _count(self, key: str, now_s: float) -> None:
        record = self._records.pop(key, None)
        if record is None or now_s - record.last_s > _FORGET_AFTER_S:
            record = _Record()
        record.failures += 1
        record.last_s = now_s
        self._records[key] = record
        while len(self._records) > _MAX_KEPT:
            self._records.popitem(last=False)


def _keys(name: str, address: str) -> tuple[str, str]:
    return f"name:{name.strip().lower()[:80]}", f"address:{_network(address)}"


def _network(address: str) -> str:
    """Return the address, or the /64 of an IPv6 one: whoever has one has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), False))
