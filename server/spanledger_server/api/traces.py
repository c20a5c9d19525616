"""Traces, trajectories and sessions over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from spanledger_server.api.access import ProjectName
from spanledger_server.api.cursors import BEGINNING, Cursor, digest
from spanledger_server.api.formats import Format
from spanledger_server.api.listings import (
    DEFAULT_ROWS,
    Listed,
    add_listing,
    described,
    make_router,
    page_answer,
)
from spanledger_server.api.pages import read_page
from spanledger_server.api.questions import AskedFormat, CursorText, Limit
from spanledger_server.api.resources import EVER, Part, Question, Resource
from spanledger_server.api.row_types import Row
from spanledger_server.api.trace_filters import SessionFilters, TraceFilters, TrajectoryFilters
from spanledger_server.api.trace_rows import Message, Session, Span, Trace, Trajectory
from spanledger_storage.store import Store

TRACES = Resource(
    "traces", "api_traces", Trace, "start_time", ("trace_id",), ("traces", "start_time")
)
TRAJECTORIES = Resource(
    "trajectories",
    "api_trajectories",
    Trajectory,
    "start_time",
    ("trajectory_id",),
    ("trajectories", "start_time"),
)
SESSIONS = Resource(
    "sessions",
    "api_sessions",
    Session,
    "first_time",
    ("key",),
    ("traces", "start_time"),
    "hash",
)
_MOST_BYTES = 128 * 2**20  # spans and messages have no longest text
SPANS = Resource("spans", "api_spans", Span, "start_time", ("span_id",), most_bytes=_MOST_BYTES)
MESSAGES = Resource("messages", "api_messages", Message, "", ("hash",), most_bytes=_MOST_BYTES)

_HEX = r"^[0-9a-fA-F]{32}$"
TraceId = Annotated[str, Path(pattern=_HEX, description="32 hexadecimal digits.")]
Include = Annotated[
    list[Literal["spans", "messages"]] | None,
    Query(max_length=2, description="What to answer beside the row; may be given twice."),
]


class TraceDetail(Row):
    """A trace, and what was asked for beside it."""

    project: str
    trace: Trace | None = None
    spans: list[Span] | None = None
    spans_next: str | None = None
    messages: list[Message] | None = None
    messages_next: str | None = None


class TrajectoryDetail(Row):
    """A trajectory."""

    project: str
    trajectory: Trajectory


def traces_router(store: Callable[[], Store]) -> APIRouter:
    """Return the routes; ``store`` returns the open store, or raises StoreError."""
    router = make_router("traces")
    add_listing(router, store, TRACES, TraceFilters)
    add_listing(router, store, TRAJECTORIES, TrajectoryFilters)
    add_listing(router, store, SESSIONS, SessionFilters)
    _add_details(router, store)
    _add_parts(router, store)
    return router


def _add_details(router: APIRouter, store: Callable[[], Store]) -> None:
    @router.get("/traces/{trace_id}", response_class=Response, responses=_of(TraceDetail))
    def trace(trace_id: TraceId, project: ProjectName, include: Include = None) -> Response:
        """One trace, and at wish the first thousand of its spans and messages.

        `trace` is null while its figures are not derived yet, a moment after its first spans.
        `spans_next` and `messages_next` are cursors to go on with at `…/spans` and `…/messages`.
        """
        open_store, wanted = store(), trace_id.lower()
        _demand_trace(open_store, project, wanted)
        row = _one(open_store, TRACES, project, {**TraceFilters().params(), "trace": wanted})
        parts = {"project": orjson.dumps(project), "trace": row or b"null"}
        for name, resource in (("spans", SPANS), ("messages", MESSAGES)):
            if include is not None and name in include:
                parts |= _included(open_store, resource, project, wanted)
        return _document(parts)

    @router.get(
        "/trajectories/{trajectory_id}", response_class=Response, responses=_of(TrajectoryDetail)
    )
    def trajectory(trajectory_id: TraceId, project: ProjectName) -> Response:
        """One trajectory; its traces are at `/traces?trajectory=…`."""
        every = TrajectoryFilters()
        filters = {**every.params(), **every.moment(), "trajectory": trajectory_id.lower()}
        row = _one(store(), TRAJECTORIES, project, filters)
        if not row:
            raise HTTPException(404, f"There is no trajectory {trajectory_id} in {project[:80]}.")
        return _document({"project": orjson.dumps(project), "trajectory": row})


def _add_parts(router: APIRouter, store: Callable[[], Store]) -> None:
    @router.get("/traces/{trace_id}/spans", **described(SPANS, "part"))
    def spans(
        request: Request,
        trace_id: TraceId,
        project: ProjectName,
        fmt: AskedFormat,
        limit: Limit = DEFAULT_ROWS,
        cursor: CursorText = "",
    ) -> Response:
        listed = _listed(SPANS, project, trace_id.lower(), cursor)
        return _part_answer(store(), request, listed, limit, fmt)

    @router.get("/traces/{trace_id}/messages", **described(MESSAGES, "part"))
    def messages(
        request: Request,
        trace_id: TraceId,
        project: ProjectName,
        fmt: AskedFormat,
        limit: Limit = DEFAULT_ROWS,
        cursor: CursorText = "",
    ) -> Response:
        listed = _listed(MESSAGES, project, trace_id.lower(), cursor)
        return _part_answer(store(), request, listed, limit, fmt)


def _part_answer(
    store: Store, request: Request, listed: Listed, limit: int, fmt: Format
) -> Response:
    question = listed.question
    _demand_trace(store, question.project, str(question.filters["trace"]))
    page = read_page(store, question, listed.cursor.place, limit, fmt)
    return page_answer(request, listed, page, fmt)


def _of(model: type[Row]) -> dict[int | str, dict[str, object]]:
    return {200: {"model": model}}


def _demand_trace(store: Store, project: str, trace_id: str) -> None:
    """Return if there is such a trace in the project; whether another has it is not told."""
    if not store.rows("api_trace_known", {"project": project, "trace": trace_id}):
        raise HTTPException(404, f"There is no trace {trace_id} in {project[:80]}.")


def _one(store: Store, resource: Resource, project: str, filters: dict[str, object]) -> bytes:
    """Return the row under these filters as JSON; empty: there is none."""
    question = Question(resource, project, EVER, filters)
    whole = Part(EVER.from_s, EVER.to_s)
    return question.read(store, whole, BEGINNING, 1, Format.JSONL).body().strip()


def _included(store: Store, resource: Resource, project: str, trace_id: str) -> dict[str, bytes]:
    listed = _listed(resource, project, trace_id, "")
    page = read_page(store, listed.question, BEGINNING, 1_000, Format.JSON)
    following = None
    if page.next is not None:
        following = Cursor(page.next, EVER.from_s, EVER.to_s).text(listed.digest)
    name = resource.name
    return {name: b"[" + page.rows.body() + b"]", f"{name}_next": orjson.dumps(following)}


def _listed(resource: Resource, project: str, trace_id: str, cursor: str) -> Listed:
    name = digest({"project": project, "of": resource.statement, "trace": trace_id})
    place = Cursor.of(cursor, name) if cursor else Cursor(BEGINNING, EVER.from_s, EVER.to_s)
    return Listed(Question(resource, project, EVER, {"trace": trace_id}), place, name)


def _document(parts: dict[str, bytes]) -> Response:
    fields = (orjson.dumps(name) + b":" + text for name, text in parts.items())
    return Response(b"{" + b",".join(fields) + b"}\n", media_type="application/json")
