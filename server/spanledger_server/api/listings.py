"""The two endpoints of everything that is listed: a page of it, and a whole period of it."""

# Annotations here hold types that are only known when a router is made: no lazy annotations.

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, create_model

from spanledger_analytics.data_quality import Period
from spanledger_server.api import models
from spanledger_server.api.access import DESCRIBED_KEYS, ProjectName
from spanledger_server.api.cursors import BEGINNING, Cursor, digest
from spanledger_server.api.exports import export
from spanledger_server.api.formats import CONTENT_TYPES, MEDIA_TYPES, Format
from spanledger_server.api.pages import Page, read_page
from spanledger_server.api.questions import (
    AskedFormat,
    CursorText,
    End,
    Limit,
    Start,
    demand_known,
)
from spanledger_server.api.resources import EVER, Question, Resource
from spanledger_server.errors import UsageError
from spanledger_server.periods import parse_period
from spanledger_storage.store import Store

CODES = (401, 403, 404, 406, 422, 500, 503)
DEFAULT_ROWS = 100
_DESCRIPTIONS = {
    "page": "The newest first. `next` of the answer, as `cursor`, asks for the page after it.",
    "document": "All rows of the period as one document, written while it is read.",
    "part": "In order. `next` of the answer, as `cursor`, asks for the page after it.",
}


@dataclass
class Filters:
    """What rows are narrowed to: subclasses have a field for each query parameter."""

    def params(self) -> dict[str, object]:
        """Return the filters as the statement takes them.

        Raises:
            UsageError: one cannot be.
        """
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def moment(self) -> dict[str, object]:
        """Return parameters that depend on the clock and are no part of the question."""
        return {}

    def columns(self) -> tuple[str, ...]:
        """Return the columns to answer; empty: all of them."""
        return ()

    def statement(self, resource: Resource) -> Resource:
        """Return what reads the rows under these filters."""
        return resource

    def period(self, period: Period) -> Period:
        """Return the period that is read; told in the answer."""
        return period


@dataclass(frozen=True, slots=True)
class Listed:
    """A question as it was asked, and where its page begins."""

    question: Question
    cursor: Cursor
    digest: str


def make_router(tag: str) -> APIRouter:
    """Return a router below ``/api/v1`` that knows its errors and refuses unknown parameters."""
    return APIRouter(
        prefix="/api/v1",
        tags=[tag],
        responses={code: {"model": models.Problem} for code in CODES},
        dependencies=[*DESCRIBED_KEYS, Depends(demand_known)],
    )


def add_listing(
    router: APIRouter, store: Callable[[], Store], resource: Resource, filters: type[Filters]
) -> None:
    """Add ``/NAME``, a page, and ``/export/NAME``, a whole period."""

    @router.get(f"/{resource.name}", **described(resource, "page"))
    def page(
        request: Request,
        project: ProjectName,
        fmt: AskedFormat,
        filters: Annotated[Filters, Depends(filters)],
        start: Start = "",
        end: End = "",
        limit: Limit = DEFAULT_ROWS,
        cursor: CursorText = "",
    ) -> Response:
        listed = asked(resource, project, filters, start, end, cursor)
        found = read_page(store(), listed.question, listed.cursor.place, limit, fmt)
        return page_answer(request, listed, found, fmt)

    @router.get(f"/export/{resource.name}", **described(resource, "document"))
    def whole(
        project: ProjectName,
        fmt: AskedFormat,
        filters: Annotated[Filters, Depends(filters)],
        start: Start = "",
        end: End = "",
    ) -> Response:
        return export_answer(store(), asked(resource, project, filters, start, end, ""), fmt)


def asked(
    resource: Resource, project: str, filters: Filters, start: str, end: str, cursor: str
) -> Listed:
    """Return the question that parameters ask.

    Raises:
        UsageError: a parameter cannot be, or the cursor is of another question.
    """
    params, resource = filters.params(), filters.statement(resource)
    name = digest({"project": project, "of": resource.statement, **params})
    period = filters.period(parse_period(start, end, int(time.time())))
    place = Cursor(BEGINNING, period.from_s, period.to_s)
    if cursor:
        place = Cursor.of(cursor, name)
        _demand_same_period(period, place, start, end)
        period = Period(place.from_s, place.to_s)
    read = {**params, **filters.moment()}
    question = Question(resource, project, period, read, filters.columns())
    return Listed(question, place, name)


def page_answer(request: Request, listed: Listed, page: Page, fmt: Format) -> Response:
    """Return a page as an answer; where the next one is stands in the header Link, too."""
    headers: dict[str, str] = {}
    following = None
    if page.next is not None:
        period = listed.question.period
        following = Cursor(page.next, period.from_s, period.to_s).text(listed.digest)
        kept = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
        query = urlencode([*kept, ("cursor", following)])
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'  # RFC 8288
    body = page.rows.body()
    if fmt is Format.JSON:
        head, tail = _frame(listed.question, following)
        body = head + body + tail
    return Response(body, headers=headers, media_type=CONTENT_TYPES[fmt])


def export_answer(store: Store, listed: Listed, fmt: Format) -> Response:
    """Return a whole period as an answer; what goes wrong at its start is still a problem."""
    head, tail = _frame(listed.question, None)
    pieces = export(store, listed.question, fmt, (head, tail))
    # The first piece of JSON asks nobody: so that a store that is away is told as an error.
    first = [next(pieces), next(pieces, b"")]
    name = f"{listed.question.resource.name}.{fmt.value}"
    return StreamingResponse(
        _written(chain(first, pieces)),
        media_type=CONTENT_TYPES[fmt],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def described(resource: Resource, form: str) -> dict[str, Any]:
    """Return what the description of an endpoint with rows says of its answer."""
    name = resource.row.__name__
    rows: Any = (list[resource.row], Field(description="In the order of the page."))  # type: ignore[name-defined]
    following: Any = (str | None, Field(description="Cursor of the next page; null: none."))
    fields: dict[str, Any] = {"project": (str, ...), "rows": rows, "next": following}
    if form != "part":
        fields["period"] = (models.Period, ...)
    model: type[BaseModel] = create_model(f"{name}Page", **fields)
    others: dict[str, Any] = {
        MEDIA_TYPES[fmt]: {"schema": {}} for fmt in Format if fmt is not Format.JSON
    }
    return {
        "summary": f"{'All' if form == 'document' else 'A page of'} {resource.name}",
        "description": _DESCRIPTIONS[form],
        "response_class": Response,
        "responses": {200: {"model": model, "content": others}},
    }


def _frame(question: Question, following: str | None) -> tuple[bytes, bytes]:
    """Return what stands around the rows in JSON."""
    fields: dict[str, object] = {"project": question.project}
    if question.period != EVER:
        fields["period"] = models.Period.of(question.period).model_dump(by_alias=True)
    head = orjson.dumps(fields)
    return head[:-1] + b',"rows":[\n', b'\n],"next":' + orjson.dumps(following) + b"}\n"


def _demand_same_period(period: Period, place: Cursor, start: str, end: str) -> None:
    moved = (start and period.from_s != place.from_s) or (end and period.to_s != place.to_s)
    if moved:
        raise UsageError("The cursor is of another period: leave from and to as they were, or out.")


def _written(pieces: Iterator[bytes]) -> Iterator[bytes]:
    return (piece for piece in pieces if piece)
