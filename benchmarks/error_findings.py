"""Error findings: steps a second of the detectors of failures and growth, and a busy window.

    python -m benchmarks.error_findings [--steps 100000] [--minutes 30]

Detectors are pure: one lane of so many steps, and as many in lanes of fifty, are made once and
looked at several times. Cascades: the counts of a busy project (50 tools, 20 agents) by minute, a
day of history, and 20,000 failures. With SPANLEDGER_BENCH_DATA, the shares of tau-bench runs with
a failed call, by whether they solved their task.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spanledger.tool_errors import evidence_of_text
from spanledger_analytics.findings.cascades.failures import Failure, Paid, SpanRow
from spanledger_analytics.findings.cascades.incident import Window, detect
from spanledger_analytics.findings.cascades.rates import Count, history, incidents
from spanledger_analytics.findings.detectors import (
    Detector,
    amplification,
    context_bloat,
    latency_growth,
    silent_failures,
)
from spanledger_analytics.findings.finding import SpanRef
from spanledger_analytics.findings.lanes import Lane, ModelCall, Step, ToolCall, TraceView

_S = 10**9
_ROUNDS = 5
_LANE = 50
_DETECTORS: dict[str, Detector] = {
    "silent failures": silent_failures.detect,
    "context bloat": context_bloat.detect,
    "latency growth": latency_growth.detect,
    "amplification": amplification.detect,
}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--minutes", type=int, default=30)
    told = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {told.steps:,} steps")
    one = [_view(0, told.steps)]
    many = [_view(n, _LANE) for n in range(told.steps // _LANE)]
    for name, detector in _DETECTORS.items():
        for shape, views in (("one lane", one), (f"lanes of {_LANE}", many)):
            seconds = _timed(partial(_look, detector, views))
            print(f"{name:16} {shape:12} {_rates(told.steps, seconds)} steps/s")
    _cascades(told.minutes)
    _tau_bench()


def _look(detector: Detector, views: list[TraceView]) -> None:
    for view in views:
        detector(view)


def _timed(work: Callable[[], object]) -> list[float]:
    work()
    seconds: list[float] = []
    for _ in range(_ROUNDS):
        started = time.process_time()
        work()
        seconds.append(time.process_time() - started)
    return seconds


def _rates(amount: int, seconds: list[float]) -> str:
    chosen = statistics.median(seconds), max(seconds), min(seconds)
    median, least, most = (f"{amount / one:,.0f}" for one in chosen)
    return f"{median:>12} (min {least}, max {most})"


def _view(number: int, steps: int) -> TraceView:
    """Return a trace of one agent: prompts that grow, a tool a turn, one call in fifty fails."""
    random = np.random.default_rng(number)
    trace_id = f"{number:032x}"
    prompts = (2_000 + np.cumsum(random.integers(0, 400, steps)) % 100_000).tolist()
    made: list[Step] = []
    for n in range(steps):
        start = n * 10 * _S
        ref = SpanRef(trace_id, f"{2 * n:016x}")
        cost = Decimal(prompts[n]) / 1_000_000
        model = ModelCall(
            ref, start, start + 2 * _S, "openai", "gpt-4o", ttft_ns=_S // 2 + n,
            finish_reason="stop", input_tokens=prompts[n], output_tokens=200, total_cost_usd=cost,
            output_cost_usd=cost / 2,
        )  # fmt: skip
        evidence = "payload" if n % 50 == 7 else ""
        called = SpanRef(trace_id, f"{2 * n + 1:016x}")
        tool = ToolCall(
            called, start + 3 * _S, start + 4 * _S, f"tool{n % 9}", n % 1_000, n, bool(evidence),
            evidence,
        )  # fmt: skip
        made.append(Step(model, (tool,)))
    lane = Lane(SpanRef(trace_id, "f" * 16), None, "agent", "1", tuple(made))
    return TraceView(trace_id, [lane], agent_name="agent")


def _cascades(minutes: int) -> None:
    random = np.random.default_rng(1)
    cells = [(f"tool{t}", f"agent{a}") for t in range(50) for a in range(20)]

    def counts(buckets: int, step_s: int, share: float) -> list[Count]:
        calls = random.poisson(step_s / 6, (buckets, len(cells)))
        errors = random.binomial(calls, share)
        return [
            Count(step_s * b, "tool", *cells[c], int(calls[b, c]), int(errors[b, c]))
            for b in range(buckets)
            for c in range(len(cells))
        ]

    past = counts(288, 300, 0.02)
    print(f"cascades: history of {len(past):,} counts {_ms(_timed(lambda: history(past)))}")
    usual = history(past)
    now = counts(minutes, 60, 0.02)
    seconds = _timed(lambda: incidents(now, usual, 60 * minutes))
    print(f"cascades: {len(now):,} counts of a quiet window {_ms(seconds)}")
    assert incidents(now, usual, 60 * minutes) == []
    bad = counts(minutes, 60, 0.5)
    [lasted] = incidents(bad, usual, 60 * minutes)
    window = _window()
    seconds = _timed(lambda: detect(lasted, window, usual, 60 * minutes))
    print(f"cascades: {len(window.failures):,} failures to one finding {_ms(seconds)}")


def _window() -> Window:
    failures: list[Failure] = []
    spans: dict[SpanRef, SpanRow] = {}
    paid: list[Paid] = []
    for n in range(20_000):
        trace_id, root = f"{n // 10:032x}", f"{n // 10:016x}"
        ref = SpanRef(trace_id, f"{n + 10**6:016x}")
        agent = f"agent{n // 10 % 20}"
        spans[SpanRef(trace_id, root)] = SpanRow(trace_id, root, "", agent, "", n * _S // 20, 0)
        spans[ref] = SpanRow(*ref, root, "", f"tool{n % 50}", n * _S // 20, 0)
        failures.append(
            Failure(*ref, n * _S // 20, n * _S // 20 + _S, "tool", f"tool{n % 50}", agent,
                    message=f"timeout after {n} ms", server="db1")
        )  # fmt: skip
        paid.append(Paid(trace_id, f"{n + 2 * 10**6:016x}", agent, n * _S // 20, Decimal("0.01")))
    return Window(failures, spans, paid)


def _ms(seconds: list[float]) -> str:
    chosen = statistics.median(seconds), min(seconds), max(seconds)
    median, least, most = (f"{1_000 * one:,.0f} ms" for one in chosen)
    return f"{median} (min {least}, max {most})"


def _tau_bench() -> None:
    folder = os.environ.get("SPANLEDGER_BENCH_DATA")
    path = Path(folder or "") / "loops" / "dev.jsonl.gz"
    if not folder or not path.exists():
        print("tau-bench: SPANLEDGER_BENCH_DATA with loops/dev.jsonl.gz is missing")
        return
    runs: Counter[bool] = Counter()
    failed: Counter[bool] = Counter()
    with gzip.open(path, "rt") as lines:
        for line in lines:
            run: dict[str, Any] = json.loads(line)
            if run["source"] != "tau-bench":
                continue
            is_solved = run["reward"] == 1
            results = (step["result"] for step in run["steps"])
            texts = (one if isinstance(one, str) else json.dumps(one) for one in results)
            runs[is_solved] += 1
            failed[is_solved] += any(map(evidence_of_text, texts))
    for is_solved, word in ((False, "not solved"), (True, "solved")):
        errors, of = failed[is_solved], runs[is_solved]
        print(f"tau-bench, {word}: {errors} of {of} with an error ({errors / of:.0%})")


if __name__ == "__main__":
    main()
