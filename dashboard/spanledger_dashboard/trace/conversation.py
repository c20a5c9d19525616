"""What was said in a trace: every message once, in order, and every answer with its call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from spanledger_dashboard.trace.data import TraceKey
from spanledger_dashboard.trace.message_parts import parse_message
from spanledger_dashboard.trace.steps import Step, Steps
from spanledger_storage.store import Store

_Place = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One message of a trace, or a call that ended without one.

    Attributes:
        step: the call that brought it up, or that answered with it.
        message_hash: empty: the call failed, or its answer was not stored.
        is_answer: False: it was sent to the model.
    """

    step: Step
    message_hash: str
    is_answer: bool


def load_conversation(store: Store, key: TraceKey, steps: Steps) -> list[Utterance]:
    """Read who said what in a trace, in order; without stored messages, empty.

    Raises:
        StoreError: the store does not answer.
    """
    if not steps.has_messages:
        return []
    rows = store.rows("dashboard_trace_conversation", key.params)
    said = [
        (str(r["hash"]), bool(r["is_answer"]), cast("Sequence[_Place]", r["places"])) for r in rows
    ]
    return in_order(said, steps.all)


def in_order(
    said: Iterable[tuple[str, bool, Sequence[_Place]]], steps: Sequence[Step]
) -> list[Utterance]:
    """Return the utterances by the start of their call, what was sent before what came back.

    A call may hold its messages in several spans; one of them speaks: its primary span where that
    has any, else the next, its log records last and all together.
    """
    said = list(said)
    owners = _owners(said, steps)
    speakers: dict[int, int] = {}
    for _, _, places in said:
        for place in places:
            if place[2] in owners:
                n, rank = owners[place[2]]
                speakers[n] = min(rank, speakers.get(n, rank))
    answered_ns: dict[str, int] = {}
    found: list[tuple[int, bool, _Place, str]] = []
    for message_hash, is_answer, places in sorted(said, key=lambda s: (not s[1], s[2][0])):
        at = next((p for p in places if _speaks(p, owners, speakers)), None)
        if at is None:
            continue
        if is_answer:
            answered_ns[message_hash] = min(at[0], answered_ns.get(message_hash, at[0]))
        elif answered_ns.get(message_hash, at[0]) < at[0]:
            continue  # an answer that the next call sent along
        found.append((owners[at[2]][0], is_answer, at, message_hash))
    answered = {n for n, is_answer, _, _ in found if is_answer}
    silent = ((n, True, (s.start_ns, 0, ""), "") for n, s in enumerate(steps) if s.is_call)
    found += (row for row in silent if row[0] not in answered and steps[row[0]].role == "llm")
    return [Utterance(steps[n], text, is_answer) for n, is_answer, _, text in sorted(found)]


def _owners(
    said: Iterable[tuple[str, bool, Sequence[_Place]]], steps: Sequence[Step]
) -> dict[str, tuple[int, int]]:
    """Return the step each span's messages belong to, and which of its spans that is.

    Agents repeat what their calls say; where calls say nothing, agents speak for them.
    """
    speaking = {place[2] for _, _, places in said for place in places}
    for roles in (("llm",), ("llm", "agent")):
        found = {
            source: (n, rank)
            for n, step in enumerate(steps)
            if step.role in roles
            for rank, source in _ranked(step)
        }
        if not speaking.isdisjoint(found):
            return found
    return {}


def _ranked(step: Step) -> Iterable[tuple[int, str]]:
    twins = 1 + step.merged
    return ((min(place, twins), source) for place, source in enumerate(step.sources))


def _speaks(place: _Place, owners: dict[str, tuple[int, int]], speakers: dict[int, int]) -> bool:
    if place[2] not in owners:
        return False
    n, rank = owners[place[2]]
    return speakers[n] == rank


def said_alike(content: str) -> str:
    """Return what two forms of one message have in common.

    Frameworks leave the reasoning out when they send an answer along with the next call.
    """
    role, parts = parse_message(content)
    kept = [part for part in parts if part.get("type") != "reasoning"]
    return json.dumps([role, kept], sort_keys=True)
