"""Whether a count is too large: negative binomial tails, and how many series may be wrong.

Calls and traces come in bursts, so that their variance exceeds the mean: with mean ``m`` and
variance ``v`` a negative binomial of size ``k = m^2 / (v - m)``, a Poisson where ``v <= m``
(Hilbe, Negative Binomial Regression, 2nd ed., chapter 8). Over many series the share of false
discoveries is held by Benjamini and Hochberg (1995), https://doi.org/10.1111/j.2517-6161.1995.tb02031.x.
"""

from __future__ import annotations

from math import exp, inf, lgamma, log, log1p

import numpy as np

from spanledger_analytics.anomalies.baseline import Bools, Floats

_NEGLIGIBLE = 1e-12


def tail(count: int, mean: float, variance: float) -> float:
    """Return the probability of ``count`` or more.

    Args:
        count: what was seen.
        mean: what is expected; at 0 any count is impossible.
        variance: of the count; at the mean or below, it is Poisson.
    """
    if count <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    size = mean * mean / (variance - mean) if variance > mean else inf
    if count <= mean:
        return 1.0 - sum(exp(_log_mass(n, mean, size)) for n in range(count))
    total, n = 0.0, count
    while True:  # beyond the mean the terms fall, at last faster than geometrically
        term = exp(_log_mass(n, mean, size))
        total += term
        n += 1
        if term <= total * _NEGLIGIBLE or n > count + 100_000:
            return min(1.0, total)


def _log_mass(count: int, mean: float, size: float) -> float:
    if size == inf:
        return count * log(mean) - mean - lgamma(count + 1)
    return (
        lgamma(count + size)
        - lgamma(size)
        - lgamma(count + 1)
        - size * log1p(mean / size)
        + count * (log(mean) - log(size + mean))
    )


def discoveries(p: Floats, q: float = 0.05) -> Bools:
    """Return which of many tests hold when at most a share ``q`` of them may be false.

    Args:
        p: their probabilities; NaN: not tested.
        q: the share.
    """
    order = np.argsort(p)  # NaN last
    tested = int((~np.isnan(p)).sum())
    passed = p[order][:tested] <= q * np.arange(1, tested + 1) / max(tested, 1)
    last = int(np.flatnonzero(passed)[-1]) + 1 if passed.any() else 0
    found = np.zeros(len(p), bool)
    found[order[:last]] = True
    return found
