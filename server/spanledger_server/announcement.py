"""What ``spanledger up`` says when everything runs."""

from __future__ import annotations

from spanledger_server.guard import Auth, placed
from spanledger_server.run_file import RunInfo
from spanledger_server.up_settings import UpSettings


def ready_text(info: RunInfo, settings: UpSettings) -> str:
    """Return where everything listens, and how to send the first span."""
    key = note = ""
    if settings.guard.auth is Auth.KEYS:
        key = "  export OTEL_EXPORTER_OTLP_HEADERS=x-api-key=KEY\n"
        note = f"{_about_keys(settings)}\n\n"
    return (
        "Spanledger is ready.\n\n"
        f"  Dashboard  {info.dashboard_url}\n"
        f"  API        {info.api_url}/api/docs\n"
        f"  Data       {settings.data.absolute()}\n\n"
        "Point an agent at it:\n\n"
        f"  export OTEL_EXPORTER_OTLP_ENDPOINT={info.otlp_url}\n"
        f"  export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n{key}\n"
        f"  (gRPC: port {info.grpc_port})\n\n{note}"
        "Demo data: make demo (or spanledger demo) in a second terminal. Stop: Ctrl-C."
    )


def _about_keys(settings: UpSettings) -> str:
    guard = settings.dashboard_guard
    add = placed("spanledger accounts add NAME", guard.data, guard.state_url)
    people = f"People sign in to the dashboard: `{add}`."
    if guard.is_open:
        people = (
            "The dashboard asks nobody to sign in, so it stays on loopback; "
            "--dashboard-auth accounts changes that."
        )
    return f"Requests need a key: `{settings.guard.make_key}`. {people}"
