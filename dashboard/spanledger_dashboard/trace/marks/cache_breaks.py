"""Cache breaks: a prompt that was cached a moment ago, read again at the full price."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from spanledger_analytics.cache.expected import is_unseen_loss
from spanledger_analytics.cache.limits import rules_for
from spanledger_dashboard import format as fmt
from spanledger_dashboard.trace.columns import codes, floats, is_any
from spanledger_dashboard.trace.data import Trace
from spanledger_dashboard.trace.marks.mark import Mark
from spanledger_dashboard.trace.shape import TraceShape


def find_cache_breaks(trace: Trace, shape: TraceShape) -> list[Mark]:
    """Return a mark on each model call that reads next to nothing of what the one before cached.

    Compared with the agent's last call to the same model, by token counts alone; the Cache page
    tells the reason. It is no break when that call was still running or too long ago, when it
    cached too little, or when the new prompt is shorter than what was cached.
    """
    is_model = is_any(trace.calls["kind"], "llm") & (shape.call >= 0)
    calls = trace.calls.filter(pa.array(is_model))
    rows = shape.call[is_model].astype(np.intp)
    models, names = codes(trace.spans["model"])
    order = np.lexsort((shape.start_ns[rows], models[rows], shape.lane[rows]))
    calls, rows = calls.take(order), rows[order]
    model, lane = models[rows], shape.lane[rows]
    read = floats(calls["cache_read_tokens"])
    cached = np.nan_to_num(read) + np.nan_to_num(floats(calls["cache_write_tokens"]))
    is_long = np.nan_to_num(floats(calls["cache_write_1h_tokens"])) > 0
    size = floats(calls["input_tokens"])
    pause = shape.start_ns[rows][1:] - shape.end_ns[rows][:-1]
    is_next = (lane[1:] == lane[:-1]) & (model[1:] == model[:-1]) & (cached[:-1] > 0)
    is_told = ~np.isnan(read[1:]) & ~np.isnan(size[1:])
    return [
        Mark(int(rows[i + 1]), "cache", "cache break", _said(read[i + 1], cached[i], pause[i]))
        for i in np.flatnonzero(is_next & is_told).tolist()
        if is_unseen_loss(
            int(cached[i]),
            int(size[i + 1]),
            int(read[i + 1]),
            int(pause[i]),
            rules_for("", names[model[i]]),
            is_long=bool(is_long[i]),
        )
    ]


def _said(read: float, cached: float, pause_ns: int) -> str:
    return (
        f"Read {int(read):,} tokens from the cache, though the call {fmt.duration(int(pause_ns))} "
        f"before had {int(cached):,} there: the start of the prompt has changed."
    )
