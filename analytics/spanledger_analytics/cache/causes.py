"""Why a call paid again for what was cached: the causes, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from spanledger_analytics.cache.calls import Prompt
from spanledger_analytics.cache.contents import Contents
from spanledger_analytics.cache.expected import HARDLY_READ, ttl_ns
from spanledger_analytics.cache.limits import CacheRules
from spanledger_analytics.cache.matching import (
    ALIKE,
    CHANGED,
    Match,
    is_summary,
    shared_segments,
)
from spanledger_analytics.cache.texts import (
    MESSAGE,
    SEGMENT,
    SYSTEM,
    TOOLS,
    Segment,
    first_difference,
    similarity,
)

_DROP = 0.7  # a request this much smaller than the one before was made smaller on purpose

SENTENCES = {
    "model_changed": "Caches belong to one model: keep a conversation on the model it began with, "
    "or switch where little history is carried over.",
    "parameters_changed": "Keep reasoning effort, tool choice and output format the same within a "
    "conversation: a change of them starts the cache anew.",
    "ttl": "The pause was longer than the cache lives: write with the one-hour lifetime, or send a "
    "keep-alive read before it ends, where the advice below says that it pays.",
    "tools_reordered": "The same tools came in another order: sort them by name before every call.",
    "tools_changed": "Tools come first in the prompt, so a changed tool invalidates all of it: "
    "always send the whole set in a fixed order, and restrict their use by tool choice.",
    "dynamic_text": "Text that differs in every call stands before the part that does not: move it "
    "out of the prompt's head, to the end of the last user message.",
    "system_changed": "The system prompt changed during the conversation: keep it fixed, and put "
    "what changes into a message at the end.",
    "prompt_changed": "The head of the prompt (tools or system prompt) changed: keep it fixed, and "
    "put what changes at the end. Content is not stored here, so no text can be shown.",
    "history_rewritten": "Earlier messages were edited or dropped: only append to the history, and "
    "cut it rarely and in large steps.",
    "history_compacted": "The history was replaced by a shorter one: compact later and in larger "
    "steps, and keep tools and system prompt before it unchanged.",
    "image": "An image or file of an earlier message changed: send the same bytes or the same "
    "address again, without signatures that expire.",
    "cold_start": "Calls began before the first answer had put their common prefix into the cache: "
    "send one call first, and the others once its answer begins.",
    "evicted": "The prefix was the same and young enough, but the provider did not have it: send "
    "calls with one prefix under one cache key, and mark blocks at most 20 apart.",
    "unseen": "Much less was read than the call before had cached. The prompts were not recorded: "
    "let the instrumentation send messages or their hashes to learn why.",
}
"""What to move where, by cause. Losing tokens for any other reason has no name here."""

WITHOUT_LOSS = ("", "first", "unknown", "not_cached", "below_minimum")
"""Causes of calls that lost nothing: all is well; nothing to compare with; the provider's counts
are not known; the earlier call cached nothing, or a read costs as much as input; the prefix is too
short."""


class Cause(NamedTuple):
    """Why, and where in the request.

    ``kind`` and ``position`` say which segment and at which character; both are empty where the
    content of the request is not to blame.
    """

    name: str
    kind: str = ""
    detail: str = ""
    position: int | None = None


def cause_of(
    call: Prompt,
    match: Match,
    others: Iterable[Prompt],
    expected: int,
    rules: CacheRules,
    contents: Contents,
) -> Cause:
    """Return why a call lost tokens that ``match.previous`` had cached; no name: nobody can tell.

    A part of a prefix that did not change may be missing for reasons of the provider's own, such as
    where requests are sent or which blocks were marked: no cause is claimed then.

    Args:
        call: the call.
        match: the earlier one.
        others: all earlier calls it was chosen from.
        expected: tokens that the call could have read.
        rules: of the provider.
        contents: what the segments say.
    """
    previous = match.previous
    if previous.model != call.model:
        return Cause("model_changed")
    if previous.parameters != call.parameters:
        return Cause("parameters_changed")
    gap_ns = call.start_ns - previous.end_ns
    if match.relation == CHANGED:
        return Cause("ttl") if gap_ns > ttl_ns(match, rules) else _content(call, match, contents)
    users = [
        other
        for other in others
        if other.model == call.model
        and shared_segments(other.segments, call.segments) >= match.shared
    ]
    ready = [user for user in users if user.ready_ns <= call.start_ns]
    if not ready:
        return Cause("cold_start")
    last_ns = max(user.end_ns for user in ready)
    if call.start_ns - last_ns > ttl_ns(match, rules):
        return Cause("ttl")
    return Cause("evicted" if call.entry.read <= HARDLY_READ * expected else "")


def _content(call: Prompt, match: Match, contents: Contents) -> Cause:
    """Return which segment changed, and how."""
    before = contents.get(match.previous.segments[match.shared])
    after = contents.get(call.segments[match.shared])
    if before is None or after is None:
        return _unseen_content(call, match)
    if TOOLS in (before.kind, after.kind):
        is_same_set = sorted(before.tools) == sorted(after.tools)
        name = "tools_reordered" if is_same_set and after.tools else "tools_changed"
        difference = first_difference(before.text, after.text)
        return Cause(name, TOOLS, position=difference.position if difference else None)
    kind = SYSTEM if SYSTEM in (before.kind, after.kind) else MESSAGE
    if before.kind == after.kind:
        if before.attachments != after.attachments and before.text == after.text:
            return Cause("image", MESSAGE)
        difference = first_difference(before.text, after.text)
        is_version = similarity(before.text, after.text) >= ALIKE
        if difference and difference.kind and match.has_same_place and is_version:
            return Cause("dynamic_text", kind, difference.kind, difference.position)
        if kind == SYSTEM:
            return Cause("system_changed", kind, position=difference and difference.position)
    return Cause(_history(call, match, after), kind)


def _unseen_content(call: Prompt, match: Match) -> Cause:
    if match.shared < 2 and match.has_same_place:
        return Cause("prompt_changed", SEGMENT)
    return Cause(_history(call, match, None), SEGMENT)


def _history(call: Prompt, match: Match, after: Segment | None) -> str:
    is_smaller = call.entry.input_tokens < _DROP * match.previous.entry.input_tokens
    is_summed_up = after is not None and is_summary(after)
    return "history_compacted" if is_smaller or is_summed_up else "history_rewritten"
