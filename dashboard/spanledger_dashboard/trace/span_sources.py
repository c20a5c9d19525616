"""The spans that one call was put together from, and why each is the same call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.connection import store
from spanledger_dashboard.text import code, plain, shortened
from spanledger_dashboard.trace.data import Row, TraceKey, neighbour_hours
from spanledger_dashboard.trace.links import show_trace_link
from spanledger_storage.store import Store

_NAME_LIMIT = 60
_MAX_SHOWN = 40


def load_sources(store: Store, key: TraceKey, entry: Row) -> list[Row]:
    """Read the spans of an entry (dashboard_span_sources.sql), its primary first.

    Raises:
        StoreError: the store does not answer.
    """
    wanted = [s.split(":") for s in cast("list[str]", entry["source_span_ids"])]
    order = {(t, s): n for n, (t, s) in enumerate(wanted)}
    rows = store.rows(
        "dashboard_span_sources",
        {
            "project": key.project,
            "hours_s": neighbour_hours(key),
            "trace_ids": sorted({t for t, _ in wanted}),
            "span_ids": sorted({s for _, s in wanted}),
        },
    )
    found = [r for r in rows if (r["trace_id"], r["span_id"]) in order]
    return sorted(found, key=lambda r: order[str(r["trace_id"]), str(r["span_id"])])


def reason(source: Row, others: Sequence[Row]) -> str:
    """Return why a span is the same call as the other spans of its entry.

    The rules are those of docs/ledger.md; the ledger does not keep which one applied, so this
    says what the spans themselves show.
    """
    rest = [o for o in others if o is not source]
    if source["kind"] == "log":
        return "a log record of the same call (R4)"
    if any(_is_parent(o, source) or _is_parent(source, o) for o in rest):
        return "one lies in the other (R2)"
    response_id = source["response_id"]
    if response_id and any(o["response_id"] == response_id for o in rest):
        return "the same response id (R3)"
    if any(_has_equal_tokens(o, source) and _contains(o, source) for o in rest):
        return "equal token counts, one interval inside the other (R4)"
    if any(o["trace_id"] == source["trace_id"] and _contains(o, source) for o in rest):
        return "one lies in the other, with spans between them (R2)"
    return "tied to the call by another of its spans"


def show_sources(key: TraceKey, entry: Row) -> None:
    """Show the spans an entry was put together from.

    Raises:
        StoreError: the store does not answer.
    """
    sources = load_sources(store(), key, entry)
    total = len(cast("list[str]", entry["source_span_ids"]))
    st.markdown(f"**Seen in {fmt.count(total)} spans, counted once**")
    for source in sources[:_MAX_SHOWN]:
        _show_source(source, sources, entry)
    missing = total - len(sources)
    if missing > 0:
        word = "span is" if missing == 1 else "spans are"
        st.caption(f"{fmt.count(missing)} more {word} no longer stored.")


def _show_source(source: Row, sources: Sequence[Row], entry: Row) -> None:
    is_primary = (source["trace_id"], source["span_id"]) == (
        entry["primary_trace_id"],
        entry["primary_span_id"],
    )
    why = "counted here" if is_primary else reason(source, sources)
    scope = " ".join(str(source[c]) for c in ("scope_name", "scope_version") if source[c])
    tokens = " / ".join(
        fmt.short_count(cast("int | None", source[c])) for c in ("input_tokens", "output_tokens")
    )
    with st.container(gap=None):
        show_trace_link(
            plain(shortened(str(source["name"]) or "(no name)", _NAME_LIMIT)),
            str(source["trace_id"]),
            str(source["span_id"]),
            key=f"source-{entry['entry_id']}-{source['span_id']}",
            icon=":material/target:" if is_primary else ":material/call_merge:",
        )
        st.caption(
            f"{plain(why)} · {plain(scope or str(source['service_name']))} · tokens {plain(tokens)}"
            f" · {code(source['span_id'])}"
        )


def _is_parent(parent: Row, child: Row) -> bool:
    return (parent["trace_id"], parent["span_id"]) == (child["trace_id"], child["parent_span_id"])


def _contains(a: Row, b: Row) -> bool:
    """Return whether one of two spans lies within the other in time."""
    (a_start, a_end), (b_start, b_end) = (_interval(x) for x in (a, b))
    return (a_start <= b_start and b_end <= a_end) or (b_start <= a_start and a_end <= b_end)


def _interval(span: Row) -> tuple[int, int]:
    return cast("int", span["start_ns"]), cast("int", span["end_ns"])


def _has_equal_tokens(a: Mapping[str, object], b: Mapping[str, object]) -> bool:
    names = ("input_tokens", "output_tokens")
    return all(a[n] == b[n] for n in names) and a["output_tokens"] is not None
