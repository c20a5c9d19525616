"""What sends spans: OpenTelemetry's own OTLP exporters, set up as their variables say."""

from __future__ import annotations

import os
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExporter

from spanledger._errors import told
from spanledger._settings import Settings
from spanledger._spool import Spool, SpoolSession, SteadySession, destination_of

_DEFAULT_ENDPOINT = "http://localhost:4318"
_TRACES_PATH = "/v1/traces"
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")  # hold keys, too
_CREDENTIALS = (
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
)


class Exporters:
    """Makes the exporter of this process, and of each of its forks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.endpoint = settings.endpoint or _endpoint_of_variables()
        self._spool = self._opened_spool()
        self._session: SpoolSession | None = None

    def make(self) -> SpanExporter:
        """Return a new exporter with connections of its own."""
        settings = self._settings
        if not settings.endpoint and _protocol() == "grpc":
            return _grpc_exporter()
        headers = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else None
        self._session = None if self._spool is None else SpoolSession(self._spool)
        return OTLPSpanExporter(
            endpoint=settings.endpoint + _TRACES_PATH if settings.endpoint else None,
            headers=headers,
            session=self._session or _session(),
        )

    def drain(self) -> None:
        """Send again what waits on disk."""
        if self._session is not None:
            self._session.drain()

    def _opened_spool(self) -> Spool | None:
        settings = self._settings
        if not settings.spool:
            return None
        keys = settings.api_key, *(os.environ.get(name, "") for name in _HEADERS)
        destination = destination_of(self.endpoint, *keys)
        try:
            return Spool(Path(settings.spool).expanduser(), settings.spool_max_bytes, destination)
        except OSError as error:
            told("the spool cannot be used", error)
            return None


def _session() -> SteadySession | None:
    """Return what sends requests; ``None``: as a variable of OpenTelemetry's says."""
    return None if any(os.environ.get(name) for name in _CREDENTIALS) else SteadySession()


def _protocol() -> str:
    return os.environ.get(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    )


def _endpoint_of_variables() -> str:
    return os.environ.get(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", _DEFAULT_ENDPOINT),
    )


def _grpc_exporter() -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter as GrpcExporter,
        )
    except ImportError:
        told(
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc needs pip install 'spanledger[grpc]'; sending http/protobuf",
        )
        return OTLPSpanExporter()
    return GrpcExporter()
