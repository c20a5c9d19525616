"""What the sums leave out: calls without a price, calls without usage. Never hidden."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard import links
from spanledger_dashboard.text import plain, shortened
from spanledger_dashboard.usage import Totals, Usage, by_model, grouped

_MAX_MODELS = 5
_NAME_LIMIT = 60


def show_gaps(usage: Usage) -> bool:
    """Warn about calls the spend does not contain, naming their models; return whether any are."""
    total = usage.totals
    sentences: list[str] = []
    if total.unpriced_calls:
        sentences.append(
            f"**{fmt.calls(total.unpriced_calls)} not priced** ({_models(usage, _unpriced)})."
        )
    if total.calls_without_usage:
        sentences.append(
            f"**{fmt.calls(total.calls_without_usage)} without token counts** "
            f"({_models(usage, _without_usage)})."
        )
    if sentences:
        sentences.append("The spend does not contain them.")
        st.warning(" ".join(sentences), icon=":material/warning:")
        st.page_link(
            "app_pages/data_quality.py",
            label="Data quality: where they come from, and what to do",
            icon=":material/fact_check:",
            query_params=links.scope_query(),
        )
    return bool(sentences)


def _unpriced(totals: Totals) -> int:
    return totals.unpriced_calls


def _without_usage(totals: Totals) -> int:
    return totals.calls_without_usage


def _models(usage: Usage, gap: Callable[[Totals], int]) -> str:
    found = {name: gap(t) for name, t in grouped(usage.parts, by_model).items() if gap(t)}
    ranked = sorted(found, key=lambda name: -found[name])
    named = [
        f"{plain(shortened(m, _NAME_LIMIT))}: {fmt.count(found[m])}" for m in ranked[:_MAX_MODELS]
    ]
    if len(ranked) > _MAX_MODELS:
        rest = len(ranked) - _MAX_MODELS
        named.append(f"{rest} more model{'' if rest == 1 else 's'}")
    return ", ".join(named)
