"""From spans to calls: every model call once, with all that any of its spans knows.

Instrumentations stack: one request to a provider shows up as a framework's span, a client
library's span and an inference server's span, below one another, beside one another, or in
traces of their own; and agents repeat their calls' tokens as sums. The rules:

* R0 a span sent twice is one span.
* R1 only model calls count; R1b a trace with tokens only on agents counts its outermost ones,
  unless other traces of the session tell the calls.
* R2 nested views are one call. R3 so are views with one response id. R4 so are views of one
  process with equal tokens of which one lies inside the other in time.
* R6 input includes cache reads and writes.
* R8 what nobody reported stays unknown; it is never zero.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from spanledger_analytics import _views
from spanledger_analytics._context import Context, Contexts, fill
from spanledger_analytics._nesting import ancestry, merge_nested
from spanledger_analytics._siblings import (
    Groups,
    is_same_model,
    link_by_response_id,
    link_by_usage,
    link_logs,
    link_stream_ends,
)
from spanledger_analytics._sums import without_told
from spanledger_analytics.spans import Span, SpanKey, newest_versions, span_tokens
from spanledger_analytics.tokens import Tokens, merge

_AGGREGATE_ROLES = frozenset({"agent", "workflow"})


class Call(NamedTuple):
    """One model call or embedding; ``context`` says for whom it was made.

    ``sources`` are all spans it was seen in, the primary (outermost) first; ``tokens`` hold None
    for what nobody reported. ``usage_source``: span, raw, log (as the one span that reports says),
    merged (several spans report), aggregate (R1b), none. ``flags``, sorted, are those of its spans
    and what is odd about the call itself: double_instrumented, views_disagree,
    reused_response_id, aggregate, parent_cycle.
    """

    kind: str
    primary: Span
    sources: tuple[SpanKey, ...]
    dialects: tuple[str, ...]
    tokens: Tokens
    usage_source: str
    status: str
    error_type: str
    context: Context
    service_name: str
    environment: str
    provider: str
    request_model: str
    response_model: str
    service_tier: str
    region: str
    ttft_ns: int | None
    stream: bool | None
    attempts: int | None
    response_id: str
    request_id: str
    reported_cost_usd: Decimal | None
    has_many_scopes: bool
    flags: tuple[str, ...]

    @property
    def model(self) -> str:
        """The response's model, else the request's."""
        return self.response_model or self.request_model


def derive_calls(spans: list[Span]) -> list[Call]:
    """Return the calls that spans of one project tell of, sorted by start and ids.

    ``spans`` must hold whole traces, with the traces tied to them; order, duplicates, missing
    parents and parent cycles do not matter. Pure, and linear in the number of spans.
    """
    by_key = newest_versions(spans)
    _correct_roles(by_key)
    _name_models(by_key)
    views = sorted((s for s in by_key.values() if _is_view(s)), key=_order)
    tokens = [span_tokens(span) for span in views]
    contexts = Contexts(by_key)
    groups = _group_views(views, tokens, by_key)
    grouped = [[views[i] for i in group] for group in groups]
    reused = _views.reused_ids(grouped)
    calls = [
        _call(group, [tokens[i] for i in indices], contexts, is_id_reused=number in reused)
        for number, (group, indices) in enumerate(zip(grouped, groups, strict=True))
    ]
    calls.extend(without_told(_aggregate_calls(by_key, calls, contexts), calls))
    calls.sort(key=lambda call: _order(call.primary))
    return calls


def _correct_roles(spans: dict[SpanKey, Span]) -> None:
    """Make a model call an embedding whose own child says so; ``spans`` is changed in place.

    OpenInference calls whatever it sees of Bedrock's ``InvokeModel`` a model call.
    """
    for span in [span for span in spans.values() if span.role == "embedding"]:
        above = spans.get(span.parent_key)
        if above is None or above.role != "llm" or above.output_tokens or not span.input_tokens:
            continue
        if above.input_tokens == span.input_tokens and is_same_model(above, span):
            spans[above.key] = above._replace(role="embedding")


def _name_models(spans: dict[SpanKey, Span]) -> None:
    """Give log records of calls that name no model that of their span; ``spans`` is changed."""
    for span in [span for span in spans.values() if span.kind == "log" and span.role == "llm"]:
        above = spans.get(span.parent_key)
        if above is not None and not (span.request_model or span.response_model):
            spans[span.key] = span._replace(
                provider=span.provider or above.provider,
                request_model=above.request_model,
                response_model=above.response_model,
            )


def _is_view(span: Span) -> bool:
    """Tell whether a span can be a view of a call (R1)."""
    if span.role == "server":
        # An inference server's span without tokens adds nothing to the client's.
        return span.input_tokens is not None or span.output_tokens is not None
    return span.role in ("llm", "embedding")


def _order(span: Span) -> tuple[int, int, str, str]:
    return span.start_ns, -span.end_ns, span.trace_id, span.span_id


def _group_views(
    views: list[Span], tokens: list[Tokens], spans: dict[SpanKey, Span]
) -> list[list[int]]:
    """Return the views of each call as indices, in order of start."""
    groups = Groups(views, tokens, [view.response_id for view in views])
    above = ancestry(views, spans)
    link_stream_ends(groups, above.parent)
    link_logs(groups, above.parent)
    link_by_response_id(groups, above.parent)
    link_by_usage(groups, above.parent)
    wrappers = merge_nested(groups, above)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(views)):
        root = groups.find(index)
        if root not in wrappers:
            members[root].append(index)
    return list(members.values())


def _aggregate_calls(
    spans: dict[SpanKey, Span], calls: list[Call], contexts: Contexts
) -> list[Call]:
    """Return one call for each outermost agent with tokens in traces without any other (R1b)."""
    counted = {key[0] for call in calls if call.tokens.is_known for key in call.sources}
    aggregates = [
        span
        for span in spans.values()
        if span.role in _AGGREGATE_ROLES
        and span.trace_id not in counted
        and span_tokens(span).is_known
    ]
    aggregates.sort(key=_order)
    above = ancestry(aggregates, spans)
    return [
        _call([span], [span_tokens(span)], contexts)
        for span, parent in zip(aggregates, above.parent, strict=True)
        if parent < 0
    ]


def _call(
    views: list[Span], tokens: list[Tokens], contexts: Contexts, *, is_id_reused: bool = False
) -> Call:
    """Return the call that views, sorted by start, are views of."""
    primary = told = views[0]
    if len(views) > 1:
        primary = _views.primary_view(views)
        first = views.index(primary)
        views = [primary, *views[:first], *views[first + 1 :]]
        tokens = [tokens[first], *tokens[:first], *tokens[first + 1 :]]
        told = _views.combine(views, tokens)
    context = _context(views, contexts)
    has_many_scopes = _views.has_many_scopes(views)
    usage_source = _views.usage_source(views, tokens)
    odd: set[str] = {flag for view in views for flag in view.flags}
    if has_many_scopes:
        odd.add("double_instrumented")
    if len(views) > 1 and _views.do_disagree(tokens):
        odd.add("views_disagree")
    if is_id_reused:
        odd.add("reused_response_id")
    if usage_source == "aggregate":
        odd.add("aggregate")
    if contexts.has_cycles and any(contexts.is_cyclic(view.key) for view in views):
        odd.add("parent_cycle")
    return Call(
        kind="embedding" if primary.role == "embedding" else "llm",
        primary=primary,
        sources=tuple([view.key for view in views]),
        dialects=tuple(dict.fromkeys([view.dialect for view in views])),
        tokens=tokens[0]
        if len(tokens) == 1
        else merge([t for t in tokens if t.is_known] or tokens[:1]),
        usage_source=usage_source,
        status="error" if told.status == "error" else "ok",
        error_type=told.error_type if told.status == "error" else "",
        context=context,
        service_name=told.service_name,
        environment=told.environment,
        provider=told.provider,
        request_model=told.request_model,
        response_model=told.response_model,
        service_tier=told.service_tier,
        region=told.region,
        ttft_ns=told.ttft_ns,
        stream=told.stream,
        attempts=told.attempts,
        response_id=told.response_id,
        request_id=told.request_id,
        reported_cost_usd=told.reported_cost_usd or None,
        has_many_scopes=has_many_scopes,
        flags=tuple(sorted(odd)) if odd else (),
    )


def _context(views: list[Span], contexts: Contexts) -> Context:
    context = contexts.of(views[0])
    if len(views) > 1:
        context = fill(context, [contexts.of(view) for view in views[1:]])
    if context.session_id and context.user_id:
        return context
    session_id, user_id = context.session_id, context.user_id
    for trace_id in dict.fromkeys([view.trace_id for view in views]):
        only_session, only_user = contexts.only_session_and_user(trace_id)
        session_id, user_id = session_id or only_session, user_id or only_user
    return context._replace(session_id=session_id, user_id=user_id)
