"""Origins of web pages that may send telemetry: https://fetch.spec.whatwg.org/#http-cors-protocol."""

from __future__ import annotations

from urllib.parse import urlsplit

from spanledger_collector.errors import CollectorError


class OriginError(CollectorError):
    """Not an origin; the message names the option."""


def check_origin(text: str) -> str:
    """Return an origin as browsers write it.

    Raises:
        OriginError: not ``scheme://host`` or ``scheme://host:port``. There is no ``*``: any page
            that somebody opens could send in their name.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username)
    if parts.scheme not in ("http", "https") or not host or "*" in host or any(rest):
        raise OriginError(
            f"--cors-origin must be an origin such as https://app.example.com, not {text[:100]!r}; "
            "repeat it for several."
        )
    is_default = port in (None, {"http": 80, "https": 443}[parts.scheme])
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}" + ("" if is_default else f":{port}")
