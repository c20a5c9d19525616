"""The settings that processes take from the environment: read, and checked as a whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from spanledger_alerts.settings import VARIABLES as ALERT_VARIABLES
from spanledger_analytics.invoices.pull_settings import VARIABLES as PULL_VARIABLES
from spanledger_analytics.trajectory_status import VARIABLE as ABANDONED_VARIABLE
from spanledger_analytics.trajectory_status import abandoned_after_s
from spanledger_dashboard.access.settings import VARIABLES as ACCESS_VARIABLES
from spanledger_server import sdk_cli
from spanledger_server.errors import UsageError
from spanledger_server.focus_cli import FOLDER as FOCUS_FOLDER
from spanledger_server.guard import INGEST_KEY

OTHER_VARIABLES = frozenset(
    {
        "SPANLEDGER_LOG_LEVEL",
        "SPANLEDGER_LOG_FORMAT",
        "SPANLEDGER_READ_STORE_URL",
        "SPANLEDGER_OTLP_ENDPOINT",
        ABANDONED_VARIABLE,
        INGEST_KEY,
        *ACCESS_VARIABLES,
        *ALERT_VARIABLES,
        *PULL_VARIABLES,
        FOCUS_FOLDER,
        *sdk_cli.VARIABLES,
    }
)
"""Settings that are no option of a command."""
_LEVELS = ("debug", "info", "warning", "error")
_FORMATS = ("text", "json")
_SERVICE_LINK = re.compile(
    r"SPANLEDGER_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)"
)
_SERVICE_ADDRESS = ("tcp://", "udp://", "sctp://")


def drop_service_links() -> None:
    """Forget what Kubernetes tells of services whose names begin with ours: it is no setting.

    Of a service ``spanledger-api`` every container gets ``SPANLEDGER_API_PORT=tcp://…`` and more:
    https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables.
    """
    for name in [n for n in os.environ if n.startswith("SPANLEDGER_")]:
        # A store of tcp://… is a mistake to be told of, not one of these.
        is_address = name.endswith("_PORT") and os.environ[name].startswith(_SERVICE_ADDRESS)
        if is_address or _SERVICE_LINK.fullmatch(name):
            del os.environ[name]


def read_secret_files() -> None:
    """Let every variable come from a file: ``NAME_FILE`` (Docker and Kubernetes secrets).

    Raises:
        UsageError: such a file cannot be read, or the variable is set, too.
    """
    for name in [n for n in os.environ if n.startswith("SPANLEDGER_") and n.endswith("_FILE")]:
        path, meant = os.environ.pop(name), name.removesuffix("_FILE")
        if os.environ.get(meant):
            raise UsageError(f"Both {meant} and {name} are set; set one of them.")
        try:
            os.environ[meant] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(f"{name} names {path}, which cannot be read: {error.strerror}.") from (
                None
            )
        except ValueError:  # bytes that are no UTF-8, or a zero byte
            raise UsageError(f"{name} names {path}, which holds no text.") from None


def forget_empty() -> None:
    """Take a variable without a value for one that is not set, as options do.

    Files of variables and Compose set many so; an empty one would hide what stands for it.
    """
    for name in [n for n in os.environ if n.startswith("SPANLEDGER_")]:
        if not os.environ[name].strip():
            del os.environ[name]


def check_variables(of_options: Iterable[str]) -> None:
    """Refuse misspelt variables: a setting that is silently ignored is worse than none.

    Args:
        of_options: those that options of commands are read from.

    Raises:
        UsageError: there is one that nothing reads, or one that several processes read is wrong.
    """
    known = OTHER_VARIABLES.union(of_options)
    unknown = sorted(n for n in os.environ if n.startswith("SPANLEDGER_") and n not in known)
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)}: no such setting; known are {', '.join(sorted(known))}."
        )
    try:
        abandoned_after_s(os.environ.get(ABANDONED_VARIABLE, ""))
    except ValueError as error:
        raise UsageError(str(error)) from None


def log_settings() -> tuple[str, str]:
    """Return from which level on is logged, and in which format.

    Raises:
        UsageError: there is no such level or format.
    """
    level = os.environ.get("SPANLEDGER_LOG_LEVEL", "info")
    if level.lower() not in _LEVELS:
        raise UsageError(
            f"SPANLEDGER_LOG_LEVEL must be debug, info, warning or error, not {level!r}."
        )
    log_format = os.environ.get("SPANLEDGER_LOG_FORMAT", "text")
    if log_format not in _FORMATS:
        raise UsageError(f"SPANLEDGER_LOG_FORMAT must be text or json, not {log_format!r}.")
    return level, log_format
