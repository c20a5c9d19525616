"""GPU metrics by name: OpenTelemetry's hw.*, the DCGM exporter's, OpenLIT's, Triton's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from spanledger_collector.decode.infrastructure.rules import Attributes, Place, Rule, first, said

SAMPLES, PROCESSES = "gpu_samples", "gpu_processes"
_PERCENT, _MIB, _MILLI, _MHZ, _KB = 0.01, float(1 << 20), 0.001, 1e6, 1_000.0


def _place(
    source: str, gpu: str, mig: str, about: Attributes, resource: Attributes, **columns: str
) -> Place | None:
    index = columns.get("gpu_index", "")
    host = columns.pop("host", "") or first(resource, "host.name", "k8s.node.name")
    gpu = gpu or (f"{host}/{index}" if index else "")
    if not gpu:
        return None
    pod = {
        "pod": first(about, "pod", "k8s.pod.name"),
        "namespace": first(about, "namespace", "k8s.namespace.name"),
        "container": first(about, "container", "k8s.container.name"),
    }
    return Place((gpu, mig), {"source": source, "host": host, **pod, **columns})


def _hw(about: Attributes, resource: Attributes) -> Place | None:
    if about.get("hw.type") not in (None, "gpu"):
        return None
    own, parent = first(about, "hw.id", "gpu.uuid"), said(about.get("hw.parent"))
    mig = first(about, "spanledger.gpu.mig.id")
    return _place(
        "hw", parent if mig and parent else own, mig, about, resource,
        gpu_index=first(about, "spanledger.gpu.index", "gpu.index"),
        model=first(about, "hw.model", "hw.name"),
        mig_profile=said(about.get("spanledger.gpu.mig.profile")),
    )  # fmt: skip


def _hw_only(about: Attributes, resource: Attributes) -> Place | None:
    """Metrics that disks and fans have as well."""
    return _hw(about, resource) if about.get("hw.type") == "gpu" else None


def _dcgm(about: Attributes, resource: Attributes) -> Place | None:
    return _place(
        "dcgm", said(about.get("UUID")), said(about.get("GPU_I_ID")), about, resource,
        gpu_index=said(about.get("gpu")),
        model=said(about.get("modelName")),
        mig_profile=said(about.get("GPU_I_PROFILE")),
        host=first(about, "hostname", "Hostname"),
    )  # fmt: skip


def _openlit(about: Attributes, resource: Attributes) -> Place | None:
    index, model = first(about, "gpu.index", "gpu_index"), first(about, "gpu.name", "gpu_name")
    uuid = first(about, "gpu.uuid", "gpu_uuid")
    return _place("openlit", uuid, "", about, resource, gpu_index=index, model=model)


def _triton(about: Attributes, resource: Attributes) -> Place | None:
    return _place("triton", said(about.get("gpu_uuid")), "", about, resource)


def _process(about: Attributes, resource: Attributes) -> Place | None:
    where, pid = _hw(about, resource), said(about.get("process.pid"))
    if where is None or not pid.isdigit() or int(pid) >= 2**32:
        return None
    known = ("host", "pod", "namespace", "container")
    more = {
        "executable": said(about.get("process.executable.name")),
        "container_id": said(about.get("container.id")),
    }
    return Place((*where.key, pid), {**{key: where.said[key] for key in known}, **more})


def _by(label: str, columns: dict[str, str], default: str = "") -> Callable[[Attributes], str]:
    return lambda about: columns.get(said(about.get(label)) or default, "")


def _io(about: Attributes) -> str:
    link = said(about.get("spanledger.gpu.link")) or "pcie"
    way = {"transmit": "sent", "receive": "received"}.get(said(about.get("network.io.direction")))
    return f"{link}_{way}_bytes" if way and link in ("pcie", "nvlink") else ""


def _temperature(about: Attributes) -> str:
    place = said(about.get("hw.sensor_location"))
    return {"": "temperature_celsius", "memory": "memory_temperature_celsius"}.get(place, "")


def _state(about: Attributes) -> str:
    return "is_lost" if about.get("hw.state") in ("ok", "failed") else ""


_TASKS = {"general": "utilization_ratio", "encoder": "encoder_ratio", "decoder": "decoder_ratio"}
_ERRORS = {
    "corrected": "ecc_corrected_errors",
    "uncorrected": "ecc_uncorrected_errors",
    "xid": "xid_errors",
}
_PROCESS_TASKS = {"general": "utilization_ratio", "memory": "memory_active_ratio"}
_CLOCKS = {
    "graphics": "graphics_clock_hz",
    "sm": "sm_clock_hz",
    "memory": "memory_clock_hz",
}
_RATES = {"transmit": "pcie_sent_bytes_per_s", "receive": "pcie_received_bytes_per_s"}

_hw_rule = partial(Rule, SAMPLES, place=_hw)
_only_rule = partial(Rule, SAMPLES, place=_hw_only)
_HW = {
    "hw.gpu.utilization": _hw_rule("", choose=_by("hw.gpu.task", _TASKS, "general")),
    "hw.gpu.memory.usage": _hw_rule("memory_used_bytes"),
    "hw.gpu.memory.limit": _hw_rule("memory_total_bytes"),
    "hw.gpu.memory.utilization": _hw_rule("memory_used_ratio"),
    "hw.gpu.io": _hw_rule("", choose=_io),
    "hw.power": _only_rule("power_watts"),
    "hw.energy": _only_rule("energy_joules"),
    "hw.temperature": _only_rule("", choose=_temperature),
    "hw.errors": _only_rule("", choose=_by("error.type", _ERRORS), is_sum=True),
    "hw.status": _only_rule("", choose=_state),
    "spanledger.gpu.memory.active": _hw_rule("memory_active_ratio"),
    "spanledger.gpu.power.limit": _hw_rule("power_limit_watts"),
    "spanledger.gpu.clock": _hw_rule("", choose=_by("spanledger.gpu.clock.domain", _CLOCKS)),
    "spanledger.gpu.clock.events": _hw_rule("clock_events"),
    "spanledger.gpu.xid": _hw_rule("xid"),
    "spanledger.gpu.pcie.rate": _hw_rule("", choose=_by("network.io.direction", _RATES)),
    "spanledger.gpu.process.memory": Rule(PROCESSES, "memory_bytes", _process),
    "spanledger.gpu.process.utilization": Rule(
        PROCESSES, "", _process, choose=_by("hw.gpu.task", _PROCESS_TASKS, "general")
    ),
}

# https://github.com/NVIDIA/dcgm-exporter/blob/main/etc/default-counters.csv
_DCGM = {
    "DCGM_FI_DEV_GPU_UTIL": ("utilization_ratio", _PERCENT),
    "DCGM_FI_DEV_MEM_COPY_UTIL": ("memory_active_ratio", _PERCENT),
    "DCGM_FI_DEV_ENC_UTIL": ("encoder_ratio", _PERCENT),
    "DCGM_FI_DEV_DEC_UTIL": ("decoder_ratio", _PERCENT),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": ("engine_active_ratio", 1.0),
    "DCGM_FI_PROF_SM_ACTIVE": ("sm_active_ratio", 1.0),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": ("tensor_active_ratio", 1.0),
    "DCGM_FI_PROF_DRAM_ACTIVE": ("dram_active_ratio", 1.0),
    "DCGM_FI_DEV_FB_USED": ("memory_used_bytes", _MIB),
    "DCGM_FI_DEV_FB_FREE": ("memory_free_bytes", _MIB),
    "DCGM_FI_DEV_FB_RESERVED": ("memory_reserved_bytes", _MIB),
    "DCGM_FI_DEV_FB_TOTAL": ("memory_total_bytes", _MIB),
    "DCGM_FI_DEV_POWER_USAGE": ("power_watts", 1.0),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": ("power_limit_watts", 1.0),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": ("energy_joules", _MILLI),
    "DCGM_FI_DEV_GPU_TEMP": ("temperature_celsius", 1.0),
    "DCGM_FI_DEV_MEMORY_TEMP": ("memory_temperature_celsius", 1.0),
    "DCGM_FI_DEV_FAN_SPEED": ("fan_ratio", _PERCENT),
    "DCGM_FI_DEV_SM_CLOCK": ("sm_clock_hz", _MHZ),
    "DCGM_FI_DEV_MEM_CLOCK": ("memory_clock_hz", _MHZ),
    "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS": ("clock_events", 1.0),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": ("clock_events", 1.0),
    "DCGM_FI_DEV_XID_ERRORS": ("xid", 1.0),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": ("ecc_corrected_errors", 1.0),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": ("ecc_uncorrected_errors", 1.0),
    "DCGM_FI_PROF_PCIE_TX_BYTES": ("pcie_sent_bytes_per_s", 1.0),
    "DCGM_FI_PROF_PCIE_RX_BYTES": ("pcie_received_bytes_per_s", 1.0),
}
_OPENLIT = {
    "gpu.utilization": ("utilization_ratio", _PERCENT),
    "gpu.enc.utilization": ("encoder_ratio", _PERCENT),
    "gpu.dec.utilization": ("decoder_ratio", _PERCENT),
    "gpu.temperature": ("temperature_celsius", 1.0),
    "gpu.fan_speed": ("fan_ratio", _PERCENT),
    "gpu.memory.used": ("memory_used_bytes", _MIB),
    "gpu.memory.free": ("memory_free_bytes", _MIB),
    "gpu.memory.available": ("memory_free_bytes", _MIB),
    "gpu.memory.total": ("memory_total_bytes", _MIB),
    "gpu.power.draw": ("power_watts", 1.0),
    "gpu.power.limit": ("power_limit_watts", 1.0),
}
# Not nv_energy_consumption: it counts since Triton began, the column since the driver was loaded.
_TRITON = {
    "nv_gpu_utilization": ("utilization_ratio", 1.0),
    "nv_gpu_power_usage": ("power_watts", 1.0),
    "nv_gpu_power_limit": ("power_limit_watts", 1.0),
    "nv_gpu_memory_used_bytes": ("memory_used_bytes", 1.0),
    "nv_gpu_memory_total_bytes": ("memory_total_bytes", 1.0),
}

_NAMED: tuple[tuple[dict[str, tuple[str, float]], Callable[..., Place | None]], ...] = (
    (_DCGM, _dcgm),
    (_OPENLIT, _openlit),
    (_TRITON, _triton),
)
RULES: dict[str, tuple[Rule, ...]] = {
    **{name: (rule,) for name, rule in _HW.items()},
    **{
        name: (Rule(SAMPLES, column, place, scale, has_blanks=place is _dcgm),)
        for table, place in _NAMED
        for name, (column, scale) in table.items()
    },
}
"""By name of the metric, as the sources write it."""

KINDS: dict[str, str] = {
    **dict.fromkeys(
        (
            "memory_used_bytes", "memory_free_bytes", "memory_reserved_bytes", "memory_total_bytes",
            "graphics_clock_hz", "sm_clock_hz", "memory_clock_hz", "clock_events", "xid_errors",
            "ecc_corrected_errors", "ecc_uncorrected_errors", "pcie_sent_bytes",
            "pcie_received_bytes", "nvlink_sent_bytes", "nvlink_received_bytes", "memory_bytes",
        ),
        "count",
    ),
    "xid": "code",
    "is_lost": "bool",
}  # fmt: skip
"""Columns that are no plain floats."""
