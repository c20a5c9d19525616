"""The server that keeps shared budgets: what it is told of a call, and how it is asked.

Over HTTP, with the standard library alone.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from time import monotonic, time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from opentelemetry import baggage
from opentelemetry.context import Context

from spanledger._attributes import DIMENSION_PREFIX, TASK_ID
from spanledger._context import SESSION_ID, USER_ID, agent_of
from spanledger._prices import PICODOLLARS

_PATH = "/api/v1/budgets/"
_LARGEST_ANSWER = 4_000_000
_TRIPS_AFTER = 3
_REST_S = 5.0
_LONGEST_REST_S = 60.0
_NOT_FOR_US = (401, 403, 404)
_LONGEST_NAME = 512  # characters that the server takes
_MOST_TAGS = 64  # that the server takes


class Unanswered(Exception):
    """Nobody answered in time, or not as a server of budgets does; trying later may help."""


class Refused(Exception):
    """The server does not take such a request, now or later.

    Args:
        status: of HTTP.
        said: by the server.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.is_of_all = status in _NOT_FOR_US
        """Whether any other request would be refused, too: the key or the address is wrong."""


class BudgetServer:
    """One connection, kept open; of one thread.

    After three failures in a row of one kind of request it is not asked for that for five seconds,
    twice as long each time it fails again, up to a minute.
    """

    def __init__(self, url: str, api_key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"SPANLEDGER_API_URL must begin with http:// or https://, not {url!r}")
        self._is_tls = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/") + _PATH
        self._headers = {"Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._connection: http.client.HTTPConnection | None = None
        self._failures: dict[str, int] = {}
        self._rests_until_s: dict[str, float] = {}
        self._left_until_s = 0.0

    def rests(self, what: str) -> bool:
        """Return whether it is left alone now with a kind of request."""
        now_s = monotonic()
        has_failed = self._failures.get(what, 0) >= _TRIPS_AFTER
        return now_s < self._left_until_s or (has_failed and now_s < self._rests_until_s[what])

    def post(self, what: str, body: Mapping[str, object], timeout_s: float) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            Unanswered: there was none; the connection is closed.
            Refused: the request itself is wrong.
        """
        try:
            answer = self._sent(self._prefix + what, json.dumps(body).encode(), timeout_s)
        except (OSError, http.client.HTTPException, ValueError, Unanswered) as error:
            self.close()
            failures = self._failures[what] = self._failures.get(what, 0) + 1
            rest_s = min(_LONGEST_REST_S, _REST_S * 2 ** min(9, max(0, failures - _TRIPS_AFTER)))
            self._rests_until_s[what] = monotonic() + rest_s
            raise Unanswered(f"{type(error).__name__}: {error}") from error
        self._failures[what] = 0
        return answer

    def leave_alone(self) -> None:
        """Ask nothing for a minute."""
        self._left_until_s = monotonic() + _LONGEST_REST_S

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _sent(self, path: str, body: bytes, timeout_s: float) -> dict[str, Any]:
        is_kept = self._connection is not None
        connection = self._connection or self._opened(timeout_s)
        self._connection = connection
        if connection.sock is not None:
            connection.sock.settimeout(timeout_s)
        try:
            connection.request("POST", path, body, self._headers)
            response = connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError, BrokenPipeError):
            if not is_kept:
                raise
            self.close()  # the server closed it meanwhile: a new one; requests count once anyway
            return self._sent(path, body, timeout_s)
        said = response.read(_LARGEST_ANSWER)
        if response.status == 200:
            found = json.loads(said)
            if isinstance(found, dict):
                return found
            raise Unanswered("the answer is not an object")
        if 400 <= response.status < 500 and response.status not in (408, 425, 429):
            raise Refused(response.status, said[:300].decode(errors="replace"))
        raise Unanswered(f"status {response.status}")

    def _opened(self, timeout_s: float) -> http.client.HTTPConnection:
        if not self._is_tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=timeout_s, context=context
        )


class Need(NamedTuple):
    """What a call may use: picodollars, tokens, calls; None: not known."""

    usd: int | None
    tokens: int | None
    llm_calls: int


@dataclass(slots=True)
class Lease:
    """One reservation: what is left of it by measure that is limited, and the calls it covers."""

    id: str
    granted: Mapping[str, int]
    left: dict[str, int]
    use_until_s: float
    began_s: float
    in_flight: int = 0
    is_retired: bool = False
    used_at_s: float = 0.0

    @property
    def is_low(self) -> bool:
        """Whether more than half of it is used up."""
        return any(2 * left < self.granted[measure] for measure, left in self.left.items())


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget of the server that a call does not fit in, or whose soft limit it is over."""

    id: str
    name: str
    selector: str
    measure: str
    level: str
    limit: Decimal
    spent: Decimal


@dataclass(slots=True)
class Taken:
    """What a call may do.

    Attributes:
        lease: what it was taken from; None: nothing is limited, or nobody answered.
        parts: by measure, what was taken.
        over: budgets it does not fit in; ``soft``: those with a soft limit that is reached.
        was_passed: nobody answered in time.
        is_free: nothing is limited.
    """

    lease: Lease | None = None
    parts: dict[str, int] = field(default_factory=dict[str, int])
    over: tuple[Limit, ...] = ()
    soft: tuple[Limit, ...] = ()
    was_passed: bool = False
    is_free: bool = False
    started_at_s: float = field(default_factory=time)


def text_of(measure: str, amount: int) -> str:
    """Return an amount as the server reads it: dollars, or a whole number."""
    return f"{Decimal(amount) / PICODOLLARS:f}" if measure == "usd" else str(amount)


def amount_of(measure: str, text: str) -> int:
    """Return an amount of the server: picodollars, or a whole number."""
    return int(Decimal(text) * PICODOLLARS) if measure == "usd" else int(Decimal(text))


def limit_of(found: Mapping[str, Any]) -> Limit:
    """Return a budget as the server's answer tells of it."""
    limit = found["hard_limit"] if found["hard_limit"] is not None else found["soft_limit"]
    return Limit(
        id=str(found["id"]),
        name=str(found["name"]),
        selector=str(found["selector"]),
        measure=str(found["measure"]),
        level=str(found["level"]),
        limit=Decimal(limit),
        spent=Decimal(found["spent"]),
    )


def is_as_large(need: Need, refused: Need) -> bool:
    """Return whether a call is known to need no less than one that was refused."""
    return all(
        theirs is None if mine is None else theirs is not None and mine >= theirs
        for mine, theirs in zip(need, refused, strict=True)
    )


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
