"""Ways from one page to another that keep what the reader looks at: project and time range."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

# Project and usual ranges are bound to their pickers: the browser carries those along by itself.
_BOUNDS = ("from", "to")
PAGES = {
    "agent": "app_pages/agents.py",
    "model": "app_pages/models.py",
    "session": "app_pages/sessions.py",
    "tool": "app_pages/tools.py",
    "user": "app_pages/users.py",
}


def scope_query() -> dict[str, str]:
    """Return what a link has to add so that the next page shows the same time."""
    return {key: st.query_params[key] for key in _BOUNDS if key in st.query_params}


def entity_query(entity: str, name: str) -> dict[str, str]:
    """Return the query of the detail page of an agent, a model, a session, a tool or a user."""
    return {**scope_query(), entity: name}


def open_entity(entity: str, name: str) -> NoReturn:
    """Go to the detail page of an agent, a model, a session, a tool or a user.

    The pickers keep what they hold; what is bound to them cannot be set here.
    """
    st.switch_page(PAGES[entity], query_params={entity: name})


def open_here(entity: str, name: str) -> NoReturn:
    """Show the detail of one of a list on the same page; the rest of the address stays."""
    st.query_params[entity] = name
    st.rerun()


def open_trace(trace_id: str) -> NoReturn:
    """Go to a trace."""
    st.switch_page("app_pages/trace.py", query_params={"trace_id": trace_id})


def trace_query(trace_id: str) -> dict[str, str]:
    """Return the query of the page of a trace, which has its own time."""
    project = st.query_params.get("project")
    return {"trace_id": trace_id, **({"project": project} if project else {})}
