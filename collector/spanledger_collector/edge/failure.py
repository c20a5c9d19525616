"""What a sender is told when a request is not accepted, the same on both transports."""

from __future__ import annotations

import logging

from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from spanledger_collector.errors import IntakeError, InvalidRequest, Unexpected

log = logging.getLogger(__name__)

_MOST_MESSAGE_BYTES = 800
"""gRPC clients refuse 8 KiB of trailers, and each byte of a message may take three of them."""
_known_faults: set[str] = set()


def status_of(error: IntakeError) -> Status:
    """Return a failure as ``google.rpc.Status``, smaller than 4 KiB.

    Carries ``RetryInfo`` when the client shall send again and ``BadRequest`` when the data is at
    fault (https://opentelemetry.io/docs/specs/otlp/#failures).
    """
    status = Status(code=error.code, message=message_of(error))
    if error.retry_after_s is not None:
        status.details.add().Pack(retry_info(error.retry_after_s))
    if isinstance(error, InvalidRequest):
        fault = BadRequest.FieldViolation(
            field=_trimmed(error.field, 200), description=status.message
        )
        status.details.add().Pack(BadRequest(field_violations=[fault]))
    return status


def message_of(error: IntakeError) -> str:
    """Return what went wrong in at most 800 bytes of UTF-8."""
    return _trimmed(str(error), _MOST_MESSAGE_BYTES)


def retry_info(seconds: int) -> RetryInfo:
    """Return how long a client shall wait before it sends again."""
    return RetryInfo(retry_delay=Duration(seconds=seconds))


def unexpected(error: Exception) -> Unexpected:
    """Return what a sender is told of a fault of ours; the log is told once of each kind."""
    traceback = error.__traceback__
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    place = f"{traceback.tb_frame.f_code.co_qualname}:{traceback.tb_lineno}" if traceback else ""
    kind = f"{type(error).__name__} in {place}"
    if kind not in _known_faults:
        _known_faults.add(kind)
        log.error("a request failed, further ones of this kind are only counted", exc_info=error)
    return Unexpected("The collector failed to take the request; send again.")


def _trimmed(text: str, most_bytes: int) -> str:
    """Return the beginning of a text, as valid UTF-8 and without control characters."""
    plain = "".join(c if c.isprintable() else " " for c in text[:most_bytes])
    return plain.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")
