"""The ``spanledger`` command: of the SDK here, of the server where that is installed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

_SERVER = "spanledger_server"


def main() -> None:
    """Run a command and exit with its code."""
    arguments = sys.argv[1:]
    is_ours = bool(arguments) and arguments[0] in COMMANDS and arguments[0] != "doctor"
    try:
        if not is_ours and find_spec(_SERVER) is not None:
            import_module(f"{_SERVER}.__main__").main()
            return
        sys.exit(command(arguments))
    except KeyboardInterrupt:  # while modules are loaded, which takes a second
        sys.exit(130)


def command(arguments: Sequence[str]) -> int:
    """Run one of ``COMMANDS``; return its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if arguments[0] == "version":
        from spanledger import __version__

        sys.stdout.write(f"{__version__}\n")
        return 0
    found = COMMANDS.get(arguments[0])
    if found is None:
        sys.stderr.write(f"spanledger: no such command: {arguments[0]}\n{_help()}")
        return 2
    return found[0](arguments[1:])


def run(arguments: Sequence[str]) -> int:
    """Put this process's place under a program that calls ``init`` before its first line."""
    program = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not program or program[0] in ("-h", "--help"):
        sys.stdout.write("spanledger run -- COMMAND [ARGUMENT ...]\n")
        return 0 if program else 2
    hook = str(Path(__file__).with_name("_auto"))
    known = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{hook}{os.pathsep}{known}" if known else hook
    sys.stdout.flush()
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.stderr.write(f"spanledger: {program[0]}: {error.strerror}\n")
        return 127


def examine(arguments: Sequence[str]) -> int:
    """Print what would be captured; 1 when something is wrong."""
    if arguments:
        sys.stdout.write("spanledger doctor: what would be captured in this environment\n")
        return 0 if arguments[0] in ("-h", "--help") else 2
    from spanledger._doctor import doctor
    from spanledger._init import init

    try:
        init()
    except ValueError as error:
        sys.stderr.write(f"spanledger: {error}\n")
        return 2
    diagnosis = doctor()
    sys.stdout.write(f"{diagnosis}\n")
    return 1 if diagnosis.problem else 0


def _help() -> str:
    lines = [f"  {name:<12}{text}\n" for name, (_, text) in COMMANDS.items()]
    return "".join(
        [
            "spanledger COMMAND\n\n",
            *lines,
            f"  {'version':<12}Print the version.\n\n",
            "The server has more: pip install spanledger-server\n",
        ]
    )


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


COMMANDS = {
    "run": (run, "Run a program with tracing on: spanledger run -- python a.py"),
    "doctor": (examine, "Say what would be captured here, and what would not."),
    "gpu": (gpu, "Sample the NVIDIA GPUs of this host."),
    "inference": (inference, "Read the metrics of inference servers."),
}
"""Commands of the SDK: function, which takes arguments and returns a code, and help."""
