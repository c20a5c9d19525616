"""What the page on allocation shows: cards, owners, what nobody bears, shared costs, rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import pandas as pd
import streamlit as st

from spanledger_analytics.allocation.allocate import Allocation
from spanledger_analytics.allocation.report import (
    OwnerRow,
    Report,
    lines_of,
    parts_of,
    shares_of,
)
from spanledger_analytics.allocation.suggestions import Unmatched
from spanledger_dashboard import format as fmt
from spanledger_dashboard import pickers, tables
from spanledger_dashboard.allocation import charts
from spanledger_dashboard.allocation import tables as allocation_tables
from spanledger_dashboard.downloads import show_titled
from spanledger_dashboard.records import records_table
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened
from spanledger_storage.allocation_rules import RuleRow

_CHART = {"displayModeBar": False}
_OPEN_KEY = "allocation-open"
_TABLE_HEIGHT_PX = 460
_NAME_LIMIT = 60
_COMMANDS = 3
_UNMATCHED = 12


def show_cards(report: Report, month: str) -> None:
    """Show the sums of the month."""
    total, left = report.total_usd, report.unallocated
    before = [row.before_usd for row in report.rows if row.before_usd is not None]
    change = fmt.change(total, sum(before)) if before else None
    shared = sum(report.pools_usd.values())
    cards = [
        (
            "Total",
            fmt.usd(total),
            change,
            "vs month before" if change else "nothing earlier to compare",
            f"The ledger of {month}, {fmt.usd(report.ledger_usd)}"
            + (
                f", and {fmt.usd(report.gpu_unused_usd)} of GPU time that no entry pays for."
                if report.gpu_unused_usd
                else ". Calls without a price are not in it."
            ),
        ),
        (
            "Allocated",
            fmt.percent(total - left.total_usd, total),
            None,
            fmt.usd(total - left.total_usd),
            "What rules give to owners, shared costs among it.",
        ),
        (
            "Shared costs",
            fmt.usd(shared),  # type: ignore[arg-type]  # of no pools the sum is the number 0
            None,
            fmt.percent(shared, total) + " of the total",
            "What rules collect in pools and split among owners.",
        ),
        (
            "Unallocated",
            fmt.usd(left.total_usd),
            None,
            fmt.percent(left.total_usd, total) + " of the total",
            "What meets no rule, and shared costs that could not be split.",
        ),
    ]
    with st.grid(len(cards), min_column_width=165, gap="small"):
        for label, text, delta, note, explanation in cards:
            st.metric(
                label,
                text,
                delta,
                delta_color="inverse" if delta else "off",
                delta_arrow="auto" if delta else "off",
                delta_description=note,
                border=True,
                height="stretch",
                help=plain(explanation),
            )


def show_chart(report: Report) -> None:
    """Show owners as bars."""
    with st.container(border=True):
        st.plotly_chart(
            charts.owners(report),
            key="owners-chart",
            config=_CHART,
            alt="Direct and shared costs by owner",
        )


def show_owners(report: Report) -> OwnerRow | None:
    """Show the report; return the row that is picked."""
    event = st.dataframe(
        allocation_tables.owners(report),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"owners-{report.by}",
        height="content" if len(report.rows) < 13 else _TABLE_HEIGHT_PX,
        placeholder=fmt.UNKNOWN,
        column_config={
            allocation_tables.LABELS[report.by]: st.column_config.TextColumn(width="medium"),
            "Month before": st.column_config.Column(help="The same days of it, while one runs."),
            "Tasks": st.column_config.Column(
                help="Tasks that began in the month, by what their first trace tells."
            ),
        },
        alt="Owners and what they bear; pick a row to see what it is made of",
    )
    rows = event["selection"]["rows"]
    return report.rows[rows[0]] if rows and rows[0] < len(report.rows) else None


def show_owner(
    allocation: Allocation, report: Report, row: OwnerRow, bounds: tuple[int, int]
) -> None:
    """Show what an owner bears, by model, agent and pool, and the ways to its calls."""
    lines = lines_of(allocation, row, report.by)
    name = shortened(allocation_tables.shown_name(row, report.by), _NAME_LIMIT)
    with st.container(border=True, key="owner"):
        st.markdown(
            f"**{plain(name)}** · {plain(fmt.usd(row.direct_usd))} direct · "
            f"{plain(fmt.usd(row.shared_usd))} shared"
        )
        left, right = st.columns(2)
        with left:
            frame, formats = allocation_tables.parts(parts_of(lines, "model"), "Model")
            _table(frame, formats, "owner-models", "Models, the dearest first")
        with right:
            agents = parts_of(lines, "agent")
            frame, formats = allocation_tables.parts(agents, "Agent")
            alt = "Agents; pick one to go to its calls"
            picked = _pick(frame, formats, "owner-agents", alt)
            if picked is not None and agents[picked].name:
                _show_ways(agents[picked].name, bounds)
        shares = shares_of(allocation, row, report.by)
        if shares:
            frame, formats = allocation_tables.shares(shares, report)
            _table(frame, formats, "owner-shares", "Shares of pools")


def _show_ways(agent: str, bounds: tuple[int, int]) -> None:
    with st.container(horizontal=True):
        for label, icon, page, query in (
            ("Cost explorer", ":material/query_stats:", "cost", {"only": f"agent: {agent}"}),
            ("Traces", ":material/account_tree:", "traces", {"agent": agent}),
        ):
            st.button(
                label,
                icon=icon,
                key=f"open-{page}",
                on_click=_open,
                args=(page, query, bounds),
            )


def _open(page: str, query: dict[str, str], bounds: tuple[int, int]) -> None:
    # The range picker of the next page holds this session's time, whatever an address says.
    pickers.choose_bounds(*bounds)
    times = {"from": str(bounds[0]), "to": str(bounds[1])}
    st.session_state[_OPEN_KEY] = page, query | times


def follow_click() -> None:
    """Go to the page somebody asked for with the last click; call it first on the page."""
    asked = st.session_state.pop(_OPEN_KEY, None)
    if asked:
        st.switch_page(f"app_pages/{asked[0]}.py", query_params=asked[1])


def show_unmatched(found: Sequence[Unmatched], first_command: str) -> None:
    """Show what meets no rule, and rules that would change that."""
    show_titled("Unallocated", "unallocated", partial(records_table, found),
                what="Every group that meets no rule, in picodollars")  # fmt: skip
    total = sum(one.usd for one in found)
    listed = found[:_UNMATCHED]
    largest = f" The {_UNMATCHED} largest of them are below." if len(listed) < len(found) else ""
    st.warning(
        f"**{plain(fmt.usd(total))}** meet no rule,"  # type: ignore[arg-type]  # found is not empty
        f" in {fmt.count(len(found))} group{'' if len(found) == 1 else 's'}.{largest}",
        icon=":material/person_off:",
    )
    frame, formats = allocation_tables.unmatched(listed)
    _table(frame, formats, "unmatched", "Groups that meet no rule, the dearest first")
    commands = list(dict.fromkeys(c for c in (first_command, *(o.command for o in listed)) if c))
    if commands:
        st.caption("Type these where the product runs, with your own names for TEAM:")
        st.code("\n".join(commands[:_COMMANDS]), language="bash")


def show_pools(allocation: Allocation) -> None:
    """Show shared costs and how they are split."""
    if not allocation.splits:
        return
    show_titled("Shared costs", "pools", partial(records_table, allocation.splits),
                what="Every pool, in picodollars, and how it is split")  # fmt: skip
    frame, formats = allocation_tables.pools(allocation.splits)
    _table(frame, formats, "pools", "Shared costs")
    st.caption(
        "Split to the picodollar: first among the owners’ names, then within a name by direct "
        "spend. What cannot be split is unallocated."
    )


def show_rules(rows: Sequence[RuleRow], where: Scope, now_s: int) -> None:
    """Show the rules, or how to make the first one."""
    if not rows:
        st.subheader("Rules", anchor=False)
        st.markdown("No rules yet: everything is unallocated. A rule says who bears what:")
        st.code(
            "spanledger allocation set by-team --team dimension:team\n"
            "spanledger allocation set support --match 'agent=support-*' --team support\n"
            "spanledger allocation set idle --match 'unused=*' --shared 'Unused capacity'",
            language="bash",
        )
        return
    show_titled("Rules", "allocation-rules", partial(records_table, rows),
                what="Every rule, times in UTC")  # fmt: skip
    frame, formats = allocation_tables.rules(rows, where, now_s)
    _table(frame, formats, "rules", "Rules in the order they are asked in")
    st.caption(
        "The first rule whose conditions all hold decides. `spanledger allocation set` and "
        "`remove` change them, `check` explains what an entry meets, `log` tells who changed what."
    )


def _table(frame: pd.DataFrame, formats: allocation_tables.Formats, key: str, alt: str) -> None:
    st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        key=key,
        height=_height(frame),
        placeholder=fmt.UNKNOWN,
        alt=alt,
    )


def _pick(
    frame: pd.DataFrame, formats: allocation_tables.Formats, key: str, alt: str
) -> int | None:
    """Show a table; return the place of the row that is picked."""
    event = st.dataframe(
        tables.styled(frame, formats),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        height=_height(frame),
        placeholder=fmt.UNKNOWN,
        alt=alt,
    )
    rows = event["selection"]["rows"]
    return rows[0] if rows and rows[0] < len(frame) else None


def _height(frame: pd.DataFrame) -> int | Literal["content"]:
    return "content" if len(frame) < 9 else 320
