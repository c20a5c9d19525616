"""The metrics `spanledger gpu` sends: OpenTelemetry's names, and our own where there are none."""

from __future__ import annotations

from spanledger_workers.points import About

# https://opentelemetry.io/docs/specs/semconv/hardware/gpu/ and .../hardware/common/
UTILIZATION = About("hw.gpu.utilization", "1", "gauge", "Share of time a kernel or a coder ran")
MEMORY_USAGE = About("hw.gpu.memory.usage", "By", "updown", "GPU memory in use")
MEMORY_LIMIT = About("hw.gpu.memory.limit", "By", "updown", "GPU memory there is")
MEMORY_UTILIZATION = About("hw.gpu.memory.utilization", "1", "gauge", "Share of memory in use")
IO = About("hw.gpu.io", "By", "counter", "Bytes over PCIe and NVLink")
POWER = About("hw.power", "W", "gauge", "Power draw")
ENERGY = About("hw.energy", "J", "counter", "Energy since the driver was loaded")
TEMPERATURE = About("hw.temperature", "Cel", "gauge", "Temperature")
ERRORS = About("hw.errors", "{error}", "counter", "ECC errors and XID events")
STATUS = About("hw.status", "1", "updown", "1 while in the state that hw.state names")

MEMORY_ACTIVE = About(
    "spanledger.gpu.memory.active", "1", "gauge", "Share of time memory was read or written"
)
POWER_LIMIT = About("spanledger.gpu.power.limit", "W", "gauge", "Enforced power limit")
CLOCK = About("spanledger.gpu.clock", "Hz", "gauge", "Clock frequency")
CLOCK_EVENTS = About(
    "spanledger.gpu.clock.events", "1", "gauge", "Bits of NVML's reasons for the clocks of now"
)
XID = About("spanledger.gpu.xid", "1", "gauge", "Code of the last XID event; 0: none so far")
PCIE_RATE = About("spanledger.gpu.pcie.rate", "By/s", "gauge", "PCIe rate, where bytes are not")
MIG_SLICES = About("spanledger.gpu.mig.slices", "{slice}", "gauge", "Compute slices of an instance")
PROCESS_MEMORY = About("spanledger.gpu.process.memory", "By", "gauge", "GPU memory of a process")
PROCESS_UTILIZATION = About(
    "spanledger.gpu.process.utilization", "1", "gauge", "Share of time kernels of a process ran"
)

SCOPE = "spanledger.gpu"
