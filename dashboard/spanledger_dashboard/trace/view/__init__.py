"""The trace tree: our one own component, plain JavaScript and CSS, registered once per process."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Protocol, cast

from streamlit.components.v2 import component

_FOLDER = files("spanledger_dashboard.trace.view")
_FILES = (
    *("numbers", "payload", "model", "path", "outline", "figures"),  # no DOM
    *("icons", "row", "minimap", "toolbar", "axis", "keys", "memory", "view"),
)


class _Result(Protocol):
    selected: str | None


def javascript() -> str:
    """Return the module the browser loads: all files as one, what others use first."""
    return "\n".join((_FOLDER / f"{n}.js").read_text(encoding="utf-8") for n in _FILES)


def stylesheet() -> str:
    """Return the component's own CSS; its colours are the theme's."""
    return (_FOLDER / "view.css").read_text(encoding="utf-8")


def trace_view(payload: bytes, *, key: str) -> str | None:
    """Show the tree of a trace and return the span people selected, 16 hex digits.

    Args:
        payload: bytes of :func:`spanledger_dashboard.trace.payload.pack`.
        key: names the component in the session.

    Returns:
        None until a span is selected by hand.
    """
    result = _component()(data=payload, key=key, on_selected_change=_nothing)
    return result.selected


def _nothing() -> None:
    """Without a callback the result would lack the attribute until the first selection."""


@cache
def _component() -> Callable[..., _Result]:
    made = component(
        "spanledger_trace_view",
        html='<div class="mount"></div>',
        js=javascript(),
        css=stylesheet(),
    )
    return cast("Callable[..., _Result]", made)
