"""Rows about GPUs."""

from __future__ import annotations

from pydantic import Field

from spanledger_server.api.row_types import Big, Moment, Row


class GpuMinute(Row):
    """What a GPU or MIG instance did in a minute; means are weighted by time, null: not told."""

    time: Moment = Field(description="Start of the minute.")
    gpu: str = Field(description="UUID; without one, host and index.")
    mig: str = Field(description="GPU instance id; empty: the whole GPU.")
    source: str
    gpu_index: str
    model: str
    mig_profile: str
    host: str
    namespace: str
    pod: str
    container: str
    pods: list[str]
    samples: int
    seconds: int = Field(description="That the samples stand for.")
    is_lost: bool | None
    utilization_ratio: float | None
    idle_ratio: float | None
    engine_active_ratio: float | None
    memory_active_ratio: float | None
    tensor_active_ratio: float | None
    memory_used_bytes: float | None
    memory_peak_bytes: Big | None
    memory_total_bytes: Big | None
    power_watts: float | None
    power_limit_watts: float | None
    energy_joules: float | None = Field(description="Since the sample before; null: no counter.")
    temperature_peak_celsius: float | None
    throttled_ratio: float | None
    clock_events: Big = Field(description="Bits of what held clocks down.")
    xid: int | None = Field(description="Newest code.")


class GpuSample(Row):
    """What a GPU or MIG instance told in a second; null: it did not tell."""

    time: Moment
    gpu: str
    mig: str
    source: str
    gpu_index: str
    model: str
    mig_profile: str
    host: str
    namespace: str
    pod: str
    container: str
    is_lost: bool | None
    utilization_ratio: float | None
    engine_active_ratio: float | None
    sm_active_ratio: float | None
    tensor_active_ratio: float | None
    memory_active_ratio: float | None
    dram_active_ratio: float | None
    memory_used_bytes: Big | None
    memory_free_bytes: Big | None
    memory_reserved_bytes: Big | None
    memory_total_bytes: Big | None
    power_watts: float | None
    power_limit_watts: float | None
    energy_joules: float | None = Field(description="Since the driver was loaded.")
    temperature_celsius: float | None
    memory_temperature_celsius: float | None
    sm_clock_hz: Big | None
    memory_clock_hz: Big | None
    clock_events: Big | None
    xid: int | None
    xid_errors: Big | None
    ecc_corrected_errors: Big | None
    ecc_uncorrected_errors: Big | None
    pcie_sent_bytes: Big | None
    pcie_received_bytes: Big | None
    nvlink_sent_bytes: Big | None
    nvlink_received_bytes: Big | None
