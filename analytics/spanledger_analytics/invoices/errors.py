"""Errors of importing invoices.

InvoiceError              what was given cannot be imported; says where, what, and what to do
├── UnknownFormatError    a document is of no format we know
└── PullError             a provider did not answer as it should; knows whether to try again
"""

from __future__ import annotations

from spanledger_analytics.errors import AnalyticsError


class InvoiceError(AnalyticsError):
    """What was given cannot be imported; the message says where, what, and what to do."""


class UnknownFormatError(InvoiceError):
    """A document is of no format we know; the message names its fields and what to do."""


class PullError(InvoiceError):
    """A provider did not answer as it should.

    Attributes:
        permanent: trying again later cannot help: a key is refused, a request is wrong.
        retry_after_s: seconds the provider asks to wait; None: it does not say.
    """

    def __init__(
        self, message: str, *, permanent: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after_s = retry_after_s
