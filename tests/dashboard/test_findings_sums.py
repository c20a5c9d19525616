"""What findings of real runs add up to, against what all their calls cost, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from spanledger_analytics.findings.cascades.job import CascadeJob
from spanledger_dashboard.findings.data import Found, load_findings, load_overlaps
from spanledger_dashboard.findings.totals import AMOUNTS, Amount, apart, counted_once
from spanledger_dashboard.time_range import Window
from spanledger_storage.store import Store
from tests.analytics.finding_traces import T0, AgentTrace, S, Watched

INPUT_USD, OUTPUT_USD = Decimal("0.00000015"), Decimal("0.0000006")  # gpt-4o-mini


class Run(AgentTrace):
    """A run of one agent, and what its calls cost."""

    def __init__(self, agent: str, start_ns: int = T0) -> None:
        super().__init__(start_ns)
        self.root = self.agent(agent, 0, 600)
        self.at_s = 1.0
        self.usd = Decimal(0)

    def turn(self, tokens: int, tool: str = "", arguments: object = None, **said: object) -> None:
        self.llm(self.at_s, self.root, input_tokens=tokens)
        self.usd += tokens * INPUT_USD + 10 * OUTPUT_USD
        if tool:
            self.tool(tool, self.at_s + 1, self.root, arguments=arguments, **said)  # type: ignore[arg-type]
        self.at_s += 3


def sums(store: Store) -> tuple[Sequence[Found], dict[Amount, Decimal]]:
    """Return all findings, and what each of their amounts adds up to."""
    window = Window(T0 // S - 3_600, T0 // S + 7_200, T0 // S + 7_200)
    found = load_findings(store, "p", window).found
    spans = load_overlaps(store, "p", window)
    return found, {name: counted_once(found, spans, name) or Decimal(0) for name in AMOUNTS}


def test_two_loops_in_one_run_save_no_more_than_it_cost(store: Store) -> None:
    watched = Watched(store)
    run, tokens = Run("walker"), 1_000
    run.turn(tokens, "plan", {"q": 1}, result={"ok": 1})
    for _ in range(6):  # each result is large, and carried by all that follow
        run.turn(tokens, "dump", {"table": "orders"}, result={"rows": "x"})
        tokens += 15_000
    for n in range(4):
        run.turn(tokens, f"look{n}", {"q": n}, result={"n": n})
    for _ in range(20):
        run.turn(tokens, "search", {"query": "where"}, result={"hits": []})
    run.turn(tokens)
    watched.put(run)
    watched.look()
    found, summed = sums(store)
    loops = [one for one in found if one.kind == "loop"]
    assert {one.tool_name for one in loops} == {"dump", "search"}
    assert sum((one.avoidable_usd or 0) for one in loops) > run.usd  # carried by the other's calls
    assert max(summed.values()) <= run.usd
    # What the repeats cost themselves is apart, and still added up.
    assert summed["direct_usd"] == sum((one.direct_usd or 0) for one in loops)


def test_an_outage_and_loops_in_the_same_runs_waste_no_more_than_these_cost(store: Store) -> None:
    watched = Watched(store)
    runs = [Run(f"agent {n % 2}", T0 + n * S) for n in range(12)]
    for n, run in enumerate(runs):
        for tool in ("crm", "mail", "pay"):
            run.turn(1_000, tool, {"id": n}, result="Error: down", status="error")
        for _ in range(8):
            run.turn(20_000, "search", {"query": "where"}, result={"hits": []})
        run.turn(500)
    watched.put(*runs)
    watched.look()
    CascadeJob(store, lambda: T0 + 120 * S).run_once()
    found, summed = sums(store)
    usd = sum((run.usd for run in runs), Decimal(0))
    [outage] = [one for one in found if one.kind == "error_cascade"]
    after_usd = usd - len(runs) * (1_000 * INPUT_USD + 10 * OUTPUT_USD)
    assert outage.direct_usd == after_usd
    assert len([one for one in found if one.kind == "loop"]) == 12
    assert after_usd <= summed["direct_usd"] <= usd
    assert after_usd <= summed["avoidable_usd"] <= usd


def test_a_large_outage_overlaps_with_all_of_its_traces(store: Store) -> None:
    """Its errors and retries are more than are kept."""
    watched = Watched(store)
    runs = [Run(f"agent {n % 2}", T0 + n * S // 100) for n in range(300)]
    for n, run in enumerate(runs):
        for _ in range(3):
            run.turn(1_000, "crm", {"id": n}, result="Error: down", status="error")
    loop = runs[-1]
    for _ in range(8):
        loop.turn(20_000, "search", {"query": "where"}, result={"hits": []})
    watched.put(*runs)
    watched.look()
    CascadeJob(store, lambda: T0 + 120 * S).run_once()
    found, summed = sums(store)
    [outage] = [one for one in found if one.kind == "error_cascade"]
    assert outage.evidence_count > 1_000
    assert summed["direct_usd"] <= sum((run.usd for run in runs), Decimal(0))
    window = Window(T0 // S - 3_600, T0 // S + 7_200, T0 // S + 7_200)
    counted = apart(found, load_overlaps(store, "p", window), "direct_usd")
    traces = {run.id for run in runs}
    assert not [one for one in counted if one is not outage and one.trace_id in traces]
