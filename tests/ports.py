"""Ports of loopback for the servers that tests and benchmarks start."""

from __future__ import annotations

import os
import socket

_FIRST, _LAST = 20_000, 31_999  # below what Linux gives to connections and to those who ask for 0
_WORKERS = 8
_EACH = (_LAST - _FIRST + 1) // _WORKERS

_given = os.getpid()  # where a process begins: two of one number rarely begin at one place


def free_port() -> int:
    """Return a port that nobody listens on, and that no other worker of this suite is given.

    Nor is it one that the system gives to somebody between this and its use: whoever is killed
    here finds its port free when it starts again.
    """
    global _given
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    for _ in range(_EACH):
        _given += 1
        port = _FIRST + worker * _EACH + _given % _EACH
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"none of the {_EACH} ports from {_FIRST + worker * _EACH} is free")
