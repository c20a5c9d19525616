"""Retries: the same call again after one that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spanledger_dashboard.trace.columns import codes, floats
from spanledger_dashboard.trace.data import Trace
from spanledger_dashboard.trace.marks.mark import Mark
from spanledger_dashboard.trace.marks.steps import model_steps, tool_steps
from spanledger_dashboard.trace.shape import TraceShape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spanledger_dashboard.trace.marks.steps import Rows

_AGAIN = "The same call again after one that failed."


def find_retries(trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return a mark on each call that repeats a failed one.

    1. A tool call with the signature of the agent's last such call, when that one failed.
    2. Without signatures: the tool that failed right before.
    3. The model whose call failed right before.
    4. A span whose client tried several times by itself.
    """
    tools, models = tool_steps(trace, shape), model_steps(trace, shape)
    called = trace.spans["call_sig"].to_numpy()
    unsigned = tools[called[tools] == 0]
    signed = tools[called[tools] != 0]
    by_call = signed[np.lexsort((called[signed], shape.lane[signed]))]
    found = [
        *_after_failure(by_call, called[by_call], shape),
        *_after_failure(unsigned, codes(trace.spans["tool_name"])[0][unsigned], shape),
        *_after_failure(models, codes(trace.spans["model"])[0][models], shape),
    ]
    marks = [Mark(row, "retry", "retry", _AGAIN) for row in found]
    return marks + _attempts(trace)


def _after_failure(rows: Rows, key: NDArray[np.generic], shape: TraceShape) -> list[int]:
    """Return rows whose neighbour before is of the same lane and key, and failed."""
    lane, is_failed = shape.lane[rows], shape.is_failed[rows]
    is_again = (lane[1:] == lane[:-1]) & (key[1:] == key[:-1]) & is_failed[:-1]
    return [int(row) for row in rows[1:][is_again]]


def _attempts(trace: Trace) -> list[Mark]:
    attempts = floats(trace.spans["attempts"])
    return [
        Mark(int(row), "retry", f"{n} attempts", f"The client tried {n} times within this span.")
        for row in np.flatnonzero(attempts > 1)
        for n in (int(attempts[row]),)
    ]
