"""What GPUs did, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter

from spanledger_server.api.gpu_rows import GpuMinute, GpuSample
from spanledger_server.api.listings import Filters, add_listing, make_router
from spanledger_server.api.questions import Text
from spanledger_server.api.resources import Resource
from spanledger_storage.store import Store

MINUTES = Resource(
    "gpu-minutes",
    "api_gpu_minutes",
    GpuMinute,
    "time",
    ("gpu", "mig"),
    ("gpu_minutes", "minute"),
    "second",
)
SAMPLES = Resource(
    "gpu-samples",
    "api_gpu_samples",
    GpuSample,
    "time",
    ("gpu", "mig"),
    ("gpu_samples", "time"),
    "second",
)


@dataclass
class GpuFilters(Filters):
    """Filters of GPUs."""

    gpu: Text = ""
    host: Text = ""
    pod: Text = ""
    namespace: Text = ""


def gpus_router(store: Callable[[], Store]) -> APIRouter:
    """Return the routes; ``store`` returns the open store, or raises StoreError."""
    router = make_router("GPUs")
    add_listing(router, store, MINUTES, GpuFilters)
    add_listing(router, store, SAMPLES, GpuFilters)
    return router
