"""A list of agents, models, users, sessions or tools, and the way into each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope, tables
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.empty_state import show_no_data, show_nothing_in_range
from spanledger_dashboard.entities.columns import entity_config, entity_frame, entity_texts
from spanledger_dashboard.entities.kinds import (
    Entity,
    EntityRows,
    Slice,
    entity_table,
    load_entities,
)
from spanledger_dashboard.freshness import has_data, show_freshness
from spanledger_dashboard.scope import Scope

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_ROW_HEIGHT_PX = 35
_VISIBLE_ROWS = 20


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as read, and as a table for the screen."""

    found: EntityRows
    table: Styler


def show_list(entity: Entity) -> None:
    """Show the list page of one kind of entity; a click on a row opens it."""
    where, now_s = scope.current(), scope.now_s()
    show_freshness(where.project, now_s)
    searched = st.container(horizontal=True, vertical_alignment="center")
    with searched:
        text = st.text_input(
            f"Search {entity.plural}",
            key="q",
            bind="query-params",
            live=True,
            type="search",
            placeholder=f"Search {entity.plural}",
            label_visibility="collapsed",
            width=260,
        )
    window = where.time_range.window(now_s)
    wanted = Slice(where.project, window, where.time_range.bucket_s, text=(text or "").strip())
    listed = read_list(entity, wanted, where)
    found = listed.found
    if found.rows:
        with searched:
            st.markdown(_summary(entity, found), width="stretch")
            show_rows_download(entity, wanted)
        show_rows(entity, listed, key=_list_key(entity))
        if entity.key == "session":
            st.caption("Traces without a session are not in this list; Traces shows them all.")
    elif wanted.text:
        st.info("Nothing matches. Clear the search.", icon=":material/search_off:")
    elif not has_data(where.project, now_s):
        show_no_data(where.project)
    else:
        _show_none(entity)


def show_rows(entity: Entity, listed: Listed, *, key: str) -> None:
    """Show a list as a table; a click on a row leads to its detail page, where there is one."""
    rows = listed.found.rows
    height: int | Literal["content"] = (_VISIBLE_ROWS + 1) * _ROW_HEIGHT_PX + 2
    if len(rows) <= _VISIBLE_ROWS:
        height = "content"
    can_open = entity.key in links.PAGES
    state = st.dataframe(
        listed.table,
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height=height,
        column_config=entity_config(entity),
        key=key,
        on_select="rerun",
        selection_mode="single-cell",
        alt=f"{entity.title}, {entity.order} first{'; a click opens one' if can_open else ''}",
    )
    cells = state.selection.cells
    if cells and can_open:
        name = rows[cells[0][0]].name
        if key == _list_key(entity):
            links.open_here(entity.key, name)
        links.open_entity(entity.key, name)


def show_rows_download(entity: Entity, wanted: Slice) -> None:
    """Show the menu that downloads a list."""
    part = "" if wanted.only is None else f"-{wanted.only.column}"
    show_downloads(
        f"{entity.plural.replace(' ', '-')}{part}",
        partial(_table, entity, wanted),
        what=f"All {entity.plural} of this list: exact dollars, UTC times, durations in ns.",
    )


# Both are kept as they are: nobody changes them, and unpacking a thousand rows takes longer than
# drawing them.


@st.cache_resource(ttl=60, max_entries=50, show_spinner="Adding up …")
def read_entities(entity: Entity, wanted: Slice) -> EntityRows:
    """Return a list, kept for a minute.

    Raises:
        StoreError: the store does not answer.
    """
    return load_entities(store(), entity, wanted)


@st.cache_resource(ttl=60, max_entries=50, show_spinner=False)
def read_list(entity: Entity, wanted: Slice, where: Scope) -> Listed:
    """Return a list and its table on the reader's clock, kept for a minute.

    Raises:
        StoreError: the store does not answer.
    """
    found = read_entities(entity, wanted)
    frame = entity_frame(entity, found.rows, where)
    return Listed(found, tables.styled(frame, entity_texts(entity)))


def _table(entity: Entity, wanted: Slice) -> pa.Table:
    return entity_table(store(), entity, wanted)


def _list_key(entity: Entity) -> str:
    return f"list-{entity.key}"


def _summary(entity: Entity, found: EntityRows) -> str:
    if found.count == 1:
        return f"**1** {entity.key}"
    text = f"**{fmt.count(found.count)}** {entity.plural}"
    left_out = found.count - len(found.rows)
    return f"{text}, of which the {fmt.count(len(found.rows))} {entity.order}" if left_out else text


_HINTS = {
    "session": "No session in this time range. A session is what spans carry as session.id or "
    "gen_ai.conversation.id.",
    "tool": "No tool was run in this time range. Tools show up as spans of kind execute_tool.",
}


def _show_none(entity: Entity) -> None:
    hint = _HINTS.get(entity.key)
    if hint:
        st.info(hint, icon=":material/info:")
    else:
        show_nothing_in_range()
