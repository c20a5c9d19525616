"""What the GPUs page reads: GPUs, workers, processes and events of one project and time range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from spanledger_dashboard.scope import Scope
from spanledger_dashboard.time_range import Window
from spanledger_storage.store import Store

Row = Mapping[str, object]

_STALE_S = 120

# Bits of NVML's clock event reasons that slow a GPU down; the others say why it idles or boosts.
# https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html
THROTTLING = {
    0x04: "Power cap",
    0x08: "Hardware slowdown",
    0x20: "Thermal, software",
    0x40: "Thermal, hardware",
    0x80: "Power brake",
}
# https://docs.nvidia.com/deploy/xid-errors/
XIDS = {
    13: "Graphics engine exception",
    31: "GPU memory page fault",
    43: "GPU stopped processing",
    45: "Preemptive cleanup, after other errors",
    48: "Double-bit ECC error",
    61: "Internal micro-controller breakpoint",
    63: "ECC page retirement or row remapping",
    64: "ECC page retirement or row remapping failed",
    74: "NVLink error",
    79: "GPU has fallen off the bus",
    92: "High single-bit ECC error rate",
    94: "Contained ECC error",
    95: "Uncontained ECC error",
    119: "GSP RPC timeout",
}


_RAW_S = 3_600  # longer ranges are read from the minutes
_OF_MINUTES = {
    "dashboard_gpus": "dashboard_gpus_minutes",
    "dashboard_gpu_steps": "dashboard_gpu_steps_minutes",
    "dashboard_gpu_processes": "dashboard_gpu_processes_minutes",
    "dashboard_gpu_events": "dashboard_gpu_events_minutes",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """What is read. Hashable, so cached functions can take it."""

    project: str
    window: Window
    bucket_s: int

    def params(self, **more: object) -> dict[str, object]:
        """Return the parameters that all statements share, and more."""
        bounds = {"from_s": self.window.start_s, "to_s": self.window.end_s}
        return {"project": self.project, **bounds, **more}

    def statement(self, name: str) -> str:
        """Return the statement that reads samples of GPUs, or for longer ranges their minutes."""
        return name if self.window.length_s <= _RAW_S else _OF_MINUTES[name]


@dataclass(frozen=True, slots=True)
class View:
    """What is asked, by whom, and when."""

    ask: Ask
    where: Scope
    now_s: int

    def is_stale(self, newest_s: float) -> bool:
        """Return whether nothing came for a while before the end of what is shown."""
        return newest_s < min(self.ask.window.end_s, self.now_s) - _STALE_S


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU or MIG instance over the time range; None where nobody tells."""

    gpu: str
    mig: str
    row: Row

    def number(self, column: str) -> float | None:
        """Return a figure by its column."""
        value = self.row[column]
        return None if value is None else float(cast("float", value))

    def text(self, column: str) -> str:
        """Return a name by its column."""
        return str(self.row[column] or "")

    @property
    def name(self) -> str:
        """Short name: the index on its host, with the MIG instance behind a dot."""
        index = self.text("gpu_index") or self.gpu[:12]
        return f"{self.text('host')}:{index}" + (f".{self.mig}" if self.mig else "")

    @property
    def is_lost(self) -> bool:
        """Whether it does not answer any more."""
        return bool(self.row["is_lost"])

    @property
    def owner(self) -> str:
        """The pod it is given to, where the source tells."""
        return self.text("pod") or self.text("container")


@dataclass(frozen=True, slots=True)
class Fleet:
    """All GPUs of the range; whole ones and MIG instances."""

    gpus: tuple[Gpu, ...]

    @property
    def whole(self) -> tuple[Gpu, ...]:
        """GPUs without their instances."""
        return tuple(gpu for gpu in self.gpus if not gpu.mig)

    def total(self, column: str) -> float | None:
        """Return the sum over whole GPUs; None: nobody tells."""
        return _sum(gpu.number(column) for gpu in self.whole)

    def now(self, column: str) -> float | None:
        """Return the sum of newest values over whole GPUs that are not lost; None: nobody tells."""
        return _sum(gpu.number(column) for gpu in self.whole if not gpu.is_lost)

    def mean(self, column: str) -> float | None:
        """Return the mean over whole GPUs that tell it, each as long as it was seen."""
        weighed = [
            (v, cast("int", gpu.row["samples"]))
            for gpu in self.whole
            if (v := gpu.number(column)) is not None
        ]
        samples = sum(n for _, n in weighed)
        return sum(v * n for v, n in weighed) / samples if samples else None


@dataclass(frozen=True, slots=True)
class Worker:
    """An inference worker and model: its buckets, in order of time."""

    worker: str
    model: str
    engine: str
    host: str
    pod: str
    steps: tuple[Row, ...]
    is_up: bool | None = None
    up_ratio: float | None = None

    def newest(self, column: str) -> float | None:
        """Return a figure of the newest bucket."""
        value = self.steps[-1][column] if self.steps else None
        return None if value is None else float(cast("float", value))

    def total(self, column: str) -> float | None:
        """Return what was counted in the range; None: the engine does not tell."""
        values = [step[column] for step in self.steps]
        known = [float(cast("float", v)) for v in values if v is not None]
        return sum(known) if known else None

    def rate(self, column: str) -> float | None:
        """Return what was counted, per second."""
        seconds, total = self.total("seconds"), self.total(column)
        return total / seconds if total is not None and seconds else None

    @property
    def cache_hit_ratio(self) -> float | None:
        """Return the share of queried tokens that the prefix cache had."""
        queried, hit = self.total("cache_queried_tokens"), self.total("cache_hit_tokens")
        if queried:
            return (hit or 0) / queried
        return self.newest("cache_hit_ratio")

    def quantile(self, histogram: str, q: float) -> float | None:
        """Return a quantile of a histogram over the range, seconds."""
        bounds: Sequence[float] = ()
        counts: list[float] = []
        for step in self.steps:
            found = cast("Sequence[float]", step[f"{histogram}_counts"])
            if not len(found):
                continue
            if len(counts) != len(found):
                bounds = cast("Sequence[float]", step[f"{histogram}_bounds"])
                counts = [0.0] * len(found)
            counts = [a + b for a, b in zip(counts, found, strict=True)]
        return quantile(bounds, counts, q)


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """Everything the page shows of a range."""

    fleet: Fleet
    workers: tuple[Worker, ...]
    processes: tuple[Row, ...] = ()
    events: tuple[Row, ...] = ()

    @property
    def owners(self) -> Mapping[tuple[str, str], str]:
        """Return who uses a GPU or instance: the pods, else programs, seen on it."""
        names: dict[tuple[str, str], list[str]] = {}
        for row in self.processes:
            name = str(row["pod"] or row["executable"] or row["pid"])
            known = names.setdefault((str(row["gpu"]), str(row["mig"])), [])
            if name not in known:
                known.append(name)
        return {key: ", ".join(found) for key, found in names.items()}

    def tokens_per_joule(self, worker: Worker) -> float | None:
        """Return output tokens over the energy of the GPUs the worker runs on; see docs/gpu.md.

        The GPUs of its pod, where both say so; else those of its host, shared by all workers there.
        """
        own = [g for g in self.fleet.whole if worker.pod and g.text("pod") == worker.pod]
        beside = [worker] if own else [w for w in self.workers if w.host == worker.host]
        gpus = own or [g for g in self.fleet.whole if g.text("host") == worker.host]
        tokens = [t for w in beside if (t := w.total("output_tokens")) is not None]
        joules = sum(g.number("energy_joules") or 0 for g in gpus)
        return sum(tokens) / joules if tokens and joules else None


def load(store: Store, ask: Ask) -> Infrastructure:
    """Read all of it.

    Raises:
        StoreError: the store does not answer.
    """
    params = ask.params(gpu="")
    return Infrastructure(
        fleet=Fleet(
            tuple(
                Gpu(str(row["gpu"]), str(row["mig"]), row)
                for row in store.rows(ask.statement("dashboard_gpus"), params)
            )
        ),
        workers=_workers(store, ask),
        processes=tuple(store.rows(ask.statement("dashboard_gpu_processes"), params)),
        events=tuple(store.rows(ask.statement("dashboard_gpu_events"), params)),
    )


def load_steps(store: Store, ask: Ask, gpu: str) -> tuple[Row, ...]:
    """Read GPUs over time, one row per GPU and bucket; ``gpu`` '' for all.

    Raises:
        StoreError: the store does not answer.
    """
    params = ask.params(gpu=gpu, bucket_s=ask.bucket_s)
    return tuple(store.rows(ask.statement("dashboard_gpu_steps"), params))


def quantile(bounds: Sequence[float], counts: Sequence[float], q: float) -> float | None:
    """Return a quantile of a histogram, linear within its bucket as Prometheus does.

    Above the last bound, that bound: nothing is known beyond. None: it is empty.
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
    """
    total = sum(counts)
    if not total or not len(bounds):
        return None
    rank, so_far = q * total, 0.0
    for index, count in enumerate(counts[:-1]):
        if so_far + count >= rank and count:
            low = bounds[index - 1] if index else 0.0
            return low + (bounds[index] - low) * (rank - so_far) / count
        so_far += count
    return bounds[-1]


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _workers(store: Store, ask: Ask) -> tuple[Worker, ...]:
    steps: dict[tuple[str, str], list[Row]] = {}
    params = ask.params(worker="", bucket_s=ask.bucket_s)
    for row in store.rows("dashboard_workers", params):
        steps.setdefault((str(row["worker"]), str(row["model"])), []).append(row)
    found: list[Worker] = []
    for row in store.rows("dashboard_workers_up", ask.params()):
        name = str(row["worker"])
        models = [(m, s) for (w, m), s in steps.items() if w == name] or [("", [])]
        for model, those in models:
            about = those[-1] if those else row
            found.append(
                Worker(
                    name, model, str(row["engine"]), str(row["host"]), str(about.get("pod", "")),
                    tuple(those), cast("bool | None", row["is_up"]),
                    cast("float | None", row["up_ratio"]),
                )
            )  # fmt: skip
    return tuple(found)
