"""One detector, one file: a function from a trace to what is wrong in it.

To add one: copy a neighbour, add its line here, document it in docs/findings.md, test it.
"""

from __future__ import annotations

from collections.abc import Callable

from spanledger_analytics.findings.detectors import (
    amplification,
    context_bloat,
    latency_growth,
    loops,
    silent_failures,
)
from spanledger_analytics.findings.finding import Finding
from spanledger_analytics.findings.lanes import TraceView

Detector = Callable[[TraceView], list[Finding]]

DETECTORS: dict[str, Detector] = {
    "loops": loops.detect,
    "silent_failures": silent_failures.detect,
    "context_bloat": context_bloat.detect,
    "latency_growth": latency_growth.detect,
    "amplification": amplification.detect,
}
"""By name; each is tried on every trace that changed, and one that fails stops no other."""

KINDS = ("loop", "silent_failure", "context_bloat", "latency_growth", "amplification")
"""What these find. The findings job owns findings of these kinds that are about one trace: those of
other jobs have other kinds, or no trace."""
