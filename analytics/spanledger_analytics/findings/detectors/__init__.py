"""One detector, one file: a function from a trace to what is wrong in it.

To add one: copy a neighbour, add its line here, document it in docs/findings.md, test it.
"""

from __future__ import annotations

from collections.abc import Callable

from spanledger_analytics.findings.finding import Finding
from spanledger_analytics.findings.lanes import TraceView

Detector = Callable[[TraceView], list[Finding]]

DETECTORS: dict[str, Detector] = {}
"""By name; each is tried on every trace that changed, and one that fails stops no other."""
