"""What several views of one call say together, field by field."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from spanledger_analytics.providers import is_self_hosted, price_book_id
from spanledger_analytics.spans import Span
from spanledger_analytics.tokens import Tokens


def primary_view(views: list[Span]) -> Span:
    """Return the outermost view; ``views`` are sorted by start.

    Inference servers' spans come last, and a view that is a trace of its own comes after the one
    inside the agent's trace, because the agent's trace is where people look for the call.
    """
    keys = {view.key for view in views}
    outermost = [view for view in views if view.parent_key not in keys] or views
    clients = [view for view in outermost if view.role != "server"] or outermost
    first_of_trace: dict[str, Span] = {}
    for view in clients:
        first_of_trace.setdefault(view.trace_id, view)
    firsts = list(first_of_trace.values())
    return next((view for view in firsts if view.parent_span_id), firsts[0])


def innermost_first(views: list[Span]) -> list[Span]:
    """Return the views nearest to the provider first: they name what was really called.

    Inference servers' spans come last, for they name a model by its path on their disk.
    """
    if len(views) == 1:
        return views
    ordered = sorted(views, key=lambda view: (view.start_ns, -view.end_ns), reverse=True)
    return sorted(ordered, key=lambda view: view.role == "server")


def provider(views: list[Span]) -> str:
    """Return the provider; ``views`` are innermost first.

    An inference server among the views outweighs what its client believes to speak to, and any
    provider outweighs a framework's name.
    """
    if len(views) == 1:
        return views[0].provider
    names = [view.provider for view in views if view.provider]
    if not names:
        return ""
    for view in views:
        if view.role == "server" and is_self_hosted(view.provider):
            return view.provider
    return next((name for name in names if price_book_id(name) != ""), names[0])


def status(views: list[Span], tokens: list[Tokens]) -> tuple[str, str]:
    """Return status (ok, error) and error type of a call; the first view is the primary.

    A failed attempt does not make a call fail that was answered in the end.
    """
    if len(views) == 1:
        only = views[0]
        return ("error", only.error_type) if only.status == "error" else ("ok", "")
    answered = any(t.is_known for t in tokens)
    told = [
        view
        for position, (view, t) in enumerate(zip(views, tokens, strict=True))
        if position == 0 or not answered or t.is_known or view.status != "error"
    ]
    errors = [view for view in told if view.status == "error"]
    is_error = views[0].status == "error" or (
        bool(errors) and not any(view.status == "ok" for view in told)
    )
    if not is_error:
        return "ok", ""
    return "error", next((view.error_type for view in errors if view.error_type), "")


def attempts(views: list[Span], tokens: list[Tokens]) -> int | None:
    """Return how often the provider was asked, None when nobody says."""
    if len(views) == 1:
        return views[0].attempts
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
    sources = [view for view, t in zip(views, tokens, strict=True) if t.is_known]
    if not sources:
        return "none"
    if len(sources) > 1:
        return "merged"
    if sources[0].role in ("agent", "workflow"):
        return "aggregate"
    told = sources[0].usage_source
    return told if told not in ("", "none") else "span"


def reported_cost(views: list[Span]) -> Decimal | None:
    """Return the cost the outermost view claims; a claim of zero is a missing price list."""
    return next((view.reported_cost_usd for view in views if view.reported_cost_usd), None)
