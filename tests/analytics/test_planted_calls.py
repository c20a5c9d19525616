"""Every planted call is found again once, with its tokens, whoever recorded it and how."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spanledger_analytics.calls import Call, derive_calls
from spanledger_analytics.spans import FROM_ATTRIBUTES, Span
from spanledger_analytics.traces import derive_traces
from spanledger_collector.decode.decode import Body, decode_traces
from tests.analytics.planted import Agent, Called, Node, alike, changed, runs
from tests.analytics.recorder import T0, Recorder, Run, Truth
from tests.analytics.shown import FIELDS

_SETTINGS = settings(
    deadline=None,
    derandomize=True,
    max_examples=60,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],  # explaining traces every line: slow
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


FROM_READ = (*FROM_ATTRIBUTES, "dimensions")  # what the statement adds


def read(bodies: list[Body], *, instance: str = "i1") -> list[Span]:
    """Decode requests as the collector does; return the spans as the ledger reads them.

    ``instance`` is what the resource says of the process.
    """
    table = decode_traces(bodies, "flush", T0).spans
    columns: dict[str, Sequence[object]] = {
        name: table.column(name).to_pylist() for name in Span._fields if name in table.column_names
    }
    for name, column in (("start_ns", "start_time"), ("end_ns", "end_time")):
        columns[name] = table.column(column).cast(pa.int64()).to_pylist()
    columns["flags"] = [tuple(flags or ()) for flags in table.column("flags").to_pylist()]
    columns |= {name: [Span._field_defaults[name]] * table.num_rows for name in FROM_READ}
    columns["service_instance"] = [instance] * table.num_rows
    rows = zip(*(columns[name] for name in Span._fields), strict=True)
    return list(map(Span._make, rows))


def derived(call: Call) -> Truth:
    told = tuple(getattr(call.tokens, name) for name in FIELDS)
    return Truth(call.status, told)


def comparable(truths: list[Truth]) -> Counter[tuple[str, tuple[int | None, ...]]]:
    """Calls as they compare: a part that is zero and a part nobody told cost the same."""
    totals = {FIELDS.index(name) for name in ("input", "output")}
    return Counter(
        (truth.status, tuple(n if i in totals else n or 0 for i, n in enumerate(truth.tokens)))
        for truth in truths
    )


def check(run: Run, seed: int, *, instance: str = "i1") -> list[Call]:
    """Send a run in some order; compare what is derived with what is true."""
    spans = read(run.bodies(random.Random(seed)), instance=instance)
    calls = derive_calls(spans)
    assert comparable([derived(call) for call in calls]) == comparable(run.calls)
    sources = [key for call in calls for key in call.sources]
    assert len(sources) == len(set(sources))
    traces = derive_traces("p", spans, [])
    assert sum(trace.tool_calls for trace in traces) == run.tools
    return calls


@_SETTINGS
@given(root=runs(), instance=st.sampled_from(["", "i1"]), seed=st.integers(0, 2**32))
def test_each_planted_call_and_tool_is_counted_once(root: Agent, instance: str, seed: int) -> None:
    run = Recorder(has_instance=bool(instance)).record(root)
    calls = check(run, seed, instance=instance)
    attempts = Counter(truth.attempts for truth in run.calls if truth.attempts)
    assert Counter(c.attempts for c in calls if c.attempts and c.attempts > 1) == attempts
    assert not any("views_disagree" in call.flags for call in calls)


@_SETTINGS
@given(root=runs().map(alike), seed=st.integers(0, 2**32))
def test_equal_calls_with_one_repeated_id_stay_apart(root: Agent, seed: int) -> None:
    run = Recorder(fixed_id=True).record(root)
    calls = check(run, seed)
    with_id = [call for call in calls if call.response_id]
    flagged = [call for call in calls if "reused_response_id" in call.flags]
    assert flagged == (with_id if len(with_id) > 1 else [])


@_SETTINGS
@given(root=runs(), style=st.sampled_from([1, 2, 3]), seed=st.integers(0, 2**32))
def test_sum_of_an_agent_counts_only_where_no_call_is_known(
    root: Agent, style: int, seed: int
) -> None:
    root = replace(root, style=style, repeats_sum=True)
    run = Recorder(hides_usage=True).record(root)
    calls = derive_calls(read(run.bodies(random.Random(seed))))
    known = [call for call in calls if call.tokens.is_known]
    assert sum(call.tokens.output or 0 for call in known) == _answered_output(root)
    assert all(call.usage_source == "aggregate" for call in known)
    assert all("aggregate" in call.flags for call in known)
    assert len(calls) - len(known) == len(run.calls)


def _answered_output(root: Agent) -> int:
    outputs: list[int] = []

    def note(node: Node) -> Node:
        if isinstance(node, Called) and node.outcome == "answered":
            outputs.append(node.usage.output)
        return node

    changed(root, note)
    return sum(outputs)
