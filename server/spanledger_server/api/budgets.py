"""Budgets over HTTP: reserve, settle, release, state; and the budgets themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request

from spanledger_collector.access.keys import Grant as KeyGrant
from spanledger_server.api.access import DESCRIBED_KEYS, ProjectName
from spanledger_server.api.budget_models import (
    BreachAnswer,
    BreachList,
    BudgetList,
    BudgetState,
    Counted,
    Grant,
    Name,
    ReleaseBody,
    Released,
    ReserveBody,
    SettleBody,
    TermsBody,
)
from spanledger_server.api.models import Problem
from spanledger_server.api.questions import demand_known
from spanledger_server.errors import UsageError
from spanledger_storage.api_keys import Scope
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_requests import Subject
from spanledger_storage.budgets import Budget, Budgets
from spanledger_storage.errors import ConfigError
from spanledger_storage.price_state import StateEngine
from spanledger_storage.project_settings import NAME, NAME_RULE

_READERS = 8
_WRITERS = 16
_CODES = (400, 401, 403, 404, 422, 500, 503)
_NO_ZERO = r"^[^\x00]*$"
BudgetId = Annotated[str, Path(max_length=128, pattern=_NO_ZERO, description="Its id or its name.")]
Text = Annotated[str, Query(max_length=512, pattern=_NO_ZERO)]
AnswerT = TypeVar("AnswerT")


class _Threads:
    """Threads of their own: whoever waits for something else must not keep others from these."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._limiter: CapacityLimiter | None = None

    async def run(self, work: Callable[[], AnswerT]) -> AnswerT:
        """Return what the work returns; it waits for a thread."""
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._count)
        return await to_thread.run_sync(work, limiter=self._limiter)


async def _named(project: ProjectName) -> str:
    if not NAME.fullmatch(project):
        raise UsageError(f"A project's name {NAME_RULE} {project[:80]!r}.")
    return project


Project = Annotated[str, Depends(_named)]


def budgets_router(state: StateEngine) -> APIRouter:
    """Return the routes; ``state`` is the state database, to write."""
    router = APIRouter(
        prefix="/api/v1/budgets",
        tags=["budgets"],
        responses={code: {"model": Problem} for code in _CODES},
        dependencies=[*DESCRIBED_KEYS, Depends(demand_known)],
    )
    _add_writing(router, BudgetAccounts(state))
    _add_state(router, BudgetAccounts(state))
    _add_budgets(router, Budgets(state), BudgetAccounts(state))
    return router


def _add_writing(router: APIRouter, accounts: BudgetAccounts) -> None:
    writers = _Threads(_WRITERS)

    @router.post("/reserve")
    async def reserve(body: ReserveBody, project: Project) -> Grant:
        """Set something aside in every budget that counts the subject, or in none."""
        request = body.request()
        return await writers.run(
            lambda: Grant.of(accounts.reserve(project, request, time.time_ns()))
        )

    @router.post("/settle")
    async def settle(body: SettleBody, project: Project) -> Counted:
        """Put what calls used in the place of what was set aside for them; each call once."""
        now_ns = time.time_ns()
        requests = [one.request(now_ns // 10**9) for one in body.settlements]
        return await writers.run(lambda: Counted.of(accounts.settle(project, requests, now_ns)))

    @router.post("/release")
    async def release(body: ReleaseBody, project: Project) -> Released:
        """Give back what is left of reservations."""
        wanted = set(body.reservations)
        found = await writers.run(lambda: accounts.release(project, wanted, time.time_ns()))
        return Released(released=found)


def _add_state(router: APIRouter, accounts: BudgetAccounts) -> None:
    readers = _Threads(_READERS)

    @router.get("/state")
    async def state(
        project: Project,
        agent: Text = "",
        session: Text = "",
        user: Text = "",
        task: Text = "",
        model: Text = "",
        tag: Annotated[list[Name] | None, Query(max_length=64, description="key=value")] = None,
    ) -> BudgetList:
        """What the active budgets of a subject have spent and set aside; of none: the project's."""
        tags = dict(_pair(one) for one in tag or ())
        subject = Subject(agent, session, user, task, model, tags)

        def read() -> BudgetList:
            found = accounts.state(project, time.time_ns(), subject)
            return BudgetList(project=project, budgets=[BudgetState.of(*one) for one in found])

        return await readers.run(read)


def _add_budgets(router: APIRouter, budgets: Budgets, accounts: BudgetAccounts) -> None:
    @router.get("")
    def list_budgets(project: Project) -> BudgetList:
        """Every budget of the project, by name."""
        found = accounts.state(project, time.time_ns())
        return BudgetList(project=project, budgets=[BudgetState.of(*one) for one in found])

    @router.get("/breaches")
    def breaches(
        project: Project, limit: Annotated[int, Query(ge=1, le=1_000)] = 200
    ) -> BreachList:
        """When budgets were at a limit, the newest first."""
        found = budgets.breaches(project, limit=limit)
        return BreachList(project=project, breaches=[BreachAnswer.of(one) for one in found])

    @router.get("/{budget}")
    def show(budget: BudgetId, project: Project) -> BudgetState:
        """One budget."""
        return _state(accounts, project, _found(budgets, project, budget))

    @router.post("", status_code=201, dependencies=[Depends(_demand_admin)])
    def create(body: TermsBody, project: Project, request: Request) -> BudgetState:
        """Make a budget; what it has spent is known within seconds. Needs the scope admin."""
        with _explained():
            made = budgets.create(project, body.terms(), _who(request), time.time_ns())
        return _state(accounts, project, made)

    @router.put("/{budget}", dependencies=[Depends(_demand_admin)])
    def change(
        budget: BudgetId, body: TermsBody, project: Project, request: Request
    ) -> BudgetState:
        """Give a budget other terms. Needs the scope admin."""
        before = _found(budgets, project, budget)
        with _explained():
            made = budgets.change(project, before.id, body.terms(), _who(request), time.time_ns())
        return _state(accounts, project, made)

    @router.delete("/{budget}", dependencies=[Depends(_demand_admin)])
    def remove(budget: BudgetId, project: Project) -> BudgetState:
        """Remove a budget; returns it as it was. Needs the scope admin."""
        before = _found(budgets, project, budget)
        answer = _state(accounts, project, before)
        budgets.remove(project, before.id, time.time_ns())
        return answer


def _demand_admin(request: Request) -> None:
    grant: KeyGrant | None = request.state.grant
    if grant is not None:
        grant.require(Scope.ADMIN)


def _who(request: Request) -> str:
    grant: KeyGrant | None = request.state.grant
    return "api" if grant is None else f"key {grant.key_id}"


def _pair(tag: str) -> tuple[str, str]:
    key, found, value = tag.partition("=")
    if not (key and found):
        raise UsageError(f"A tag is key=value, not {tag[:80]!r}.")
    return key, value


@contextmanager
def _explained() -> Generator[None]:
    try:
        yield
    except ConfigError as error:  # what is wrong with the request, not with the server
        raise UsageError(str(error)) from None


def _found(budgets: Budgets, project: str, id_or_name: str) -> Budget:
    try:
        return budgets.get(project, id_or_name)
    except ConfigError as error:
        raise HTTPException(404, str(error)) from None


def _state(accounts: BudgetAccounts, project: str, budget: Budget) -> BudgetState:
    found = accounts.state(project, time.time_ns(), budget_id=budget.id)
    if not found:
        raise HTTPException(404, f"The budget {budget.terms.name!r} was removed just now.")
    return BudgetState.of(*found[0])
