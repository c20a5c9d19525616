"""Makes guessing passwords slow: failures cost waiting time, and only those who fail wait.

What is counted: failures of an address for one account, of an address for all of them, and of an
account from everywhere. The last makes nobody wait who has not failed: else anybody could lock
somebody out. It shortens what each address may try for free.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass

from spanledger_storage.accounts import account_name
from spanledger_storage.errors import ConfigError

_FREE_OF_PAIR = 5
_FREE_OF_PAIR_UNDER_ATTACK = 1
_FREE_OF_ADDRESS = 20
_ATTACK = 100
_LONGEST_WAIT_S = 60.0
_FORGET_AFTER_S = 900.0
_MAX_KEPT = 60_000

# Account and address; one of them is empty where it does not matter.
_Key = tuple[str, str]


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last_s: float = 0.0


class Attempts:
    """Failures by account and address, in memory. The wait doubles, up to a minute.

    An attempt counts as a failure until it is known to have succeeded, so that many at once are
    not checked side by side. Times are seconds of one clock that never goes back.
    """

    def __init__(self) -> None:
        self._records: OrderedDict[_Key, _Record] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, name: str, address: str, now_s: float) -> float:
        """Count an attempt; return 0, or the seconds to wait, and then nothing was counted."""
        pair, by_address, by_name = _keys(name, address)
        with self._lock:
            is_attacked = self._failures(by_name, now_s) >= _ATTACK
            free = _FREE_OF_PAIR_UNDER_ATTACK if is_attacked else _FREE_OF_PAIR
            wait_s = max(
                self._wait_s(pair, free, now_s),
                self._wait_s(by_address, _FREE_OF_ADDRESS, now_s),
            )
            if wait_s > 0:
                return wait_s
            for key in (pair, by_address, by_name):
                self._count(key, now_s)
            return 0.0

    def succeeded(self, name: str, address: str) -> None:
        """Take the attempt back, and forget the failures of the address for the account."""
        pair, by_address, by_name = _keys(name, address)
        with self._lock:
            self._records.pop(pair, None)
            for key in (by_address, by_name):
                if record := self._records.get(key):
                    record.failures -= 1

    def _failures(self, key: _Key, now_s: float) -> int:
        record = self._records.get(key)
        if record is None or now_s - record.last_s > _FORGET_AFTER_S:
            return 0
        return record.failures

    def _wait_s(self, key: _Key, free: int, now_s: float) -> float:
        beyond = self._failures(key, now_s) - free
        if beyond < 0:
            return 0.0
        wait_s = min(2.0 ** min(beyond, 10), _LONGEST_WAIT_S)
        return self._records[key].last_s + wait_s - now_s

    def _count(self, key: _Key, now_s: float) -> None:
        record = self._records.pop(key, None)
        if record is None or now_s - record.last_s > _FORGET_AFTER_S:
            record = _Record()
        record.failures += 1
        record.last_s = now_s
        self._records[key] = record
        while len(self._records) > _MAX_KEPT:
            self._records.popitem(last=False)


def _keys(name: str, address: str) -> tuple[_Key, _Key, _Key]:
    try:
        account = account_name(name)
    except ConfigError:
        account = name[:80]  # of nobody, so no two forms of it are one account
    network = _network(address)
    return (account, network), ("", network), (account, "")


def _network(address: str) -> str:
    """Return the address, or the /64 of an IPv6 one: whoever has one has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address or "unknown"
    return str(parsed) if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), False))
