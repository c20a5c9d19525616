"""What an answer over HTTP, or none, means for a notification."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from spanledger_alerts.notification import DeliveryError
from spanledger_alerts.text import one_line

_LONGEST_WAIT_S = 3_600.0
_LONGEST_REASON = 300
_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
# Answers of something between us and the provider, which may have passed the request on.
_DOUBTFUL = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


def refusal(
    who: str,
    status: int,
    retry_after: str | None = None,
    said: str = "",
    secrets: Iterable[str] = (),
) -> DeliveryError:
    """Return the error for an answer that is no success.

    Args:
        who: name of the provider.
        status: of HTTP.
        retry_after: the header of this name.
        said: what the answer says of the reason; cleaned and cut.
        secrets: texts that the reason may not contain.
    """
    again = status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    reason = one_line(without(said, secrets), _LONGEST_REASON)
    return DeliveryError(
        f"{who} answered {status}{f': {reason}' if reason else ''}",
        permanent=not again,
        retry_after_s=wait_s(retry_after) if again else None,
        is_doubtful=status in _DOUBTFUL,
    )


def silence(who: str, error: BaseException, *, is_sent: bool) -> DeliveryError:
    """Return the error for a connection that failed; its own text may hold addresses.

    Args:
        who: name of the provider.
        error: what happened.
        is_sent: whether the request may have arrived.
    """
    name = type(error).__name__
    return DeliveryError(f"{who} gave no answer ({name})", permanent=False, is_doubtful=is_sent)


def wait_s(retry_after: str | None) -> float | None:
    """Return seconds from a Retry-After header, RFC 9110 section 10.2.3; None: it says nothing."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def without(text: str, secrets: Iterable[str]) -> str:
    """Return text with every secret taken out."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def quiet(name: str, level: int = logging.WARNING) -> logging.Logger:
    """Return a logger that stays above the level at which its library logs addresses or tokens."""
    logger = logging.getLogger(name)
    if logger.level < level:
        logger.setLevel(level)
    return logger
