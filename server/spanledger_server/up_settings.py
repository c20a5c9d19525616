"""What ``spanledger up`` was told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spanledger_server.dashboard_guard import DashboardGuard
from spanledger_server.guard import Guard


@dataclass(frozen=True, slots=True)
class UpSettings:
    """The options of one instance. Port 0 means any free port."""

    data: Path
    host: str
    http_port: int
    grpc_port: int
    dashboard_port: int
    api_port: int
    engine_port: int
    guard: Guard
    dashboard_guard: DashboardGuard
    store_url: str | None = None
    read_store_url: str | None = None
    state_url: str | None = None
    max_spool_bytes: int | None = None
    max_inflight_bytes: int | None = None
    cors_origins: tuple[str, ...] = ()
