"""Examples of one cause: the calls that lost most, and the text that differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from spanledger_analytics.cache.causes import SENTENCES
from spanledger_analytics.cache.texts import TOOLS, Difference, Segment, first_difference, tool_name
from spanledger_dashboard import format as fmt
from spanledger_dashboard import links, scope, tables
from spanledger_dashboard.cache.charts import NO_AGENT
from spanledger_dashboard.cache.data import Row
from spanledger_dashboard.cache.tables import cause_name, table
from spanledger_dashboard.downloads import Read, show_downloads
from spanledger_dashboard.scope import Scope
from spanledger_dashboard.text import code, plain, shortened

_VALUE_LIMIT = 90
_MANY_TOOLS = 6


def show_examples(
    cause: Row,
    examples: Sequence[Row],
    texts: Mapping[str, Segment],
    where: Scope,
    read: Read,
) -> None:
    """Show what to do, what differs in the dearest example, and the calls themselves.

    Args:
        cause: a row of dashboard_cache_causes.
        examples: rows of dashboard_cache_examples.
        texts: what the segments of the examples say, by hash; those nobody stored are missing.
        where: whose clock to show.
        read: returns all of them, for the download.
    """
    with st.container(border=True, key="cache-examples"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(_title(cause))}**", width="stretch")
            show_downloads("cache-examples", read, what="Calls of this cause, at most 10,000")
        st.markdown(plain(SENTENCES.get(str(cause["cause"]), "")))
        for line in next((found for e in examples if (found := difference(e, texts))), []):
            st.markdown(line)
        _links(examples)
        _show_calls(examples, where)


def _title(cause: Row) -> str:
    agent = str(cause["agent_name"]) or NO_AGENT
    return f"{cause_name(cause)}, {agent}"


def difference(example: Row, texts: Mapping[str, Segment]) -> list[str]:
    """Return what differs between a call and the one before, as markdown; empty: not known."""
    before = texts.get(str(example["previous_segment_hash"]))
    after = texts.get(str(example["segment_hash"]))
    if before is None or after is None:
        return []
    place = int(str(example["place"])) + 1
    if TOOLS in (before.kind, after.kind):
        return [_tools(before, after)]
    found = first_difference(before.text, after.text)
    if found is None:
        return [f"Segment {place} of the prompt: the texts are equal, what is attached is not."]
    return [
        f"Segment {place} of the prompt is as before for {fmt.count(found.position)} characters, "
        "then:",
        *_values(found),
    ]


def _values(found: Difference) -> list[str]:
    before, after = (shortened(text, _VALUE_LIMIT) for text in (found.before, found.after))
    return [f"{code(before or ' ')} became {code(after or ' ')}"]


def _tools(before: Segment, after: Segment) -> str:
    old, new = ([tool_name(tool) for tool in segment.tools] for segment in (before, after))
    if sorted(before.tools) == sorted(after.tools):
        return f"Order before: {_names(old)}; now: {_names(new)}."
    added, removed = [n for n in new if n not in old], [n for n in old if n not in new]
    if not added and not removed:
        pairs = dict(zip(old, before.tools, strict=True))
        changed = [n for n, t in zip(new, after.tools, strict=True) if pairs.get(n) != t]
        return f"Definitions that changed: {_names(changed)}."
    parts = [f"{word}: {_names(names)}" for word, names in (("Added", added), ("Removed", removed))
             if names]  # fmt: skip
    return "; ".join(parts) + "."


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(code(shortened(name or "?", 40)) for name in names[:_MANY_TOOLS])
    rest = len(names) - _MANY_TOOLS
    return f"{shown} and {rest} more" if rest > 0 else shown or "none"


def _links(examples: Sequence[Row]) -> None:
    """Show ways to the dearest call and to the one it is compared with."""
    if not examples:
        return
    first = examples[0]
    with st.container(horizontal=True, gap="medium"):
        for label, icon, prefix in (
            ("Dearest call", ":material/open_in_new:", ""),
            ("The call before", ":material/history:", "previous_"),
        ):
            if trace_id := str(first[f"{prefix}trace_id"]):
                query = links.trace_query(trace_id)
                st.page_link(
                    "app_pages/trace.py",
                    label=label,
                    icon=icon,
                    query_params={**query, "span_id": str(first[f"{prefix}span_id"])},
                )


def _show_calls(examples: Sequence[Row], where: Scope) -> None:
    frame = pd.DataFrame(
        {
            "Time": [where.local(int(str(row["time_ns"])) / 1e9) for row in examples],
            "Model": [str(row["model"]) or None for row in examples],
            "Input": [row["input_tokens"] for row in examples],
            "Read": [row["read_tokens"] for row in examples],
            "Lost tokens": [row["lost_tokens"] for row in examples],
            "Lost": [
                None if row["lost_usd"] is None else float(Decimal(str(row["lost_usd"])))
                for row in examples
            ],
            "After": [max(0, int(str(row["gap_ns"]))) for row in examples],
            "Same from start": [
                f"{row['place']} of {row['segments']}" if row["segments"] else None
                for row in examples
            ],
        }
    )
    formats = {
        "Input": tables.count,
        "Read": tables.count,
        "Lost tokens": tables.count,
        "Lost": tables.usd,
        "After": tables.duration,
    }
    config: dict[str, ColumnConfig] = {
        "Time": scope.moments("MMM D, HH:mm:ss"),
        "Read": st.column_config.Column(help="Tokens read from the cache."),
        "After": st.column_config.Column(help="Pause since the call it is compared with."),
        "Same from start": st.column_config.TextColumn(help="Segments of the prompt."),
    }
    picked = table(
        frame, formats, config, key="cache-calls", alt="Calls that lost most; a click opens one",
        is_open=True,
    )  # fmt: skip
    if picked is not None:
        row = examples[picked]
        query = links.trace_query(str(row["trace_id"]))
        st.switch_page("app_pages/trace.py", query_params={**query, "span_id": str(row["span_id"])})
