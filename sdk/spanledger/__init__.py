"""Attribute names that Spanledger reads beside the OpenTelemetry semantic conventions.

Set them on any span with any OpenTelemetry SDK; this package needs nothing else::

    span.set_attribute(spanledger.TASK_OUTCOME, "completed")
"""

from spanledger._attributes import TASK_ID, TASK_OUTCOME
from spanledger._version import __version__

__all__ = ["TASK_ID", "TASK_OUTCOME", "__version__"]
