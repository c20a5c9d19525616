"""Allocation: who bears the costs of a month, what nobody bears, and the rules behind it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pyarrow as pa
import streamlit as st

from spanledger_analytics.allocation.allocate import Allocation
from spanledger_analytics.allocation.export import focus_table, plain_table
from spanledger_analytics.allocation.matching import Rule, rules_of
from spanledger_analytics.allocation.months import Month, as_far, month_before, recent_months
from spanledger_analytics.allocation.owners import OWNER_FIELDS, UNALLOCATED
from spanledger_analytics.allocation.reading import load_allocation
from spanledger_analytics.allocation.report import BY_OWNER, Report, report_of
from spanledger_analytics.allocation.suggestions import dimension_command, unmatched
from spanledger_dashboard import pickers, scope, shell
from spanledger_dashboard.allocation import view
from spanledger_dashboard.allocation.tables import LABELS
from spanledger_dashboard.connection import state, store
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.empty_state import show_no_data
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import has_data
from spanledger_dashboard.scope import Scope
from spanledger_storage.allocation_rules import AllocationRules, RuleRow

_MONTHS = 24
_DIMENSIONS = 50
_BY = {LABELS[key]: key for key in (*OWNER_FIELDS, BY_OWNER)}


@st.cache_resource(ttl=60, max_entries=6, show_spinner="Adding up the month …")
def _allocation(project: str, from_s: int, to_s: int, rules: tuple[Rule, ...]) -> Allocation:
    return load_allocation(store(), project, from_s, to_s, rules)


@st.cache_data(ttl=600, max_entries=20, show_spinner=False)
def _dimensions(project: str, from_s: int, to_s: int) -> list[str]:
    params: dict[str, object] = {
        "project": project, "from_s": from_s, "to_s": to_s, "page_size": _DIMENSIONS,
    }  # fmt: skip
    return [str(row["dimension"]) for row in store().rows("allocation_dimensions", params)]


def _body() -> None:
    with explained():
        view.follow_click()
        now_s = scope.now_s()
        month, by = _show_head(now_s)
        where = scope.current()
        rows = _rules(where.project)
        rules = tuple(rules_of(rows))
        found = _allocation(where.project, month.start_s, month.end_s, rules)
        if not found.lines:
            _say_empty(where, month, now_s)
        else:
            _show(where, month, found, rules, by, now_s)
        view.show_rules(rows, where, now_s)


def _show_head(now_s: int) -> tuple[Month, str]:
    """Show title and pickers; return the month, on the reader's calendar, and what rows are."""
    zone = scope.zone(st.context.timezone or "UTC")
    months = {month.text: month for month in recent_months(now_s, zone, _MONTHS)}
    with shell.page_head("Allocation"):
        chosen = st.selectbox(
            "Month",
            list(months),
            key="month",
            bind="query-params",
            label_visibility="collapsed",
            icon=":material/calendar_month:",
            width=145,
        )
        label = st.selectbox(
            "Owners",
            list(_BY),
            key="by",
            bind="query-params",
            label_visibility="collapsed",
            icon=":material/group:",
            width=165,
        )
        pickers.refresh_picker(is_of_range=False)
        pickers.project_picker()
        shell.show_help()
    return months.get(str(chosen), next(iter(months.values()))), _BY.get(str(label), "team")


def _rules(project: str) -> list[RuleRow]:
    engine = state()
    if engine is None:
        st.info(
            "Rules are not known here: this dashboard is not told where the state database is. "
            "Set SPANLEDGER_STATE_URL for it.",
            icon=":material/database_off:",
        )
        return []
    return AllocationRules(engine).rows(project)


def _say_empty(where: Scope, month: Month, now_s: int) -> None:
    if has_data(where.project, now_s):
        st.info(f"Nothing was spent in {month.text}.", icon=":material/calendar_month:")
    else:
        show_no_data(where.project)


def _show(
    where: Scope, month: Month, found: Allocation, rules: tuple[Rule, ...], by: str, now_s: int
) -> None:
    before = as_far(month_before(month, scope.zone(where.timezone)), month, now_s)
    past = _allocation(where.project, before.start_s, before.end_s, rules)
    report = report_of(found, past if past.lines else None, by)
    view.show_cards(report, month.text)
    view.show_chart(report)
    _show_owners(where, month, found, rules, report)
    if any(line.owner == UNALLOCATED and not line.pool for line in found.lines):
        groups = unmatched(found, where.project)
        view.show_unmatched(groups, _dimension_command(where, month, rules))
    view.show_pools(found)


def _show_owners(
    where: Scope, month: Month, found: Allocation, rules: Sequence[Rule], report: Report
) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.subheader(f"By {LABELS[report.by].lower()}", anchor=False)
        with st.container(
            horizontal=True, width="content", gap="small", vertical_alignment="center"
        ):
            show_downloads(
                f"allocation-{month.text}",
                partial(plain_table, found, month),
                what="One row per owner, rule, model and agent; shares of pools apart. All exact",
            )
            st.caption("FOCUS", width="content")
            show_downloads(
                f"allocation-{month.text}-focus",
                partial(_focus, where.project, month, tuple(rules)),
                what="The same in the shape of FOCUS 1.4 Cost and Usage, by class of token",
            )
    row = view.show_owners(report)
    if row is not None:
        view.show_owner(found, report, row, (month.start_s, month.end_s))


def _focus(project: str, month: Month, rules: tuple[Rule, ...]) -> pa.Table:
    found = load_allocation(store(), project, month.start_s, month.end_s, rules, with_classes=True)
    return focus_table(found, month, project)


def _dimension_command(where: Scope, month: Month, rules: Sequence[Rule]) -> str:
    """Return the rule that takes owners from a dimension entries name and no rule looks at."""
    used = {value.removeprefix("dimension:") for rule in rules for _, value in rule.owner}
    names = _dimensions(where.project, month.start_s, month.end_s)
    return dimension_command([name for name in names if name not in used], where.project)


_body()
