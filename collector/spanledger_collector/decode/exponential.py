"""Exponential histograms with their bucket boundaries written out.

https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram
"""

from __future__ import annotations

import math

from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint


def explicit_buckets(point: ExponentialHistogramDataPoint) -> tuple[list[float], list[int]]:
    """Return boundaries in rising order and one count more than there are boundaries.

    The first and last counts are those beyond all boundaries, 0 unless the zero bucket is there;
    zero lies between the negative and the positive boundaries.
    """
    negative, positive = point.negative, point.positive
    below = [-b for b in _boundaries(point.scale, negative.offset, len(negative.bucket_counts))]
    above = _boundaries(point.scale, positive.offset, len(positive.bucket_counts))
    counts = [point.zero_count]
    if below:
        counts = [0, *reversed(negative.bucket_counts), point.zero_count]
    if above:
        counts += [*positive.bucket_counts, 0]
    return [*reversed(below), *above], counts


def _boundaries(scale: int, offset: int, buckets: int) -> list[float]:
    """Return the boundaries of so many buckets: powers of 2 ** (2 ** -scale)."""
    if not buckets:
        return []
    return [_power(scale, index) for index in range(offset, offset + buckets + 1)]


def _power(scale: int, index: int) -> float:
    try:
        return math.exp2(math.ldexp(index, -scale))
    except OverflowError:
        return 0.0 if index < 0 else math.inf
