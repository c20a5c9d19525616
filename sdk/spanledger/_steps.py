"""``agent``, ``task``, ``tool`` and ``workflow``, and how the work on a task ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from os import urandom
from typing import Any, Literal, TypeVar, cast, get_args, overload

from opentelemetry import context, trace
from opentelemetry.util.types import AttributeValue

from spanledger._attributes import STEP_KIND, TASK_ID, TASK_OUTCOME, TASK_SCORE
from spanledger._context import AGENT_KEY, AgentRun, Block, with_shared
from spanledger._errors import LimitReached, told
from spanledger._settings import STATE
from spanledger._work import Work
from spanledger._wrapping import wrapped

F = TypeVar("F", bound=Callable[..., Any])
Kind = Literal["agent", "task", "tool", "workflow"]
TaskId = str | Callable[..., object]
Usd = Decimal | float | str
Outcome = Literal["completed", "failed", "escalated", "abandoned"]
_NO_VALUES: dict[str, object] = {}
_OPERATIONS = {"agent": "invoke_agent", "tool": "execute_tool", "workflow": "invoke_workflow"}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the spans of a step have in common."""

    kind: Kind
    name: str
    extra: dict[str, str | None]
    task_id: TaskId | None = None
    cost_usd: Usd | None = None
    span_name: str = field(init=False)
    attributes: dict[str, AttributeValue] = field(init=False)

    def __post_init__(self) -> None:
        operation = _OPERATIONS.get(self.kind)
        attributes: dict[str, AttributeValue] = (
            {"gen_ai.operation.name": operation} if operation else {STEP_KIND: self.kind}
        )
        if self.name and operation:
            attributes[f"gen_ai.{self.kind}.name"] = self.name
        attributes.update({k: v for k, v in self.extra.items() if v is not None})
        object.__setattr__(self, "attributes", attributes)
        named = f"{operation} {self.name}".rstrip() if operation else self.name or self.kind
        object.__setattr__(self, "span_name", named)

    def open(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Work:
        """Start the span of one call with these arguments; it is not yet the current one."""
        base = context.get_current()
        attributes = self.attributes
        values = _NO_VALUES
        if self.kind == "agent":
            values = {AGENT_KEY: AgentRun(self.name)}
        elif self.kind == "task":
            task_id = self._id_of(args, kwargs)
            attributes = {**attributes, TASK_ID: task_id}
            base = with_shared({TASK_ID: task_id}, base)
        tool = (self.name or "tool") if self.kind == "tool" else ""
        work = Work(self.span_name, attributes, values, base, tool)
        if self.cost_usd is not None:
            work.price(self.cost_usd)
        return work

    def _id_of(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
        try:
            found = self.task_id(*args, **kwargs) if callable(self.task_id) else self.task_id
        except Exception as error:
            told(f"id of the task {self.name}", error)
            found = None
        return urandom(16).hex() if found is None else str(found)


class Step(Block[Work]):
    """A step of an agent: a decorator, and a context manager that gives the open ``Work``.

    Enter it once at a time; ``with`` and ``async with`` do the same. A tool that has a price is
    stopped there with ``BudgetExceeded`` by a budget that it does not fit and that may raise.
    """

    __slots__ = ("_plan", "_work")

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan
        self._work: Work | None = None

    def __call__(self, function: F) -> F:
        """Return the function, with a span around each call of it."""
        plan = self._plan
        if not plan.name:
            plan = replace(plan, name=_name_of(function))
        return cast("F", wrapped(function, plan.open, is_tool=plan.kind == "tool"))

    def __enter__(self) -> Work:
        work = self._plan.open((), {})
        work.enter()
        if self._plan.cost_usd is not None:
            try:
                work.admit()
            except LimitReached as error:
                work.finish(error)
                raise
        self._work = work
        return work

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.finish(error)


def _name_of(function: object) -> str:
    inner = getattr(function, "__func__", function)
    return str(getattr(inner, "__name__", type(function).__name__))


def _step(name: Any, plan: _Plan) -> Any:
    if name is None or isinstance(name, str):
        return Step(replace(plan, name=name) if name else plan)
    return Step(plan)(name)


@overload
def agent(function: F, /) -> F: ...
@overload
def agent(
    name: str | None = None, /, *, id: str | None = None, version: str | None = None
) -> Step: ...
def agent(
    name: Any = None,
    /,
    *,
    id: str | None = None,
    version: str | None = None,
) -> Any:
    """Mark a run of an agent.

    ``@agent``, ``@agent("planner")`` and ``with agent("planner"):`` all do.
    """
    extra = {"gen_ai.agent.id": id, "gen_ai.agent.version": version}
    return _step(name, _Plan("agent", "", extra))


@overload
def workflow(function: F, /) -> F: ...
@overload
def workflow(name: str | None = None, /) -> Step: ...
def workflow(name: Any = None, /) -> Any:
    """Mark a run of several agents or steps."""
    return _step(name, _Plan("workflow", "", {}))


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    name: str | None = None, /, *, cost_usd: Usd | None = None, call_id: str | None = None
) -> Step: ...
def tool(
    name: Any = None,
    /,
    *,
    cost_usd: Usd | None = None,
    call_id: str | None = None,
) -> Any:
    """Mark a call of a tool.

    Args:
        name: of the tool; default: the function's.
        cost_usd: what each call costs, in US dollars; ``Work.cost`` says it for one call.
        call_id: id the model gave to this call.
    """
    return _step(name, _Plan("tool", "", {"gen_ai.tool.call.id": call_id}, None, cost_usd))


@overload
def task(function: F, /) -> F: ...
@overload
def task(function: str | None = None, /, *, id: TaskId | None = None, name: str = "") -> Step: ...
def task(
    function: Any = None,
    /,
    *,
    id: TaskId | None = None,
    name: str = "",
) -> Any:
    """Mark the work on one task, the unit that has an outcome and a price.

    ``@task`` makes each call of a function a task with a new id; ``with task("T-42"):`` names it.

    Args:
        function: to decorate, or the id of the task.
        id: of the task; several traces may share one. A function is called with the arguments of
            the decorated call: ``@task(id=lambda order: order.number)``. Default: a new id.
        name: of the span; default: the function's.
    """
    if isinstance(function, str):
        return Step(_Plan("task", name, {}, function))
    plan = _Plan("task", name, {}, id)
    return Step(plan) if function is None else Step(plan)(function)


def outcome(how: Outcome, *, score: float | None = None) -> None:
    """Say on the current span how its task ended.

    Args:
        how: ``completed``, ``failed``, ``escalated`` or ``abandoned``.
        score: how good it was, from 0 to 1.
    """
    if how not in get_args(Outcome):
        told("outcome", f"{how!r} is none of {', '.join(get_args(Outcome))}")
        return
    span = trace.get_current_span()
    span.set_attribute(TASK_OUTCOME, how)
    if score is not None:
        span.set_attribute(TASK_SCORE, float(score))


def feedback(
    name: str,
    value: float | bool | str,
    *,
    comment: str | None = None,
    response_id: str | None = None,
) -> None:
    """Add what somebody thought to the current span, as OpenTelemetry's evaluation event.

    Args:
        name: of what was judged, such as ``helpful``.
        value: a number as the score, anything else as the label.
        comment: in words; sent only where content is.
        response_id: of the answer that was judged, as its provider calls it.
    """
    found: dict[str, AttributeValue] = {"gen_ai.evaluation.name": name}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        found["gen_ai.evaluation.score.value"] = float(value)
    else:
        found["gen_ai.evaluation.score.label"] = str(value).lower()
    if comment is not None and STATE.content == "full":
        found["gen_ai.evaluation.explanation"] = comment
    if response_id is not None:
        found["gen_ai.response.id"] = response_id
    trace.get_current_span().add_event("gen_ai.evaluation.result", found)
