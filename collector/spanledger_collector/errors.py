"""Errors of the collector: each knows what the sender is told and whether to send again.

CollectorError
└── IntakeError            carries the gRPC status code (the HTTP status follows from it)
    ├── InvalidRequest     the request can never be accepted as it is
    ├── UnsupportedMedia   the content type or encoding is not one of OTLP's
    ├── RequestTooLarge    over the size limit, compressed or decompressed
    ├── NotServed          a signal this collector does not take
    └── Unavailable        not now; the client keeps the data and sends it again

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
    """

    code = 2
    http_status = 500
    retry_after_s: int | None = None


class InvalidRequest(IntakeError):
    """Bad data: the same bytes will be refused again."""

    code = 3
    http_status = 400


class UnsupportedMedia(IntakeError):
    """Content type or content encoding that OTLP/HTTP does not know."""

    code = 3
    http_status = 415


class RequestTooLarge(IntakeError):
    """Over the limit; without RetryInfo, so that clients drop or split it."""

    code = 8
    http_status = 413


class NotServed(IntakeError):
    """A path or signal that nobody here takes."""

    code = 12
    http_status = 404


class Unavailable(IntakeError):
    """Overload, full disk or shutdown: retryable, never a loss.

    The delay stays at 1 s: an exporter that is told to wait longer than its own deadline (10 s in
    most SDKs, shared by all its attempts) gives up and drops the data.
    """

    code = 14
    http_status = 503
    retry_after_s = 1
