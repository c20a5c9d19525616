"""How long something lasts, as people on call read it: whole units, the largest first."""

from __future__ import annotations

from spanledger_alerts.text import duration

_NS_PER_S = 10**9


def lasting(ns: object) -> str:
    """Return a duration in nanoseconds: ``45 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    return duration(int(float(str(ns))) // _NS_PER_S)
