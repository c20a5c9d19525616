"""Graph: which agents asked which models and tools, how often, and for how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import Literal

import pandas as pd
import pyarrow as pa
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import tables
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.text import shortened
from spanledger_dashboard.trace.steps import Step

Kind = Literal["agent", "model", "tool"]
Weight = Literal["Dollars", "Calls"]

NO_AGENT = "(no agent)"
_MOST_PER_KIND = 20
_LABEL_LIMIT = 34
_ROW_PX = 34
_MIN_HEIGHT, _MAX_HEIGHT = 260, 1_400
# Middle tones, as in charts.PALETTE; the shape says the kind without the colour.
_STYLES: Mapping[Kind, tuple[str, str]] = {
    "agent": ("#9856a8", "circle"),
    "model": ("#3b79dd", "roundRect"),
    "tool": ("#149077", "diamond"),
}
_ERROR_COLOR = "#d9434f"
_EDGE_COLOR = "#87929b"


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """An agent, a model or a tool; ``depth`` of agents: how many agents lie above."""

    kind: Kind
    name: str


@dataclass(slots=True)
class Edge:
    """How often one asked another, and for how much.

    Attributes:
        cost_usd: of a model or tool: of its calls; of an agent: of all that it did.
        duration_ns: summed over the calls.
    """

    source: Node
    target: Node
    calls: int = 0
    errors: int = 0
    tokens: int = 0
    cost_usd: Decimal | None = None
    duration_ns: int = 0

    def add(self, step: Step, cost: Decimal | None) -> None:
        """Count one step."""
        self.calls += 1
        self.errors += step.status == "error"
        self.tokens += step.tokens or 0 if step.is_counted else 0
        self.duration_ns += step.duration_ns
        if cost is not None:
            self.cost_usd = (self.cost_usd or Decimal(0)) + cost


def edges_of(steps: Sequence[Step]) -> list[Edge]:
    """Return who asked whom, the dearest first; what costs nothing by its number of calls."""
    names = {s.span_id: s.what for s in steps if s.role == "agent"}
    inside = _costs_inside(steps)
    found: dict[tuple[Node, Node], Edge] = {}
    for step in steps:
        source = Node("agent", names.get(step.owner_id) or step.agent or NO_AGENT)
        if step.role == "agent":
            if not step.owner_id:
                continue
            target, cost = Node("agent", step.what), inside.get(step.span_id)
        else:
            target = Node("model" if step.is_call else "tool", step.what)
            cost = step.cost_usd
        edge = found.setdefault((source, target), Edge(source, target))
        edge.add(step, cost)
    return sorted(found.values(), key=lambda e: (-(e.cost_usd or 0), -e.calls, e.target))


def _costs_inside(steps: Sequence[Step]) -> dict[str, Decimal]:
    """Return what each agent's span cost, with all agents below it."""
    owners = {s.span_id: s.owner_id for s in steps if s.role == "agent"}
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for step in steps:
        at, seen = step.owner_id, set[str]()
        while step.cost_usd is not None and at and at not in seen:
            found[at] += step.cost_usd
            seen.add(at)
            at = owners.get(at, "")
    return dict(found)


def with_rest(edges: Sequence[Edge]) -> list[Edge]:
    """Return edges to at most so many models and tools that people can read them.

    The rest of each kind becomes one node that says how many it stands for.
    """
    kept: dict[Node, Node] = {}
    for kind in ("agent", "model", "tool"):
        nodes = list(
            dict.fromkeys(n for e in edges for n in (e.source, e.target) if n.kind == kind)
        )
        kept |= {node: node for node in nodes[:_MOST_PER_KIND]}
        rest = nodes[_MOST_PER_KIND:]
        kept |= {node: Node(kind, f"{len(rest)} other {kind}s") for node in rest}
    merged: dict[tuple[Node, Node], Edge] = {}
    for edge in edges:
        ends = kept[edge.source], kept[edge.target]
        into = merged.setdefault(ends, Edge(*ends))
        for name in ("calls", "errors", "tokens", "duration_ns"):
            setattr(into, name, getattr(into, name) + getattr(edge, name))
        if edge.cost_usd is not None:
            into.cost_usd = (into.cost_usd or Decimal(0)) + edge.cost_usd
    return list(merged.values())


def show_graph(steps: Sequence[Step]) -> None:
    """Show the graph of a trace and the same as a table."""
    every = edges_of(steps)
    if not every:
        st.info(
            "No agent, model or tool was at work in this trace. The tree shows what ran.",
            icon=":material/hub:",
        )
        return
    has_costs = any(e.cost_usd for e in every)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        weight: Weight = (
            st.segmented_control(
                "Width of the lines",
                ["Dollars", "Calls"],
                default="Dollars" if has_costs else "Calls",
                required=True,
                key="graph_by",
                bind="query-params",
                label_visibility="collapsed",
            )
            or "Dollars"
        )
        st.caption(_legend(every, weight))
    edges = with_rest(every)
    st.echarts_chart(
        graph_option(edges, weight),
        height=_height(edges),
        key="trace-graph",
        alt="Agents on the left; the models and tools they asked on the right",
    )
    _show_table(every)


def _legend(edges: Sequence[Edge], weight: Weight) -> str:
    kinds = {n.kind for e in edges for n in (e.source, e.target)}
    shapes = {"agent": "● agents", "model": "■ models", "tool": "◆ tools"}
    listed = ", ".join(text for kind, text in shapes.items() if kind in kinds)
    red = "; red: something failed" if any(e.errors for e in edges) else ""
    return f"{listed}. Width: {'dollars' if weight == 'Dollars' else 'calls'}{red}."


def graph_option(edges: Sequence[Edge], weight: Weight) -> dict[str, object]:
    """Return the ECharts option: agents left, by depth; models above tools on the right."""
    places = _places(edges)
    heaviest = max((_weight(e, weight) for e in edges), default=0) or 1
    ids = {node: str(n) for n, node in enumerate(places)}
    right = max(x for x, _ in places.values())
    nodes = [_node(node, ids[node], place, edges, right) for node, place in places.items()]
    links = [
        {
            "source": ids[e.source],
            "target": ids[e.target],
            "value": e.calls,
            "name": _edge_text(e),
            "lineStyle": {
                "width": 1 + 13 * sqrt(_weight(e, weight) / heaviest),
                "color": _ERROR_COLOR if e.errors else _EDGE_COLOR,
                "curveness": 0.25 if e.source.kind == e.target.kind else 0.08,
                "opacity": 0.55,
            },
            "tooltip": {"formatter": _tooltip_text(_edge_text(e))},
        }
        for e in edges
    ]
    axis = {"show": False, "type": "value"}
    tallest = max(y for _, y in places.values())
    return {
        "animation": False,
        "tooltip": {"trigger": "item", "confine": True},
        "grid": {"left": 90, "right": 380, "top": 28, "bottom": 24},
        "xAxis": {**axis, "min": 0, "max": max(right, 1)},
        "yAxis": {**axis, "min": 0, "max": max(tallest, 1), "inverse": True},
        "series": [
            {
                "type": "graph",
                "coordinateSystem": "cartesian2d",
                "edgeSymbol": ["none", "arrow"],
                "edgeSymbolSize": 7,
                "emphasis": {"focus": "adjacency"},
                "data": nodes,
                "links": links,
            }
        ],
    }


def _node(
    node: Node, node_id: str, place: tuple[float, float], edges: Sequence[Edge], right: float
) -> dict[str, object]:
    color, symbol = _STYLES[node.kind]
    at_right = place[0] == right and right > 0
    figures = _node_text(node, edges)
    name = shortened(node.name, _LABEL_LIMIT)
    return {
        "id": node_id,
        "name": name,
        "value": list(place),
        "symbol": symbol,
        "symbolSize": 18 if node.kind == "agent" else 14,
        "itemStyle": {"color": color},
        "label": {
            "show": True,
            "position": "right" if at_right else "top",
            "fontSize": 12,
            "formatter": _tooltip_text(f"{name}   {figures}" if at_right else name),
        },
        "tooltip": {"formatter": _tooltip_text(f"{node.name}: {figures}")},
    }


def _places(edges: Sequence[Edge]) -> dict[Node, tuple[float, float]]:
    """Return where each node stands: agents in columns by depth, the rest in the last one."""
    depths = _depths(edges)
    columns: defaultdict[int, list[Node]] = defaultdict(list)
    last = max(depths.values(), default=0) + 1
    for node in dict.fromkeys(n for e in edges for n in (e.source, e.target)):
        columns[depths[node] if node.kind == "agent" else last].append(node)
    order = ("agent", "model", "tool")
    tallest = max(len(nodes) for nodes in columns.values())
    places: dict[Node, tuple[float, float]] = {}
    for x, nodes in sorted(columns.items()):
        nodes.sort(key=lambda n: order.index(n.kind))
        step = tallest / len(nodes)
        for n, node in enumerate(nodes):
            places[node] = (float(x), (n + 0.5) * step)
    return places


def _depths(edges: Iterable[Edge]) -> dict[Node, int]:
    """Return for each agent how many agents lie above it; a ring of agents ends where it began."""
    below: defaultdict[Node, list[Node]] = defaultdict(list)
    agents: dict[Node, None] = {}
    for edge in edges:
        agents[edge.source] = None
        if edge.target.kind == "agent":
            agents[edge.target] = None
            below[edge.source].append(edge.target)
    targets = {target for found in below.values() for target in found}
    depths = dict.fromkeys((a for a in agents if a not in targets), 0)
    waiting = list(depths) or list(agents)[:1]
    depths = depths or dict.fromkeys(waiting, 0)
    for node in waiting:
        for target in below[node]:
            if target not in depths:
                depths[target] = depths[node] + 1
                waiting.append(target)
    return {agent: depths.get(agent, 0) for agent in agents}


def _weight(edge: Edge, weight: Weight) -> float:
    return float(edge.cost_usd or 0) if weight == "Dollars" else float(edge.calls)


def _edge_text(edge: Edge) -> str:
    failed = f", {fmt.count(edge.errors)} failed" if edge.errors else ""
    dear = f", {fmt.usd(edge.cost_usd)}" if edge.cost_usd is not None else ""
    return f"{edge.source.name} → {edge.target.name}: {fmt.calls(edge.calls)}{failed}{dear}"


def _node_text(node: Node, edges: Sequence[Edge]) -> str:
    to = [e for e in edges if e.target == node] or [
        e for e in edges if e.source == node and e.target.kind != "agent"
    ]
    costs = [e.cost_usd for e in to if e.cost_usd is not None]
    calls = sum(e.calls for e in to)
    dear = f", {fmt.usd(sum(costs, Decimal(0)))}" if costs else ""
    return f"{fmt.calls(calls)}{dear}"


def _tooltip_text(text: str) -> str:
    """Return a text that an ECharts template shows as it is: no placeholder, no markup.

    Tooltips are HTML, and names come from outside.
    """
    for sign, stand_in in (("<", "‹"), (">", "›"), ("&", "＆"), ("{", "❴"), ("}", "❵"), ("|", "¦")):
        text = text.replace(sign, stand_in)
    return text


def _height(edges: Sequence[Edge]) -> int:
    counts: defaultdict[bool, set[Node]] = defaultdict(set)
    for edge in edges:
        for node in (edge.source, edge.target):
            counts[node.kind == "agent"].add(node)
    tallest = max(len(nodes) for nodes in counts.values())
    return min(max(_MIN_HEIGHT, tallest * _ROW_PX + 60), _MAX_HEIGHT)


def _show_table(edges: Sequence[Edge]) -> None:
    frame = _frame(edges)
    formats = {
        "Calls": tables.count,
        "Failed": tables.count,
        "Tokens": tables.short_count,
        "Cost": tables.usd,
        "Time": tables.duration,
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{fmt.count(len(edges))} connections**", width="stretch")
        show_downloads("trace-graph", lambda: _arrow(edges), what="Who asked whom in this trace.")
    st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        height="content" if len(frame) <= 12 else 460,
        placeholder=fmt.UNKNOWN,
        alt="Connections between agents, models and tools",
    )


def _frame(edges: Sequence[Edge]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "From": [e.source.name for e in edges],
            "To": [e.target.name for e in edges],
            "Kind": [e.target.kind for e in edges],
            "Calls": [e.calls for e in edges],
            "Failed": [e.errors for e in edges],
            "Tokens": pd.array([e.tokens or None for e in edges], dtype="Int64"),
            "Cost": [None if e.cost_usd is None else float(e.cost_usd) for e in edges],
            "Time": [e.duration_ns for e in edges],
        }
    )


def _arrow(edges: Sequence[Edge]) -> pa.Table:
    return pa.table(
        {
            "source": [e.source.name for e in edges],
            "target": [e.target.name for e in edges],
            "target_kind": [e.target.kind for e in edges],
            "calls": [e.calls for e in edges],
            "failed": [e.errors for e in edges],
            "tokens": [e.tokens for e in edges],
            "cost_usd": pa.array([e.cost_usd for e in edges], pa.decimal128(38, 12)),
            "duration_ns": [e.duration_ns for e in edges],
        }
    )
