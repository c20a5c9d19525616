"""What a resource says about the spans below it."""

from __future__ import annotations

from spanledger_collector.decode.values import Attributes, text


def resource_columns(attributes: Attributes) -> dict[str, str]:
    """Return the columns of ``spans`` that come from the attributes of a resource."""
    environment = attributes.get("deployment.environment.name")
    return {
        "service_name": text(attributes.get("service.name")) or "",
        "service_version": text(attributes.get("service.version")) or "",
        "environment": text(environment or attributes.get("deployment.environment")) or "",
        "region": text(attributes.get("cloud.region")) or "",
    }
