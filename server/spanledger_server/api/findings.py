"""Findings over HTTP: what wastes money or is not as it was, and what people say of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from spanledger_analytics.findings.muting import Said
from spanledger_analytics.findings.shown import Shown, joined
from spanledger_analytics.findings.writing import read_by_id
from spanledger_collector.access.keys import Grant
from spanledger_server.api.access import ProjectName
from spanledger_server.api.finding_rows import Finding, Mute, MuteList, OneFinding, StateBody
from spanledger_server.api.listings import (
    DEFAULT_ROWS,
    Filters,
    Listed,
    asked,
    described,
    export_answer,
    make_router,
    page_answer,
)
from spanledger_server.api.pages import read_page
from spanledger_server.api.questions import AskedFormat, CursorText, End, Hex32, Limit, Start, Text
from spanledger_server.api.resources import Resource
from spanledger_server.errors import UsageError
from spanledger_storage.api_keys import Scope
from spanledger_storage.finding_state import FindingStates, MuteRow
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

FINDINGS = Resource(
    "findings",
    "api_findings",
    Finding,
    "first_seen",
    ("finding_id",),
    ("findings", "first_seen"),
    "second",
)
_MOST_SAID = 2_000  # elements of a list that a statement takes
_NS_PER_S = 10**9
_DAY_S = 86_400
FindingId = Annotated[str, Path(pattern=r"^[0-9a-fA-F]{32}$", description="32 hexadecimal digits.")]
Pattern = Annotated[str, Query(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


@dataclass
class FindingFilters(Filters):
    """Filters of findings."""

    trace: Hex32 = ""
    session: Text = ""
    user: Text = ""
    agent: Text = ""
    model: Text = ""
    tool: Text = ""
    kind: Text = ""
    code: Text = ""
    severity: Annotated[Literal["", "info", "warning", "critical"], Query()] = ""
    state: Annotated[
        Literal["", "open", "acknowledged", "resolved", "false_alarm", "expected"],
        Query(description="As it is now."),
    ] = ""
    muted: Annotated[bool, Query(description="Muted ones as well.")] = False

    def params(self) -> dict[str, object]:
        """Return the filters as the statement takes them."""
        params = Filters.params(self)
        is_muted = params.pop("muted")
        return {**params, "trace": self.trace.lower(), "with_muted": int(bool(is_muted))}


def findings_router(store: Callable[[], Store], state: StateEngine) -> APIRouter:
    """Return the routes.

    Args:
        store: returns the open store, or raises StoreError.
        state: the state database, to write what people say.
    """
    router = make_router("findings")
    kept = FindingStates(state)
    _add_lists(router, store, kept)
    _add_mutes(router, kept)
    _add_one(router, store, kept)
    return router


def _add_lists(router: APIRouter, store: Callable[[], Store], kept: FindingStates) -> None:
    @router.get("/findings", **described(FINDINGS, "page"))
    def page(
        request: Request,
        project: ProjectName,
        fmt: AskedFormat,
        filters: Annotated[FindingFilters, Depends()],
        start: Start = "",
        end: End = "",
        limit: Limit = DEFAULT_ROWS,
        cursor: CursorText = "",
    ) -> Response:
        listed = _judged(kept, asked(FINDINGS, project, filters, start, end, cursor))
        found = read_page(store(), listed.question, listed.cursor.place, limit, fmt)
        return page_answer(request, listed, found, fmt)

    @router.get("/export/findings", **described(FINDINGS, "document"))
    def whole(
        project: ProjectName,
        fmt: AskedFormat,
        filters: Annotated[FindingFilters, Depends()],
        start: Start = "",
        end: End = "",
    ) -> Response:
        listed = _judged(kept, asked(FINDINGS, project, filters, start, end, ""))
        return export_answer(store(), listed, fmt)


def _add_mutes(router: APIRouter, kept: FindingStates) -> None:
    @router.get("/findings/mutes")
    def mutes(project: ProjectName) -> MuteList:
        """List the patterns whose findings are hidden."""
        return MuteList(project=project, mutes=[Mute.of(one) for one in kept.mutes(project)])

    @router.delete("/findings/mutes", dependencies=[Depends(_demand_admin)])
    def unmute(request: Request, project: ProjectName, pattern: Pattern) -> MuteList:
        """Show findings of a pattern again; returns what is still muted. Needs the scope admin."""
        if not kept.unmute(project, pattern, who=_who(request), now_ns=time.time_ns()):
            raise HTTPException(404, "This pattern is not muted: /findings/mutes lists those.")
        return MuteList(project=project, mutes=[Mute.of(one) for one in kept.mutes(project)])


def _add_one(router: APIRouter, store: Callable[[], Store], kept: FindingStates) -> None:
    @router.get("/findings/{finding_id}")
    def one(finding_id: FindingId, project: ProjectName) -> OneFinding:
        """One finding, its spans, and what was said of it."""
        return _answer(store(), kept, project, finding_id.lower())

    @router.post("/findings/{finding_id}/state", dependencies=[Depends(_demand_admin)])
    def say(
        finding_id: FindingId, body: StateBody, project: ProjectName, request: Request
    ) -> OneFinding:
        """Put a finding into a state; a false alarm mutes its pattern. Needs the scope admin."""
        opened, finding_id = store(), finding_id.lower()
        row = _shown(opened, kept, project, finding_id).row
        kept.say(
            project,
            finding_id,
            body.state,
            pattern=row.pattern,
            who=_who(request),
            now_ns=time.time_ns(),
            note=body.note,
        )
        return _answer(opened, kept, project, finding_id)


def _judged(kept: FindingStates, listed: Listed) -> Listed:
    """Return the question with what people said of findings of its period.

    Raises:
        UsageError: it is more than a statement takes.
    """
    question = listed.question
    since_ns = (question.period.from_s - _DAY_S) * _NS_PER_S  # the clocks of agents may be ahead
    said = kept.since(question.project, since_ns, _MOST_SAID + 1)
    muted = _muted(kept.mutes(question.project), time.time_ns())
    if len(said) > _MOST_SAID or len(muted) > _MOST_SAID:
        raise UsageError(
            f"More than {_MOST_SAID:,} findings of the period were judged: ask for a later one."
        )
    filters = {
        **question.filters,
        "said_ids": [one.finding_id for one in said],
        "said_states": [one.state for one in said],
        "said_at_ns": [one.at_ns for one in said],
        "muted": list(muted),
        "muted_at_ns": list(muted.values()),
    }
    return replace(listed, question=replace(question, filters=filters))


def _muted(mutes: list[MuteRow], now_ns: int) -> dict[str, int]:
    return {
        sha256(mute.pattern.encode()).hexdigest()[:16]: mute.at_ns
        for mute in mutes
        if mute.holds(now_ns)
    }


def _shown(store: Store, kept: FindingStates, project: str, finding_id: str) -> Shown:
    rows = read_by_id(store, project, [finding_id]).rows
    if not rows:
        raise HTTPException(404, f"There is no finding {finding_id}.")
    return joined(rows, Said.read(kept, project, time.time_ns(), [finding_id]))[0]


def _answer(store: Store, kept: FindingStates, project: str, finding_id: str) -> OneFinding:
    shown = _shown(store, kept, project, finding_id)
    return OneFinding.of(shown, kept.history(project, finding_id))


def _demand_admin(request: Request) -> None:
    grant: Grant | None = request.state.grant
    if grant is not None:
        grant.require(Scope.ADMIN)


def _who(request: Request) -> str:
    grant: Grant | None = request.state.grant
    return "api" if grant is None else f"key {grant.key_id}"
