"""What the SDK costs a program: import, spans, guarded calls, and a collector in trouble.

    python -m benchmarks.sdk [--spans 20000] [--rounds 30] [--with langfuse=/its/bin/python …]

Other SDKs (langfuse, traceloop, openlit) are measured in the same run: where they are installed
beside ours, or by the Python of the environment that ``--with`` names; they need other releases of
OpenTelemetry. Each measurement is a process of its own. Import is beyond OpenTelemetry's own, the
median of several; spans are CPU time of the thread that makes them, beyond a bare span of
OpenTelemetry's SDK around the same function in the same environment: both take turns, the median of
some hundreds. Latency is what ``benchmarks.sdk_latency`` measures.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from statistics import median

from benchmarks.sdk_latency import latency
from tests.sdk.receiver import Receiver

ROOT = Path(__file__).parent.parent
_BARE = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
tracer = provider.get_tracer("bench")
def same(x):
    return x
def bare(x):
    with tracer.start_as_current_span("work"):
        return same(x)
"""
_SETUPS = {
    "spanledger": """
        import spanledger
        spanledger.init(instrument=False)
        @spanledger.agent
        def work(x):
            return x
    """,
    "spanledger tool": """
        import spanledger
        spanledger.init(instrument=False)
        @spanledger.tool
        def work(x):
            return x
    """,
    "spanledger tool, map": """
        import spanledger
        spanledger.init(instrument=False)
        def found(query, filters):
            return {"found": [query, "Paris"], "count": 2}
        search = spanledger.tool(found)
        def same(x):
            return found(str(x), {"city": "Paris", "days": [1, 2, 3]})
        def work(x):
            return search(str(x), {"city": "Paris", "days": [1, 2, 3]})
    """,
    "spanledger tool, guards": """
        import spanledger
        spanledger.init(instrument=False)
        spanledger.budget(usd=10**6).__enter__()
        spanledger.loop_guard().__enter__()
        @spanledger.tool
        def work(x):
            return x
    """,
    "langfuse": """
        from langfuse import Langfuse, observe
        Langfuse(public_key="pk", secret_key="sk", host=URL)
        @observe()
        def work(x):
            return x
    """,
    "traceloop": """
        from traceloop.sdk import Traceloop
        from traceloop.sdk.decorators import task
        Traceloop.init(api_endpoint=URL, telemetry_enabled=False, instruments=set())
        @task(name="work")
        def work(x):
            return x
    """,
    "openlit": """
        import openlit
        openlit.init(otlp_endpoint=URL, disable_metrics=True, disabled_instrumentors=None)
        @openlit.trace
        def work(x):
            return x
    """,
}
_MODULES = {"langfuse": "langfuse", "traceloop": "traceloop.sdk", "openlit": "openlit"}
_SPANS = """
import time, statistics
def cost(make):
    started = time.thread_time_ns()
    for n in range(50): make(n)
    return (time.thread_time_ns() - started) / 50_000
for n in range(500): work(n); bare(n)
costs, others = [], [cost(bare)]
for n in range(COUNT // 50):
    costs.append(cost(work))
    others.append(cost(bare))
    if n % 10 == 9: time.sleep(0.05)  # the queues are emptied meanwhile
beyond = [mine - (a + b) / 2 for mine, a, b in zip(costs, others, others[1:])]
print(statistics.median(others), statistics.median(costs), *statistics.quantiles(beyond, n=4))
import os; os._exit(0)
"""
_GUARDED = """
import time, statistics, spanledger
from opentelemetry import context
from spanledger._guards import ModelCall, guards_of
from spanledger._usage import Usage
call, usage = ModelCall("openai", "gpt-4o-mini", 100, 1000), Usage(1000, 100)
def measured():
    base, samples = context.get_current(), []
    for _ in range(COUNT):
        started = time.thread_time_ns()
        for guard in guards_of(base):
            ticket = guard.before_model(call, base)
            guard.after_model(ticket, call, usage, is_sent=True)
        samples.append(time.thread_time_ns() - started)
    return statistics.median(samples) / 1000
with spanledger.budget(usd=10**6, llm_calls=10**9):
    measured(); budget = measured()
with spanledger.loop_guard():
    measured(); loops = measured()
print(budget, loops)
"""


def run(code: str, url: str, count: int, python: str = sys.executable) -> list[float]:
    """Return the numbers a program printed last, run by the Python of some environment."""
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "SPANLEDGER_"))},
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
    }
    done = subprocess.run(
        [python, "-W", "ignore", "-c", f"URL = {url!r}\nCOUNT = {count}\n{code}"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-1000:])
    return [float(number) for number in done.stdout.split("\n")[-2].split()]


def import_ms(module: str, python: str = sys.executable) -> float:
    """Return the median import time beyond that of OpenTelemetry's SDK and exporter."""
    code = f"""
import opentelemetry.sdk.trace.export, opentelemetry.exporter.otlp.proto.http.trace_exporter, time
started = time.thread_time()
import {module}
print((time.thread_time() - started) * 1000)
"""
    return median(run(code, "http://127.0.0.1:9", 0, python)[0] for _ in range(5))


def spans(names: dict[str, str], url: str, count: int) -> None:
    """Print the cost of a decorated span of each SDK, by the Python that has it."""
    print("\nCPU per decorated span, median microseconds; beyond a bare span (quarter, 3 quarters)")
    for name, python in names.items():
        try:
            bare, own, low, middle, high = run(_span_code(name), url, count, python)
        except (RuntimeError, IndexError, ValueError, subprocess.TimeoutExpired) as error:
            print(f"  {name:<24} failed: {str(error).strip()[-120:]}")
            continue
        print(f"  {name:<24}{own:7.1f}, bare {bare:5.1f}: {middle:+.1f} ({low:+.1f}, {high:+.1f})")


def _span_code(name: str) -> str:
    return _BARE + textwrap.dedent(_SETUPS[name]) + _SPANS


def wheel_bytes() -> int:
    """Return the size of the built wheel."""
    with tempfile.TemporaryDirectory() as directory:
        argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", directory]
        subprocess.run([*argv, str(ROOT / "sdk")], check=True, capture_output=True)
        return sum(path.stat().st_size for path in Path(directory).glob("*.whl"))


def _others(named: list[str]) -> dict[str, str]:
    """Return the SDKs of others that can be measured, with the Python that has each."""
    found = dict(one.split("=", 1) for one in named)
    for name, module in _MODULES.items():
        if name in found:
            continue
        try:
            is_here = importlib.util.find_spec(module) is not None
        except ImportError:
            is_here = False
        if is_here:
            found[name] = sys.executable
        else:
            print(f"{name}: not installed, skipped")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=30, help="of the latency of requests")
    parser.add_argument("--with", dest="others", action="append", default=[], metavar="NAME=PYTHON")
    options = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores,", end=" ")
    print(f"Python {platform.python_version()}, load {json.dumps(os.getloadavg())}")
    try:
        print(f"wheel: {wheel_bytes() / 1000:.0f} kB")
    except subprocess.CalledProcessError as error:
        print(f"wheel: not built: {error.stderr.decode()[-200:]}")
    others = _others(options.others)
    print("\nimport beyond OpenTelemetry's SDK and exporter, median CPU ms")
    print(f"  {'spanledger':<18}{import_ms('spanledger'):8.1f}")
    everything = "spanledger\nfor name in spanledger.__all__: getattr(spanledger, name)"
    print(f"  {'all of it used':<18}{import_ms(everything):8.1f}")
    for name, python in others.items():
        print(f"  {name:<18}{import_ms(_MODULES[name], python):8.1f}")
    receiver = Receiver()
    receiver.start()
    ours = [name for name in _SETUPS if name not in _MODULES]
    spans({**dict.fromkeys(ours, sys.executable), **others}, receiver.url, options.spans)
    budget, loops = run(_GUARDED, receiver.url, 5000)
    receiver.stop()
    print(f"\nguarded call, median CPU, microseconds: budget {budget:.1f}, loop guard {loops:.1f}")
    latency(options.rounds, 200)


if __name__ == "__main__":
    main()
