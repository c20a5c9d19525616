"""Lists of attributes, and where a metric has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from typing import Any, TypeAlias, TypeVar

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from spanledger_collector.decode.carried import any_value

Pairs: TypeAlias = MutableSequence[KeyValue]
_Item = TypeVar("_Item")


def replace(items: MutableSequence[_Item], kept: Sequence[_Item]) -> None:
    """Put other items in the place of all."""
    del items[:]
    items.extend(kept)


def pairs_of(attributes: Mapping[str, object]) -> list[KeyValue]:
    """Return attributes as OTLP has them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def points_of(metric: Metric) -> Sequence[Any]:
    """Return the data points of a metric of any kind."""
    kind = metric.WhichOneof("data")
    return () if kind is None else getattr(metric, kind).data_points


def attributes_of(metric: Metric) -> Iterator[Pairs]:
    """Yield all lists of attributes of a metric: its own, of its points and of their exemplars."""
    yield metric.metadata
    for point in points_of(metric):
        yield point.attributes
        for exemplar in getattr(point, "exemplars", ()):  # summaries have none
            yield exemplar.filtered_attributes
