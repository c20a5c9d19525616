"""Moments on the reader's clock, with UTC where they are hovered over.

In text: ``st.markdown(times.shown(where, at_s), help=times.utc(at_s))``, or :func:`show_time` for a
moment of its own. In HTML of ours: :func:`time_html`. In tables, where a cell has no tooltip of its
own, give the column ``help=times.column_help(where)``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

import streamlit as st

from spanledger_dashboard.scope import Scope


def shown(where: Scope, at_s: float, *, seconds: bool = False) -> str:
    """Return a moment (unix seconds) as read on the reader's clock: ``Mar 1, 14:05``."""
    local = where.local(at_s)
    day = "%b %-d" if local.year == datetime.now(UTC).year else "%b %-d %Y"
    return local.strftime(f"{day}, %H:%M:%S" if seconds else f"{day}, %H:%M")


def utc(at_s: float) -> str:
    """Return a moment (unix seconds) in UTC: ``2026-03-01 13:05:09 UTC``."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def show_time(where: Scope, at_s: float, label: str = "") -> None:
    """Show a moment in a quiet line, UTC on hover; ``label`` is ours, not from outside."""
    words = f"{label} {shown(where, at_s)}".strip()
    st.html(f'<span class="quiet">{time_html(where, at_s, words)}</span>')


def time_html(where: Scope, at_s: float, words: str = "") -> str:
    """Return a moment as HTML with UTC on hover; ``words`` default to the moment itself."""
    at = datetime.fromtimestamp(at_s, UTC)
    text = escape(words or shown(where, at_s))
    return f'<time datetime="{at.isoformat()}" title="{utc(at_s)}">{text}</time>'


def column_help(where: Scope) -> str:
    """Return what to say over a column of times."""
    return f"On your clock ({where.timezone})."
