"""Conversations with planted cache breaks, sent through dialects, and a provider that caches."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.decoded import span

T0_S = 1_795_000_000 // 3_600 * 3_600 + 600
S = 10**9
WORDS = [
    "ledger",
    "invoice",
    "customer",
    "refund",
    "policy",
    "shipment",
    "warehouse",
    "delivery",
    "order",
    "cancel",
    "confirm",
    "address",
    "payment",
    "dispute",
    "escalate",
    "ticket",
    "answer",
    "polite",
    "brief",
    "precise",
    "careful",
    "verify",
    "source",
]


def prose(seed: str, words: int) -> str:
    """Text that is the same for a seed and unlike that of any other."""
    made: list[str] = []
    for number in range(words):
        digest = blake2b(f"{seed}{number}".encode(), digest_size=4).digest()
        made.append(f"{WORDS[digest[0] % len(WORDS)]}{digest[1] % 50}")
    return " ".join(made)


@dataclass(frozen=True)
class Turn:
    """One request; ``image`` is the address of one in the first message."""

    tools: tuple[str, ...]
    system: str
    messages: tuple[tuple[str, str], ...]
    at_s: float
    lasts_s: float = 2.0
    model: str = "claude-sonnet-4-5"
    effort: str = ""
    image: str = ""
    is_forgotten: bool = False
    """The provider loses its cache before this call."""
    expect: str = ""
    detail: str = ""

    @property
    def provider(self) -> str:
        return "anthropic" if "claude" in self.model else "openai"

    @property
    def blocks(self) -> list[str]:
        """What the provider sees, in its order."""
        said = [f"{role}:{text}" for role, text in self.messages]
        if self.image and said:
            said[0] += self.image
        return [json.dumps(self.tools), self.system, *said]


@dataclass
class Provider:
    """Caches as the providers' guides say: Anthropic by marked blocks, OpenAI by characters / 4."""

    minimum: int = 1_024
    kept: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    """By model, effort and blocks: from when on, and last use."""

    def call(self, turn: Turn) -> tuple[int, int, int]:
        """Return input, read and written tokens."""
        if turn.is_forgotten:
            self.kept.clear()
        key = (turn.model, turn.effort)
        blocks = tuple(turn.blocks)
        total = sum(map(tokens, blocks))
        ttl_s = 300 if turn.provider == "anthropic" else 600
        alive = [
            one
            for one, (ready, last) in self.kept.items()
            if one[:2] == key and ready <= turn.at_s and turn.at_s - last <= ttl_s
        ]
        read = self._marked(blocks, alive) if turn.provider == "anthropic" else (
            self._by_characters(blocks, alive)
        )  # fmt: skip
        written = total - read if turn.provider == "anthropic" and total >= self.minimum else 0
        ready = turn.at_s + turn.lasts_s
        places = (2, len(blocks)) if turn.provider == "anthropic" else (len(blocks),)
        for place in places:
            name = (*key, *blocks[:place])
            if name in alive:
                self.kept[name][1] = max(self.kept[name][1], ready)
            elif sum(map(tokens, blocks[:place])) >= self.minimum:
                self.kept.setdefault(name, [ready, ready])
                if self.kept[name][1] < turn.at_s - ttl_s:
                    self.kept[name] = [ready, ready]
        return total, read, written

    def _marked(self, blocks: tuple[str, ...], alive: list[tuple[str, ...]]) -> int:
        hits = [one[2:] for one in alive if one[2:] == blocks[: len(one) - 2]]
        return max((sum(map(tokens, one)) for one in hits), default=0)

    def _by_characters(self, blocks: tuple[str, ...], alive: list[tuple[str, ...]]) -> int:
        mine = "\0".join(blocks)
        best = 0
        for one in alive:
            other = "\0".join(one[2:])
            size = min(len(mine), len(other))
            place = next((i for i in range(size) if mine[i] != other[i]), size)
            best = max(best, place)
        found = best // 4 // 128 * 128
        return found if found >= self.minimum else 0


def tokens(text: str) -> int:
    return len(text) // 4 + 1


@dataclass(frozen=True)
class Lane:
    """Calls of one trace, with who made them."""

    turns: tuple[Turn, ...]
    agent: str
    session: str = ""


Scenario = Callable[[str, str], list[Lane]]
"""From a seed and a model to lanes that share a provider."""


def growing(seed: str, model: str, turns: int = 3, **changes: Any) -> list[Turn]:
    """A conversation that only appends."""
    system = changes.pop("system", prose(f"{seed}system", 900))
    tools = changes.pop("tools", tuple(f"{seed}_{name}" for name in ("find", "book", "mail")))
    made: list[Turn] = []
    messages: list[tuple[str, str]] = []
    for number in range(turns):
        messages.append(("user", prose(f"{seed}user{number}", 60)))
        made.append(
            Turn(tools, system, tuple(messages), at_s=20.0 * number, model=model, **changes)
        )
        messages.append(("assistant", prose(f"{seed}assistant{number}", 120)))
    return made


def _last(turns: list[Turn], expect: str, detail: str = "", **changes: Any) -> list[Turn]:
    return [*turns[:-1], replace(turns[-1], expect=expect, detail=detail, **changes)]


def _one(turns: list[Turn], seed: str) -> list[Lane]:
    return [Lane(tuple(turns), f"agent-{seed}")]


def model_changed(seed: str, model: str) -> list[Lane]:
    other = "claude-opus-4-1" if "claude" in model else "gpt-4.1"
    return _one(_last(growing(seed, model, 4), "model_changed", model=other), seed)


def parameters_changed(seed: str, model: str) -> list[Lane]:
    turns = [replace(turn, effort="low") for turn in growing(seed, model, 4)]
    return _one(_last(turns, "parameters_changed", effort="high"), seed)


def ttl(seed: str, model: str) -> list[Lane]:
    turns = growing(seed, model, 4)
    return _one(_last(turns, "ttl", at_s=turns[-1].at_s + 1_500), seed)


def tools_reordered(seed: str, model: str) -> list[Lane]:
    turns = growing(seed, model, 4)
    return _one(_last(turns, "tools_reordered", tools=turns[0].tools[::-1]), seed)


def tools_changed(seed: str, model: str) -> list[Lane]:
    turns = growing(seed, model, 4)
    tools = (*turns[0].tools, f"{seed}_pay")
    return _one(_last(turns, "tools_changed", tools=tools), seed)


def _dynamic(seed: str, model: str, before: str, after: str, detail: str) -> list[Lane]:
    body = prose(f"{seed}system", 900)
    turns = growing(seed, model, 4, system=f"You help. {before}\n{body}")
    return _one(_last(turns, "dynamic_text", detail, system=f"You help. {after}\n{body}"), seed)


def timestamp(seed: str, model: str) -> list[Lane]:
    return _dynamic(seed, model, "It is 2026-11-21 17:02:03.", "It is 2026-11-21 17:02:45.",
                    "timestamp")  # fmt: skip


def spoken_time(seed: str, model: str) -> list[Lane]:
    return _dynamic(seed, model, "It is Friday, Nov 20, 2026.", "It is Saturday, Nov 21, 2026.",
                    "timestamp")  # fmt: skip


def uuid(seed: str, model: str) -> list[Lane]:
    one, other = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "9f2c1d77-2fa1-4ad2-883f-0016d3cca4aa"
    return _dynamic(seed, model, f"Request {one}.", f"Request {other}.", "uuid")


def counter(seed: str, model: str) -> list[Lane]:
    return _dynamic(seed, model, "This is step 7 of the plan.", "This is step 8 of the plan.",
                    "counter")  # fmt: skip


def user_id(seed: str, model: str) -> list[Lane]:
    """Each conversation of its own user, whose id stands in the system prompt."""
    body = prose(f"{seed}system", 900)
    lanes: list[Lane] = []
    for number, user in enumerate(("anna.k", "bert.m", "cleo.w")):
        system = f"You help user_id: {user}\n{body}"
        turns = growing(f"{seed}{user}", model, 2, system=system, tools=(f"{seed}_find",))
        moved = [replace(turn, at_s=turn.at_s + 60 * number) for turn in turns]
        if number:
            moved[0] = replace(moved[0], expect="dynamic_text", detail="user_id")
        lanes.append(Lane(tuple(moved), f"agent-{seed}"))
    return lanes


def system_changed(seed: str, model: str) -> list[Lane]:
    turns = growing(seed, model, 4)
    other = prose(f"{seed}another", 900)
    return _one(_last(turns, "system_changed", system=other), seed)


def history_rewritten(seed: str, model: str) -> list[Lane]:
    turns = growing(seed, model, 5)
    messages = list(turns[-1].messages)
    messages[1] = ("assistant", prose(f"{seed}edited", 118))
    return _one(_last(turns, "history_rewritten", messages=tuple(messages)), seed)


def history_cut(seed: str, model: str) -> list[Lane]:
    """The oldest messages fall out of a window."""
    turns = growing(seed, model, 6)
    return _one(_last(turns, "history_rewritten", messages=turns[-1].messages[2:]), seed)


def history_compacted(seed: str, model: str) -> list[Lane]:
    turns = growing(seed, model, 9)
    summary = ("user", "Summary of the conversation so far: " + prose(f"{seed}sum", 400))
    messages = (summary, *turns[-1].messages[-3:])
    return _one(_last(turns, "history_compacted", messages=messages), seed)


def image(seed: str, model: str) -> list[Lane]:
    turns = [
        replace(turn, image=f"https://x.test/{seed}.png?sig=aaa")
        for turn in growing(seed, model, 4)
    ]
    return _one(_last(turns, "image", image=f"https://x.test/{seed}.png?sig=bbb"), seed)


def cold_start(seed: str, model: str) -> list[Lane]:
    """Two branches of one conversation begin while neither has been answered."""
    first = growing(seed, model, 1)[0]
    same = [replace(first, at_s=0.5 * number) for number in range(3)]
    return _one([same[0], *(replace(turn, expect="cold_start") for turn in same[1:])], seed)


def evicted(seed: str, model: str) -> list[Lane]:
    return _one(_last(growing(seed, model, 4), "evicted", is_forgotten=True), seed)


def below_minimum(seed: str, model: str) -> list[Lane]:
    turns = growing(seed, model, 2, system=prose(seed, 40))
    return _one([turns[0], replace(turns[1], expect="below_minimum")], seed)


# Nothing is lost in these.


def stable(seed: str, model: str) -> list[Lane]:
    return _one(growing(seed, model, 6), seed)


def interleaved(seed: str, model: str) -> list[Lane]:
    """Two conversations of one agent in one trace, turn by turn."""
    one, other = growing(f"{seed}a", model, 4), growing(f"{seed}b", model, 4)
    later = [replace(turn, at_s=turn.at_s + 9) for turn in other]
    both = [turn for pair in zip(one, later, strict=True) for turn in pair]
    return _one(both, seed)


def new_conversation(seed: str, model: str) -> list[Lane]:
    """The same head, and another question in the same session."""
    one = growing(seed, model, 3)
    other = growing(f"{seed}next", model, 3, system=one[0].system, tools=one[0].tools)
    later = [replace(turn, at_s=turn.at_s + 90) for turn in other]
    return [
        Lane(tuple(one), f"agent-{seed}", f"session-{seed}"),
        Lane(tuple(later), f"agent-{seed}", f"session-{seed}"),
    ]


def went_back(seed: str, model: str) -> list[Lane]:
    """The last answer is asked for again."""
    turns = growing(seed, model, 3)
    return _one([*turns, replace(turns[-1], at_s=turns[-1].at_s + 15)], seed)


def experts(seed: str, model: str) -> list[Lane]:
    """One question to three system prompts at a time."""
    question = (("user", prose(f"{seed}question", 60)),)
    turns = [
        Turn((), prose(f"{seed}expert{number}", 900), question, at_s=10.0 * number, model=model)
        for number in range(3)
    ]
    return _one(turns, seed)


PLANTED: tuple[Scenario, ...] = (
    model_changed, parameters_changed, ttl, tools_reordered, tools_changed, timestamp, spoken_time,
    uuid, counter, user_id, system_changed, history_rewritten, history_cut, history_compacted,
    image, cold_start, evicted, below_minimum,
)  # fmt: skip
CLEAN: tuple[Scenario, ...] = (stable, interleaved, new_conversation, went_back, experts)


@dataclass(frozen=True)
class Rendered:
    """A request as a span, and what is true of it."""

    span: Span
    scope: str
    turn: Turn
    usage: tuple[int, int, int]


def render(
    lanes: list[Lane], dialect: str, numbers: Iterator[int], base_s: int = T0_S
) -> list[Rendered]:
    """Return the spans of lanes, answered by one provider in order of time from ``base_s`` on."""
    provider = Provider()
    traces = [next(numbers).to_bytes(16, "big") for _ in lanes]
    calls = sorted(
        ((turn, lane, trace) for lane, trace in zip(lanes, traces, strict=True)
         for turn in lane.turns),
        key=lambda call: call[0].at_s,
    )  # fmt: skip
    return [
        _rendered(turn, lane, trace, provider.call(turn), dialect, numbers, base_s)
        for turn, lane, trace in calls
    ]


def _rendered(
    turn: Turn, lane: Lane, trace: bytes, usage: tuple[int, int, int], dialect: str,
    numbers: Iterator[int], base_s: int,
) -> Rendered:  # fmt: skip
    start = base_s * S + int(turn.at_s * S)
    scope, attributes = DIALECTS[dialect](turn, lane, usage)
    made = span(
        attributes,
        trace_id=trace,
        span_id=next(numbers).to_bytes(8, "big"),
        name=f"chat {turn.model}",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=start,
        end_time_unix_nano=start + int(turn.lasts_s * S),
    )
    return Rendered(made, scope, turn, usage)


def _tool(name: str) -> dict[str, object]:
    return {"type": "function", "name": name, "description": prose(name, 12)}


def _usage(usage: tuple[int, int, int]) -> dict[str, object]:
    total, read, written = usage
    return {
        "gen_ai.usage.input_tokens": total,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": read,
        "gen_ai.usage.cache_creation.input_tokens": written,
    }


def _call(turn: Turn, lane: Lane) -> dict[str, object]:
    made: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": turn.provider,
        "gen_ai.request.model": turn.model,
        "gen_ai.response.model": turn.model,
        "gen_ai.agent.name": lane.agent,
    }
    if lane.session:
        made["gen_ai.conversation.id"] = lane.session
    if turn.effort:
        made["gen_ai.request.reasoning_effort"] = turn.effort
    return made


def _otel(turn: Turn, lane: Lane, usage: tuple[int, int, int]) -> tuple[str, dict[str, object]]:
    parts: list[list[object]] = [[{"type": "text", "content": text}] for _, text in turn.messages]
    if turn.image:
        parts[0].append({"type": "uri", "modality": "image", "uri": turn.image})
    roles = [role for role, _ in turn.messages]
    messages = [{"role": r, "parts": said} for r, said in zip(roles, parts, strict=True)]
    said = {
        "gen_ai.input.messages": json.dumps(messages),
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": turn.system}]),
    }
    if turn.tools:
        said["gen_ai.tool.definitions"] = json.dumps([_tool(name) for name in turn.tools])
    scope = "opentelemetry.instrumentation.genai.openai"
    return scope, {**_call(turn, lane), **_usage(usage), **said}


def _openinference(
    turn: Turn, lane: Lane, usage: tuple[int, int, int]
) -> tuple[str, dict[str, object]]:
    total, read, written = usage
    made: dict[str, object] = {
        "openinference.span.kind": "LLM",
        "llm.provider": turn.provider,
        "llm.model_name": turn.model,
        "llm.token_count.prompt": total,
        "llm.token_count.completion": 50,
        "llm.token_count.prompt_details.cache_read": read,
        "llm.token_count.prompt_details.cache_write": written,
        "agent.name": lane.agent,
    }
    if lane.session:
        made["session.id"] = lane.session
    if turn.effort:
        made["gen_ai.request.reasoning_effort"] = turn.effort
    for number, name in enumerate(turn.tools):
        made[f"llm.tools.{number}.tool.json_schema"] = json.dumps(_tool(name))
    for number, (role, text) in enumerate((("system", turn.system), *turn.messages)):
        prefix = f"llm.input_messages.{number}.message."
        made[f"{prefix}role"] = role
        if turn.image and number == 1:
            made[f"{prefix}contents.0.message_content.type"] = "text"
            made[f"{prefix}contents.0.message_content.text"] = text
            made[f"{prefix}contents.1.message_content.type"] = "image"
            made[f"{prefix}contents.1.message_content.image.image.url"] = turn.image
        else:
            made[f"{prefix}content"] = text
    return "openinference.instrumentation.anthropic", made


def _traceloop(
    turn: Turn, lane: Lane, usage: tuple[int, int, int]
) -> tuple[str, dict[str, object]]:
    made: dict[str, object] = {
        **_call(turn, lane),
        **_usage(usage),
        "llm.request.type": "chat",
        "gen_ai.usage.cache_creation_input_tokens": usage[2],
        "gen_ai.usage.cache_read_input_tokens": usage[1],
    }
    for number, name in enumerate(turn.tools):
        tool = _tool(name)
        made[f"llm.request.functions.{number}.name"] = str(tool["name"])
        made[f"llm.request.functions.{number}.description"] = str(tool["description"])
    for number, (role, text) in enumerate((("system", turn.system), *turn.messages)):
        made[f"gen_ai.prompt.{number}.role"] = role
        made[f"gen_ai.prompt.{number}.content"] = text
        if turn.image and number == 1:
            source = {"type": "url", "url": turn.image}
            made[f"gen_ai.prompt.{number}.content"] = json.dumps(
                [{"type": "text", "text": text}, {"type": "image", "source": source}]
            )
    return "opentelemetry.instrumentation.anthropic", made


DIALECTS = {"otel_genai": _otel, "openinference": _openinference, "openllmetry": _traceloop}


def planted(
    scenarios: tuple[Scenario, ...],
    seeds: range,
    models: tuple[str, ...] = (),
    *,
    dialects: tuple[str, ...] = (),
    base_s: int = T0_S,
) -> list[Rendered]:
    """Return the spans of scenarios, in every dialect and for both kinds of provider."""
    numbers = itertools.count(1)
    return [
        rendered
        for scenario in scenarios
        for model in models or ("claude-sonnet-4-5", "gpt-4o")
        for dialect in dialects or DIALECTS
        for seed in seeds
        for rendered in render(
            scenario(f"{scenario.__name__}-{model}-{dialect}-{seed}", model),
            dialect,
            numbers,
            base_s,
        )
    ]
