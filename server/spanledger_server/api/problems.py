"""Every error of the API as a problem (RFC 9457) whose detail says what to do."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from spanledger_collector.errors import IntakeError
from spanledger_server.api.models import Problem
from spanledger_server.errors import UsageError
from spanledger_storage.errors import ConfigError, StateError, StoreError

MEDIA_TYPE = "application/problem+json"
_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_TOO_LARGE = 396  # TOO_MANY_ROWS_OR_BYTES, of the settings for results
_ASK_FOR_LESS = (
    "The answer would be too large: ask for a smaller limit; for spans and messages of a trace, at "
    "its /spans and /messages instead of by include."
)
_log = logging.getLogger(__name__)
_HEADERS: dict[int, dict[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},  # RFC 9110, section 11.6.1
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "2"},
}


def problem(status: int, detail: str) -> JSONResponse:
    """Return an answer that tells what is wrong."""
    title = HTTPStatus(status).phrase
    body = Problem(title=title, status=status, detail=detail)
    headers = _HEADERS.get(status)
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def refused(error: IntakeError) -> JSONResponse:
    """Return the answer to whom a rule of the collector's keeps out: keys, scopes, names."""
    return problem(error.http_status, str(error))


def explain_errors(app: FastAPI) -> None:
    """Make an application answer its errors as problems."""
    app.add_exception_handler(UsageError, _usage)
    app.add_exception_handler(IntakeError, _refused)
    app.add_exception_handler(StoreError, _store)
    app.add_exception_handler(ConfigError, _store)
    app.add_exception_handler(StateError, _state)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _fault)
    _describe(app)


def _describe(app: FastAPI) -> None:
    """Let the description name the media type of problems, which FastAPI takes for plain JSON."""
    make = app.openapi

    def described() -> dict[str, Any]:
        schema = make()
        for methods in schema["paths"].values():
            for operation in methods.values():
                for answer in operation["responses"].values():
                    content = answer.get("content", {})
                    if content.get("application/json", {}).get("schema") == _SCHEMA:
                        content[MEDIA_TYPE] = content.pop("application/json")
        return schema

    # https://fastapi.tiangolo.com/how-to/extending-openapi/
    app.openapi = described  # type: ignore[method-assign]


def _usage(_request: Request, error: Exception) -> JSONResponse:
    return problem(422, str(error))


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, IntakeError)
    return refused(error)


def _store(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, StoreError) and error.code == _TOO_LARGE:
        return problem(422, _ASK_FOR_LESS)
    # The store's own text may quote data and addresses: it is for the log.
    _log.error("%s", error)
    if isinstance(error, StoreError) and not error.permanent:
        return problem(503, "The store does not answer; try again in a moment.")
    return problem(500, "The store refused the question; see the log of the API.")


def _state(_request: Request, error: Exception) -> JSONResponse:
    _log.error("%s", error)
    return problem(503, "The state database does not answer; try again in a moment.")


def _validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
    return problem(422, f"The request is not understood: {said}.")


def _fault(_request: Request, _error: Exception) -> JSONResponse:
    return problem(500, "The API failed at this request; see its log.")


def _methods_of(request: Request) -> list[str]:
    """Return what a path takes: each method of it may be a route of its own."""
    routes = (route for route in request.app.routes if isinstance(route, Route))
    found = (r.methods or () for r in routes if r.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for methods in found for method in methods})


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_methods_of(request))
        answer = problem(error.status_code, f"{request.url.path[:200]} takes {allowed}.")
        answer.headers["Allow"] = allowed  # RFC 9110, section 15.5.6
        return answer
    if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
        detail = f"There is nothing at {request.url.path[:200]}; /api/docs lists what there is."
    return problem(error.status_code, detail)
