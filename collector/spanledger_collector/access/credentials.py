"""Where a key is in the headers of a request.

``Authorization: Bearer KEY`` (RFC 6750), ``Authorization: Basic base64(user:KEY)`` (RFC 7617) and
``x-api-key: KEY``. Values may be URL-encoded, as in ``OTEL_EXPORTER_OTLP_HEADERS``: some exporters
send them on as they stand (https://opentelemetry.io/docs/specs/otel/protocol/exporter/
#specifying-headers-via-environment-variables).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import unquote


def presented_keys(headers: Mapping[str, str]) -> list[str]:
    """Return what may be a key, the likeliest first; empty when there is nothing.

    Args:
        headers: of HTTP, or the metadata of gRPC; names in lower case.
    """
    found = [_from_authorization(text) for text in _readings(headers.get("authorization", ""))]
    found += _readings(headers.get("x-api-key", ""))
    return [text for text in dict.fromkeys(found) if text]


def _readings(value: str) -> list[str]:
    """Return a header as it stands and decoded: a key may itself hold a percent sign."""
    return [value.strip(), unquote(value).strip()]


def _from_authorization(value: str) -> str:
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    user, _, password = _decoded(rest.strip()).partition(":")
    return password or user


def _decoded(text: str) -> str:
    """Return base64 of either alphabet, with or without padding, as text; empty: it is none."""
    padded = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
    try:
        return base64.b64decode(padded, validate=True).decode()
    except ValueError:
        return ""
