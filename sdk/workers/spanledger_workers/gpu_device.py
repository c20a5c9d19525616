"""One GPU through NVML: every counter it has, the ones it lacks asked for once.

Limits and units: https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pynvml

from spanledger_workers import gpu_metrics as m
from spanledger_workers.gpu_activity import Activity
from spanledger_workers.gpu_processes import Owners
from spanledger_workers.points import About

log = logging.getLogger("spanledger")

Handle = Any  # a ctypes pointer; pynvml ships no types
Labels = dict[str, "str | int"]

_NEVER = frozenset(
    {
        pynvml.NVML_ERROR_INVALID_ARGUMENT,
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    }
)
_GONE = frozenset({pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED})
_ALL_LINKS = 0xFFFFFFFF
_NO_INSTANCE = 0xFFFFFFFF
_KIB, _MHZ, _KB = 1024, 1_000_000, 1_000
_CLOCKS = (
    ("graphics", pynvml.NVML_CLOCK_GRAPHICS),
    ("sm", pynvml.NVML_CLOCK_SM),
    ("memory", pynvml.NVML_CLOCK_MEM),
)
_ECC = (
    ("corrected", pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED),
    ("uncorrected", pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
)
_MEMORY_TEMPERATURE = pynvml.NVML_FI_DEV_MEMORY_TEMP
_PCIE_FIELDS = {
    pynvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES: ("pcie", "transmit", 1),
    pynvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES: ("pcie", "receive", 1),
}
_IO_FIELDS = {
    **_PCIE_FIELDS,
    pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX: ("nvlink", "transmit", _KIB),
    pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX: ("nvlink", "receive", _KIB),
}
_PCIE_RATES = (
    ("transmit", pynvml.NVML_PCIE_UTIL_TX_BYTES),
    ("receive", pynvml.NVML_PCIE_UTIL_RX_BYTES),
)


class Reading(NamedTuple):
    """One value of one metric of one GPU, instance or process."""

    about: About
    value: float
    labels: Labels
    is_ours: bool = False
    """Counted by this process, since its start; else by the driver, since nobody knows when."""


class Instance(NamedTuple):
    """A MIG instance."""

    handle: Handle
    number: int
    labels: Labels


@dataclass
class Device:
    """One GPU; ``is_lost`` while it does not answer any more."""

    index: int
    uuid: str
    handle: Handle
    labels: Labels
    owners: Owners
    is_lost: bool = False
    instances: list[Instance] = field(default_factory=list[Instance])
    xids: dict[int, int] = field(default_factory=dict[int, int])
    last_xid: int | None = None
    _unsupported: set[str] = field(default_factory=set[str])
    _fields: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    _processes_seen_us: int = 0
    _has_mig: bool = False
    _activity: Activity = field(default_factory=Activity)

    @classmethod
    def open(cls, index: int, owners: Owners) -> Device:
        """Return the GPU with an index.

        Raises:
            pynvml.NVMLError: it does not answer.
        """
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid = str(pynvml.nvmlDeviceGetUUID(handle))
        device = cls(index, uuid, handle, {}, owners)
        name = device._ask("nvmlDeviceGetName", pynvml.nvmlDeviceGetName, handle) or "NVIDIA GPU"
        device.labels = {
            "hw.id": uuid,
            "hw.type": "gpu",
            "hw.name": str(name),
            "hw.model": str(name),
            "hw.vendor": "NVIDIA",
            "spanledger.gpu.index": index,
        }
        device._fields = [(_MEMORY_TEMPERATURE, 0), *((i, _scope_of(i)) for i in _IO_FIELDS)]
        device.refresh()
        return device

    def read(self, *, is_slow: bool) -> list[Reading]:
        """Return what the GPU tells now; ``is_slow``: also what changes seldom or is dear to ask.

        A lost GPU is reported as such; each slow reading looks whether it is back.
        """
        if self.is_lost and not (is_slow and self._come_back()):
            return [self._status("failed")]
        try:
            readings = list(self._slow()) if is_slow else []
            readings += self._fast(is_slow=is_slow)
        except _LostError:
            self.is_lost = True
            log.warning("GPU %d (%s) is lost; the others go on.", self.index, self.uuid)
            return [self._status("failed")]
        return readings

    def refresh(self) -> None:
        """Look for MIG instances again: they are made and removed while the GPU runs."""
        try:
            mode = self._ask("nvmlDeviceGetMigMode", pynvml.nvmlDeviceGetMigMode, self.handle)
            has_mig = bool(mode and mode[0])
            if has_mig != self._has_mig:
                self._has_mig = has_mig
                self._unsupported.clear()  # a GPU tells other things with MIG than without
            self.instances = list(self._instances()) if has_mig else []
            self._activity.keep({instance.number for instance in self.instances})
        except _LostError:
            self.is_lost = True

    def note_xid(self, code: int) -> None:
        """Count an XID event."""
        self.xids[code] = self.xids.get(code, 0) + 1
        self.last_xid = code

    def _fast(self, *, is_slow: bool) -> Iterator[Reading]:
        yield self._status("ok")
        yield from self._utilization()
        yield from self._memory(self.handle, self.labels, is_slow=is_slow)
        yield from self._power()
        yield from self._field_values()
        for name, clock in _CLOCKS:
            mhz = self._ask(f"clock {name}", pynvml.nvmlDeviceGetClockInfo, self.handle, clock)
            if mhz is not None:
                yield self._is(m.CLOCK, mhz * _MHZ, {"spanledger.gpu.clock.domain": name})
        reasons = self._ask("reasons", pynvml.nvmlDeviceGetCurrentClocksEventReasons, self.handle)
        if reasons is not None:
            yield self._is(m.CLOCK_EVENTS, reasons)
        yield from self._instance_readings(is_slow=is_slow)
        yield from self._processes()
        yield from self._xid_readings()

    def _instance_readings(self, *, is_slow: bool) -> Iterator[Reading]:
        numbers = {instance.number for instance in self.instances}
        shares = {n: self._activity.share(self._ask, self.handle, n) for n in sorted(numbers)}
        for instance in self.instances:
            yield from self._memory(instance.handle, instance.labels, is_slow=is_slow)
            share = shares[instance.number]
            if share is not None:
                said: Labels = {**instance.labels, "hw.gpu.task": "general"}
                yield Reading(m.UTILIZATION, share, said)

    def _slow(self) -> Iterator[Reading]:
        self.refresh()
        limit = self._ask("limit", pynvml.nvmlDeviceGetEnforcedPowerLimit, self.handle)
        if limit is not None:
            yield self._is(m.POWER_LIMIT, limit / 1_000)
        for name, kind in _ECC:
            errors = self._ask(
                f"ecc {name}", pynvml.nvmlDeviceGetTotalEccErrors, self.handle, kind,
                pynvml.NVML_VOLATILE_ECC,
            )  # fmt: skip
            if errors is not None:
                yield self._is(m.ERRORS, errors, {"error.type": name})
        for instance in self.instances:
            found = self._ask("slices", pynvml.nvmlDeviceGetAttributes_v2, instance.handle)
            if found is not None:
                yield Reading(m.MIG_SLICES, found.gpuInstanceSliceCount, instance.labels)
        known = {field for field, _ in self._fields}
        if not known.intersection(_PCIE_FIELDS):  # it blocks for 20 ms: only where nothing else is
            for name, counter in _PCIE_RATES:
                kb_s = self._ask("pcie", pynvml.nvmlDeviceGetPcieThroughput, self.handle, counter)
                if kb_s is not None:
                    yield self._is(m.PCIE_RATE, kb_s * _KB, {"network.io.direction": name})

    def _utilization(self) -> Iterator[Reading]:
        rates = self._ask("rates", pynvml.nvmlDeviceGetUtilizationRates, self.handle)
        if rates is not None:
            yield self._is(m.UTILIZATION, rates.gpu / 100, {"hw.gpu.task": "general"})
            yield self._is(m.MEMORY_ACTIVE, rates.memory / 100)
        for task, call in (
            ("encoder", pynvml.nvmlDeviceGetEncoderUtilization),
            ("decoder", pynvml.nvmlDeviceGetDecoderUtilization),
        ):
            found = self._ask(task, call, self.handle)
            if found is not None:
                yield self._is(m.UTILIZATION, found[0] / 100, {"hw.gpu.task": task})

    def _memory(self, handle: Handle, labels: Labels, *, is_slow: bool) -> Iterator[Reading]:
        what = "memory" if handle is self.handle else "instance memory"
        memory = self._ask(what, pynvml.nvmlDeviceGetMemoryInfo, handle)
        if memory is None:
            return
        yield Reading(m.MEMORY_USAGE, memory.used, labels)
        if memory.total:
            yield Reading(m.MEMORY_UTILIZATION, memory.used / memory.total, labels)
        if is_slow:
            yield Reading(m.MEMORY_LIMIT, memory.total, labels)

    def _power(self) -> Iterator[Reading]:
        milliwatts = self._ask("power", pynvml.nvmlDeviceGetPowerUsage, self.handle)
        if milliwatts is not None:
            yield self._is(m.POWER, milliwatts / 1_000)
        millijoules = self._ask("energy", pynvml.nvmlDeviceGetTotalEnergyConsumption, self.handle)
        if millijoules is not None:
            yield self._is(m.ENERGY, millijoules / 1_000)
        celsius = self._temperature()
        if celsius is not None:
            yield self._is(m.TEMPERATURE, celsius)

    def _temperature(self) -> float | None:
        sensor = pynvml.NVML_TEMPERATURE_GPU
        found = self._ask("temperature", pynvml.nvmlDeviceGetTemperatureV, self.handle, sensor)
        if found is None:  # drivers before 2025 only know the older call
            found = self._ask(
                "old temperature", pynvml.nvmlDeviceGetTemperature, self.handle, sensor
            )
        return None if found is None else float(found)

    def _field_values(self) -> Iterator[Reading]:
        if not self._fields:
            return
        values = self._ask("fields", pynvml.nvmlDeviceGetFieldValues, self.handle, self._fields)
        for value in values or ():
            if value.nvmlReturn != pynvml.NVML_SUCCESS:
                self._drop_field(value.fieldId, value.nvmlReturn)
                continue
            number = getattr(value.value, _VALUE_OF.get(value.valueType, "ullVal"))
            if value.fieldId == _MEMORY_TEMPERATURE:
                yield self._is(m.TEMPERATURE, number, {"hw.sensor_location": "memory"})
            else:
                link, direction, unit = _IO_FIELDS[value.fieldId]
                said: Labels = {"spanledger.gpu.link": link, "network.io.direction": direction}
                yield self._is(m.IO, number * unit, said)

    def _drop_field(self, number: int, error: int) -> None:
        if error in _GONE:
            raise _LostError
        if error in _NEVER:
            self._fields = [pair for pair in self._fields if pair[0] != number]

    def _processes(self) -> Iterator[Reading]:
        call = pynvml.nvmlDeviceGetComputeRunningProcesses_v3
        found = self._ask("processes", call, self.handle)
        if found is None:
            return
        labels = {process.pid: self._process_labels(process) for process in found}
        self.owners.keep(set(labels))
        for process in found:
            if process.usedGpuMemory is not None:
                yield Reading(m.PROCESS_MEMORY, process.usedGpuMemory, labels[process.pid])
        if not labels or self.instances:
            return  # per-process utilisation does not exist with MIG
        samples = self._ask(
            "process rates", pynvml.nvmlDeviceGetProcessUtilization, self.handle,
            self._processes_seen_us,
        )  # fmt: skip
        by_pid: dict[int, list[Any]] = {}
        for sample in samples or ():
            self._processes_seen_us = max(self._processes_seen_us, int(sample.timeStamp))
            by_pid.setdefault(sample.pid, []).append(sample)
        for pid, those in by_pid.items():
            if pid in labels:
                for task, name in (("general", "smUtil"), ("memory", "memUtil")):
                    mean = sum(getattr(one, name) for one in those) / len(those) / 100
                    yield Reading(m.PROCESS_UTILIZATION, mean, {**labels[pid], "hw.gpu.task": task})

    def _process_labels(self, process: Any) -> Labels:
        number = process.gpuInstanceId
        if number is None or number == _NO_INSTANCE:
            base = self.labels
        else:
            base = next((i.labels for i in self.instances if i.number == number), self.labels)
        owner = self.owners.of(process.pid)
        return {**base, "process.pid": process.pid, **owner.attributes()}

    def _xid_readings(self) -> Iterator[Reading]:
        if self.last_xid is not None:
            yield self._is(m.XID, self.last_xid)
        for code, count in self.xids.items():
            said: Labels = {"error.type": "xid", "spanledger.gpu.xid": code}
            yield self._is(m.ERRORS, count, said)._replace(is_ours=True)

    def _instances(self) -> Iterator[Instance]:
        most = self._ask("most", pynvml.nvmlDeviceGetMaxMigDeviceCount, self.handle) or 0
        for index in range(most):
            try:
                handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(self.handle, index)
                number = int(pynvml.nvmlDeviceGetGpuInstanceId(handle))
                uuid = str(pynvml.nvmlDeviceGetUUID(handle))
                name = str(pynvml.nvmlDeviceGetName(handle))
            except pynvml.NVMLError as error:
                if code_of(error) in _GONE:
                    raise _LostError from error
                continue  # nothing at this index
            labels: Labels = {
                **self.labels,
                "hw.id": uuid,
                "hw.parent": self.uuid,
                "spanledger.gpu.mig.id": number,
                "spanledger.gpu.mig.profile": name.rpartition("MIG ")[2],
            }
            yield Instance(handle, number, labels)

    def _come_back(self) -> bool:
        """Return whether a lost GPU answers again, with what it can asked anew."""
        try:
            self.handle = pynvml.nvmlDeviceGetHandleByUUID(self.uuid)
            pynvml.nvmlDeviceGetUUID(self.handle)
        except pynvml.NVMLError:
            return False
        self.is_lost = False
        self._activity.keep(())  # samples of before it was lost are of no use
        self.refresh()
        log.warning("GPU %d (%s) is back.", self.index, self.uuid)
        return not self.is_lost

    def _status(self, state: str) -> Reading:
        return self._is(m.STATUS, 1, {"hw.state": state})

    def _is(self, about: About, value: float, said: Labels | None = None) -> Reading:
        return Reading(about, value, {**self.labels, **said} if said else self.labels)

    def _ask(self, what: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Return what NVML says; None: it cannot, now or ever."""
        if what in self._unsupported:
            return None
        try:
            return call(*arguments)
        except pynvml.NVMLError as error:
            if code_of(error) in _GONE:
                raise _LostError from error
            if code_of(error) in _NEVER:
                self._unsupported.add(what)
                log.info("GPU %d does not tell its %s (%s).", self.index, what, error)
            return None
        except AttributeError:  # an older nvidia-ml-py
            self._unsupported.add(what)
            return None


class _LostError(Exception):
    """The GPU does not answer any more."""


def code_of(error: pynvml.NVMLError) -> int:
    """Return the number of an error; the class sets it where type checkers do not see it."""
    return int(vars(error)["value"])


def _scope_of(field_id: int) -> int:
    return 0 if field_id in _PCIE_FIELDS else _ALL_LINKS


# https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceStructs.html (nvmlValueType_t)
_VALUE_OF = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}
