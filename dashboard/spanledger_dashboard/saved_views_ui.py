"""Saving what a page shows under a name, and showing it again: a small menu on several pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import streamlit as st

from spanledger_dashboard.access import Denied, viewer
from spanledger_dashboard.connection import saved_views
from spanledger_dashboard.text import plain, shortened
from spanledger_storage.errors import StateError
from spanledger_storage.saved_views import NAME_LIMIT, Kind, SavedView, SavedViews

Content = dict[str, object]

_SHOWN_LENGTH = 40
_LIST_HEIGHT_PX = 320
_MANY = 8


def show_saved(
    kind: Kind,
    project: str,
    content: Callable[[], Content],
    apply: Callable[[Content], None],
    *,
    can_edit: bool = True,
) -> None:
    """Show one small menu: what is saved, to load or delete, and a field to save what is shown.

    Args:
        kind: of page.
        project: whose views; everybody who may see it sees them.
        content: returns what has to be kept to show the page again; asked when somebody saves.
        apply: shows it again. Runs before the page does, so it may set the state of widgets.
        can_edit: False hides saving and deleting; so does an account that may only look.
    """
    can_edit = can_edit and viewer().may_save
    with st.popover(
        "Saved", icon=":material/bookmark:", help="Views saved in this project", key=f"saved-{kind}"
    ):
        views = saved_views()
        if views is None:
            st.caption("Nothing can be saved: the dashboard knows of no state database.")
            return
        try:
            found = views.of(kind, project)
        except StateError as error:
            st.caption(plain(error))
            return
        _list(views, found, apply, can_edit=can_edit)
        if can_edit:
            _save_form(views, kind, project, content, {view.name for view in found})
        if failure := st.session_state.pop(_failure_key(kind), None):
            st.error(plain(failure))


def _list(
    views: SavedViews,
    found: Sequence[SavedView],
    apply: Callable[[Content], None],
    *,
    can_edit: bool,
) -> None:
    if not found:
        st.caption("Nothing is saved in this project yet.")
    height: int | Literal["content"] = _LIST_HEIGHT_PX if len(found) > _MANY else "content"
    with st.container(height=height, border=False, gap=None):
        for number, view in enumerate(found):
            _entry(views, view, number, apply, can_edit=can_edit)


def _entry(
    views: SavedViews,
    view: SavedView,
    number: int,
    apply: Callable[[Content], None],
    *,
    can_edit: bool,
) -> None:
    key = f"saved-{view.kind}-{number}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            plain(shortened(view.name, _SHOWN_LENGTH)),
            key=f"{key}-load",
            type="tertiary",
            help=f"Saved by {plain(view.saved_by)}" if view.saved_by else None,
            on_click=_load,
            args=(view, apply),
            width="stretch",
        )
        if can_edit:
            _delete_button(views, view, key)


def _delete_button(views: SavedViews, view: SavedView, key: str) -> None:
    """Show a button that asks once before it deletes."""
    asked_key = f"saved-{view.kind}-asked"
    if st.session_state.get(asked_key) == (view.project, view.name):
        st.button(
            "Delete",
            key=f"{key}-sure",
            icon=":material/delete_forever:",
            on_click=_delete,
            args=(views, view),
        )
    else:
        st.button(
            "",
            key=f"{key}-delete",
            type="tertiary",
            icon=":material/delete:",
            help="Delete for everybody",
            on_click=_ask,
            args=(asked_key, (view.project, view.name)),
        )


def _save_form(
    views: SavedViews,
    kind: Kind,
    project: str,
    content: Callable[[], Content],
    taken: set[str],
) -> None:
    name_key = f"saved-{kind}-name"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.text_input(
            "Save what is shown as",
            key=name_key,
            max_chars=NAME_LIMIT,
            placeholder="Name",
            width=220,
        )
        st.button(
            "Replace" if " ".join(name.split()) in taken else "Save",
            key=f"saved-{kind}-save",
            on_click=_save,
            args=(views, kind, project, content),
        )


def _load(view: SavedView, apply: Callable[[Content], None]) -> None:
    content: Mapping[str, object] = view.content
    apply(dict(content))


def _save(views: SavedViews, kind: Kind, project: str, content: Callable[[], Content]) -> None:
    name_key = f"saved-{kind}-name"
    name = str(st.session_state.get(name_key) or "")
    try:
        views.save(kind, project, name, content(), who=viewer().name)
    except (ValueError, StateError, Denied) as error:
        st.session_state[_failure_key(kind)] = str(error)
        return
    st.session_state[name_key] = ""
    st.toast(f"Saved “{plain(shortened(' '.join(name.split()), _SHOWN_LENGTH))}”.")


def _ask(key: str, what: tuple[str, str]) -> None:
    st.session_state[key] = what


def _delete(views: SavedViews, view: SavedView) -> None:
    st.session_state.pop(f"saved-{view.kind}-asked", None)
    try:
        views.remove(view.kind, view.project, view.name)
    except (StateError, Denied) as error:
        st.session_state[_failure_key(view.kind)] = str(error)


def _failure_key(kind: Kind) -> str:
    return f"saved-{kind}-failure"
