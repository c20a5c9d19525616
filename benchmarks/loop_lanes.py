"""Lanes for the benchmark of loops: recorded ones, and ones with loops planted into them."""

from __future__ import annotations

import gzip
import json
import random
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, cast

from spanledger._signatures import call_signature, result_signature
from spanledger.tool_errors import DECLARED, PAYLOAD, evidence_of_text
from spanledger_analytics.findings.finding import SpanRef
from spanledger_analytics.findings.lanes import Lane, ModelCall, Step, ToolCall

LONGEST = 4_096
_S = 1_000_000_000


class Action(NamedTuple):
    """One call of a tool, as it was recorded."""

    tool: str
    arguments: object
    result: str

    @property
    def evidence(self) -> str:
        """How the result tells of an error; empty: not at all."""
        return evidence_of_text(self.result)


class Run(NamedTuple):
    """One run of an agent; ``labels`` judge each step but the first, empty: nobody did."""

    run_id: str
    agent: str
    actions: tuple[Action, ...]
    labels: tuple[str, ...]


@dataclass(slots=True)
class KnownTexts:
    """The texts of lanes, as the store gives them: their first 4 kB."""

    said: dict[SpanRef, tuple[str, str]] = field(default_factory=dict[SpanRef, tuple[str, str]])
    asked: int = 0

    def arguments(self, tool: ToolCall) -> str:
        """Return the arguments of a call."""
        self.asked += 1
        return self.said.get(tool.ref, ("", ""))[0]

    def result(self, tool: ToolCall) -> str:
        """Return the result of a call."""
        return self.said.get(tool.ref, ("", ""))[1]

    def output(self, model: ModelCall) -> str:
        """Return nothing: the runs have no answers."""
        del model
        return ""


def read_runs(folder: Path) -> list[Run]:
    """Return the runs in ``loops/*.jsonl.gz`` of a folder."""
    runs: list[Run] = []
    for path in sorted((folder / "loops").glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            runs += (_run(json.loads(line)) for line in lines)
    return runs


def _run(row: dict[str, object]) -> Run:
    steps = cast("list[dict[str, object]]", row["steps"])
    actions = tuple(
        Action(str(step["tool"]), step["arguments"], _text(step["result"])) for step in steps
    )
    labels = cast("list[str] | None", row["labels"]) or []
    return Run(str(row["id"]), str(row["agent"]), actions, tuple(labels))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def make_lane(
    actions: Iterable[Action | tuple[Action, ...]],
    texts: KnownTexts,
    *,
    lane_id: str = "lane",
    wait_s: float = 0,
) -> Lane:
    """Return a lane with a call of the model for each action, or for several at once."""
    steps: list[Step] = []
    at = _S
    for number, one in enumerate(actions):
        together = (one,) if isinstance(one, Action) else one
        tools = tuple(
            _tool(action, f"{lane_id}-{number}-{index}", at, texts)
            for index, action in enumerate(together)
        )
        steps.append(Step(_model(f"{lane_id}-{number}", number, at), tools))
        at += 4 * _S + int(wait_s * _S)
    return Lane(SpanRef("trace", lane_id), None, "agent", "1", tuple(steps), end_ns=at)


def _tool(action: Action, span_id: str, at: int, texts: KnownTexts) -> ToolCall:
    ref = SpanRef("trace", span_id)
    texts.said[ref] = (_text(action.arguments)[:LONGEST], action.result[:LONGEST])
    evidence = action.evidence
    is_error = evidence in (DECLARED, PAYLOAD)
    return ToolCall(
        ref,
        at + 3 * _S,
        at + 4 * _S,
        action.tool,
        call_signature(action.tool, action.arguments),
        result_signature(action.result, is_error=is_error),
        is_error,
        evidence,
    )


def _model(span_id: str, number: int, at: int) -> ModelCall:
    cost = Decimal("0.001") + number * Decimal("0.0001")
    return ModelCall(
        SpanRef("trace", span_id),
        at,
        at + 3 * _S,
        input_tokens=1_000 + 100 * number,
        total_cost_usd=cost,
        uncached_cost_usd=cost,
    )


class Planted(NamedTuple):
    """Actions with a loop in them; ``later`` are the places of its copies after the first."""

    actions: tuple[Action, ...]
    later: frozenset[int]


class Trouble(NamedTuple):
    """What makes a planted loop hard to see.

    ``jitter`` writes arguments another way each time: ids, times, order of keys, white space,
    empty values, numbers as text. ``noise_ratio`` of the steps are of another kind. With
    ``changing`` each result has times, durations and ids of its own.
    """

    jitter: bool = False
    noise_ratio: float = 0
    changing: bool = False


def plant(
    rng: random.Random, run: Run, others: list[Action], period: int, copies: int, trouble: Trouble
) -> Planted | None:
    """Return a run in which some steps of it repeat; None: it has no such steps."""
    starts = [
        start
        for start in range(len(run.actions) - period + 1)
        if len({_key(one) for one in run.actions[start : start + period]}) == period
    ]
    if not starts:
        return None
    start = rng.choice(starts)
    actions: list[Action] = list(run.actions[:start])
    later: set[int] = set()
    for copy in range(copies):
        for place, one in enumerate(run.actions[start : start + period]):
            if (copy or place) and rng.random() < trouble.noise_ratio:
                actions.append(rng.choice(others))
            if copy:
                later.add(len(actions))
            actions.append(_varied(rng, one, trouble))
    actions += run.actions[start + period :]
    return Planted(tuple(actions), frozenset(later))


def _key(action: Action) -> tuple[str, str]:
    return action.tool, json.dumps(action.arguments, sort_keys=True)


def _varied(rng: random.Random, one: Action, trouble: Trouble) -> Action:
    arguments, result = one.arguments, one.result
    if trouble.jitter and isinstance(arguments, dict):
        arguments = _jittered(rng, cast("dict[str, object]", arguments))
    if trouble.changing:
        result = (
            f"{result}\n[{_id(rng)}] took {rng.random():.3f} s at 2026-11-21T10:{_two(rng)}:00Z"
        )
    return Action(one.tool, arguments, result)


def _jittered(rng: random.Random, arguments: dict[str, object]) -> object:
    items = list(arguments.items())
    rng.shuffle(items)
    made: dict[str, object] = dict(items)
    way = rng.randrange(4)
    if way == 0:
        made["request_id"] = _id(rng)
    elif way == 1:
        made["timestamp"] = f"2026-11-21T10:{_two(rng)}:00Z"
    elif way == 2:
        made["filters"] = rng.choice([None, [], ""])
    else:
        made = {k: str(v) if isinstance(v, int) else v for k, v in made.items()}
    return json.dumps(made, indent=rng.choice([None, 1, 2]))


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128)))


def _two(rng: random.Random) -> str:
    return f"{rng.randrange(60):02d}"


def healthy_lanes(rng: random.Random, count: int) -> Iterator[tuple[str, Lane, KnownTexts]]:
    """Yield lanes without a loop, of each kind in turn, with the kind's name."""
    for number in range(count):
        kind = list(HEALTHY)[number % len(HEALTHY)]
        texts = KnownTexts()
        actions, wait_s = HEALTHY[kind](rng)
        yield kind, make_lane(actions, texts, lane_id=f"{kind}-{number}", wait_s=wait_s), texts


Made = tuple[list[Action | tuple[Action, ...]], float]


def _slow_poll(rng: random.Random) -> Made:
    waits = rng.randrange(3, 15)
    call = ("get_job", {"job": rng.randrange(1000)})
    done: list[Action | tuple[Action, ...]] = [Action(*call, '{"state": "running"}')] * waits
    return [*done, Action(*call, '{"state": "done"}')], rng.uniform(10, 60)


def _status_poll(rng: random.Random) -> Made:
    call = ("check_build_status", {"build": rng.randrange(1000)})
    waits = rng.randrange(3, 15)
    return [*(Action(*call, "pending") for _ in range(waits)), Action(*call, "passed")], 0


def _quick_poll(rng: random.Random) -> Made:
    call = ("get_job", {"job": rng.randrange(1000)})
    waits = rng.randrange(3, 15)
    return [*(Action(*call, "running") for _ in range(waits)), Action(*call, "done")], 0


def _moving_poll(rng: random.Random) -> Made:
    call = ("get_export", {"id": rng.randrange(1000)})
    steps = sorted(rng.sample(range(100), rng.randrange(4, 18)))
    return [Action(*call, json.dumps({"percent": step})) for step in steps], 0


def _wait_and_look(rng: random.Random) -> Made:
    look = ("list_messages", {"folder": "inbox"})
    rounds = rng.randrange(3, 10)
    pair: list[Action | tuple[Action, ...]] = [
        Action("sleep", {"seconds": 30}, "ok"),
        Action(*look, "[]"),
    ]
    return pair * rounds, 0


def _pages(rng: random.Random) -> Made:
    size = rng.choice([10, 50, 100])
    return [
        Action(
            "search", {"query": "invoices", "offset": page * size}, "[]" if page > 8 else f"{page}"
        )
        for page in range(rng.randrange(5, 15))
    ], 0


def _next_page(rng: random.Random) -> Made:
    return [Action("next_page", {}, f"page {n}") for n in range(rng.randrange(5, 40))], 0


def _line_ranges(rng: random.Random) -> Made:
    path = f"/src/module_{rng.randrange(100)}.py"
    return [
        Action("view", {"path": path, "range": [line, line + 99]}, f"{line}: def f{line}(): ...")
        for line in range(1, 100 * rng.randrange(4, 12), 100)
    ], 0


def _batch(rng: random.Random) -> Made:
    return [
        Action("attach_file", {"path": f"report_{_id(rng)[:4]}_{n}.pdf"}, "True")
        for n in range(rng.randrange(4, 20))
    ], 0


def _letters(rng: random.Random) -> Made:
    body = " ".join(f"word{rng.randrange(500)}" for _ in range(120))
    return [
        Action("send_mail", {"to": f"user{n}@example.com", "body": body}, '{"status": "sent"}')
        for n in range(rng.randrange(4, 12))
    ], 0


def _edit_run(rng: random.Random) -> Made:
    made: list[Action | tuple[Action, ...]] = []
    for _ in range(rng.randrange(3, 10)):
        made.append(Action("edit", {"path": "a.py", "text": f"x = {rng.random()}"}, "edited"))
        made.append(Action("run", {"command": "pytest"}, "1 failed: assert x == 3"))
    return made, 0


def _edit_and_checks(rng: random.Random) -> Made:
    made: list[Action | tuple[Action, ...]] = []
    for _ in range(rng.randrange(3, 8)):
        made.append(Action("edit", {"path": "a.py", "text": f"x = {rng.random()}"}, "edited"))
        for check in ("lint", "types", "tests", "format"):
            made.append(Action("run", {"command": check}, f"{check}: ok"))
    return made, 0


def _other_edits_and_checks(rng: random.Random) -> Made:
    made: list[Action | tuple[Action, ...]] = []
    for _ in range(rng.randrange(3, 8)):
        way = rng.choice(("edit", "insert", "create", "rename", "remove"))
        made.append(Action(way, {"path": "a.py", "text": f"x = {rng.random()}"}, "done"))
        for check in ("lint", "types", "tests", "format"):
            made.append(Action("run", {"command": check}, f"{check}: ok"))
    return made, 0


def _retry(rng: random.Random) -> Made:
    call = ("fetch", {"url": f"https://example.com/{rng.randrange(1000)}"})
    failures = rng.randrange(1, 5)
    return [*(Action(*call, "Error: 503") for _ in range(failures)), Action(*call, "hello")], 0


def _parallel(rng: random.Random) -> Made:
    call = Action("lookup", {}, "ok")
    return [(call,) * rng.randrange(3, 9), Action("answer", {}, "done")], 0


def _looks_twice(rng: random.Random) -> Made:
    made: list[Action | tuple[Action, ...]] = []
    for n in range(rng.randrange(3, 10)):
        one = Action("read", {"path": f"f{n}.txt"}, f"text {n}")
        made += [one, one] if rng.random() < 0.3 else [one]
    return made, 0


HEALTHY = {
    "slow poll": _slow_poll,
    "status poll": _status_poll,
    "quick poll": _quick_poll,
    "moving poll": _moving_poll,
    "wait and look": _wait_and_look,
    "pages": _pages,
    "next page": _next_page,
    "line ranges": _line_ranges,
    "batch": _batch,
    "letters": _letters,
    "edit, run": _edit_run,
    "edit, four checks": _edit_and_checks,
    "another edit, four checks": _other_edits_and_checks,
    "retry": _retry,
    "parallel": _parallel,
    "looks twice": _looks_twice,
}
"""Lanes of which none should alarm, by kind."""
