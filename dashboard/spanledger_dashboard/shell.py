"""What surrounds every page beside the pickers: who is signed in, and the help."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import quote, urlencode, urlsplit

import streamlit as st

from spanledger_dashboard.access import Viewer
from spanledger_dashboard.text import plain, shortened

_NAME_LIMIT = 26
_SHORTCUTS = """
| key | does |
|---|---|
| `P` `N` | the period before, after |
| `R` | look again now |
| `Tab` | from one control to the next |
| `Esc` | close what is open |

**Keys in a trace**

| key | does |
|---|---|
| `/` | search; then `n`, `N`: the next, previous hit |
| `↑` `↓` or `j` `k` | one span up, down; `Home`, `End`: the first, last |
| `←` `→` | fold, unfold |
| `e` `m` `$` | the next error, mark, the dearest; `E` `M`: back |
| `p` | critical path |
| `c` | copy a link to the span |
"""


def show_person(person: Viewer) -> None:
    """Show who is signed in, and the way out; nothing where nobody signs in."""
    if not person.is_signed_in:
        return
    with st.sidebar, st.container(key="person", gap="xxsmall"):
        st.caption(
            f":material/person: {plain(shortened(person.name, _NAME_LIMIT))}",
            help=f"{person.role}, {_projects(person)}",
        )
        st.html('<a href="/logout" target="_self" class="sign-out">Sign out</a>')


@contextmanager
def page_head(title: str) -> Generator[None]:
    """Show the title of a page; what is shown within stands at the right end of its line."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="page-head"):
        st.title(title, anchor=False, width="stretch")
        yield


def show_help() -> None:
    """Show the keys, and how times and links work."""
    with st.popover("", icon=":material/help:", help="Keys, times, links", key="help"):
        st.markdown("**Keys**")
        st.markdown(_SHORTCUTS)
        st.markdown(
            "**Times** are on your clock. The ? beside a moment says UTC; headings of columns and "
            "charts, under the pointer, how far your clock is from it."
        )
        st.markdown("**Links**: the address holds everything you chose. Copy it to share a view.")
        st.markdown("**Light or dark**: follows your system; the menu ⋮ changes it.")


def show_signed_out() -> None:
    """Say that the session has ended, with the way back to this page."""
    with st.container(border=True, key="signed-out"):
        st.subheader("You are signed out", anchor=False)
        st.markdown("Your session has ended. Sign in again to go on.")
        st.html(f'<a href="{_sign_in_url()}" target="_self" class="sign-in">Sign in</a>')


def _sign_in_url() -> str:
    path = urlsplit(st.context.url or "").path or "/"
    # Streamlit leaves the choices out of the context's address.
    chosen = urlencode([(k, v) for k in st.query_params for v in st.query_params.get_all(k)])
    wanted = f"{path}?{chosen}" if chosen else path
    return f"/login?next={quote(wanted, safe='')}"


def _projects(person: Viewer) -> str:
    if person.projects is None:
        return "every project"
    return plain(", ".join(sorted(person.projects)) or "no project")
