"""Runs of agents whose true calls are known: what happened, and who shows it how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from hypothesis import strategies as st

from tests.analytics.shown import SHOWN
from tests.analytics.shown_agents import AGENTS, NO_TOOLS, TOOLS
from tests.analytics.shown_usage import Usage


@dataclass
class Called:
    """One request to a provider, and who shows it how.

    ``outcome``: answered, failed, or silent (answered, but nobody learned the usage). ``shape``:
    the views lie below one another (nested; gap: with a span between), beside one another
    (siblings), or all but the first in traces of their own (traces).
    """

    provider: str
    usage: Usage
    outcome: str
    shape: str
    views: list[str]
    lasts_ms: int
    failed_attempts: int
    log_skew_ms: int | None


@dataclass
class Routed:
    """A model span of a framework that is the sum of the calls below it, or a choice of them."""

    calls: list[Called]


@dataclass
class Used:
    """One execution of a tool; ``mcp``: how the server's span hangs with the framework's."""

    name: str
    framework: str
    mcp: str
    lasts_ms: int
    children: list[Node]


@dataclass
class NoTool:
    """A span that is shaped like a tool's and is none."""

    which: int


@dataclass
class Agent:
    """An agent or workflow; ``repeats_sum``: it carries the tokens of all calls below it."""

    style: int
    repeats_sum: bool
    is_parallel: bool
    children: list[Node]


Node: TypeAlias = "Called | Routed | Used | NoTool | Agent"


def usages() -> st.SearchStrategy[Usage]:
    """Usage with parts that fit into their totals."""

    def build(uncached: int, read: int, short: int, long: int, text: int, reasoning: int) -> Usage:
        return Usage(
            input=uncached + read + short + long,
            cache_read=read,
            cache_write=short + long,
            cache_write_5m=short,
            cache_write_1h=long,
            output=text + reasoning,
            reasoning=reasoning,
        )

    few = st.integers(0, 300)
    return st.builds(build, st.integers(1, 500), few, few, few, st.integers(1, 200), few)


def called(shapes: tuple[str, ...] = ("nested", "gap", "siblings", "traces")) -> (
    st.SearchStrategy[Called]
):  # fmt: skip
    """A call of any kind."""
    return st.builds(
        Called,
        provider=st.sampled_from(["openai", "anthropic"]),
        usage=usages(),
        outcome=st.sampled_from(["answered", "answered", "answered", "failed", "silent"]),
        shape=st.sampled_from(shapes),
        views=st.lists(st.sampled_from(list(SHOWN)), min_size=1, max_size=4),
        lasts_ms=st.integers(40, 400),
        failed_attempts=st.sampled_from([0, 0, 0, 1, 3]),
        log_skew_ms=st.none() | st.integers(-300, 300),
    )


def _answered(call: Called) -> Called:
    return replace(call, outcome="answered", failed_attempts=0)


def _extended(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(children, max_size=4)
    return st.one_of(
        st.builds(
            Agent,
            style=st.integers(0, len(AGENTS) - 1),
            repeats_sum=st.booleans(),
            is_parallel=st.booleans(),
            children=some,
        ),
        st.builds(
            Used,
            name=st.sampled_from(["search", "book_flight"]),
            framework=st.sampled_from(list(TOOLS)),
            mcp=st.sampled_from(["none", "nested", "client", "siblings", "traces"]),
            lasts_ms=st.integers(5, 60),
            children=some,
        ),
        st.builds(Routed, st.lists(called().map(_answered), min_size=2, max_size=3)),
        st.builds(NoTool, st.integers(0, len(NO_TOOLS) - 1)),
    )


def runs() -> st.SearchStrategy[Agent]:
    """An agent's run: a tree of agents, tools and calls with at least one call."""
    nodes = st.recursive(called(), _extended, max_leaves=8)
    return st.builds(
        Agent,
        style=st.integers(0, len(AGENTS) - 1),
        repeats_sum=st.booleans(),
        is_parallel=st.booleans(),
        children=st.lists(nodes, min_size=1, max_size=4),
    ).map(distinct)


def changed(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return a tree with every node changed, children after their parents."""
    node = change(node)
    if isinstance(node, Routed):
        calls = [changed(call, change) for call in node.calls]
        return replace(node, calls=[call for call in calls if isinstance(call, Called)])
    if isinstance(node, (Used, Agent)):
        return replace(node, children=[changed(child, change) for child in node.children])
    return node


def distinct(root: Agent) -> Agent:
    """Return a run without calls that nobody could tell apart.

    No two calls use equally much, and where some run in parallel the same instrumentations see
    all of them: of two failures at one time, each seen by another one, no test can say more.
    """
    numbers = iter(range(1_000))
    is_parallel = root != in_a_row(root)
    first_call: list[Called] = []
    first_tool: list[Used] = []

    def change(node: Node) -> Node:
        if isinstance(node, Called):
            first_call.append(node)
            usage = replace(node.usage, output=node.usage.output + 1_000 * next(numbers))
            told = first_call[0] if is_parallel else node
            return replace(node, usage=usage, views=told.views, provider=told.provider)
        if isinstance(node, Used) and is_parallel:
            first_tool.append(node)
            return replace(node, framework=first_tool[0].framework, mcp=first_tool[0].mcp)
        return node

    found = changed(root, change)
    assert isinstance(found, Agent)
    return found


def in_a_row(root: Agent) -> Agent:
    """Return a run in which nothing happens at the same time."""

    def change(node: Node) -> Node:
        return replace(node, is_parallel=False) if isinstance(node, Agent) else node

    found = changed(root, change)
    assert isinstance(found, Agent)
    return found


def alike(root: Agent) -> Agent:
    """Return a run in a row of which all calls used equally much, and no clock is off."""
    usages: list[Usage] = []

    def change(node: Node) -> Node:
        if not isinstance(node, Called):
            return node
        usages.append(node.usage)
        skew = None if node.log_skew_ms is None else 0
        return replace(node, usage=usages[0], log_skew_ms=skew)

    found = changed(in_a_row(root), change)
    assert isinstance(found, Agent)
    return found
