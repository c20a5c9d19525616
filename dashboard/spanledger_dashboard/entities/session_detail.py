"""One session on the screen: figures, cost from turn to turn, and the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import cast

import pandas as pd
import pyarrow as pa
import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import line_charts, links, scope, tables
from spanledger_dashboard.connection import store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.entities.detail import show_figure
from spanledger_dashboard.entities.kinds import EntityRow
from spanledger_dashboard.entities.listing import read_entities
from spanledger_dashboard.entities.page import Detail
from spanledger_dashboard.entities.session_turns import (
    MAX_TURNS,
    Row,
    Words,
    cumulative,
    load_turns,
    load_words,
)
from spanledger_dashboard.entities.traces import TraceQuery, trace_rows_frame
from spanledger_dashboard.overview.cards import said_tokens
from spanledger_dashboard.text import plain, shortened

_PAGE_SIZE = 20
_CHARTED_TURNS = 3
_TEXT_LIMIT = 1_200
_MAX_LINKS = 5


def show_session(detail: Detail) -> None:
    """Show a session: what it cost, its turns as a conversation, and as a table."""
    found = read_entities(detail.entity, detail.slice(detail.only))
    if not found.rows:
        st.info(
            "No trace of this session began in this time range. Choose a longer one above.",
            icon=":material/schedule:",
        )
        return
    [session] = found.rows
    _show_cards(session)
    _show_links(session)
    wanted = _query(detail)
    turns = _turns(wanted)
    sums = cumulative(turns)
    if len(turns) >= _CHARTED_TURNS:
        costs = [cast("Decimal | None", turn["total_cost_usd"]) for turn in turns]
        show_figure("Cost per turn", line_charts.turn_costs(costs))
    _show_table(detail, wanted, turns, sums)
    _show_conversation(detail, turns, sums)


def _query(detail: Detail) -> TraceQuery:
    window = detail.window
    return TraceQuery(
        detail.where.project, window.start_s, window.end_s, "session", detail.only.value, "oldest"
    )


@st.cache_data(ttl=60, max_entries=50, show_spinner="Looking for traces …")
def _turns(wanted: TraceQuery) -> list[dict[str, object]]:
    return load_turns(store(), wanted.params)


@st.cache_data(ttl=60, max_entries=50, show_spinner="Reading what was said …")
def _words(project: str, _turns: Sequence[Row], ids: tuple[str, ...]) -> dict[str, Words]:
    del ids  # the cache's key
    return load_words(store(), project, _turns)


def _show_cards(session: EntityRow) -> None:
    totals = session.totals
    per_turn = None if totals.cost_usd is None else totals.cost_usd / session.traces
    cards = (
        ("Cost", fmt.usd(totals.cost_usd), "Sum of what is priced."),
        ("Turns", fmt.count(session.traces), "Traces of this session in this time range."),
        ("Per turn", fmt.usd(per_turn), "Mean cost of a trace."),
        ("Failed turns", fmt.count(session.failed_traces), "Traces with a failed span."),
        (
            "Tokens",
            fmt.short_count(totals.tokens),
            said_tokens(totals),
        ),
        (
            "Cache hit rate",
            fmt.percent(totals.cache_read_tokens, totals.input_tokens),
            "Input tokens read from the provider's prompt cache.",
        ),
        (
            "Lasted",
            fmt.duration((session.last_ms - session.first_ms) * 10**6),
            "From the first start to the last end.",
        ),
    )
    with st.grid(len(cards), min_column_width=130, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)


def _show_links(session: EntityRow) -> None:
    with st.container(horizontal=True, gap="medium"):
        for entity, icon, names in (
            ("user", ":material/person:", session.users),
            ("agent", ":material/smart_toy:", session.agents),
        ):
            for name in names[:_MAX_LINKS]:
                st.page_link(
                    links.PAGES[entity],
                    label=plain(shortened(name, 40)),
                    icon=icon,
                    query_params=links.entity_query(entity, name),
                )


def _show_table(
    detail: Detail, wanted: TraceQuery, turns: Sequence[Row], sums: Sequence[Decimal]
) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Turns**", width="stretch")
        show_downloads(
            "session", partial(_table, wanted), what="The turns of this session, oldest first."
        )
    frame = turn_frame(detail, turns, sums)
    column = st.column_config
    state = st.dataframe(
        tables.styled(
            frame,
            {
                "Duration": tables.duration,
                "Cost": tables.usd,
                "So far": tables.usd,
                "Calls": tables.count,
                "Tokens": tables.short_count,
                "Errors": lambda v: "" if v == 0 else tables.count(v),
            },
        ),
        hide_index=True,
        placeholder=fmt.UNKNOWN,
        height="content" if len(frame) <= 10 else 390,
        column_config={
            "Turn": column.Column(width=56),
            "Started": scope.moments("MMM D, HH:mm:ss", width=130),
            "Name": column.TextColumn(width=240),
            "Agent": column.TextColumn(width=150),
            "Status": column.TextColumn(width=90),
            "Outcome": column.TextColumn(width=100),
        },
        key="turns",
        on_select="rerun",
        selection_mode="single-cell",
        alt="Turns of the session; a click opens the trace",
    )
    if state.selection.cells:
        links.open_trace(str(turns[state.selection.cells[0][0]]["trace_id"]))
    if len(turns) == MAX_TURNS:
        st.caption(f"The first {fmt.count(MAX_TURNS)} turns.")


def turn_frame(detail: Detail, turns: Sequence[Row], sums: Sequence[Decimal]) -> pd.DataFrame:
    """Return the turns, oldest first; ``So far``: dollars of the session after each."""
    frame = trace_rows_frame(turns, detail.where)
    frame.insert(0, "Turn", range(1, len(turns) + 1))
    frame.insert(list(frame.columns).index("Cost") + 1, "So far", [float(usd) for usd in sums])
    return frame


def _table(wanted: TraceQuery) -> pa.Table:
    return store().arrow(
        "dashboard_entity_traces", {**wanted.params, "sort": "oldest", "page_size": MAX_TURNS}
    )


def _show_conversation(detail: Detail, turns: Sequence[Row], sums: Sequence[Decimal]) -> None:
    st.subheader("Conversation", anchor=False)
    pages = -(-len(turns) // _PAGE_SIZE)
    number = 1
    if pages > 1:
        number = min(st.pagination(pages, key="page", bind="query-params"), pages)
    first = (number - 1) * _PAGE_SIZE
    shown = turns[first : first + _PAGE_SIZE]
    ids = tuple(str(turn["trace_id"]) for turn in shown)
    words = _words(detail.where.project, shown, ids)
    if not any(said.question or said.answer for said in words.values()):
        st.caption("No messages are stored for these traces: their content was not sent, or kept.")
    for place, turn in enumerate(shown):
        _show_turn(first + place + 1, turn, sums[first + place], words.get(ids[place], Words()))


def _show_turn(number: int, turn: Row, so_far: Decimal, words: Words) -> None:
    cost = cast("Decimal | None", turn["total_cost_usd"])
    failed = f" · :red[{plain(turn['error_count'])} errors]" if turn["error_count"] else ""
    with st.container(border=True, key=f"turn-{number}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{number}** · {plain(shortened(str(turn['name']), 60))} · "
                f"**{plain(fmt.usd(cost))}** · so far {plain(fmt.usd(so_far))} · "
                f"{fmt.short_count(cast('int | None', turn['tokens']))} tokens · "
                f"{fmt.duration(cast('int', turn['duration_ns']))}{failed}",
                width="stretch",
            )
            st.page_link(
                "app_pages/trace.py",
                label="Open trace",
                icon=":material/timeline:",
                query_params=links.trace_query(str(turn["trace_id"])),
            )
        for role, avatar, text in (
            ("user", ":material/person:", words.question),
            ("assistant", ":material/smart_toy:", words.answer),
        ):
            if text:
                with st.chat_message(role, avatar=avatar):
                    st.text(text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}…")
