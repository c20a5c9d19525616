"""Ledger entries of paid tools: each real execution once (rule R9), with what it cost.

What a span says that its call cost comes first; the price list is for calls that say nothing.
A search that a model's provider ran on its side is paid with the model call that asked for it,
where that call counted searches, and is no entry of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, cast

from spanledger_analytics import _rows, _views
from spanledger_analytics._context import Contexts, fill
from spanledger_analytics._rows import Literal
from spanledger_analytics.entries import Entry, empty_entry, entry_id
from spanledger_analytics.entry_prices import usd
from spanledger_analytics.price_book.tool_list import PREFIX, ToolPrices, ToolUse
from spanledger_analytics.reading import TraceGroup
from spanledger_analytics.spans import Span, SpanKey, newest_versions
from spanledger_analytics.tools import ToolCall, model_call_above, tool_executions, tool_key

KIND = "tool"
REPORTED = "reported"
"""``price_status`` and ``price_id`` of an execution whose span says what it cost."""
_OWN_DIALECT = "spanledger"
_SERVER_PREFIX = re.compile(r"mcp__(.+?)__.")


class ToolDetail(NamedTuple):
    """What a price may depend on besides what every span tells: one row of ``ledger_tool_details``.

    ``quantities`` are texts, in the order of the attributes asked for; '' where there is none.
    """

    server: str
    raw_name: str
    quantities: tuple[str, ...]


Details = Mapping[SpanKey, ToolDetail]
_NO_DETAIL = ToolDetail("", "", ())


def read_details(group: TraceGroup, prices: ToolPrices) -> Details:
    """Return what the price list asks of the tools of a group; nothing without a list."""
    if not prices or not any(span.role == "tool" for span in group.spans):
        return {}
    found: dict[SpanKey, ToolDetail] = {}
    for params in group.pair_params():
        asked = {**params, "attributes": Literal(prices.attributes)}
        table = group.store.arrow("ledger_tool_details", asked)
        fields = ("trace_id", "span_id", *ToolDetail._fields)
        for trace_id, span_id, *rest in _rows.columns_of(table, fields):
            key = cast("SpanKey", (trace_id, span_id))
            found[key] = ToolDetail(*cast("tuple[str, str, tuple[str, ...]]", tuple(rest)))
    return found


def tool_entries(
    project: str,
    spans: list[Span],
    prices: ToolPrices,
    details: Details,
    stored: Iterable[Entry] = (),
) -> list[Entry]:
    """Return one priced entry for each paid execution in whole traces; pure.

    A stored entry keeps the price it was given, like any other entry; ``details`` are of spans.
    """
    known = {entry.entry_id: entry for entry in stored if entry.kind == KIND}
    is_told = any(span.role == "tool" and _reported(span) is not None for span in spans)
    if not prices and not known and not is_told:
        return []
    by_key = newest_versions(spans)
    contexts = Contexts(by_key)
    entries: list[Entry] = []
    for call in tool_executions(by_key):
        place = entry_id(project, call.primary.trace_id, call.primary.span_id)
        entry = _priced(project, call, prices, details, by_key, known.get(place))
        if entry is not None:
            entries.append(_with_context(entry, call.views, contexts))
    return entries


def _priced(
    project: str,
    call: ToolCall,
    prices: ToolPrices,
    details: Details,
    spans: Mapping[SpanKey, Span],
    known: Entry | None,
) -> Entry | None:
    told = [cost for view in call.views if (cost := _reported(view)) is not None]
    reported = next((cost for cost in told if cost), told[0] if told else None)
    if reported is not None:
        return _entry(project, call, REPORTED, REPORTED, reported, known)
    keep = known.price_id if known is not None else ""
    if known is not None and keep.startswith(PREFIX) and not prices.knows(keep):
        # Priced meanwhile by somebody with a newer list: a repricing beside this worker.
        return _entry(project, call, known.price_status, keep, known.total_cost_usd, known)
    if not prices or _is_paid_with_a_model(call, spans):
        return None
    charge = prices.charge(_use(project, call, prices, details), keep)
    if charge is None:
        return None
    if charge.picodollars is None:
        return _entry(project, call, "unpriced", "", None, known, charge.reason)
    return _entry(project, call, "priced", charge.price_id, usd(charge.picodollars), known)


def _reported(span: Span) -> Decimal | None:
    """Return what a span says it cost: zero only if it says so itself, in our own attribute.

    Of other instrumentations zero is a missing price list.
    """
    is_meant = span.reported_cost_usd or span.dialect.startswith(_OWN_DIALECT)
    return span.reported_cost_usd if is_meant else None


def _is_paid_with_a_model(call: ToolCall, spans: Mapping[SpanKey, Span]) -> bool:
    model_call = model_call_above(call.primary, spans)
    return bool(
        model_call is not None
        and model_call.web_searches
        and "search" in tool_key(call.primary.tool_name).lower()
    )


def _use(project: str, call: ToolCall, prices: ToolPrices, details: Details) -> ToolUse:
    views = call.views
    told = [details.get(view.key, _NO_DETAIL) for view in views]
    names = {name.lower() for view in views for name in (view.tool_name, tool_key(view.tool_name))}
    names |= {detail.raw_name.lower() for detail in told}
    servers = {detail.server.lower() for detail in told if detail.server}
    servers |= {found[1] for name in names if (found := _SERVER_PREFIX.match(name))}
    quantities: dict[str, str] = {}
    for detail in told:
        for name, value in zip(prices.attributes, detail.quantities, strict=False):
            if value:
                quantities.setdefault(name, value)
    return ToolUse(
        project=project,
        servers=frozenset(servers),
        tools=frozenset(names - {""}),
        time_ns=call.primary.start_ns,
        duration_ns=_duration_ns(call.primary),
        is_error=_is_error(views),
        quantities=quantities,
    )


def _entry(
    project: str,
    call: ToolCall,
    status: str,
    price_id: str,
    cost: Decimal | None,
    known: Entry | None,
    reason: str = "",
) -> Entry:
    span, views = call.primary, call.views
    flags = {flag for view in views for flag in view.flags}
    flags |= {"double_instrumented"} if _views.has_many_scopes(list(views)) else set()
    flags |= {reason} if reason else set()
    billed: tuple[str, Decimal | None] = (price_id, cost) if cost is not None else ("", None)
    if known is not None and known.billed_price_id not in ("", price_id):
        billed = (known.billed_price_id, known.billed_cost_usd)  # priced anew since
    return empty_entry(
        project, entry_id(project, span.trace_id, span.span_id), KIND, span.start_ns
    )._replace(
        duration_ns=_duration_ns(span),
        trace_id=span.trace_id,
        span_id=span.span_id,
        trajectory_id=span.trace_id,
        service_name=_first(view.service_name for view in views),
        environment=_first(view.environment for view in views),
        tool_name=tool_key(_first(view.tool_name for view in views)),
        status="error" if _is_error(views) else "ok",
        error_type=_first(view.error_type for view in views if view.status == "error"),
        usage_source="span",
        price_status=status,
        price_id=price_id,
        fees_cost_usd=cost,
        total_cost_usd=cost,
        list_cost_usd=cost,
        billed_price_id=billed[0],
        billed_cost_usd=billed[1],
        reported_cost_usd=cost if status == REPORTED else None,
        dialects=tuple(dict.fromkeys(view.dialect for view in views)),
        flags=tuple(sorted(flags)),
        source_spans=tuple(view.key for view in views),
    )


def _with_context(entry: Entry, views: Sequence[Span], contexts: Contexts) -> Entry:
    first, *others = (contexts.of(view) for view in views)
    found = fill(first, others)
    session_id, user_id = found.session_id, found.user_id
    for trace_id in dict.fromkeys(view.trace_id for view in views):
        only_session, only_user = contexts.only_session_and_user(trace_id)
        session_id, user_id = session_id or only_session, user_id or only_user
    return entry._replace(**{**found._asdict(), "session_id": session_id, "user_id": user_id})


def _is_error(views: Sequence[Span]) -> bool:
    """Tell whether any view saw it fail: a framework may have gone on after its tool did."""
    return any(view.status == "error" for view in views)


def _duration_ns(span: Span) -> int:
    return max(0, span.end_ns - span.start_ns)


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")
