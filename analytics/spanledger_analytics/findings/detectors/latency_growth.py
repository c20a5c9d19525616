"""Calls of a model that take longer and longer within one run of an agent, and why.

The time to the first token of the last third is twice that of the first, and rises from call to
call. A robust fit of its logarithm on the logarithm of the uncached prompt and on the number of the
call tells a prompt that grew from a backend that became slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import numpy as np

from spanledger_analytics.findings.finding import Finding, SpanRef
from spanledger_analytics.findings.growth import (
    FEWEST_CALLS,
    Fit,
    Numbers,
    huber_fit,
    main_calls,
    subject_of,
    thirds,
)
from spanledger_analytics.findings.lanes import Lane, ModelCall, TraceView

KIND = "latency_growth"
_S = 1e9


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When calls have become slow.

    Attributes:
        slower: times as long as in the first third.
        least_s: and so many seconds longer.
        t: how many standard errors a weight has to be away from nothing.
        fewest_to_explain: calls below which no cause is named.
        most_calls: of a longer run, so many evenly spaced calls are looked at.
    """

    slower: float = 2
    least_s: float = 0.5
    t: float = 3
    fewest_to_explain: int = 10
    most_calls: int = 2_000


DEFAULTS = Thresholds()


class _Series(NamedTuple):
    """Calls, how long each waited, and which of the run it is.

    Most runs end here, so these are lists: arrays of few numbers cost more than they save.
    """

    calls: Sequence[ModelCall]
    waits_s: Sequence[float]
    turns: Sequence[int]
    measure: str


def detect(view: TraceView, thresholds: Thresholds = DEFAULTS) -> list[Finding]:
    """Return a finding for each run of an agent whose calls became slow."""
    found = (_of_lane(view, lane, thresholds) for lane in view.lanes)
    return [one for one in found if one is not None]


def _of_lane(view: TraceView, lane: Lane, thresholds: Thresholds) -> Finding | None:
    series = _series(main_calls(lane), thresholds)
    if series is None:
        return None
    first, last = thirds(series.waits_s)
    if last < thresholds.slower * first or last - first < thresholds.least_s:
        return None
    waits_s = np.array(series.waits_s)
    trend = huber_fit(np.log(waits_s), np.array(series.turns, np.float64))
    if trend is None or trend.t[1] <= thresholds.t:
        return None
    driver, fit = _driver(series, thresholds)
    calls = series.calls
    lost_s = np.maximum(waits_s - first, 0)
    what = "first token" if series.measure == "ttft" else "answer, without its output,"
    return Finding(
        kind=KIND,
        code="slower",
        anchor=lane.ref,
        severity="warning",
        title=f"The {what} takes {last / first:.1f} times as long as at first "
        f"({_told(first)}, now {_told(last)})",
        explanation=_WHY[driver],
        first_seen_ns=calls[len(calls) // 3].start_ns,
        last_seen_ns=calls[-1].end_ns,
        subject=subject_of(view, lane, calls[-1].model),
        evidence=_evidence(calls, lost_s),
        direct_usd=Decimal(0),
        wasted_ns=int(lost_s.sum() * _S),
        is_open=lane.is_open,
        is_sure=driver != "unclear" and series.measure == "ttft",
        details={
            "driver": driver,
            "measure": series.measure,
            "calls": len(calls),
            "first_s": first,
            "last_s": last,
            "t_prompt": fit.t[1] if fit else None,
            "t_turn": fit.t[2] if fit else None,
            "prompt_exponent": fit.weights[1] if fit else None,
        },
    )


def _told(wait_s: float) -> str:
    return f"{wait_s:.1f} s" if wait_s >= 0.1 else f"{wait_s * 1e3:.0f} ms"


def _evidence(calls: Sequence[ModelCall], lost_s: Numbers) -> tuple[SpanRef, ...]:
    """Return the calls that took longer than at first, the slowest first."""
    order = np.argsort(-lost_s, kind="stable").tolist()
    return tuple(calls[place].ref for place in order if lost_s[place] > 0)


def _series(calls: Sequence[ModelCall], thresholds: Thresholds) -> _Series | None:
    """Return the waits of a run: for first tokens where told, else calls without their output."""
    if len(calls) < FEWEST_CALLS:
        return None
    if len(calls) > thresholds.most_calls:
        places = np.linspace(0, len(calls) - 1, thresholds.most_calls).astype(int).tolist()
        calls = [calls[place] for place in places]
    told = [(call.ttft_ns or 0) / _S for call in calls]
    measure = "ttft"
    if len(calls) - told.count(0) < 0.8 * len(calls):
        told, measure = _without_output(calls), "duration"
    kept = [place for place, wait_s in enumerate(told) if wait_s > 0]
    if len(kept) < FEWEST_CALLS:
        return None
    return _Series([calls[place] for place in kept], [told[place] for place in kept], kept, measure)


def _without_output(calls: Sequence[ModelCall]) -> list[float]:
    """Return how long calls took less the time of their output; 0: not known.

    The time of one output token is the median, over neighbours of different length, of how much
    longer the longer one took: neighbours waited about as long for their first token.
    """
    took = [0 if call.is_error else max(0, call.end_ns - call.start_ns) / _S for call in calls]
    output = [call.output_tokens or 0 for call in calls]
    least = max(1, median(output) / 4)
    slopes = [
        (took_2 - took_1) / (output_2 - output_1)
        for (took_1, took_2), (output_1, output_2) in zip(
            pairwise(took), pairwise(output), strict=True
        )
        if took_1 > 0 and took_2 > 0 and abs(output_2 - output_1) >= least
    ]
    each = max(0.0, median(slopes)) if slopes else 0.0
    return [max(a - each * b, 0.05 * a) for a, b in zip(took, output, strict=True)]


def _driver(series: _Series, thresholds: Thresholds) -> tuple[str, Fit | None]:
    """Return what made calls slow: ``bloat``, ``backend``, ``unclear``; and the fit.

    Where both the prompt and the number of the call matter, the one that explains more of the rise
    from the first to the last third is named.
    """
    if len(series.calls) < thresholds.fewest_to_explain:
        return "unclear", None
    y = np.log(np.array(series.waits_s))
    turns = np.array(series.turns, np.float64)
    uncached = [(c.input_tokens or 0) - (c.cache_read_tokens or 0) for c in series.calls]
    prompts = np.log(np.maximum(np.array(uncached, np.float64), 1))
    fit = huber_fit(y, prompts, turns)
    if fit is None:
        # One of them says nothing of its own: the prompt never changed, or it follows the turn.
        is_flat = float(np.ptp(prompts)) < 1e-9
        return ("backend" if is_flat else "unclear"), None
    _, by_prompt, by_turn = fit.t
    third = len(y) // 3
    rise_prompt = fit.weights[1] * float(np.median(prompts[-third:]) - np.median(prompts[:third]))
    rise_turn = fit.weights[2] * float(np.median(turns[-third:]) - np.median(turns[:third]))
    is_bloat = by_prompt > thresholds.t and rise_prompt > 0
    is_backend = by_turn > thresholds.t
    if is_bloat and is_backend:
        return ("bloat" if rise_prompt >= rise_turn else "backend"), fit
    if is_bloat or is_backend:
        return ("bloat" if is_bloat else "backend"), fit
    return "unclear", fit


_WHY = {
    "bloat": "The prompt that had to be read without a cache grew, and explains it: keep results "
    "of tools short, compact the conversation, or make more of it cacheable.",
    "backend": "It rises with the number of the call, not with the prompt: look at the provider, "
    "its rate limits, or the load of the inference server.",
    "unclear": "Whether the prompt or the backend is the reason cannot be told from so few calls, "
    "or both rose together.",
}
