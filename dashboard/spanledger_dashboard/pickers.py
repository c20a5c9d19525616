"""The pickers above every page: project, time range, how often to look again.

Project and range live in the address (``project=``, ``range=``, and ``from=``, ``to=`` in unix
seconds for a range of one's own), so every view is a link. ``scope.current()`` reads them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from urllib.parse import quote

import streamlit as st

from spanledger_dashboard import scope, times
from spanledger_dashboard.access import viewer
from spanledger_dashboard.scope import CUSTOM, PROJECT_KEY, RANGE_KEY, Scope
from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.time_range import DEFAULT_RANGE, RANGES

_REFRESH_KEY = "refresh"
_REFRESHES: dict[str, int | None] = {"15 s": 15, "1 min": 60, "Off": None}
_MAX_S = 4_102_444_800  # the year 2100
_FULL_RUN = "is-full-run"
_NAME_LIMIT = 60
_MOST_OFFERED = 12


def take_project() -> None:
    """Take the project from the address, also on pages that show no picker.

    Ends the run with a message when there is no such project, or it is not open to the reader.
    """
    asked = st.query_params.get(PROJECT_KEY)
    if not asked:
        return
    person = viewer()
    names = scope.project_names(person)
    if asked in names:
        scope.kept().project = asked
        return
    name = plain(shortened(asked, _NAME_LIMIT))
    if person.sees_everything:
        st.error(f"There is no project {name}.", icon=":material/folder_off:")
    else:
        text = f"Project {name} is not open to you, or it does not exist."
        st.error(text, icon=":material/lock:")
    links = "".join(_project_link(other) for other in names[:_MOST_OFFERED])
    st.html(f'<p>Open another:</p><p class="projects">{links}</p>')
    st.stop()


def take_range() -> None:
    """Take the time range from the address, also on pages that show no picker."""
    last = scope.kept()
    found = (_seconds("from"), _seconds("to"))
    usual = None
    if found[0] is not None and found[1] is not None and found[0] != found[1]:
        last.from_s, last.to_s = sorted((found[0], found[1]))
        usual = CUSTOM  # bounds alone are enough
    asked = st.query_params.get(RANGE_KEY, usual)
    if asked in RANGES or (asked == CUSTOM and last.custom):
        last.range_key = asked


def _project_link(name: str) -> str:
    # A link that loads the page anew: the address of this one is bound to what it asked for.
    return f'<a href="?project={quote(name, safe="")}" target="_self">{escape(name)}</a>'


def project_picker() -> None:
    """Show the project picker, bound to the address.

    Raises:
        Denied: no project is open to the reader.
    """
    person = viewer()
    names = scope.project_names(person)
    default = scope.default_project(person)
    last = scope.kept().project
    # Where people sign in, each starts with a project of their own: a link has to say which one it
    # is about. Streamlit keeps the default of a picker out of the address, so there is none then.
    is_always_said = person.is_signed_in
    if st.session_state.get(PROJECT_KEY) not in names:
        st.session_state.pop(PROJECT_KEY, None)
        # The page before showed no picker, and so took its choice from the address.
        first = last if last in names else default
        if (is_always_said or first != default) and not st.query_params.get(PROJECT_KEY):
            st.session_state[PROJECT_KEY] = first
            st.query_params[PROJECT_KEY] = first  # of a new picker Streamlit writes later choices
    chosen = st.selectbox(
        "Project",
        names,
        index=None if is_always_said else names.index(default),
        required=True,
        placeholder=default,  # shown where somebody goes back to an address without a project
        key=PROJECT_KEY,
        bind="query-params",
        label_visibility="collapsed",
        icon=":material/folder:",
        width=170,
    )
    scope.kept().project = chosen or default


def range_picker() -> None:
    """Show the time range picker: usual lengths, a range of one's own, and steps back and forth."""
    _begin_with_last_range()
    with st.container(horizontal=True, gap="xxsmall", width="content", key="range-picker"):
        st.button(
            "",
            icon=":material/chevron_left:",
            key="earlier",
            help="The period before (key P)",
            on_click=_step,
            args=(-1,),
            shortcut="P",
        )
        st.segmented_control(
            "Time range",
            [*RANGES, CUSTOM],
            default=DEFAULT_RANGE,
            required=True,
            key=RANGE_KEY,
            bind="query-params",
            on_change=_freeze_if_custom,
            label_visibility="collapsed",
        )
        where = scope.current()
        if where.custom:
            _bounds_picker(where)
        st.button(
            "",
            icon=":material/chevron_right:",
            key="later",
            help="The period after (key N)",
            on_click=_step,
            args=(1,),
            shortcut="N",
            disabled=where.time_range.end_s is None or where.time_range.end_s >= scope.now_s(),
        )
    scope.kept().range_key = str(st.session_state.get(RANGE_KEY) or DEFAULT_RANGE)
    _show_bounds_in_address(where)


def refresh_picker(*, is_of_range: bool = True) -> None:
    """Show how often the page looks again, and do it; never for a range that is over.

    Args:
        is_of_range: False on pages about a month: what is known of one changes after it, too.
    """
    end_s = scope.current().time_range.end_s
    is_over = is_of_range and end_s is not None and end_s <= scope.now_s()
    chosen = st.selectbox(
        "Look again every",
        list(_REFRESHES),
        key=_REFRESH_KEY,
        persist_state="session",
        disabled=is_over,
        label_visibility="collapsed",
        icon=":material/sync:",
        help="A range that is over does not change." if is_over else None,
        width=105,
    )
    every_s = None if is_over else _REFRESHES.get(chosen or "")
    if every_s:
        look_again_every(every_s)


def look_again_every(every_s: int) -> None:
    """Run the page again and again, from where this is called; seconds."""
    # A run by the clock finds the mark of the run that drew the page taken away already.
    st.session_state[_FULL_RUN] = True
    st.fragment(_look_again, run_every=every_s)()


def _look_again() -> None:
    if st.session_state.pop(_FULL_RUN, False):
        return
    st.rerun()


def choose_range(range_key: str) -> None:
    """Change the time range, from a callback of a button."""
    st.session_state[RANGE_KEY] = range_key


def choose_bounds(from_s: int, to_s: int) -> None:
    """Change the time range to one of the reader's own, unix seconds, from a callback."""
    last = scope.kept()
    last.from_s, last.to_s = from_s, to_s
    st.session_state[RANGE_KEY] = CUSTOM
    _write_bounds(from_s, to_s)


def _step(direction: int) -> None:
    """Show the period before or after; the newest one is that which ends now."""
    where, now_s = scope.current(), scope.now_s()
    window = where.time_range.window(now_s)
    length_s = window.length_s
    from_s, to_s = window.start_s + direction * length_s, window.end_s + direction * length_s
    usual = next((r.key for r in RANGES.values() if r.length_s == length_s), None)
    if to_s > now_s and usual:
        choose_range(usual)
    else:
        choose_bounds(from_s, to_s)


def _freeze_if_custom() -> None:
    """Begin a range of one's own with what is on the screen."""
    if st.session_state.get(RANGE_KEY) != CUSTOM:
        return
    last = scope.kept()
    shown = RANGES.get(last.range_key, RANGES[DEFAULT_RANGE]).window(scope.now_s())
    choose_bounds(shown.start_s, shown.end_s)


def _bounds_picker(where: Scope) -> None:
    window = where.time_range.window(scope.now_s())
    first, last = where.local(window.start_s), where.local(window.end_s)
    with st.popover(
        _bounds_text(first, last),
        icon=":material/date_range:",
        key="bounds",
        help=times.utc_range(window.start_s, window.end_s),
    ):
        st.datetime_input("From", first, key="bounds-from", step=timedelta(minutes=5))
        st.datetime_input("To", last, key="bounds-to", step=timedelta(minutes=5))
        st.button("Show", on_click=_apply_bounds, type="primary", width="stretch")
        st.caption(
            f"Times in {where.timezone}. In UTC: {times.utc_range(window.start_s, window.end_s)}. "
            "Widened to whole bars of the charts."
        )


def _bounds_text(first: datetime, last: datetime) -> str:
    day = "%b %-d" if first.year == last.year else "%b %-d %Y"
    if (first.hour, first.minute, last.hour, last.minute) == (0, 0, 0, 0):
        return f"{first.strftime(day)} – {(last - timedelta(days=1)).strftime(day)}"
    until = "%H:%M" if first.date() == last.date() else f"{day}, %H:%M"
    return f"{first.strftime(f'{day}, %H:%M')} – {last.strftime(until)}"


def _apply_bounds() -> None:
    where = scope.current()
    first, last = st.session_state.get("bounds-from"), st.session_state.get("bounds-to")
    if isinstance(first, datetime) and isinstance(last, datetime) and first != last:
        moments = sorted((where.unix_s(first), where.unix_s(last)))
        choose_bounds(moments[0], moments[1])


def _begin_with_last_range() -> None:
    last = scope.kept()
    asked = st.session_state.get(RANGE_KEY) or st.query_params.get(RANGE_KEY)
    if asked == CUSTOM and last.custom is None:
        shown = RANGES[DEFAULT_RANGE].window(scope.now_s())
        last.from_s, last.to_s = shown.start_s, shown.end_s
    is_new = RANGE_KEY not in st.session_state and RANGE_KEY not in st.query_params
    if is_new and last.range_key != DEFAULT_RANGE:  # the page before showed no picker
        st.session_state[RANGE_KEY] = last.range_key
        st.query_params[RANGE_KEY] = last.range_key  # as with the project


def _seconds(name: str) -> int | None:
    text = st.query_params.get(name, "")
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_S:
        return None
    return int(text)


def _show_bounds_in_address(where: Scope) -> None:
    last = scope.kept()
    if where.custom and last.from_s is not None and last.to_s is not None:
        _write_bounds(last.from_s, last.to_s)
        return
    for name in ("from", "to"):
        if name in st.query_params:
            del st.query_params[name]


def _write_bounds(from_s: int, to_s: int) -> None:
    wanted = {"from": str(from_s), "to": str(to_s)}
    if any(st.query_params.get(name) != text for name, text in wanted.items()):
        st.query_params.update(wanted)
