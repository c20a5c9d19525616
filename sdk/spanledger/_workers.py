"""GPUs and inference servers: what asks for ``spanledger-workers``, and says when it is missing."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter
    from prometheus_client.registry import CollectorRegistry

    from spanledger_workers.inference import WorkerMetrics

log = logging.getLogger("spanledger")

_PACKAGE = "spanledger_workers"
_MISSING = f"needs the package {_PACKAGE.replace('_', '-')}: pip install 'spanledger[gpu]'"


def gpu(arguments: Sequence[str]) -> int:
    """Run ``spanledger gpu``; return its exit status."""
    return _run("gpu", arguments)


def inference(arguments: Sequence[str]) -> int:
    """Run ``spanledger inference``; return its exit status."""
    return _run("inference", arguments)


def instrument_worker(
    *,
    engine: str = "vllm",
    interval_s: float = 10.0,
    endpoint: str = "",
    registry: CollectorRegistry | None = None,
    exporter: MetricExporter | None = None,
) -> WorkerMetrics | None:
    """Send the metrics of an engine that runs in this process; return the handle that stops it.

    For vLLM inside a program (``LLM(...)``, ``AsyncLLM``), where no server has a metrics page: the
    engine counts in prometheus-client's registry, which is read every ``interval_s``. The host is
    never slowed, blocked or raised into; None, and one log line, where it cannot work.

    Args:
        engine: what runs here, as in ``spanledger.inference.engine``.
        interval_s: seconds between readings.
        endpoint: OTLP address; ``OTEL_EXPORTER_OTLP_*`` otherwise.
        registry: other than the process's own.
        exporter: other than the one for ``endpoint``.
    """
    try:
        from spanledger_workers.inference import WorkerMetrics

        return WorkerMetrics.of(engine, interval_s, endpoint, registry, exporter)
    except ImportError as error:
        log.warning("spanledger.instrument_worker() %s", _reason(error))
    except Exception as error:  # whatever it is, the host goes on
        log.warning("Spanledger does not read the metrics of this worker: %s", error)
    return None


def _run(name: str, arguments: Sequence[str]) -> int:
    try:
        found = import_module(f"{_PACKAGE}.{name}")
    except ImportError as error:
        sys.stderr.write(f"spanledger {name} {_reason(error)}\n")
        return 1
    return int(found.main(arguments))


def _reason(error: ImportError) -> str:
    """Return what to install, or what else is broken where that is installed."""
    is_missing = (error.name or "").partition(".")[0] == _PACKAGE
    return _MISSING if is_missing else f"does not start: {error}"
