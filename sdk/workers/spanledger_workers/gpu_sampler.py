"""All GPUs of this host: opened once, read together, and the events the driver reports."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pynvml

from spanledger_workers.gpu_device import Device, Reading, code_of
from spanledger_workers.gpu_processes import Owners
from spanledger_workers.points import Point

log = logging.getLogger("spanledger")

_SLOW_S = 10
_MOST_EVENTS = 1_000


class GpuError(Exception):
    """There is nothing to sample; the message says why and what to do."""


class Sampler:
    """The GPUs that answered at the start.

    Args:
        now_ns: UNIX nanoseconds; counters that are not the driver's own begin here.
        proc: where the processes of the GPUs are listed.

    Raises:
        GpuError: there is no driver, or no GPU.
    """

    def __init__(self, now_ns: int, proc: Path = Path("/proc")) -> None:
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise GpuError(
                f"No NVIDIA driver answers here ({error}). Run this where the GPUs are; in a "
                "container, with the NVIDIA runtime."
            ) from error
        self._start_ns = now_ns
        self._first_ns = 0
        self._slow_at_ns = 0
        self.devices = list(_open_all(proc))
        if not self.devices:
            raise GpuError("The NVIDIA driver knows no GPU that answers.")
        self._events = _watch_xids(self.devices)

    def sample(self, now_ns: int) -> list[Point]:
        """Return what every GPU tells now; one that fails does not keep the others from it."""
        self._first_ns = self._first_ns or now_ns
        is_slow = now_ns - self._slow_at_ns >= _SLOW_S * 10**9
        if is_slow:
            self._slow_at_ns = now_ns
        self._take_events()
        readings: list[Reading] = []
        for device in self.devices:
            readings += device.read(is_slow=is_slow)
        return [Point(r.about, r.value, r.labels, now_ns, self._start_of(r)) for r in readings]

    def close(self) -> None:
        """Let go of the driver."""
        try:
            if self._events is not None:
                pynvml.nvmlEventSetFree(self._events)
            pynvml.nvmlShutdown()
        except pynvml.NVMLError as error:
            log.debug("NVML did not close: %s", error)

    def _start_of(self, reading: Reading) -> int:
        """Return when a counter began; one of the driver, by convention, when it was first seen."""
        if reading.about.kind == "gauge":
            return 0
        return self._start_ns if reading.is_ours else self._first_ns

    def _take_events(self) -> None:
        if self._events is None:
            return
        for _ in range(_MOST_EVENTS):
            try:
                event = pynvml.nvmlEventSetWait_v2(self._events, 0)
                uuid = str(pynvml.nvmlDeviceGetUUID(event.device))
            except pynvml.NVMLError as error:
                if code_of(error) != pynvml.NVML_ERROR_TIMEOUT:
                    log.debug("NVML events: %s", error)
                return
            for device in self.devices:
                if device.uuid == uuid:
                    device.note_xid(int(event.eventData))


def _open_all(proc: Path) -> Sequence[Device]:
    found: list[Device] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            found.append(Device.open(index, Owners(proc)))
        except pynvml.NVMLError as error:
            log.warning("GPU %d does not answer (%s); the others go on.", index, error)
    return found


def _watch_xids(devices: Sequence[Device]) -> Any:
    """Return the driver's set of events, or None where it reports none."""
    events = None
    for device in devices:
        try:
            events = events or pynvml.nvmlEventSetCreate()
            pynvml.nvmlDeviceRegisterEvents(
                device.handle, pynvml.nvmlEventTypeXidCriticalError, events
            )
            device.last_xid = 0
        except pynvml.NVMLError as error:
            log.info("GPU %d reports no XID events (%s).", device.index, error)
    return events
