"""Asking a provider's API: patient with what passes, clear about the rest, silent about keys."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from spanledger_analytics.invoices.errors import PullError

Params = Sequence[tuple[str, str]]

_TRIES = 6
_TOO_MANY = 429
_LONGEST_WAIT_S = 90.0
"""A longer Retry-After is left to the schedule."""
_TIMEOUT_S = 60.0
_SECRET = re.compile(r"\b(?:sk|fw|key)[-_][\w*-]{4,}", re.IGNORECASE)
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Access:
    """Where a provider's API is, and with what it is asked.

    Attributes:
        url: its base address, without a slash at the end.
        key: the secret; never shown.
        account: of providers that have it in their addresses.
    """

    url: str
    key: str = field(repr=False)
    account: str = ""


class Client:
    """Asks one provider; a page at a time.

    Args:
        access: where, and with what.
        headers: that carry the key.
        transport: instead of the network, for tests.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        access: Access,
        headers: Mapping[str, str],
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access = access
        self._sleep = sleep
        # Redirects are not followed: the key would go along.
        self._http = httpx.Client(
            headers=dict(headers), transport=transport, timeout=_TIMEOUT_S, follow_redirects=False
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def get(self, path: str, params: Params = ()) -> str:
        """Return the text of an answer, which is JSON.

        Raises:
            PullError: the provider refuses, or does not answer in several tries.
        """
        return self._ask("GET", path, params=list(params))

    def post(self, path: str, body: Mapping[str, object]) -> str:
        """Return the text of the answer to a JSON body; see :meth:`get`."""
        return self._ask("POST", path, json=dict(body))

    def _ask(self, method: str, path: str, **content: Any) -> str:
        """Ask until there is an answer: after 429 and 5xx again, later each time."""
        error = PullError("not asked", permanent=False)
        for attempt in range(_TRIES):
            if attempt:
                wait_s = error.retry_after_s
                wait_s = float(2 ** (attempt - 1)) if wait_s is None else wait_s
                if wait_s > _LONGEST_WAIT_S:
                    raise error
                self._sleep(wait_s)
            try:
                answer = self._http.request(method, self.access.url + path, **content)
            except httpx.HTTPError as failure:
                error = PullError(
                    f"{self._place} did not answer: {type(failure).__name__}.", permanent=False
                )
                continue
            if answer.is_success:
                return self._json(answer)
            error = self._refusal(answer)
            if error.permanent:
                raise error
        raise error

    @property
    def _place(self) -> str:
        return httpx.URL(self.access.url).host or "The provider"

    def _json(self, answer: httpx.Response) -> str:
        try:
            json.loads(answer.text)
        except ValueError:
            raise PullError(
                f"{self._place} answered something that is no JSON.", permanent=True
            ) from None
        return answer.text

    def _refusal(self, answer: httpx.Response) -> PullError:
        status = answer.status_code
        is_passing = status == _TOO_MANY or status >= 500
        hint = ""
        if status in (401, 403):
            hint = " Does the key belong to an admin, and may it read usage?"
        elif status == 404:
            hint = " This report is not open to the account, or not at this address."
        return PullError(
            f"{self._place} answered {status}{self._said(answer)}.{hint}",
            permanent=not is_passing,
            retry_after_s=_retry_after_s(answer) if is_passing else None,
        )

    def _said(self, answer: httpx.Response) -> str:
        """Return what the provider says of an error, without anything like a key."""
        try:
            said = answer.json()
        except ValueError:
            return ""
        error = said.get("error", said) if isinstance(said, dict) else said
        text = error.get("message", "") if isinstance(error, dict) else error
        if not isinstance(text, str) or not text:
            return ""
        plain = _SECRET.sub("…", text.replace(self.access.key, "…"))
        return f": {' '.join(plain.split())[:_SHOWN].rstrip('.')}"


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header, which is a number or a date; None: neither."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at - datetime.now(UTC)).total_seconds())
