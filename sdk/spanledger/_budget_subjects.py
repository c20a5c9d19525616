"""Whose a call is, as the server of budgets takes it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from opentelemetry import baggage
from opentelemetry.context import Context

from spanledger._attributes import DIMENSION_PREFIX, TASK_ID
from spanledger._context import SESSION_ID, USER_ID, agent_of

_LONGEST_NAME = 512  # characters that the server takes
_MOST_TAGS = 64  # that the server takes


def subject_of(base: Context, model: str) -> dict[str, object]:
    """Return whose a call is, as the server takes it; names that it does not are left out."""
    carried: Mapping[str, object] = baggage.get_all(base)
    named = {
        "agent": agent_of(base),
        "session": str(carried.get(SESSION_ID, "")),
        "user": str(carried.get(USER_ID, "")),
        "task": str(carried.get(TASK_ID, "")),
        "model": str(model),
    }
    tags = {
        key[len(DIMENSION_PREFIX) :]: str(value)
        for key, value in carried.items()
        if key.startswith(DIMENSION_PREFIX)
    }
    return {
        **{key: value if _is_name(value) else "" for key, value in named.items()},
        "tags": {key: value for key, value in tags.items() if _is_name(key) and _is_name(value)},
    }


def _is_name(text: str) -> bool:
    if len(text) > _LONGEST_NAME or "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:  # half a character, as of a name of a file
        return False


def reduced(subject: Mapping[str, object], scopes: frozenset[str] | None) -> dict[str, object]:
    """Return the part of a subject that any budget asks for; all of it before the first answer."""
    given = subject["tags"]
    known: Mapping[str, str] = given if isinstance(given, dict) else {}
    found = {key: value for key, value in subject.items() if key != "tags" and value}
    tags = known.items()
    if scopes is not None:
        found = {key: value for key, value in found.items() if key in scopes}
        tags = {key: value for key, value in tags if f"tag:{key}" in scopes}.items()
    return {**found, "tags": dict(islice(tags, _MOST_TAGS))}
