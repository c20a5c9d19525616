"""What grows from call to call of one agent, measured so that single odd calls do not count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spanledger_analytics.findings.finding import Subject
from spanledger_analytics.findings.lanes import Lane, ModelCall, TraceView

Numbers: TypeAlias = NDArray[np.float64]

FEWEST_CALLS = 6
"""With fewer calls of a model nothing is said of growth."""
_HUBER = 1.345
"""Residuals beyond so many scales count less: 95 % as efficient as least squares where errors are
normal (https://doi.org/10.1214/aoms/1177703732)."""
_ROUNDS = 30
_MAD_TO_SIGMA = 1.4826
_CERTAIN = 1e9  # where nothing is left to explain; infinity is no number of JSON


def main_calls(lane: Lane) -> list[ModelCall]:
    """Return the calls with a known prompt of the model that read most in a lane, by start.

    Small calls of other models in between say nothing of the conversation's length.
    """
    by_model: defaultdict[tuple[str, str], list[ModelCall]] = defaultdict(list)
    for step in lane.steps:
        call = step.model
        if call is not None and call.input_tokens:
            by_model[call.provider, call.model].append(call)
    if not by_model:
        return []
    main = max(by_model.values(), key=lambda calls: sum(call.input_tokens or 0 for call in calls))
    return sorted(main, key=lambda call: (call.start_ns, call.ref))


def subject_of(view: TraceView, lane: Lane, model: str) -> Subject:
    """Return whom a finding of one run of an agent is about."""
    return Subject(
        trace_id=view.trace_id,
        session_id=view.session_id,
        user_id=view.user_id,
        agent_name=lane.agent_name or view.agent_name,
        agent_version=lane.agent_version or view.agent_version,
        model=model,
    )


def thirds(values: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the first and of the last third; of at least three values."""
    size = len(values) // 3
    return float(median(values[:size])), float(median(values[-size:]))


@dataclass(frozen=True, slots=True)
class Fit:
    """A robust linear fit.

    Attributes:
        weights: of a constant and of each column.
        t: each weight over its standard error; 0 where that is not known.
    """

    weights: tuple[float, ...]
    t: tuple[float, ...]


def huber_fit(y: Numbers, *columns: Numbers) -> Fit | None:
    """Return the Huber fit of values by a constant and columns; None: they do not tell it.

    Iteratively reweighted least squares from the ordinary fit. Columns that say the same, or too
    few values for as many columns, tell nothing.
    """
    x = np.column_stack([np.ones(len(y)), *columns])
    free = len(y) - x.shape[1]
    scales = np.maximum(np.abs(x).max(axis=0), 1e-12)
    if free < 2 or np.linalg.matrix_rank(x / scales) < x.shape[1]:
        return None
    x = x / scales
    weights = np.ones(len(y))
    beta = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        new: Numbers = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]
        left = np.abs(y - x @ new)
        scale = max(_MAD_TO_SIGMA * float(np.median(left)), 1e-9)
        weights = np.minimum(1.0, _HUBER * scale / np.maximum(left, 1e-12))
        is_settled = np.allclose(new, beta, rtol=1e-6, atol=1e-12)
        beta = new
        if is_settled:
            break
    left = y - x @ beta
    variance = float((weights * left**2).sum()) / free
    inverse = np.linalg.pinv(x.T @ (x * weights[:, None]))
    errors = np.sqrt(np.maximum(np.diag(inverse) * variance, 0))
    certain = np.copysign(_CERTAIN, beta)
    t = np.divide(beta, errors, out=certain, where=errors > 1e-12)
    return Fit(tuple((beta / scales).tolist()), tuple(np.where(beta == 0, 0, t).tolist()))
