"""What detectors look at: the steps of each agent of a trace, in order, each call once.

A lane is one run of an agent: what it did itself, not what agents below it did. A step is one turn
of the model with the tools it called; a lane without model calls has a step for each tool call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol

from spanledger_analytics.findings.finding import SpanRef


class ModelCall(NamedTuple):
    """One call of a chat model, as the ledger counts it.

    Times are UTC nanoseconds. None: not reported. ``output`` and ``input`` are hashes of messages
    in order (16 bytes each), empty when nothing recorded them.
    """

    ref: SpanRef
    start_ns: int
    end_ns: int
    provider: str = ""
    model: str = ""
    is_error: bool = False
    error_type: str = ""
    ttft_ns: int | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    finish_reason: str = ""
    total_cost_usd: Decimal | None = None
    uncached_cost_usd: Decimal | None = None
    cache_read_cost_usd: Decimal | None = None
    output_cost_usd: Decimal | None = None
    fees_cost_usd: Decimal | None = None
    input: tuple[bytes, ...] = ()
    output: tuple[bytes, ...] = ()


class ToolCall(NamedTuple):
    """One execution of a tool, however many instrumentations saw it.

    ``call_sig`` is equal for the same tool with the same arguments, ``result_sig`` for the same
    outcome and result without what differs every time (ids, times); 0: not known. ``evidence``
    says how an error is known: ``declared`` by the span, ``payload``: the result says so itself,
    ``suspected``: it reads like one; empty: none.
    """

    ref: SpanRef
    start_ns: int
    end_ns: int
    name: str = ""
    call_sig: int = 0
    result_sig: int = 0
    is_error: bool = False
    evidence: str = ""
    error_type: str = ""
    call_id: str = ""
    server: str = ""  # where it runs: MCP server, address; empty: not known
    cost_usd: Decimal | None = None


class Charge(NamedTuple):
    """What one entry of the ledger cost; None: no price is known."""

    start_ns: int
    end_ns: int
    ref: SpanRef
    cost_usd: Decimal | None


class Step(NamedTuple):
    """One turn: a call of the model and the tools it asked for; either may be missing."""

    model: ModelCall | None
    tools: tuple[ToolCall, ...]

    @property
    def start_ns(self) -> int:
        """Start of the turn."""
        return self.model.start_ns if self.model else self.tools[0].start_ns

    @property
    def end_ns(self) -> int:
        """End of the last of it."""
        ends = [tool.end_ns for tool in self.tools]
        return max([self.model.end_ns, *ends] if self.model else ends)


@dataclass(frozen=True, slots=True)
class Lane:
    """One run of an agent.

    Attributes:
        ref: its span; the root of the trace where no agent is known.
        parent: the run of an agent above it; None: there is none.
        agent_name: empty: not known.
        agent_version: the same.
        task: hash of what it was asked to do; empty: not recorded.
        steps: in order of time.
        human_ns: times at which a person said something (UTC ns, in order): progress.
        start_ns: start of its span.
        end_ns: end of what is known of it.
        is_open: its span has not ended.
        is_error: its span failed.
    """

    ref: SpanRef
    parent: SpanRef | None
    agent_name: str
    agent_version: str
    steps: tuple[Step, ...]
    task: bytes = b""
    human_ns: tuple[int, ...] = ()
    start_ns: int = 0
    end_ns: int = 0
    is_open: bool = False
    is_error: bool = False


class Texts(Protocol):
    """What was said in a trace, read when a detector first asks; at most 4 kB of each text."""

    def arguments(self, tool: ToolCall) -> str:
        """Return the arguments of a tool call; empty: not captured."""
        ...

    def output(self, model: ModelCall) -> str:
        """Return what the model answered, as text; empty: not captured."""
        ...


class NoTexts:
    """Texts of a trace whose content was not captured."""

    def arguments(self, tool: ToolCall) -> str:
        """Return nothing."""
        del tool
        return ""

    def output(self, model: ModelCall) -> str:
        """Return nothing."""
        del model
        return ""


class Baseline(NamedTuple):
    """What a trace is measured by; None: not known.

    Attributes:
        llm_calls_p99: calls of models in a trace of this agent: 99 of 100 have no more.
        session_usd: what traces of its session that began earlier cost.
        user_day_usd: what traces of its user that began earlier on the same UTC day cost.
    """

    llm_calls_p99: float | None = None
    session_usd: Decimal | None = None
    user_day_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TraceView:
    """A trace as detectors see it.

    Attributes:
        trace_id: 32 hex digits.
        lanes: runs of agents, by start; those of the trajectory's earlier traces are not in it.
        session_id: empty: not known; the same of the following.
        user_id: who asked.
        agent_name: the outermost agent.
        agent_version: of that agent.
        outcome: of the task, as reported: ``completed``, ``failed`` …
        is_open: the root has not arrived.
        is_error: the root failed.
        start_ns: UTC nanoseconds.
        end_ns: of what is known.
        total_cost_usd: of the trace; None: nothing is priced.
        other_costs: what is no step: embeddings, GPUs, sums over calls; those with a price.
        limits: of the project, by name, as users set them; see docs/findings.md.
        texts: what was said.
        baseline: what was usual and spent before.
        poll_tools: tools that ask again and again on purpose, as the project names them.
        mutating_tools: tools that change something: what follows is no repetition.
    """

    trace_id: str
    lanes: Sequence[Lane]
    session_id: str = ""
    user_id: str = ""
    agent_name: str = ""
    agent_version: str = ""
    outcome: str = ""
    is_open: bool = False
    is_error: bool = False
    start_ns: int = 0
    end_ns: int = 0
    total_cost_usd: Decimal | None = None
    other_costs: Sequence[Charge] = ()
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    texts: Texts = NoTexts()
    baseline: Baseline = Baseline()
    poll_tools: frozenset[str] = frozenset()
    mutating_tools: frozenset[str] = frozenset()
