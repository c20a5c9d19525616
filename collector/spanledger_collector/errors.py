"""Errors of the collector: each knows what the sender is told and whether to send again.

CollectorError
└── IntakeError            carries the gRPC status code (the HTTP status follows from it)
    ├── InvalidRequest     the request can never be accepted as it is
    │   └── NoMessage      a call of gRPC that ended before there was one
    ├── UnsupportedMedia   the content type or encoding is not one of OTLP's
    │   └── UnsupportedCoding
    ├── RequestTooLarge    over the size limit, compressed or decompressed
    │   └── HeadersTooLarge
    ├── NotServed          a signal this collector does not take
    ├── Unauthenticated    no key, or none that is known
    ├── PermissionDenied   a key that may not do this
    ├── RateLimited        the project sends more than it may; later, it may again
    ├── NotAllowed         a path that does not know the method
    └── Unavailable        not now; the client keeps the data and sends it again
        ├── Overloaded     as much is in memory as there may be
        ├── TooSlow        the request did not arrive in time
        └── Unexpected     a fault of ours: to be sent again, it may pass

Mapping: https://opentelemetry.io/docs/specs/otlp/#failures and #failures-1
"""


class CollectorError(Exception):
    """Root of everything this package raises on purpose."""


class IntakeError(CollectorError):
    """A request that is not accepted.

    Attributes:
        code: gRPC status code, also the code of the ``google.rpc.Status`` body over HTTP.
        http_status: status line over HTTP.
        retry_after_s: seconds after which the client may try again; None: it must not.
        reason: one word for the figures about refused requests.
    """

    code = 2
    http_status = 500
    retry_after_s: int | None = None
    reason = "internal"


class InvalidRequest(IntakeError):
    """Bad data: the same bytes will be refused again.

    Attributes:
        field: the place in the request, as ``google.rpc.BadRequest`` names it; may be empty.
    """

    code = 3
    http_status = 400
    reason = "invalid"

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NoMessage(InvalidRequest):
    """A call that ended before its message: given up, or larger than gRPC takes, which it says."""

    reason = "no_message"


class UnsupportedMedia(IntakeError):
    """Content type or content encoding that OTLP/HTTP does not know."""

    code = 3
    http_status = 415
    reason = "unsupported_media"


class UnsupportedCoding(UnsupportedMedia):
    """Transfer coding besides ``chunked`` (RFC 9112, section 6.1)."""

    http_status = 501


class RequestTooLarge(IntakeError):
    """Over the limit; without RetryInfo, so that clients drop or split it."""

    code = 8
    http_status = 413
    reason = "too_large"


class HeadersTooLarge(RequestTooLarge):
    """What precedes or follows the body is over its own limit."""

    http_status = 431


class NotServed(IntakeError):
    """A path or signal that nobody here takes."""

    code = 12
    http_status = 404
    reason = "not_served"


class NotAllowed(IntakeError):
    """A method other than those of the path."""

    code = 12
    http_status = 405
    reason = "method"


class Unauthenticated(IntakeError):
    """No key, or one that nobody knows, or that was revoked."""

    code = 16
    http_status = 401
    reason = "unauthenticated"


class PermissionDenied(IntakeError):
    """A key that is known but may not do this."""

    code = 7
    http_status = 403
    reason = "permission_denied"


class RateLimited(IntakeError):
    """The project is over its own limit; RetryInfo says that this will pass."""

    code = 8
    http_status = 429
    reason = "rate_limited"
    retry_after_s = 1


class Unavailable(IntakeError):
    """Overload, full disk or shutdown: retryable, never a loss.

    The delay stays at 1 s: an exporter that is told to wait longer than its own deadline (10 s in
    most SDKs, shared by all its attempts) gives up and drops the data.
    """

    code = 14
    http_status = 503
    reason = "unavailable"
    retry_after_s = 1


class Overloaded(Unavailable):
    """Taking it would need more memory than the collector may use for requests."""

    reason = "overloaded"


class TooSlow(Unavailable):
    """The request did not arrive in time: the network or the sender is at fault, not the data."""

    reason = "slow"


class Unexpected(Unavailable):
    """Something of ours failed. Clients drop data on any other answer, so they may try again."""

    reason = "unexpected"
