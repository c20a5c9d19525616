"""GPU metrics of every dialect, through a real collector, into the same rows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint

from spanledger_analytics.retention.expiry import RetentionJob
from spanledger_analytics.retention.plan import find_expired
from spanledger_analytics.retention.policy import Kind, day_number
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.signals import Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.project_settings import Project, ProjectSettings, Retention
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.state import migrate_state, open_state
from spanledger_storage.store import Store
from tests.instance import wait_until
from tests.otlp import Value, attributes
from tests.running import running_collector

NOW_NS = 1_800_000_000_250_000_000
DAY_NS = 86_400 * 10**9
GIB = 1 << 30
Told = list[tuple[str, float, dict[str, Value]]]


def request(told: Told, host: str = "node-1", at_ns: int = NOW_NS) -> ExportMetricsServiceRequest:
    made = ExportMetricsServiceRequest()
    group = made.resource_metrics.add()
    group.resource.attributes.extend(attributes({"host.name": host, "service.name": "svc"}))
    scoped = group.scope_metrics.add()
    for name, value, said in told:
        point = NumberDataPoint(time_unix_nano=at_ns, attributes=attributes(said))
        if isinstance(value, int):
            point.as_int = value
        else:
            point.as_double = value
        metric = Metric(name=name)
        metric.gauge.data_points.append(point)
        scoped.metrics.append(metric)
    return made


def stored(store: Store, *requests: ExportMetricsServiceRequest, flush: str = "f") -> None:
    bodies = [
        Body("default", r.SerializeToString(), NOW_NS, signal=Signal.METRICS) for r in requests
    ]
    store_rows(store, decode_batch(bodies, flush, NOW_NS), flush)


def rows(store: Store, table: str = "gpu_samples") -> list[dict[str, object]]:
    """What is known of each row; without what is empty or NULL."""
    found = store.sql_rows(f"SELECT * FROM {table} FINAL ORDER BY ALL")
    return [
        {k: v for k, v in row.items() if v not in (None, "", []) and k not in ("project", "time")}
        for row in found
    ]


HW: dict[str, Value] = {
    "hw.id": "GPU-1", "hw.type": "gpu", "hw.model": "NVIDIA H200", "spanledger.gpu.index": 3,
}  # fmt: skip
DCGM: dict[str, Value] = {
    "gpu": "3", "UUID": "GPU-1", "device": "nvidia3", "modelName": "NVIDIA H200",
    "hostname": "node-1", "pod": "qwen-0", "namespace": "llm", "container": "vllm",
}  # fmt: skip
OPENLIT: dict[str, Value] = {"gpu.index": "3", "gpu.uuid": "GPU-1", "gpu.name": "NVIDIA H200"}
DIALECTS: Mapping[str, Told] = {
    "hw": [
        ("hw.gpu.utilization", 0.91, HW | {"hw.gpu.task": "general"}),
        ("hw.gpu.utilization", 0.03, HW | {"hw.gpu.task": "encoder"}),
        ("hw.gpu.memory.usage", 100 * GIB, HW),
        ("hw.gpu.memory.limit", 140 * GIB, HW),
        ("hw.power", 612.5, HW),
        ("hw.temperature", 61, HW),
    ],
    "dcgm": [
        ("DCGM_FI_DEV_GPU_UTIL", 91, DCGM),
        ("DCGM_FI_DEV_ENC_UTIL", 3, DCGM),
        ("DCGM_FI_DEV_FB_USED", 100 * 1024, DCGM),
        ("DCGM_FI_DEV_FB_TOTAL", 140 * 1024, DCGM),
        ("DCGM_FI_DEV_POWER_USAGE", 612.5, DCGM),
        ("DCGM_FI_DEV_GPU_TEMP", 61, DCGM),
    ],
    "openlit": [
        ("gpu.utilization", 91, OPENLIT),
        ("gpu.enc.utilization", 3, OPENLIT),
        ("gpu.memory.used", 100 * 1024, OPENLIT),
        ("gpu.memory.total", 140 * 1024, OPENLIT),
        ("gpu.power.draw", 612.5, OPENLIT),
        ("gpu.temperature", 61, OPENLIT),
    ],
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_row(store: Store, dialect: str) -> None:
    stored(store, request(DIALECTS[dialect]))
    [row] = rows(store)
    owner = {"pod": "qwen-0", "namespace": "llm", "container": "vllm"} if dialect == "dcgm" else {}
    assert row == owner | {
        "gpu": "GPU-1",
        "source": dialect,
        "gpu_index": "3",
        "model": "NVIDIA H200",
        "host": "node-1",
        "utilization_ratio": pytest.approx(0.91),
        "encoder_ratio": pytest.approx(0.03),
        "memory_used_bytes": 100 * GIB,
        "memory_total_bytes": 140 * GIB,
        "power_watts": 612.5,
        "temperature_celsius": 61,
    }


def test_units_of_dcgm(store: Store) -> None:
    told: Told = [
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION_total", 918_273_645_123, DCGM),
        ("DCGM_FI_DEV_SM_CLOCK", 1980, DCGM),
        ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", 0x24, DCGM),
        ("DCGM_FI_DEV_XID_ERRORS", 79, DCGM),
        ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.337, DCGM),
        ("DCGM_FI_DEV_MEMORY_TEMP", 9223372036854775794.0, DCGM),  # not supported
        ("DCGM_FI_DEV_FAN_SPEED", 2147483634, DCGM),  # the same, 32 bits
    ]
    stored(store, request(told, host="collector"))
    [row] = rows(store)
    assert row["energy_joules"] == pytest.approx(918_273_645.123)
    assert row["sm_clock_hz"] == 1_980_000_000
    assert row["clock_events"] == 0x24
    assert row["xid"] == 79
    assert row["tensor_active_ratio"] == pytest.approx(0.337)
    assert row["host"] == "node-1"  # not the machine that scraped it
    assert not {"memory_temperature_celsius", "fan_ratio"} & row.keys()


def test_the_older_label_of_the_host_is_read(store: Store) -> None:
    old = {k: v for k, v in DCGM.items() if k != "hostname"} | {"Hostname": "node-9"}
    stored(store, request([("DCGM_FI_DEV_GPU_UTIL", 0, old)]))
    [row] = rows(store)
    assert row["host"] == "node-9"


def test_mig_instances_are_rows_of_their_gpu(store: Store) -> None:
    mig = HW | {
        "hw.id": "MIG-7", "hw.parent": "GPU-1", "spanledger.gpu.mig.id": 2,
        "spanledger.gpu.mig.profile": "3g.71gb",
    }  # fmt: skip
    dcgm = DCGM | {"GPU_I_ID": "5", "GPU_I_PROFILE": "1g.18gb"}
    stored(
        store,
        request(
            [
                ("hw.gpu.memory.usage", 5, HW),
                ("hw.gpu.memory.usage", 7, mig),
                ("hw.gpu.utilization", 0.25, mig | {"hw.gpu.task": "general"}),
                ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, dcgm),
            ]
        ),
    )
    found = {(r["gpu"], r.get("mig", "")): r for r in rows(store)}
    assert found["GPU-1", ""]["memory_used_bytes"] == 5
    assert found["GPU-1", "2"]["memory_used_bytes"] == 7
    assert found["GPU-1", "2"]["utilization_ratio"] == 0.25
    assert found["GPU-1", "2"]["mig_profile"] == "3g.71gb"
    assert found["GPU-1", "5"]["engine_active_ratio"] == 0.5


def test_parts_of_a_row_in_several_requests_become_one_and_resends_change_nothing(
    store: Store,
) -> None:
    told = DIALECTS["hw"]
    stored(store, request(told[:2]), flush="1")
    stored(store, request(told[2:]), flush="2")
    once = rows(store)
    stored(store, request(told), request(told[:3]), flush="3")
    assert rows(store) == once
    assert len(once) == 1


def test_a_lost_gpu_and_errors(store: Store) -> None:
    told: Told = [
        ("hw.status", 1, HW | {"hw.state": "failed"}),
        ("hw.errors", 4, HW | {"error.type": "corrected"}),
        ("hw.errors", 2, HW | {"error.type": "xid", "spanledger.gpu.xid": 79}),
        ("hw.errors", 1, HW | {"error.type": "xid", "spanledger.gpu.xid": 31}),
        ("spanledger.gpu.xid", 31, HW),
    ]
    stored(store, request(told), request(told))
    [row] = rows(store)
    assert (row["is_lost"], row["ecc_corrected_errors"]) == (True, 4)
    assert (row["xid_errors"], row["xid"]) == (3, 31)


def test_other_hardware_is_no_gpu(store: Store) -> None:
    told: Told = [
        ("hw.power", 12, {"hw.id": "disk-1", "hw.type": "physical_disk"}),
        ("hw.temperature", 40, {"hw.id": "cpu-1"}),
        ("gpu.utilization", 40, {}),
    ]
    stored(store, request(told))
    assert rows(store) == []
    assert store.sql_rows("SELECT count() AS n FROM metric_points")[0]["n"] == 3


def test_processes_with_their_pods(store: Store) -> None:
    who = HW | {"process.pid": 4242, "process.executable.name": "python3", "k8s.pod.name": "qwen-0"}
    told: Told = [
        ("spanledger.gpu.process.memory", 3 * GIB, who),
        ("spanledger.gpu.process.utilization", 0.7, who | {"hw.gpu.task": "general"}),
    ]
    stored(store, request(told))
    [row] = rows(store, "gpu_processes")
    assert (row["pid"], row["pod"], row["executable"]) == (4242, "qwen-0", "python3")
    assert row["memory_bytes"] == 3 * GIB
    assert row["utilization_ratio"] == pytest.approx(0.7)


def test_samples_leave_with_the_metrics_of_their_project(store: Store, tmp_path: Path) -> None:
    process = HW | {"process.pid": 7}
    worker: Told = [("vllm:num_requests_running", 1, {"model_name": "m"})]
    gpu: Told = [("hw.power", 1, HW), ("spanledger.gpu.process.memory", 1, process)]
    stored(store, request(gpu + worker, at_ns=NOW_NS - 9 * DAY_NS), request(gpu + worker))
    first_day = day_number(NOW_NS, 7)
    expired = find_expired(store, Kind.METRICS, {"default": first_day}, NOW_NS)
    tables = {"gpu_samples", "gpu_processes", "inference_samples", "metric_points"}
    assert {step.table for step in expired} == tables
    project = Project("default", ProjectSettings(retention=Retention(metrics_days=7)))
    engine = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(engine)
    RetentionJob(store, RetentionState(engine), lambda: [project], lambda: NOW_NS).run_once()
    engine.dispose()
    for table in tables - {"metric_points"}:
        [row] = store.sql_rows(f"SELECT count() AS n FROM {table}")
        assert row["n"] == 1, table


def test_the_command_through_a_real_collector(
    store: Store, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Sampled by the real command over the made-up driver; GPU 1 is lost after two samples."""
    pytest.importorskip("spanledger_workers", reason="spanledger-workers is not installed")
    from tests.sdk.nvml import build

    library = build(tmp_path_factory.mktemp("nvml"))
    with running_collector(store, tmp_path) as collector:
        code = "import sys; from spanledger._cli import gpu; sys.exit(gpu(sys.argv[1:]))"
        options = ["--interval", "0.1", "--send-every", "0.1", "--endpoint", collector.url]
        process = subprocess.Popen(
            [sys.executable, "-c", code, *options],
            env={
                **os.environ, "LD_LIBRARY_PATH": str(library.parent), "FAKE_NVML_LOSE": "1:2",
                "OTEL_RESOURCE_ATTRIBUTES": "host.name=node-7",
            },
            stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_until(lambda: bool(_lost(store)))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0
        assert b"GPU 1 (GPU-00000001) is lost; the others go on." in said
    first, *_ = [r for r in rows(store) if r["gpu"] == "GPU-00000000" and "power_limit_watts" in r]
    assert first == {
        "gpu": "GPU-00000000", "gpu_index": "0", "source": "hw", "model": "NVIDIA H200",
        "host": "node-7", "is_lost": False, "utilization_ratio": pytest.approx(0.9),
        "memory_active_ratio": pytest.approx(0.4), "encoder_ratio": pytest.approx(0.03),
        "decoder_ratio": pytest.approx(0.05), "memory_used_bytes": 10 * GIB,
        "memory_used_ratio": 0.125, "memory_total_bytes": 80 * GIB, "power_watts": 600.5,
        "power_limit_watts": 700, "energy_joules": 5000, "temperature_celsius": 61,
        "memory_temperature_celsius": 71, "graphics_clock_hz": 1_000_000_000,
        "sm_clock_hz": 1_100_000_000, "memory_clock_hz": 1_200_000_000, "clock_events": 0,
        "xid": 0, "ecc_corrected_errors": 7, "ecc_uncorrected_errors": 1,
        "pcie_sent_bytes": 111_000, "pcie_received_bytes": 222_000,
        "nvlink_sent_bytes": 333 * 1024, "nvlink_received_bytes": 444 * 1024,
    }  # fmt: skip
    assert rows(store, "gpu_processes")[0]["pid"] == 4000


def _lost(store: Store) -> list[dict[str, object]]:
    return store.sql_rows("SELECT gpu FROM gpu_samples WHERE is_lost AND gpu LIKE '%1'")
