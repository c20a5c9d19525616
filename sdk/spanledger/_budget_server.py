"""The server that keeps shared budgets, asked over HTTP with the standard library alone."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

_PATH = "/api/v1/budgets/"
_LARGEST_ANSWER = 4_000_000
_TRIPS_AFTER = 3
_REST_S = 5.0
_LONGEST_REST_S = 60.0
_NOT_FOR_US = (401, 403, 404)


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
