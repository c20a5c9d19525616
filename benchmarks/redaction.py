"""Processor time a span that each privacy feature costs the collector, in microseconds.

Requests of 64 spans of about 2 kB. "decode" is what storing the same span costs for comparison;
"found" plants an address of e-mail in every text of every span.

    python -m benchmarks.redaction --spans 6400
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.payloads import payloads
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_collector.privacy.policy import Policy, policy_of
from spanledger_collector.privacy.redact import redact_body
from spanledger_storage.project_settings import (
    Content,
    Pattern,
    Preset,
    Privacy,
    Project,
    ProjectSettings,
)

_ROUNDS = 5
_OWN = (Pattern(name="ticket", regex=r"TCK-\d+"), Pattern(name="code", regex=r"^\d{4}$"))
FEATURES = {
    "drop and hash keys": Privacy(drop_keys=("*.password",), hash_keys=("user.id", "*.email")),
    "all presets": Privacy(presets=tuple(Preset)),
    "all presets, two own patterns": Privacy(presets=tuple(Preset), patterns=_OWN),
    "content off": Privacy(content=Content.OFF),
    "content of one trace in ten": Privacy(content_sample_rate=0.1),
    "everything": Privacy(
        content=Content.OFF,
        drop_keys=("*.password",),
        hash_keys=("user.id",),
        presets=tuple(Preset),
        patterns=_OWN,
    ),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=6_400)
    spans = parser.parse_args().spans
    bodies = [payload.body for payload in payloads(spans, 64)]
    parse = ExportTraceServiceRequest.FromString
    _print("parse", spans, lambda: [parse(body) for body in bodies])
    for name, privacy in FEATURES.items():
        _print(name, spans, partial(_redact, _compiled(privacy), bodies))
    found = [_planted(body) for body in bodies]
    presets = _compiled(FEATURES["all presets"])
    _print("all presets, found", spans, partial(_redact, presets, found))
    now_ns = time.time_ns()
    whole = [[Body("bench", body, now_ns)] for body in bodies]
    _print("decode", spans, lambda: [decode_traces(one, "flush", now_ns) for one in whole])


def _compiled(privacy: Privacy) -> Policy:
    policy = policy_of(Project("bench", ProjectSettings(privacy=privacy), b"salt"))
    assert policy is not None
    return policy


def _redact(policy: Policy, bodies: Sequence[bytes]) -> None:
    now_ns = time.time_ns()
    for body in bodies:
        redact_body(policy, ExportTraceServiceRequest.FromString(body), now_ns)


def _planted(body: bytes) -> bytes:
    request = ExportTraceServiceRequest.FromString(body)
    for span in request.resource_spans[0].scope_spans[0].spans:
        for pair in span.attributes:
            said = pair.value.string_value
            if said.startswith("["):
                pair.value.string_value = said.replace('content":"', 'content":"bob@example.com ')
    return request.SerializeToString()


def _print(name: str, spans: int, run: Callable[[], object]) -> None:
    run()
    took: list[float] = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        run()
        took.append((time.process_time() - began) / spans * 1e6)
    took.sort()
    print(f"{name:32} {statistics.median(took):7.1f} µs/span  ({took[0]:.1f} to {took[-1]:.1f})")


if __name__ == "__main__":
    main()
