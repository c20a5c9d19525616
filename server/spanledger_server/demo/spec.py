"""The form in which an agent of the demo fleet is described: data, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spanledger_server.demo.plan import Failure, Model, Scope

Flow = Literal["assistant", "research", "rag", "batch"]


def _no_slots() -> Mapping[str, tuple[str, ...]]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool of an agent.

    Attributes:
        arguments: Argument name -> text template.
        results: Text templates, one is drawn per run.
        failures: What it raises when it fails.
        failure_share: Share of runs that fail, 0 to 1.
        duration_s: Shortest and longest run.
    """

    name: str
    description: str
    arguments: Mapping[str, str]
    results: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    failure_share: float = 0.0
    duration_s: tuple[float, float] = (0.08, 0.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent of the fleet. Texts are ``string.Template`` templates.

    Attributes:
        share: Share of all traces, 0 to 1.
        models: (model, weight); one is drawn per conversation.
        helper: Model of the small calls beside the main one (classifier, sub-agent, validator).
        helper_share: Share of turns that use the helper, 0 to 1.
        framework: Scope of agent and tool spans.
        client: Scope of model calls.
        helper_client: Scope of the helper's calls, where it is another client library.
        inner_client: Scope of the second instrumentation that sees the same calls.
        inner_share: Share of conversations that run with it, 0 to 1.
        turns: Fewest and most turns of a conversation; each turn is a trace.
        rounds: Fewest and most tool rounds of a turn.
        schema_tokens: Tokens of the tool definitions, sent with every call.
        slots: Values fixed for a conversation.
        fresh: Values drawn anew for every text.
        outcomes: Task outcome -> weight.
        stream_share: Share of calls that stream, 0 to 1.
        silent_share: Share of streams that report no usage, 0 to 1.
    """

    name: str
    flow: Flow
    service: str
    version: str
    team: str
    share: float
    models: tuple[tuple[Model, float], ...]
    helper: Model | None = None
    helper_share: float = 0.0
    framework: Scope
    client: Scope
    helper_client: Scope | None = None
    inner_client: Scope | None = None
    inner_share: float = 0.0
    turns: tuple[int, int]
    rounds: tuple[int, int]
    schema_tokens: int
    system_prompt: str
    tools: tuple[Tool, ...]
    openings: tuple[str, ...]
    followups: tuple[str, ...]
    thoughts: tuple[str, ...]
    answers: tuple[str, ...]
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=_no_slots)
    fresh: Mapping[str, tuple[str, ...]] = field(default_factory=_no_slots)
    outcomes: Mapping[str, float]
    task_prefix: str
    user_prefix: str
    users: int
    stream_share: float = 0.0
    silent_share: float = 0.0
    temperature: float | None = None
    max_tokens: int | None = None
