"""One page for the list of a kind of entity and, with a name in the address, for one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from spanledger_dashboard import links, scope
from spanledger_dashboard.entities.kinds import Entity, Slice
from spanledger_dashboard.entities.listing import show_list
from spanledger_dashboard.failures import explained
from spanledger_dashboard.freshness import show_freshness
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.time_range import Window
from spanledger_dashboard.usage import Only

_NAME_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Detail:
    """What a detail page is about."""

    entity: Entity
    name: str
    where: Scope
    now_s: int

    @property
    def only(self) -> Only:
        """The narrowing to its calls."""
        return self.entity.only(self.name)

    @property
    def window(self) -> Window:
        """The time shown."""
        return self.where.time_range.window(self.now_s)

    def slice(self, only: Only | None = None, agent: str = "") -> Slice:
        """Return what a list of other things within this one is of."""
        bucket_s = self.where.time_range.bucket_s
        return Slice(self.where.project, self.window, bucket_s, only, agent)


Section = Callable[[Detail], bool | None]
"""Shows a part of a detail page; False: there is nothing to show, here and below."""


def show_entity_page(
    entity: Entity, sections: Sequence[Section], below_list: Callable[[Scope], None] | None = None
) -> None:
    """Show the list, or the one the address names: a heading and its sections in order."""
    with explained():
        name = st.query_params.get(entity.key)
        if not name:
            show_list(entity)
            if below_list:
                below_list(scope.current())
            return
        detail = Detail(entity, name, scope.current(), scope.now_s())
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.page_link(
                links.PAGES[entity.key],
                label=f"All {entity.plural}",
                icon=":material/arrow_back:",
                query_params=links.scope_query(),
            )
            st.subheader(plain(shortened(name, _NAME_LIMIT)), anchor=False)
        show_freshness(detail.where.project, detail.now_s)
        for section in sections:
            if section(detail) is False:
                break
