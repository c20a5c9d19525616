"""How the work ended, and what people thought of it."""

from __future__ import annotations

from typing import Literal, get_args

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from spanledger._attributes import TASK_OUTCOME, TASK_SCORE
from spanledger._failures import told
from spanledger._settings import STATE

Outcome = Literal["completed", "failed", "escalated", "abandoned"]


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
