"""What stays of an item that could not be redacted: ids, times and counts, and no text at all."""

from __future__ import annotations

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.decode.values import read_attributes
from spanledger_collector.dialects.content import MESSAGE_EVENTS
from spanledger_collector.privacy.attributes import Pairs, attributes_of, pairs_of, replace
from spanledger_collector.privacy.known import COUNTS, REMOVED, ROLES


def strip_attributes(pairs: Pairs) -> None:
    """Keep of attributes figures under keys of counts, and the words that tell a role."""
    kept = {
        key: value
        for key, value in read_attributes(pairs).items()
        if (key in COUNTS and isinstance(value, (int, float)))
        or (isinstance(value, str) and value.lower() in ROLES.get(key, ()))
    }
    replace(pairs, pairs_of(kept))


def strip_span(span: Span) -> None:
    """Keep of a span what is no text."""
    strip_attributes(span.attributes)
    span.name = REMOVED
    span.status.message = span.trace_state = ""
    del span.events[:]
    for link in span.links:
        del link.attributes[:]
        link.trace_state = ""


def strip_log(log: LogRecord) -> None:
    """Keep of a log record what is no text, and its event's name if that tells of a call."""
    strip_attributes(log.attributes)
    log.ClearField("body")
    log.severity_text = ""
    if log.event_name not in MESSAGE_EVENTS:
        log.event_name = ""


def strip_metric(metric: Metric) -> None:
    """Keep of a metric what is no text; as its name is one, nobody will count it."""
    for pairs in attributes_of(metric):
        strip_attributes(pairs)
    metric.name = REMOVED
    metric.description = metric.unit = ""
