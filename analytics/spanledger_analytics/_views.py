"""What several views of one call say together, field by field."""

from __future__ import annotations

from collections import Counter, defaultdict

from spanledger_analytics.providers import is_self_hosted, price_book_id
from spanledger_analytics.spans import Span
from spanledger_analytics.tokens import Tokens


def primary_view(views: list[Span]) -> Span:
    """Return the outermost view; ``views`` are sorted by start.

    Log records come last, before them inference servers' spans. A view that is a trace of its own
    comes after the one inside the agent's trace, because that is where people look for the call.
    """
    if len(views) == 1:
        return views[0]
    keys = {view.key for view in views}
    outermost = [view for view in views if view.parent_key not in keys] or views
    spans = [view for view in outermost if view.kind != "log"] or outermost
    clients = [view for view in spans if view.role != "server"] or spans
    first_of_trace: dict[str, Span] = {}
    for view in clients:
        first_of_trace.setdefault(view.trace_id, view)
    firsts = list(first_of_trace.values())
    return next((view for view in firsts if view.parent_span_id), firsts[0])


def combine(views: list[Span], tokens: list[Tokens]) -> Span:
    """Return the primary, the first of some views, with what the others know better or alone.

    Combined are all fields that do not say where and when; token counts are left as they are.
    """
    inner = _innermost_first(views)
    told_status, error_type = _status(views, tokens)
    return views[0]._replace(
        status=told_status,
        error_type=error_type,
        service_name=_text(views, "service_name"),
        environment=_text(views, "environment"),
        provider=_provider(inner),
        request_model=_text(inner, "request_model"),
        response_model=_text(inner, "response_model"),
        service_tier=_tier(inner),
        region=_text(inner, "region"),
        ttft_ns=next((view.ttft_ns for view in views if view.ttft_ns is not None), None),
        stream=next((view.stream for view in views if view.stream is not None), None),
        attempts=_attempts(views, tokens),
        response_id=_text(inner, "response_id"),
        request_id=_text(inner, "request_id"),
        # A claim of zero is a missing price list.
        reported_cost_usd=next((v.reported_cost_usd for v in views if v.reported_cost_usd), None),
    )


def _text(views: list[Span], field: str) -> str:
    """Return the first view's value of a text field that is not empty."""
    for view in views:
        value: str = getattr(view, field)
        if value:
            return value
    return ""


def _tier(views: list[Span]) -> str:
    """Return the service tier; only some views look for Anthropic's fast mode, told beside it."""
    is_fast = any(view.service_tier == "fast" for view in views)
    return "fast" if is_fast else _text(views, "service_tier")


def _innermost_first(views: list[Span]) -> list[Span]:
    """Return the views nearest to the provider first: they name what was really called.

    Log records come after spans, for they are written later. Inference servers' spans come last,
    for they name a model by its path on their disk.
    """
    ordered = sorted(views, key=lambda view: (view.start_ns, -view.end_ns), reverse=True)
    return sorted(ordered, key=lambda view: (view.role == "server", view.kind == "log"))


def _provider(views: list[Span]) -> str:
    """Return the provider; ``views`` are innermost first.

    An inference server among the views outweighs what its client believes to speak to, and any
    provider outweighs a framework's name.
    """
    names = [view.provider for view in views if view.provider]
    if not names:
        return ""
    for view in views:
        if view.role == "server" and is_self_hosted(view.provider):
            return view.provider
    return next((name for name in names if price_book_id(name) != ""), names[0])


def _status(views: list[Span], tokens: list[Tokens]) -> tuple[str, str]:
    """Return status (ok, error) and error type of a call; the first view is the primary.

    A failed attempt does not make a call fail that was answered in the end: of an
    instrumentation's views the last one tells.
    """
    if views[0].status != "error":
        if any(t.is_known for t in tokens):
            pairs = zip(views, tokens, strict=True)
            views = [view for view, t in pairs if t.is_known or view.status != "error"]
        else:
            last = {view.scope_name: view for view in sorted(views, key=lambda v: v.start_ns)}
            views = list(last.values())
    errors = [view for view in views if view.status == "error"]
    is_error = views[0].status == "error" or (
        bool(errors) and not any(view.status == "ok" for view in views)
    )
    if not is_error:
        return "ok", ""
    return "error", next((view.error_type for view in errors if view.error_type), "")


def _attempts(views: list[Span], tokens: list[Tokens]) -> int | None:
    """Return how often the provider was asked, None when nobody says."""
    reported = max((view.attempts for view in views if view.attempts is not None), default=None)
    failed = Counter(
        view.scope_name
        for view, t in zip(views[1:], tokens[1:], strict=True)
        if view.status == "error" and not t.is_known
    )
    if not failed or views[0].status == "error":
        return reported
    # Two instrumentations see each failed attempt once; the one that sees most sees them all.
    return max(reported or 0, max(failed.values()) + 1)


def usage_source(views: list[Span], tokens: list[Tokens]) -> str:
    """Return how the tokens are known: span, raw, log, merged, aggregate or none."""
    sources = [views[i] for i, t in enumerate(tokens) if t.is_known]
    if not sources:
        return "none"
    if len(sources) > 1:
        return "merged"
    if sources[0].role in ("agent", "workflow"):
        return "aggregate"
    told = sources[0].usage_source
    return told if told not in ("", "none") else "span"


def has_many_scopes(views: list[Span]) -> bool:
    """Return whether several instrumentation scopes wrote spans of the call."""
    if len(views) == 1:
        return False
    return len({view.scope_name for view in views if view.kind != "log"}) > 1


def do_disagree(tokens: list[Tokens]) -> bool:
    """Return whether views of one call report different totals of input or of output."""
    inputs = {t.input for t in tokens if t.input is not None}
    outputs = {t.output for t in tokens if t.output is not None}
    return len(inputs) > 1 or len(outputs) > 1


def reused_ids(calls: list[list[Span]]) -> set[int]:
    """Return which of some calls carry a response id that another call carries as well (R3).

    Calls of one trace count, and calls of several traces at the same time: whether traces at
    other times are known depends on what happened to be read together. ``calls`` hold views.
    """
    carriers: defaultdict[str, list[tuple[int, Span]]] = defaultdict(list)
    for number, views in enumerate(calls):
        for view in views:
            if view.response_id:
                carriers[view.response_id].append((number, view))
    reused: set[int] = set()
    for found in carriers.values():
        if len(found) > 1 and found[0][0] != found[-1][0]:
            reused |= _at_one_time(found) | _in_one_trace(found, calls)
    return reused


def _at_one_time(carriers: list[tuple[int, Span]]) -> set[int]:
    """Return the calls that overlap another in time."""
    spans: dict[int, tuple[int, int]] = {}
    for number, view in carriers:
        start, end = spans.get(number, (view.start_ns, view.end_ns))
        spans[number] = min(start, view.start_ns), max(end, view.end_ns)
    found: set[int] = set()
    latest, latest_end = -1, -1
    for start, end, number in sorted((*times, number) for number, times in spans.items()):
        if latest >= 0 and start <= latest_end:
            found |= {latest, number}
        if end >= latest_end:
            latest, latest_end = number, end
    return found


def _in_one_trace(carriers: list[tuple[int, Span]], calls: list[list[Span]]) -> set[int]:
    """Return the calls of which another began in the same trace, or carries the id there."""
    by_trace: defaultdict[str, set[int]] = defaultdict(set)
    for number, view in carriers:
        by_trace[view.trace_id].add(number)
        by_trace[calls[number][0].trace_id].add(number)
    return {number for numbers in by_trace.values() if len(numbers) > 1 for number in numbers}
