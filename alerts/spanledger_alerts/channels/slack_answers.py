"""What Slack's client libraries raise, without the addresses and tokens that stand in it."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPException, InvalidURL
from urllib.error import URLError

from spanledger_alerts.channels.answers import silence
from spanledger_alerts.notification import DeliveryError

WHO = "Slack"
FAILURES = (OSError, HTTPException, ValueError)
"""What a request raises when it has no answer."""
_NEVER_SENT = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)


def no_answer(error: Exception) -> DeliveryError:
    """Return the error for a request without an answer."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(error, InvalidURL):
        return DeliveryError(f"{WHO} cannot be asked: its address is wrong", permanent=True)
    cause = reason if isinstance(reason, BaseException) else error
    return silence(WHO, cause, is_sent=not isinstance(cause, _NEVER_SENT))
