"""What the list of traces is narrowed to: a menu of filters, and a chip for each in use.

Every filter is bound to the address under its own name, so other pages link here with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.traces.listing import STATUSES, Facets, SpanFacets, TraceFilter
from spanledger_dashboard.traces.search import Found

_NS_PER_S = 1_000_000_000
_VALUE_LENGTH = 32
_WIDTH_PX = 190
_NUMBER_LIMIT = 10**15

Kind = Literal["choice", "text", "number"]


@dataclass(frozen=True, slots=True)
class _Field:
    """One widget; ``key`` is also its name in the address."""

    key: str
    label: str
    kind: Kind = "choice"

    @property
    def empty(self) -> str | None:
        """The value that narrows nothing."""
        return "" if self.kind == "text" else None


@dataclass(frozen=True, slots=True)
class _Chip:
    """What one chip says and which widgets it empties."""

    label: str
    keys: tuple[str, ...]
    text: Callable[[Mapping[str, object]], str]


_FIELDS = {
    f.key: f
    for f in (
        _Field("q", "Name or trace id", "text"),
        _Field("find", "Text", "text"),
        _Field("agent", "Agent"),
        _Field("model", "Model"),
        _Field("tool", "Tool"),
        _Field("service", "Service"),
        _Field("environment", "Environment"),
        _Field("status", "Status"),
        _Field("outcome", "Outcome"),
        _Field("user", "User", "text"),
        _Field("session", "Session", "text"),
        _Field("min_cost", "Cost from ($)", "number"),
        _Field("max_cost", "Cost to ($)", "number"),
        _Field("min_tokens", "Tokens from", "number"),
        _Field("max_tokens", "Tokens to", "number"),
        _Field("min_duration", "Duration from (s)", "number"),
        _Field("max_duration", "Duration to (s)", "number"),
        _Field("attr", "Attribute"),
        _Field("attr_value", "Its value", "text"),
    )
}


def show_searches() -> None:
    """Show the two fields that are always there."""
    st.text_input(
        "Name or trace id",
        key="q",
        bind="query-params",
        on_change=to_first_page,
        live=True,
        type="search",
        placeholder="Name or trace id",
        label_visibility="collapsed",
        width=_WIDTH_PX,
    )
    st.text_input(
        "Text in prompts, answers and tools",
        key="find",
        bind="query-params",
        on_change=to_first_page,
        type="search",
        placeholder="Text in prompts, answers, tools",
        label_visibility="collapsed",
        width=260,
    )


def show_filters(facets: Facets, seen: SpanFacets) -> None:
    """Show the menu with all other filters."""
    with st.popover("Add filter", icon=":material/filter_alt:", key="filters"):
        with _line():
            _choice("agent", facets.agents)
            _choice("model", facets.models)
            _choice("tool", seen.tools)
        with _line():
            _choice("service", facets.services)
            _choice("environment", facets.environments)
            _choice("outcome", facets.outcomes)
        with _line():
            _choice("status", STATUSES, is_closed=True)
            _text("user")
            _text("session")
        with _line():
            _number("min_cost", "%.4f", 0.1)
            _number("min_tokens", "%d", 1000)
            _number("min_duration", "%.1f", 1.0)
        with _line():
            _number("max_cost", "%.4f", 0.1)
            _number("max_tokens", "%d", 1000)
            _number("max_duration", "%.1f", 1.0)
        with _line():
            _choice("attr", seen.attributes)
            _text("attr_value", placeholder="any value")


def show_chips() -> None:
    """Show what the list is narrowed to; a click on one takes it away."""
    state = _values()
    chips = [c for c in _CHIPS if any(state[key] not in (None, "") for key in c.keys)]
    if not chips:
        return
    with st.container(horizontal=True, gap="small", key="chips"):
        for chip in chips:
            text = shortened(chip.text(state), _VALUE_LENGTH)
            st.button(
                f"{chip.label}: {plain(text)}" if chip.label else plain(text),
                key=f"chip-{chip.keys[0]}",
                icon=":material/close:",
                icon_position="right",
                on_click=_clear,
                args=chip.keys,
                help="Take this filter away",
            )
        st.button("Clear all", key="chip-all", type="tertiary", on_click=_clear, args=(*_FIELDS,))


def content() -> dict[str, object]:
    """Return the filters in use: to be saved."""
    return {key: value for key, value in _values().items() if value not in (None, "")}


def apply(saved: Mapping[str, object]) -> None:
    """Set the filters to what was saved; before the page is run."""
    for field in _FIELDS.values():
        value = saved.get(field.key, field.empty)
        allowed = (int, float) if field.kind == "number" else (str,)
        is_good = isinstance(value, allowed) and not isinstance(value, bool)
        st.session_state[field.key] = value if is_good else field.empty
    to_first_page()


def to_first_page() -> None:
    """Forget the place in the list: what it is narrowed to or its order has changed."""
    for name in ("after", "before"):
        st.query_params.pop(name, None)


def text_searched() -> str:
    """Return the text to look for in prompts, answers and tools; empty: none."""
    return str(_values()["find"] or "").strip()


def chosen(
    project: str, from_s: int, to_s: int, spans_to_s: int, found: Found | None
) -> TraceFilter:
    """Return the filter the widgets describe; ``found`` None: no text is looked for."""
    state = _values()

    def text(key: str) -> str:
        return str(state[key] or "").strip()

    def number(key: str, scale: int = 1) -> int | None:
        return None if state[key] is None else round(_decimal(state[key]) * scale)

    return TraceFilter(
        project=project,
        from_s=from_s,
        to_s=to_s,
        spans_to_s=spans_to_s,
        agent=text("agent"),
        model=text("model"),
        service=text("service"),
        environment=text("environment"),
        user=text("user"),
        session=text("session"),
        status=text("status"),
        outcome=text("outcome"),
        tool=text("tool"),
        min_cost_usd=None if state["min_cost"] is None else _decimal(state["min_cost"]),
        max_cost_usd=None if state["max_cost"] is None else _decimal(state["max_cost"]),
        min_tokens=number("min_tokens") or 0,
        max_tokens=number("max_tokens"),
        min_duration_ns=number("min_duration", _NS_PER_S) or 0,
        max_duration_ns=number("max_duration", _NS_PER_S),
        text=text("q"),
        attribute=text("attr"),
        attribute_value=text("attr_value"),
        is_found_only=found is not None,
        found=found.trace_ids if found else (),
    )


def _line() -> DeltaGenerator:
    return st.container(horizontal=True, gap="small")


def _choice(key: str, options: Sequence[str], *, is_closed: bool = False) -> None:
    st.selectbox(
        _FIELDS[key].label,
        options,
        index=None,
        key=key,
        bind="query-params",
        on_change=to_first_page,
        # A link may name an agent that did nothing in this time range.
        accept_new_options=not is_closed,
        placeholder="any",
        width=_WIDTH_PX,
    )


def _text(key: str, placeholder: str = "any") -> None:
    st.text_input(
        _FIELDS[key].label,
        key=key,
        bind="query-params",
        on_change=to_first_page,
        placeholder=placeholder,
        width=_WIDTH_PX,
    )


def _number(key: str, shape: str, step: float) -> None:
    is_whole = isinstance(step, int)
    st.number_input(
        _FIELDS[key].label,
        min_value=0 if is_whole else 0.0,
        max_value=_NUMBER_LIMIT if is_whole else float(_NUMBER_LIMIT),
        value=None,
        step=step,
        format=shape,
        key=key,
        bind="query-params",
        on_change=to_first_page,
        placeholder="any",
        width=_WIDTH_PX,
    )


def _clear(*keys: str) -> None:
    for key in keys:
        st.session_state[key] = _FIELDS[key].empty
    to_first_page()


def _values() -> dict[str, object]:
    return {key: st.session_state.get(key, field.empty) for key, field in _FIELDS.items()}


def _decimal(value: object) -> Decimal:
    return Decimal(str(value or 0))


def _one(key: str) -> _Chip:
    return _Chip(_FIELDS[key].label, (key,), lambda state: str(state[key]))


def _range(label: str, name: str, unit: Callable[[object], str]) -> _Chip:
    low, high = f"min_{name}", f"max_{name}"

    def text(state: Mapping[str, object]) -> str:
        if state[low] is None:
            return f"{label} ≤ {unit(state[high])}"
        if state[high] is None:
            return f"{label} ≥ {unit(state[low])}"
        return f"{label} {unit(state[low])} to {unit(state[high])}"

    return _Chip("", (low, high), text)


def _attribute(state: Mapping[str, object]) -> str:
    value = cast("str", state["attr_value"] or "")
    return f"{state['attr'] or '(no attribute)'} = {value}" if value else f"has {state['attr']}"


_CHIPS = (
    *(_one(key) for key in ("q", "find", "agent", "model", "tool", "service", "environment")),
    *(_one(key) for key in ("status", "outcome", "user", "session")),
    _range("Cost", "cost", lambda v: f"${_decimal(v):,f}"),
    _range("Tokens", "tokens", lambda v: f"{_decimal(v):,.0f}"),
    _range("Duration", "duration", lambda v: f"{_decimal(v):,f} s"),
    _Chip("", ("attr", "attr_value"), _attribute),
)
