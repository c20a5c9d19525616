"""Where a log record or data point came from: the columns all rows of one scope share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from spanledger_collector.decode.columns import Array, Maps
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.log_spans import details_of
from spanledger_collector.decode.values import Attributes, read_attributes, render_all, text

_TEXTS = (
    "project",
    "service_name",
    "service_version",
    "environment",
    "scope_name",
    "scope_version",
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Resource and scope of some rows, and the request they came in.

    ``scope_details`` as of ``details_of``.
    """

    project: str
    service_name: str
    service_version: str
    environment: str
    scope_name: str
    scope_version: str
    received_ns: int
    ingested_ms: int
    resource_attributes: dict[str, str]
    scope_details: list[Attributes]

    @classmethod
    def of(
        cls, body: Body, ingested_at_ns: int, resource: Resource, scope: InstrumentationScope
    ) -> Origin:
        """Return the origin of what a body says about a resource and scope."""
        attributes = read_attributes(resource.attributes)
        environment = attributes.get("deployment.environment.name")
        return cls(
            body.project,
            text(attributes.get("service.name")) or "",
            text(attributes.get("service.version")) or "",
            text(environment or attributes.get("deployment.environment")) or "",
            scope.name,
            scope.version,
            body.received_ns,
            ingested_at_ns // 1_000_000,
            render_all(attributes),
            details_of(scope),
        )

    @staticmethod
    def arrays(origins: Sequence[Origin]) -> dict[str, Array]:
        """Return the columns of rows with these origins, one each."""
        numbers: dict[int, int] = {}
        resources = Maps()
        places: list[int] = []
        for origin in origins:
            if id(origin) not in numbers:
                numbers[id(origin)] = len(numbers)
                resources.append(origin.resource_attributes)
            places.append(numbers[id(origin)])
        arrays: dict[str, Any] = {
            name: pa.array([getattr(origin, name) for origin in origins], pa.string())
            for name in _TEXTS
        }
        arrays["resource_attributes"] = resources.array().take(pa.array(places, pa.int32()))
        ingested = pa.array([origin.ingested_ms for origin in origins], pa.int64())
        arrays["ingested_at"] = ingested.cast(pa.timestamp("ms", "UTC"))
        arrays["version"] = pa.array([origin.received_ns for origin in origins], pa.uint64())
        return arrays
