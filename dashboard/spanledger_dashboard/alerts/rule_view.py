"""One rule: its figures, what it measures now, how often it would have fired, who changed it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

import pandas as pd
import pyarrow as pa
import streamlit as st

from spanledger_alerts.backtest import Backtest, WouldFire
from spanledger_alerts.errors import AlertsError
from spanledger_alerts.notification import Unit
from spanledger_alerts.rules import Rule
from spanledger_alerts.sample import Sample
from spanledger_alerts.text import duration, figure, web_address
from spanledger_dashboard import format as fmt
from spanledger_dashboard import scope, tables, times
from spanledger_dashboard.alerts import measuring
from spanledger_dashboard.alerts.incidents import SEVERITY_NAMES
from spanledger_dashboard.alerts.lasting import lasting
from spanledger_dashboard.alerts.rule_book import Entry
from spanledger_dashboard.alerts.rule_table import Fared, state_text, thresholds
from spanledger_dashboard.cache.tables import table
from spanledger_dashboard.downloads import show_downloads
from spanledger_dashboard.scope import Scope, now_s
from spanledger_dashboard.text import plain

_NS_PER_S = 10**9
_DAY_S = 86_400
_PERIODS = {"1 day": 1, "7 days": 7, "14 days": 14}
_MOST_SAMPLES = 200
_TIME = pa.timestamp("ns", "UTC")


def show_head(one: Fared, where: Scope) -> None:
    """Show what a rule is and how it fares."""
    rule = one.rule
    st.subheader(plain(rule.title), anchor=False)
    if rule.description:
        st.markdown(plain(rule.description))
    row, fired = one.row, one.fired
    cards = [
        ("State", state_text(one), "In this project, by the last evaluation."),
        ("Fired", fmt.count(fired.times if fired else 0), "Incidents that began in the range."),
        ("Last fired", _moment(fired.last_ns if fired else None, where), "In the time range."),
        ("Evaluated", _moment(row.slot_ns if row else None, where),
         f"Every {duration(rule.every)}; what is newer than "
         f"{duration(rule.delay)} does not count yet."),
        ("Rows", fmt.count(row.samples if row else None), "That the last evaluation looked at."),
        ("Took", fmt.duration(row.duration_ns if row else None), "The last evaluation."),
    ]  # fmt: skip
    with st.grid(len(cards), min_column_width=130, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)
    if row is not None and row.last_error:
        st.error(f"It could not be evaluated: {plain(row.last_error)}", icon=":material/error:")
    if row is not None and row.left_out:
        st.warning(
            f"{row.left_out:,} more instances than it may have were left out; max_instances is "
            f"{rule.max_instances:,}.",
            icon=":material/filter_alt:",
        )
    _show_terms(one.entry)


def _show_terms(entry: Entry) -> None:
    rule = entry.rule
    said = [
        ("alerts", thresholds(rule)),
        ("for", duration(rule.for_s) if rule.for_s else ""),
        ("ends after", duration(rule.keep_firing_for) if rule.keep_firing_for else ""),
        ("looks at", rule.measure or ", ".join(rule.finding) or "a statement"),
        ("groups by", ", ".join(rule.group_by)),
        ("channels", ", ".join(rule.channels)),
        ("owner", rule.owner),
        ("source", f"{entry.source.lower()}, {entry.place}"),
    ]
    st.markdown(" · ".join(f":gray[{name}] {plain(text)}" for name, text in said if text))


def show_measured(rule: Rule, where: Scope) -> None:
    """Show what a rule sees now.

    Raises:
        StoreError: the store does not answer.
        StateError: the state database does not answer.
    """
    if not measuring.is_measurable(rule):
        st.info("It looks at the collector's own machine: the worker alone measures it.")
        return
    with st.spinner("Measuring …"):
        found = measuring.measure(rule, where.project, now_s())
    at = where.local(found.at_s)
    if found.failure:
        st.error(f"It cannot be evaluated: {plain(found.failure)}", icon=":material/error:")
        return
    bad = sum(rule.level(one) is not None for one in found.samples)
    seen = plain(f"At {at:%b %-d, %H:%M:%S} it sees {_rows(len(found.samples))}")
    st.markdown(f"{seen}, **{bad:,}** past a threshold.", help=times.utc(found.at_s))
    if found.samples:
        frame = samples_frame(rule, found.samples[:_MOST_SAMPLES])
        table(frame, {"Dollars": tables.usd}, {"What": st.column_config.TextColumn(width=300)},
              key="rule-samples", alt="What the rule sees now, worst first")  # fmt: skip


def samples_frame(rule: Rule, samples: Sequence[Sample]) -> pd.DataFrame:
    """Return a row per instance: what it is, its value, and how severe that is."""
    levels = [rule.level(one) for one in samples]
    return pd.DataFrame(
        {
            "What": [one.headline or _labels(one) for one in samples],
            "Value": [_value(one.value, rule.unit) for one in samples],
            "Usual": [_value(one.baseline, rule.unit) for one in samples],
            "Dollars": [None if one.usd is None else float(one.usd) for one in samples],
            "Level": [SEVERITY_NAMES[one] if one else "✓ Well" for one in levels],
        }
    )


def show_backtest(entry: Entry, where: Scope) -> None:
    """Show a way to run the rule over the past, and what came of it."""
    rule = entry.rule
    if not measuring.has_history(rule):
        st.caption("What it looks at is only known as it is now: it has no past to run over.")
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        period = st.segmented_control(
            "Period", list(_PERIODS), default="14 days", required=True, key="backtest-period",
            label_visibility="collapsed",
        )  # fmt: skip
        is_asked = st.button(
            "Run over the past", key="backtest", icon=":material/history:",
            help="Evaluates the rule as the engine would have, at most 2,000 times.",
        )  # fmt: skip
    days = _PERIODS.get(str(period), 14)
    asked = f"{where.project}/{rule.name}/{days}/{hash(entry.text)}"
    if is_asked:
        st.session_state["backtest-asked"] = asked
    if st.session_state.get("backtest-asked") != asked:
        return
    to_s = now_s() // 600 * 600
    try:
        found = measuring.run_backtest(
            entry.text, rule.name, where.project, to_s - days * _DAY_S, to_s
        )
    except AlertsError as error:
        st.error(plain(error), icon=":material/error:")
        return
    _show_backtest(found, rule, days, where)


def _show_backtest(found: Backtest, rule: Rule, days: int, where: Scope) -> None:
    count = len(found.incidents)
    step = f", every {duration(found.step_s)}" if found.step_s > rule.every else ""
    times = "once" if count == 1 else f"{count:,} times"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"It would have fired **{times}** in {days} day{'' if days == 1 else 's'}: "
            f"{found.evaluations:,} evaluations{step}, on what is known today of that time.",
            width="stretch",
        )
        if count:
            read = partial(backtest_file, found)
            show_downloads("backtest", read, what="When it would have fired, times in UTC")
    if not count:
        return
    frame = pd.DataFrame(
        {
            "Fired": [where.local(one.fired_at_ns / _NS_PER_S) for one in found.incidents],
            "Lasted": pd.array([_lasted(one) for one in found.incidents], dtype="Int64"),
            "Severity": [SEVERITY_NAMES[one.severity] for one in found.incidents],
            "Value": [_value(one.value, rule.unit) for one in found.incidents],
            "What": [_text(one.labels) for one in found.incidents],
        }
    )  # fmt: skip
    config = {"Fired": scope.moments("MMM D, HH:mm")}
    table(frame, {"Lasted": lasting}, config, key="backtest-rows",
          alt="When the rule would have fired, in order")  # fmt: skip


def _lasted(one: WouldFire) -> int | None:
    return None if one.ended_at_ns is None else one.ended_at_ns - one.fired_at_ns


def backtest_file(found: Backtest) -> pa.Table:
    """Return the incidents of a backtest as a table."""
    rows = found.incidents
    return pa.table(
        {
            "fired": pa.array([one.fired_at_ns for one in rows], _TIME),
            "ended": pa.array([one.ended_at_ns for one in rows], _TIME),
            "severity": pa.array([one.severity for one in rows], pa.string()),
            "value": pa.array([None if one.value is None else f"{one.value:f}" for one in rows],
                              pa.string()),
            "labels": pa.array([_text(one.labels) for one in rows], pa.string()),
        }
    )  # fmt: skip


def show_runbook(rule: Rule) -> None:
    """Show the way to the runbook, where there is one."""
    if web_address(rule.runbook):
        st.link_button("Runbook", rule.runbook, icon=":material/menu_book:")


def show_text(entry: Entry) -> None:
    """Show the rule as it is written."""
    st.code(entry.text, language="yaml")


def show_log(changes: Sequence[tuple[int, str, str]], where: Scope) -> None:
    """Show who changed it: UTC nanoseconds, who, what."""
    if changes:
        st.caption(scope.clock_text())
    for at_ns, who, action in changes:
        at = where.local(at_ns / _NS_PER_S)
        word = {"saved": "Saved", "removed": "Removed"}.get(action, action)
        st.markdown(f":gray[{plain(f'{at:%b %-d, %H:%M:%S}')}] {plain(word)} by **{plain(who)}**")


def _moment(at_ns: int | None, where: Scope) -> str:
    return fmt.UNKNOWN if at_ns is None else f"{where.local(at_ns / _NS_PER_S):%b %-d, %H:%M}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _value(value: Decimal | None, unit: Unit) -> str | None:
    return None if value is None else figure(value, unit)


def _labels(one: Sample) -> str:
    return _text(one.labels)


def _text(labels: object) -> str:
    pairs = dict(labels) if isinstance(labels, dict) else {}
    return ", ".join(f"{name} {value}" for name, value in sorted(pairs.items())) or "the project"
