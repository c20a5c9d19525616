"""What is saved of a golden trajectory: what it takes to compare others with it, and no content.

It outlives the spans it was made of. Models, tools and agents are kept by name, arguments, results
and answers as signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import cast

from spanledger_analytics.golden.alignment import DiffStep, Side, Totals

_TEXTS = ("role", "what", "agent", "name")
_COUNTS = ("tokens", "duration_ns", "llm_calls", "spans", "errors")
_FIELDS_BEFORE_RESULT = 11


def golden_content(side: Side) -> dict[str, object]:
    """Return what is saved of a side: compact JSON, money as decimal text."""
    texts: dict[str, int] = {}
    steps = [_packed(step, texts) for step in side.steps]
    totals = asdict(side.totals)
    cost = side.totals.cost_usd
    return {
        "trace_id": side.trace_id,
        "name": side.name,
        "start_ns": side.start_ns,
        "outcome": side.outcome,
        "totals": totals | {"cost_usd": None if cost is None else f"{cost:f}"},
        "texts": list(texts),
        "steps": steps,
    }


def golden_side(content: Mapping[str, object]) -> Side:
    """Return a side from what was saved.

    Raises:
        ValueError: this is not what :func:`golden_content` makes.
    """
    try:
        totals = cast("dict[str, object]", content["totals"])
        cost = totals["cost_usd"]
        texts = cast("list[str]", content["texts"])
        packed = cast("list[list[object]]", content["steps"])
        return Side(
            trace_id=str(content["trace_id"]),
            name=str(content["name"]),
            start_ns=int(cast("int", content["start_ns"])),
            totals=Totals(
                None if cost is None else Decimal(str(cost)),
                *(int(str(totals[name])) for name in _COUNTS),
            ),
            steps=tuple(_unpacked(row, texts) for row in packed),
            is_golden=True,
            outcome=str(content.get("outcome") or ""),
        )
    except (KeyError, IndexError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError("This golden trajectory cannot be read; save it again.") from error


def _packed(step: DiffStep, texts: dict[str, int]) -> list[object]:
    places = [texts.setdefault(getattr(step, name), len(texts)) for name in _TEXTS]
    # As text: a number of 64 bits is no JSON number everywhere.
    sig = str(step.call_sig) if step.call_sig else ""
    cost = None if step.cost_usd is None else f"{step.cost_usd:f}"
    rest = (sig, step.answer, int(step.has_failed), cost, step.tokens, step.duration_ns)
    result = [str(step.result_sig)] if step.result_sig else []
    return [*places, *rest, step.span_id, *result]


def _unpacked(row: Sequence[object], texts: Sequence[str]) -> DiffStep:
    role, what, agent, name = (texts[cast("int", place)] for place in row[:4])
    sig, answer, has_failed, cost, tokens, duration_ns, span_id = row[4:_FIELDS_BEFORE_RESULT]
    result = row[_FIELDS_BEFORE_RESULT] if len(row) > _FIELDS_BEFORE_RESULT else 0
    return DiffStep(
        role=role,
        what=what,
        agent=agent,
        name=name,
        call_sig=int(str(sig) or 0),
        answer=str(answer),
        has_failed=bool(has_failed),
        cost_usd=None if cost is None else Decimal(str(cost)),
        tokens=cast("int | None", tokens),
        duration_ns=int(cast("int", duration_ns)),
        span_id=str(span_id),
        result_sig=int(str(result)),
    )
