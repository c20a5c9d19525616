"""Whatever a request looks like: no planted secret survives, and all else stays as it was."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import orjson
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from spanledger_collector.decode.carried import RECORD_HASH
from spanledger_collector.privacy.policy import Policy, policy_of
from spanledger_collector.privacy.redact import FAILED, redact_body
from spanledger_collector.signals import Request
from spanledger_storage.project_settings import (
    Content,
    Pattern,
    Preset,
    Privacy,
    Project,
    ProjectSettings,
)
from tests.decoded import any_value, pairs

NOW_NS = 1_800_000_000_123_456_789
SECRETS = {
    "bob.o-neil@example.com": "[email]",
    "4111 1111 1111 1111": "[card]",
    "5105105105105100": "[card]",
    "sk-ant-api03-aB3_aB3_aB3_aB3_aB3_aB3_": "[api_key]",
    "AKIAIOSFODNN7EXAMPLE": "[api_key]",
    "+49 30 1234567": "[phone]",
    "TCK-4711": "[ticket]",
}
KEYS = st.sampled_from(
    [
        "input.value",
        "gen_ai.prompt.0.content",
        "note",
        "gen_ai.usage.input_tokens",
        "x.y",
        "user.id",
    ]
)
WORDS = st.text(st.sampled_from('abc déü{}[]",:\\\n\t/<é\u2028'), max_size=12)


@st.composite
def planted(draw: st.DrawFn) -> str:
    """A text with secrets between harmless words; perhaps JSON, perhaps JSON inside JSON."""
    secrets = draw(st.lists(st.sampled_from(sorted(SECRETS)), max_size=3))
    said = draw(WORDS)
    for secret in secrets:
        said += f" {secret} {draw(WORDS)}"
    for _ in range(draw(st.integers(0, 2))):
        said = json.dumps({"said": [said, 1], "n": None}, ensure_ascii=draw(st.booleans()))
    return said


VALUES: st.SearchStrategy[Any] = st.recursive(
    planted()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.booleans()
    | planted().map(str.encode)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | planted(), inner, max_size=3)
    ),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(KEYS, VALUES, max_size=4)


def policy(**privacy: Any) -> Policy:
    settings = ProjectSettings(privacy=Privacy(**privacy))
    made = policy_of(Project("p", settings, b"salt"))
    assert made is not None
    return made


PATTERNS = policy(presets=tuple(Preset), patterns=(Pattern(name="ticket", regex=r"TCK-\d{4}"),))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request of any signal with values in every place that holds text."""
    said = [pairs(draw(ATTRIBUTES)) for _ in range(4)]
    texts = [draw(planted()) for _ in range(4)]
    match draw(st.integers(0, 2)):
        case 0:
            return _traces(said, texts)
        case 1:
            logs = ExportLogsServiceRequest()
            group = logs.resource_logs.add(schema_url=texts[0])
            group.resource.attributes.extend(said[0])
            scoped = group.scope_logs.add()
            scoped.scope.attributes.extend(said[1])
            record = scoped.log_records.add(trace_id=b"t" * 16, severity_text=texts[1])
            record.attributes.extend(said[2])
            record.body.CopyFrom(any_value(draw(VALUES)))
            return logs
        case _:
            metrics = ExportMetricsServiceRequest()
            of_resource = metrics.resource_metrics.add()
            of_resource.resource.attributes.extend(said[0])
            metric = of_resource.scope_metrics.add().metrics.add(name="n", description=texts[0])
            metric.metadata.extend(said[1])
            point = metric.sum.data_points.add(as_int=4111111111111111, attributes=said[2])
            point.exemplars.add(filtered_attributes=said[3])
            return metrics


def _traces(said: list[list[KeyValue]], texts: list[str]) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.extend(said[0])
    scoped = group.scope_spans.add()
    scoped.scope.name = texts[3]
    span = scoped.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name=texts[0])
    span.status.message = texts[1]
    span.trace_state = texts[2]
    span.attributes.extend(said[1])
    span.events.add(name=texts[2], attributes=said[2])
    span.links.add(trace_id=b"u" * 16, span_id=b"v" * 8, attributes=said[3])
    return made


def redacted(applied: Policy, request: Request) -> tuple[bytes, Counter[str]]:
    made = copy.deepcopy(request)
    return redact_body(applied, made, NOW_NS)


def without_hashes(request: Request) -> Request:
    """Take out of a request what redaction put there to tell its items apart."""
    items: list[Any] = []
    if isinstance(request, ExportLogsServiceRequest):
        items += request.resource_logs[0].scope_logs[0].log_records
    elif isinstance(request, ExportMetricsServiceRequest):
        items += request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
    for item in items:
        kept = [pair for pair in item.attributes if pair.key != RECORD_HASH]
        del item.attributes[:]
        item.attributes.extend(kept)
    return request


@settings(max_examples=60, deadline=None)
@given(requests())
def test_no_planted_secret_survives_anywhere(request: Request) -> None:
    body, _ = redacted(PATTERNS, request)
    for secret in SECRETS:
        assert secret.encode() not in body


@settings(max_examples=60, deadline=None)
@given(requests())
def test_what_replaces_a_secret_stands_where_it_stood_and_nothing_else_changes(
    request: Request,
) -> None:
    expected = copy.deepcopy(request)
    for secret, placeholder in SECRETS.items():
        _substitute(expected, secret, placeholder)
    body, found = redacted(PATTERNS, request)
    assert without_hashes(type(request).FromString(body)) == expected
    if not found:
        assert body == request.SerializeToString()


def _substitute(message: Message, secret: str, placeholder: str) -> None:
    """Replace a text in every field, by the simplest means."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in value if field.is_repeated else (value,):
                _substitute(item, secret, placeholder)
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, value.replace(secret, placeholder))
        elif field.type == field.TYPE_BYTES and not field.name.endswith("_id"):
            setattr(message, field.name, value.replace(secret.encode(), placeholder.encode()))


@settings(max_examples=50, deadline=None)
@given(requests())
def test_redacting_twice_changes_nothing_more(request: Request) -> None:
    for applied in (
        PATTERNS,
        policy(presets=tuple(Preset), drop_keys=("*.y",), hash_keys=("user.*", "note*")),
    ):
        once, _ = redacted(applied, request)
        sent = without_hashes(type(request).FromString(once))
        twice, found = redacted(applied, sent)
        assert twice == sent.SerializeToString()
        assert not found


@settings(max_examples=50, deadline=None)
@given(planted())
def test_json_stays_json(text: str) -> None:
    clean = PATTERNS.texts.text(text, Counter())
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError:
        return
    if not isinstance(parsed, (int, float)):  # a number alone is a text as any other
        orjson.loads(clean)


@settings(max_examples=100, deadline=None)
@given(WORDS, WORDS, st.integers(1, 2), st.integers(1, 2))
def test_of_json_that_was_cut_off_all_stays_but_the_secret(
    before: str, after: str, levels: int, cut: int
) -> None:
    def written(secret: str) -> str:
        said = f"{before} {secret} {after}"
        for _ in range(levels):
            said = json.dumps({"said": said})
        return said[:-cut]

    assert PATTERNS.texts.text(written("jörg@müller.de"), Counter()) == written("[email]")


@settings(max_examples=50, deadline=None)
@given(requests())
def test_without_content_no_secret_and_no_failure_is_left(request: Request) -> None:
    body, found = redacted(policy(content=Content.OFF, presets=tuple(Preset)), request)
    assert not found[FAILED]
    for secret in SECRETS.keys() - {"TCK-4711"}:
        assert secret.encode() not in body
