"""Are findings right: waste of every kind, planted among clean runs of a made fleet.

Runs of agents are made with prices known exactly. Into some, one kind of waste is planted: a loop,
a failure nobody admits, a prompt that only grows, a backend that slows down, too many calls. All
detectors look at all runs. Incidents of errors are planted into counts by minute of a fleet's
tools.

    python -m benchmarks.finding_fleet [--runs 2000] [--seed 1]

Prints by kind: how many of the planted ones are found, how many of what is told is right, and how
often dollars (or seconds) are those that were planted. Told is what asks for somebody, and of
silent failures what is sure. Everything follows from the seed. Needs no store.
"""

from __future__ import annotations

import argparse
import platform
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median

import numpy as np

from spanledger_analytics.findings.cascades.rates import Count, history, incidents
from spanledger_analytics.findings.detectors import DETECTORS
from spanledger_analytics.findings.finding import Finding, SpanRef
from spanledger_analytics.findings.lanes import (
    Baseline,
    Lane,
    ModelCall,
    NoTexts,
    Step,
    ToolCall,
    TraceView,
)

_S = 10**9
_INPUT_USD, _OUTPUT_USD = Decimal("0.0000025"), Decimal("0.00001")  # of a token
_START_NS = 1_780_000_000 * _S
_PLANTED_SHARE = 0.25
_MOST_CALLS = 50  # of a request of an agent whose requests usually make 15
_EXACT = Decimal("1e-9")
_TOOLS = ("search", "read", "book", "query", "write")


class _Answer(NoTexts):
    def __init__(self, text: str) -> None:
        self._text = text

    def output(self, model: ModelCall) -> str:
        """Return the answer, whichever call is asked about: only the last one is."""
        del model
        return self._text


@dataclass
class Turn:
    """One step to be made: sizes of a call, and the tool it asks for."""

    prompt: int
    output: int
    ttft_s: float
    tool: str = ""
    sig: int = 0
    result: int = 0
    has_failed: bool = False

    @property
    def cost_usd(self) -> Decimal:
        """What the call of the model costs."""
        return self.prompt * _INPUT_USD + self.output * _OUTPUT_USD


@dataclass
class Made:
    """A run: its turns, what its last answer says, and what was planted; empty: nothing."""

    turns: list[Turn]
    answer: str
    kind: str = ""
    truth: Decimal = Decimal(0)


def clean(random: np.random.Generator, steps: int = 0, grows: int = 600) -> Made:
    """Return a run that does its work: failures are tried again, or admitted."""
    turns: list[Turn] = []
    prompt = int(random.integers(2_000, 6_000))
    admits = False
    for number in range(steps or int(random.integers(4, 40))):
        prompt += int(random.integers(50, grows))
        turn = Turn(
            prompt,
            int(random.integers(50, 600)),
            float(random.uniform(0.3, 0.6)),
            str(random.choice(_TOOLS)),
            1 + number + 1_000 * int(random.integers(1, 10**6)),
            int(random.integers(1, 10**9)),
        )
        if random.random() < 0.04:
            turns.append(replace(turn, has_failed=True, result=7))
            if random.random() < 0.5:
                admits = True
                continue
        turns.append(turn)
    turns.append(Turn(prompt, 300, 0.4))
    return Made(turns, "I am sorry, one step failed." if admits else "All done, as you asked.")


def with_loop(random: np.random.Generator) -> Made:
    """Plant the same 1 to 4 turns, 3 to 10 times: the first copy was needed."""
    made = clean(random)
    period, copies = int(random.integers(1, 5)), int(random.integers(3, 11))
    at = int(random.integers(0, len(made.turns)))
    body = [_fresh(random, made.turns[at]) for _ in range(period)]
    again = [replace(turn) for _ in range(copies - 1) for turn in body]
    made.turns[at:at] = [*body, *again]
    made.kind, made.truth = "loop", sum((turn.cost_usd for turn in again), Decimal(0))
    return made


def with_silence(random: np.random.Generator) -> Made:
    """Plant a failure that nothing makes up for and the answer does not admit."""
    made = clean(random)
    made.turns = [turn for turn in made.turns if not turn.has_failed]
    failed = replace(_fresh(random, made.turns[0]), tool="pay", has_failed=True)
    made.turns.insert(int(random.integers(0, len(made.turns))), failed)
    made.answer = "All done, as you asked."
    made.kind, made.truth = "silent_failure", failed.cost_usd
    return made


def with_bloat(random: np.random.Generator) -> Made:
    """Plant a prompt that grows to ten times what it was."""
    made = clean(random, int(random.integers(14, 30)))
    first = made.turns[0].prompt
    for number, turn in enumerate(made.turns):
        turn.prompt = first + number * int(random.integers(4_000, 5_000))
    base = int(median(turn.prompt for turn in made.turns[:3]))
    carried = sum(max(0, turn.prompt - base) for turn in made.turns)
    made.kind, made.truth = "context_bloat", carried * _INPUT_USD
    return made


def with_slowness(random: np.random.Generator) -> Made:
    """Plant first tokens that come later and later, at prompts that hardly grow."""
    made = clean(random, int(random.integers(14, 40)), 60)
    for number, turn in enumerate(made.turns):
        turn.ttft_s = 0.5 + 0.15 * number + float(random.uniform(0, 0.05))
    third = [turn.ttft_s for turn in made.turns[: len(made.turns) // 3]]
    lost = sum(max(0.0, turn.ttft_s - median(third)) for turn in made.turns)
    made.kind, made.truth = "latency_growth", Decimal(repr(round(lost, 6)))
    return made


def with_amplification(random: np.random.Generator) -> Made:
    """Plant more calls than the 50 that any request may make."""
    made = clean(random, int(random.integers(60, 180)), 60)
    made.kind = "amplification"
    made.truth = sum((turn.cost_usd for turn in made.turns[_MOST_CALLS:]), Decimal(0))
    return made


PLANTS: dict[str, Callable[[np.random.Generator], Made]] = {
    "loop": with_loop,
    "silent_failure": with_silence,
    "context_bloat": with_bloat,
    "latency_growth": with_slowness,
    "amplification": with_amplification,
}


def _fresh(random: np.random.Generator, like: Turn) -> Turn:
    sig = int(random.integers(10**12, 10**13))
    return replace(like, tool="read", sig=sig, result=sig + 1, has_failed=False)


def view_of(number: int, made: Made) -> TraceView:
    """Return a run as detectors see it: one lane, a call of the model every five seconds."""
    trace_id = f"{number:032x}"
    steps: list[Step] = []
    for at, turn in enumerate(made.turns):
        start = _START_NS + at * 5 * _S
        model = ModelCall(
            SpanRef(trace_id, f"{2 * at:016x}"), start, start + 2 * _S, "openai", "gpt-4.1",
            ttft_ns=int(turn.ttft_s * _S), finish_reason="stop", input_tokens=turn.prompt,
            output_tokens=turn.output, total_cost_usd=turn.cost_usd,
            uncached_cost_usd=turn.prompt * _INPUT_USD, output_cost_usd=turn.output * _OUTPUT_USD,
        )  # fmt: skip
        tool = ToolCall(
            SpanRef(trace_id, f"{2 * at + 1:016x}"), start + 3 * _S, start + 4 * _S, turn.tool,
            turn.sig, turn.result, turn.has_failed, "payload" if turn.has_failed else "",
        )  # fmt: skip
        steps.append(Step(model, (tool,) if turn.tool else ()))
    end_ns = _START_NS + len(steps) * 5 * _S
    lane = Lane(
        SpanRef(trace_id, "f" * 16), None, "clerk", "1", tuple(steps), start_ns=_START_NS,
        end_ns=end_ns,
    )  # fmt: skip
    return TraceView(
        trace_id, [lane], agent_name="clerk", outcome="completed", start_ns=_START_NS,
        end_ns=end_ns, total_cost_usd=sum((turn.cost_usd for turn in made.turns), Decimal(0)),
        texts=_Answer(made.answer), baseline=Baseline(llm_calls_p99=15),
    )  # fmt: skip


def _is_told(one: Finding) -> bool:
    return one.is_sure if one.kind == "silent_failure" else one.severity != "info"


def _measured(one: Finding) -> Decimal | None:
    if one.kind == "latency_growth":
        return Decimal(one.wasted_ns) / _S
    return one.carried_usd if one.kind == "context_bloat" else one.direct_usd


def show_runs(random: np.random.Generator, runs: int) -> None:
    """Print how well waste in single runs is found."""
    planted, found, told, exact, also = (Counter[str]() for _ in range(5))
    alarms = 0
    for number in range(runs):
        is_planted = random.random() < _PLANTED_SHARE
        name = list(PLANTS)[number % len(PLANTS)]
        made = PLANTS[name](random) if is_planted else clean(random)
        planted[made.kind] += 1
        view = view_of(number, made)
        seen = [one for look in DETECTORS.values() for one in look(view) if _is_told(one)]
        told.update(one.kind for one in seen)
        # A loop may make more calls than a request may: both are so.
        is_large = made.kind != "amplification" and len(made.turns) > _MOST_CALLS
        also["amplification"] += is_large and any(one.kind == "amplification" for one in seen)
        mine = [one for one in seen if one.kind == made.kind]
        found[made.kind] += bool(mine)
        near = _EXACT if made.kind != "latency_growth" else Decimal("1e-3")
        values = [_measured(one) for one in mine]
        exact[made.kind] += any(v is not None and abs(v - made.truth) <= near for v in values)
        alarms += bool(seen) and not made.kind
    print(f"{runs:,} runs, {planted['']:,} of them clean: {alarms} clean runs alarm")
    for kind in PLANTS:
        right = found[kind] + also[kind]
        print(
            f"  {kind:15} found {found[kind]} of {planted[kind]}, right {right} of {told[kind]} "
            f"told, amounts exact in {exact[kind]}"
        )


def show_cascades(random: np.random.Generator, windows: int) -> None:
    """Print how well incidents of errors are found among ordinary errors of tools."""
    cells = [(f"tool-{t}", f"agent-{t % 6}") for t in range(24)]
    usual_share = random.uniform(0.002, 0.05, len(cells))

    def counts(
        minutes: range, share: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    ) -> list[Count]:
        calls = random.poisson(8, (len(minutes), len(cells)))
        errors = random.binomial(calls, share)
        return [
            Count(60 * minute, "tool", *cells[c], int(calls[m, c]), int(errors[m, c]))
            for m, minute in enumerate(minutes)
            for c in range(len(cells))
            if calls[m, c]
        ]

    usual = history(counts(range(-1_440, -30), usual_share))
    false = found = 0
    for _ in range(windows):
        false += bool(incidents(counts(range(30), usual_share), usual, 1_800))
        quiet, bad = counts(range(20), usual_share), usual_share.copy()
        bad[random.choice(len(cells), 5, replace=False)] = 0.5
        found += bool(incidents([*quiet, *counts(range(20, 30), bad)], usual, 1_800))
    print(f"incidents of errors: found {found} of {windows}; {false} of {windows} quiet half hours")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, seed {asked.seed}")
    random = np.random.default_rng(asked.seed)
    show_runs(random, asked.runs)
    show_cascades(random, asked.windows)


if __name__ == "__main__":
    main()
