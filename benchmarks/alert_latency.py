"""How long from a span that was acknowledged until the page is sent?

    python -m benchmarks.alert_latency [--alerts 20] [--every 7] [--seed 1]

`spanledger up` with its own schedule: collector, store, worker, alerts. Agents of their own, at
random moments: one repeats a call until that is a loop, another spends more than its budget allows.
A local server takes what a Slack webhook would, by Slack's rules. Counted is from the
acknowledgement of the request until the page about that agent arrived, for the built-in rules
`loop` and `budget-exceeded` with their own timing; then how much of it had passed when the finding,
or the price of the call, was known, and when the rule fired. Figures are of this machine and
whatever else runs on it: the load is printed.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import secrets
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import psutil
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_storage.alert_state import AlertState
from spanledger_storage.budgets import Budgets, BudgetTerms
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.alerts.channels.providers import Answer, Provider, Request, SlackWebhookRules, serving
from tests.instance import Instance
from tests.otlp import attributes, llm_span, request, span

_GIVE_UP_S = 120
_STEPS = 6  # five are a critical loop
_GOAL_S = 30
_NS_PER_S = 10**9


@dataclass
class Pages:
    """A Slack that notes when it was told of whom; UTC nanoseconds."""

    rules: SlackWebhookRules = field(default_factory=SlackWebhookRules)
    texts: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def __call__(self, request: Request) -> Answer:
        """Take a message as Slack would."""
        answer = self.rules(request)
        if answer[0] == 200:
            self.texts.append((time.time_ns(), request.body.decode()))
        return answer

    def first_about(self, name: str) -> int | None:
        """Return when somebody was first told of a name."""
        return next((at_ns for at_ns, text in list(self.texts) if name in text), None)


@dataclass
class Alert:
    """One that is awaited; UTC nanoseconds."""

    rule: str
    name: str
    acknowledged_ns: int


def loop(name: str) -> Sequence[Span]:
    """Return a run in which an agent makes the same call again and again."""
    now_ns = time.time_ns()
    trace_id = secrets.token_bytes(16)
    root = span("invoke_agent", trace_id=trace_id, start_ns=now_ns - 20 * _NS_PER_S,
                gen_ai__operation__name="invoke_agent", gen_ai__agent__name=name)  # fmt: skip
    root.end_time_unix_nano = now_ns
    spans = [root]
    for step in range(_STEPS):
        at_ns = now_ns - (2 * _STEPS - 2 * step) * _NS_PER_S
        said = llm_span(trace_id=trace_id, parent=root.span_id, start_ns=at_ns)
        said.attributes.extend(attributes({"gen_ai.agent.name": name}))
        done = span("execute_tool search", trace_id=trace_id, parent=root.span_id,
                    start_ns=at_ns + _NS_PER_S, gen_ai__operation__name="execute_tool",
                    gen_ai__tool__name="search", gen_ai__agent__name=name,
                    gen_ai__tool__call__arguments='{"query": "refund policy"}',
                    gen_ai__tool__call__result='{"hits": []}')  # fmt: skip
        spans += [said, done]
    return spans


def spending(name: str) -> Sequence[Span]:
    """Return one expensive call of an agent."""
    call = llm_span(model="gpt-4o", input_tokens=400_000, output_tokens=40_000)
    call.attributes.extend(attributes({"gen_ai.agent.name": name}))
    return [call]


MAKERS: dict[str, Callable[[str], Sequence[Span]]] = {"loop": loop, "budget-exceeded": spending}


def send(instance: Instance, rule: str, name: str) -> Alert:
    """Send what should raise an alert; return it as of its acknowledgement."""
    body = request(*MAKERS[rule](name), service="benchmark").SerializeToString()
    asked = urllib.request.Request(
        f"{instance.otlp_url}/v1/traces", body, {"content-type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        answer.read()
    return Alert(rule, name, time.time_ns())


def prepare(data: Path, webhook: str, count: int) -> None:
    """Make the channel, and a budget for each agent that spends."""
    (data / "alerts").mkdir(parents=True)
    channels = (
        "channels:\n  slack: {kind: slack_webhook, url: 'env:WEBHOOK', per_s: 100, burst: 100}\n"
    )
    (data / "alerts" / "channels.yaml").write_text(channels)
    os.environ["WEBHOOK"] = webhook
    state = open_state(f"sqlite:///{data / 'state.db'}")
    migrate_state(state)
    budgets = Budgets(state)
    for number in range(count):
        name = f"spender-{number:03}"
        terms = BudgetTerms(name, "agent", name, "usd", "month", hard_limit=Decimal("0.5"))
        budgets.create("default", terms, "benchmark", time.time_ns())
    state.dispose()


def measure(instance: Instance, pages: Pages, options: argparse.Namespace) -> list[Alert]:
    """Send at random moments; return the alerts when each of them was told."""
    moments = random.Random(options.seed)
    alerts: list[Alert] = []
    for number in range(options.alerts):
        for rule, name in (("loop", "looper"), ("budget-exceeded", "spender")):
            time.sleep(moments.uniform(0, options.every))
            alerts.append(send(instance, rule, f"{name}-{number:03}"))
    until = time.monotonic() + _GIVE_UP_S
    while any(pages.first_about(one.name) is None for one in alerts):
        if time.monotonic() > until:
            lost = [one.name for one in alerts if pages.first_about(one.name) is None]
            print(f"never told of: {', '.join(lost)}")
            break
        time.sleep(0.2)
    return alerts


def fired(data: Path) -> dict[str, int]:
    """Return when incidents fired, by what they are about, UTC nanoseconds."""
    state = open_state(f"sqlite:///{data / 'state.db'}")
    kept = AlertState(state)
    labels = {f"{row.project}/{row.instance_id}": row.labels for row in kept.instances("default")}
    found: dict[str, int] = {}
    for row in kept.history("default", limit=10_000):
        if row.action == "fired":
            found[labels.get(row.incident.rpartition("/")[0], "")] = row.at_ns
    state.dispose()
    return found


_KNOWN = """
SELECT agent_name AS agent, toUnixTimestamp64Nano(min(detected_at)) AS at_ns
FROM findings WHERE project = 'default' AND kind = 'loop' GROUP BY agent
UNION ALL
SELECT agent_name AS agent, min(version) AS at_ns
FROM ledger WHERE project = 'default' AND agent_name LIKE 'spender-%' GROUP BY agent
"""


def known(instance: Instance) -> dict[str, int]:
    """Return when the finding, or the price, of each agent was there, UTC nanoseconds."""
    port = instance.run_file()["engine_port"]
    store = Store.connect(Engine(EngineSettings(instance.data / "engine", port)).reader)
    rows = store.sql_rows(_KNOWN)
    store.close()
    return {str(row["agent"]): int(str(row["at_ns"])) for row in rows}


def show(
    alerts: Sequence[Alert], pages: Pages, known_ns: dict[str, int], fired_ns: dict[str, int]
) -> None:
    """Print the seconds of each rule."""
    for rule in MAKERS:
        mine = [one for one in alerts if one.rule == rule]
        print(rule)
        for word, at in (
            ("known", known_ns.get),
            ("fired", lambda name: _about(name, fired_ns)),
            ("paged", pages.first_about),
        ):
            moments = [(one, at(one.name)) for one in mine]
            waits = [(ns - one.acknowledged_ns) / _NS_PER_S for one, ns in moments if ns]
            print(f"  {word}  {_said(waits)}")
    print(f"goal: paged at p95 within {_GOAL_S} s")


def _about(name: str, fired_ns: dict[str, int]) -> int | None:
    return next((at_ns for labels, at_ns in fired_ns.items() if f'"{name}"' in labels), None)


def _said(waits: Sequence[float]) -> str:
    if not waits:
        return "none"
    ordered = sorted(waits)
    middle, high = (ordered[round(part * (len(ordered) - 1))] for part in (0.5, 0.95))
    return f"p50 {middle:.1f} s, p95 {high:.1f} s, max {ordered[-1]:.1f} s ({len(ordered)})"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--alerts", type=int, default=20, help="of each rule")
    parser.add_argument("--every", type=float, default=7, help="seconds between two, at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pages = Pages()
    with tempfile.TemporaryDirectory() as folder, serving(Provider(pages)) as provider:
        data = Path(folder) / "data"
        prepare(data, provider.url + SlackWebhookRules.PATH, options.alerts)
        instance = Instance(data).start()
        try:
            time.sleep(5)  # jobs are made at their first run
            busy = psutil.Process(instance.process.pid) if instance.process else None
            alerts = measure(instance, pages, options)
            children = busy.children(recursive=True) if busy else []
            used_s = sum(sum(one.cpu_times()[:2]) for one in children if one.is_running())
            print(f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python "
                  f"{platform.python_version()}, load average {os.getloadavg()[0]:.0f}; "
                  f"all processes used {used_s:.0f} s of CPU")  # fmt: skip
            show(alerts, pages, known(instance), fired(data))
        finally:
            instance.stop()


if __name__ == "__main__":
    main()
