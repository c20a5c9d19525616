"""`spanledger gpu` over the real pynvml and a driver made of C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("spanledger_workers", reason="spanledger-workers is not installed")

from spanledger_workers import gpu
from spanledger_workers.gpu_processes import read_owner
from spanledger_workers.gpu_sampler import GpuError, Sampler
from spanledger_workers.points import Point
from tests.sdk.nvml import NOT_SUPPORTED, FakeDriver, build

START_NS = 1_800_000_000_000_000_000
TICK_NS = 1_000_000_000
Values = dict[tuple[str, str], float]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(library: Path) -> Iterator[FakeDriver]:
    fake = FakeDriver(library)
    yield fake
    fake.close()


@pytest.fixture
def sampler(driver: FakeDriver, tmp_path: Path) -> Iterator[Sampler]:
    sampler = Sampler(START_NS, tmp_path)
    yield sampler
    sampler.close()


def of(points: list[Point], gpu: int, *labels: str) -> dict[str, float]:
    """Values of a GPU by metric, followed by those labels that a point has."""
    found: dict[str, float] = {}
    for p in points:
        about = p.attributes
        if about.get("spanledger.gpu.index") == gpu:
            said = [str(about[key]) for key in labels if key in about]
            assert isinstance(p.value, (int, float))
            found[" ".join([p.about.name, *said])] = p.value
    return found


DETAILS = (
    "hw.gpu.task", "hw.sensor_location", "spanledger.gpu.link", "network.io.direction",
    "spanledger.gpu.clock.domain", "error.type", "spanledger.gpu.xid", "hw.state",
    "spanledger.gpu.mig.id", "process.pid",
)  # fmt: skip


def test_every_counter_of_two_gpus_in_base_units(sampler: Sampler) -> None:
    points = sampler.sample(START_NS)
    assert of(points, 1, *DETAILS) == {
        "hw.status ok": 1,
        "hw.gpu.utilization general": 0.89,
        "hw.gpu.utilization encoder": 0.03,
        "hw.gpu.utilization decoder": 0.05,
        "spanledger.gpu.memory.active": 0.41,
        "hw.gpu.memory.usage": 11 * 2**30,
        "hw.gpu.memory.limit": 80 * 2**30,
        "hw.gpu.memory.utilization": 11 / 80,
        "hw.power": 600.501,
        "spanledger.gpu.power.limit": 700,
        "hw.energy": 5000.001,
        "hw.temperature": 62,
        "hw.temperature memory": 72,
        "hw.gpu.io pcie transmit": 111_000,
        "hw.gpu.io pcie receive": 222_000,
        "hw.gpu.io nvlink transmit": 333 * 1024,
        "hw.gpu.io nvlink receive": 444 * 1024,
        "spanledger.gpu.clock graphics": 1_000_000_000,
        "spanledger.gpu.clock sm": 1_100_000_000,
        "spanledger.gpu.clock memory": 1_200_000_000,
        "spanledger.gpu.clock.events": 0x24,
        "spanledger.gpu.xid": 0,
        "hw.errors corrected": 7,
        "hw.errors uncorrected": 1,
        "spanledger.gpu.process.memory 4001": 11 * 2**30 // 2,
        "spanledger.gpu.process.utilization general 4001": pytest.approx(0.7),
        "spanledger.gpu.process.utilization memory 4001": pytest.approx(0.25),
    }
    assert of(points, 0)["hw.energy"] == 5000.0
    assert {p.attributes["hw.id"] for p in points} == {"GPU-00000000", "GPU-00000001"}


def test_what_changes_seldom_is_asked_every_ten_seconds(sampler: Sampler) -> None:
    def asked(tick: int) -> bool:
        return "spanledger.gpu.power.limit" in of(sampler.sample(START_NS + tick * TICK_NS), 0)

    assert [asked(tick) for tick in (0, 1, 9, 10, 11)] == [True, False, False, True, False]


def test_a_counter_the_gpu_lacks_is_asked_for_once(driver: FakeDriver, sampler: Sampler) -> None:
    sampler.sample(START_NS)
    before = driver.calls()
    sampler.sample(START_NS + TICK_NS)
    each = driver.calls() - before
    for call in ("power", "encoder", "process rates", "clock"):
        driver.fail(0, call, NOT_SUPPORTED)
    found = of(sampler.sample(START_NS + 2 * TICK_NS), 0)
    assert "hw.power" not in found
    assert "hw.energy" in found
    before = driver.calls()
    assert "hw.power" in of(sampler.sample(START_NS + 3 * TICK_NS), 1)
    # Power, encoder, rates of processes and three clocks are left out from now on.
    assert driver.calls() - before == each - 6


def test_pcie_bytes_that_do_not_exist_become_a_rate(driver: FakeDriver, sampler: Sampler) -> None:
    driver.fail(0, "pcie bytes", NOT_SUPPORTED)
    sampler.sample(START_NS)
    found = of(sampler.sample(START_NS + 10 * TICK_NS), 0, "network.io.direction")
    assert found["spanledger.gpu.pcie.rate transmit"] == 50_000
    assert found["spanledger.gpu.pcie.rate receive"] == 51_000


def test_a_lost_gpu_is_reported_and_the_others_go_on(driver: FakeDriver, sampler: Sampler) -> None:
    sampler.sample(START_NS)
    driver.set(1, "lost", 1)
    points = sampler.sample(START_NS + TICK_NS)
    assert of(points, 1, "hw.state") == {"hw.status failed": 1}
    assert of(points, 0)["hw.power"] == 600.5
    driver.set(1, "lost", 0)
    still = sampler.sample(START_NS + 2 * TICK_NS)
    assert of(still, 1, "hw.state") == {"hw.status failed": 1}
    back = sampler.sample(START_NS + 11 * TICK_NS)
    assert of(back, 1)["hw.power"] == 600.501


def test_a_gpu_that_is_lost_at_the_start_does_not_keep_the_others_away(
    driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NVML_LOSE", "0:0")
    sampler = Sampler(START_NS, tmp_path)
    points = sampler.sample(START_NS)
    assert of(points, 0, "hw.state") == {"hw.status failed": 1}
    assert "hw.power" in of(points, 1)
    sampler.close()


def test_mig_instances_are_found_while_the_gpu_runs(driver: FakeDriver, sampler: Sampler) -> None:
    sampler.sample(START_NS)
    driver.set(0, "mig", 1)
    points = sampler.sample(START_NS + 10 * TICK_NS)
    found = of(points, 0, "hw.gpu.task", "spanledger.gpu.mig.id", "process.pid")
    assert "hw.gpu.utilization general" not in found  # the driver does not tell it with MIG
    assert found["hw.gpu.memory.usage"] == 10 * 2**30
    assert found["hw.gpu.memory.usage 1"] == 10 * 2**30 // 4
    assert found["hw.gpu.memory.usage 2"] == 10 * 2**30 // 2
    assert found["hw.gpu.memory.limit 2"] == 40 * 2**30
    assert found["spanledger.gpu.mig.slices 1"] == 3
    assert found["spanledger.gpu.process.memory 1 4000"] == 5 * 2**30
    [one] = [p.attributes for p in points if p.attributes["hw.id"] == "MIG-00000000-2"
             and p.about.name == "hw.gpu.memory.usage"]  # fmt: skip
    assert one["hw.parent"] == "GPU-00000000"
    assert one["spanledger.gpu.mig.profile"] == "3g.71gb"
    driver.set(0, "mig", 0)
    after = of(sampler.sample(START_NS + 20 * TICK_NS), 0, "hw.gpu.task", "spanledger.gpu.mig.id")
    assert "hw.gpu.memory.usage 1" not in after
    assert after["hw.gpu.utilization general"] == 0.9


def test_how_busy_mig_instances_are(driver: FakeDriver, sampler: Sampler) -> None:
    driver.set(0, "mig", 1)
    driver.set(1, "mig", 1)
    driver.fail(1, "activity", NOT_SUPPORTED)  # before Hopper

    def told(tick: int) -> list[dict[str, float]]:
        points = sampler.sample(START_NS + tick * TICK_NS)
        kinds = ("hw.gpu.task", "spanledger.gpu.mig.id")
        found = (of(points, gpu, *kinds) for gpu in (0, 1))
        return [{k: v for k, v in one.items() if "utilization general" in k} for one in found]

    assert told(0) == [{}, {}]  # of the time before the first sample nothing is known
    for tick in (1, 2, 10):
        assert told(tick) == [
            {"hw.gpu.utilization general 1": 0.25, "hw.gpu.utilization general 2": 0.5},
            {},
        ]
    driver.set(0, "lost", 1)
    assert told(11) == [{}, {}]
    driver.set(0, "lost", 0)
    assert told(20) == [{}, {}]
    assert told(21)[0] == {
        "hw.gpu.utilization general 1": 0.25,
        "hw.gpu.utilization general 2": 0.5,
    }
    driver.set(0, "mig", 0)
    driver.set(1, "mig", 0)
    told(31)
    assert driver.samples() == 0


def test_a_gpu_that_cannot_tell_of_instances_is_asked_once(
    driver: FakeDriver, sampler: Sampler
) -> None:
    driver.set(0, "mig", 1)
    driver.set(0, "no activity", 1)
    sampler.sample(START_NS)
    before = driver.calls()
    for tick in (1, 2):
        found = of(sampler.sample(START_NS + tick * TICK_NS), 0, "hw.gpu.task")
        assert "hw.gpu.utilization general" not in found
    assert driver.calls("activity support") == 1
    assert driver.calls() > before
    assert driver.samples() == 0


def test_xid_events_are_counted_by_code(driver: FakeDriver, sampler: Sampler) -> None:
    sampler.sample(START_NS)
    for code in (79, 79, 48):
        driver.set(1, "xid", code)
    points = sampler.sample(START_NS + TICK_NS)
    found = of(points, 1, "spanledger.gpu.xid")
    assert found["hw.errors 79"] == 2
    assert found["hw.errors 48"] == 1
    assert of(points, 0)["spanledger.gpu.xid"] == 0
    assert found["spanledger.gpu.xid"] in (48, 79)


def test_counters_of_the_driver_have_no_known_start(driver: FakeDriver, sampler: Sampler) -> None:
    driver.set(0, "xid", 31)
    sampler.sample(START_NS + TICK_NS)
    points = sampler.sample(START_NS + 2 * TICK_NS)
    starts = {p.about.name + str(p.attributes.get("error.type", "")): p.start_ns for p in points}
    assert starts["hw.energy"] == START_NS + TICK_NS  # first seen
    assert starts["hw.errorsxid"] == START_NS  # ours, since the start
    assert starts["hw.power"] == 0  # a gauge


def test_without_a_driver_the_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GpuError, match="No NVIDIA driver answers here"):
        Sampler(START_NS)
    assert gpu.main(["--once"]) == 1
    assert "No NVIDIA driver answers here" in capsys.readouterr().err


def test_once_prints_a_sample_as_json(library: Path) -> None:
    code = "import sys; from spanledger._cli import gpu; sys.exit(gpu(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "--once", "--json"],
        env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    rows = json.loads(done.stdout)
    [power] = [r for r in rows if r["metric"] == "hw.power" and r["attributes"]["hw.id"][-1] == "0"]
    assert (power["unit"], power["value"]) == ("W", 600.5)


CONTAINER, POD = "ab" * 32, "01234567-89ab-cdef-0123-456789abcdef"


def process(root: Path, cgroup: str, mounts: str = "", hostname: str = "") -> Path:
    (root / "root/etc").mkdir(parents=True)
    (root / "cgroup").write_text(cgroup)
    (root / "mountinfo").write_text(mounts)
    (root / "comm").write_text("python3\n")
    if hostname:
        (root / "root/etc/hostname").write_text(hostname + "\n")
    return root


@pytest.mark.parametrize(
    "cgroup",
    [
        f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD.replace('-', '_')}"
        f".slice/cri-containerd-{CONTAINER}.scope",
        f"11:memory:/kubepods/burstable/pod{POD}/{CONTAINER}",
    ],
)
def test_a_pod_is_named_by_cgroup_and_mounts(tmp_path: Path, cgroup: str) -> None:
    mounts = f"9 8 0:1 /var/lib/kubelet/pods/{POD}/containers/vllm/0a1b /dev/termination-log rw"
    found = read_owner(process(tmp_path / "1", cgroup, mounts, "qwen-0")).attributes()
    assert found == {
        "process.executable.name": "python3",
        "container.id": CONTAINER,
        "k8s.container.name": "vllm",
        "k8s.pod.uid": POD,
        "k8s.pod.name": "qwen-0",
    }


def test_a_docker_container_in_a_cgroup_namespace_is_found(tmp_path: Path) -> None:
    mounts = f"9 8 0:1 /var/lib/docker/containers/{CONTAINER}/hostname /etc/hostname rw"
    found = read_owner(process(tmp_path / "1", "0::/", mounts, "c0ffee")).attributes()
    assert found == {"process.executable.name": "python3", "container.id": CONTAINER}


def test_a_process_nobody_may_look_at_has_no_owner(tmp_path: Path) -> None:
    assert read_owner(tmp_path / "gone").attributes() == {}
