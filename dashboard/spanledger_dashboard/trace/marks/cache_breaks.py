"""Cache breaks: a prompt that was cached a moment ago, read again at the full price."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from spanledger_dashboard import format as fmt
from spanledger_dashboard.trace.columns import codes, floats, is_any
from spanledger_dashboard.trace.data import Trace
from spanledger_dashboard.trace.marks.mark import Mark
from spanledger_dashboard.trace.shape import TraceShape

# The shortest prompt that providers cache, and how long they promise to keep one.
# https://docs.claude.com/en/docs/build-with-claude/prompt-caching
# https://platform.openai.com/docs/guides/prompt-caching
_SHORTEST_TOKENS = 1024
_KEPT_NS = 300 * 10**9
_KEPT_LONG_NS = 3600 * 10**9
_NEAR_ZERO = 0.1


def find_cache_breaks(trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return a mark on each model call that reads next to nothing of what the one before cached.

    Compared with the agent's last call to the same model. It is no break when that one was still
    running or too long ago, when it cached too little, or when the new prompt is shorter than
    what was cached.
    """
    is_model = is_any(trace.calls["kind"], "llm") & (shape.call >= 0)
    calls = trace.calls.filter(pa.array(is_model))
    rows = shape.call[is_model].astype(np.intp)
    models, _ = codes(trace.spans["model"])
    order = np.lexsort((shape.start_ns[rows], models[rows], shape.lane[rows]))
    calls, rows = calls.take(order), rows[order]
    model, lane = models[rows], shape.lane[rows]
    read = floats(calls["cache_read_tokens"])
    cached = np.nan_to_num(read) + np.nan_to_num(floats(calls["cache_write_tokens"]))
    is_kept_long = np.nan_to_num(floats(calls["cache_write_1h_tokens"])) > 0
    pause = shape.start_ns[rows][1:] - shape.end_ns[rows][:-1]
    is_break = (
        (lane[1:] == lane[:-1])
        & (model[1:] == model[:-1])
        & (cached[:-1] >= _SHORTEST_TOKENS)
        & (floats(calls["input_tokens"])[1:] >= cached[:-1])
        & (read[1:] <= _NEAR_ZERO * cached[:-1])
        & (pause >= 0)
        & (pause <= np.where(is_kept_long[:-1], _KEPT_LONG_NS, _KEPT_NS))
    )
    return [
        Mark(int(rows[i + 1]), "cache", "cache break", _said(read[i + 1], cached[i], pause[i]))
        for i in np.flatnonzero(is_break)
    ]


def _said(read: float, cached: float, pause_ns: int) -> str:
    return (
        f"Read {int(read):,} tokens from the cache, though the call {fmt.duration(int(pause_ns))} "
        f"before had {int(cached):,} there: the start of the prompt has changed."
    )
