"""How busy MIG instances are, which the driver tells of the time between two samples (GPM).

Hopper and later: https://docs.nvidia.com/deploy/nvml-api/group__nvmlGpmFunctions.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import pynvml

Ask = Callable[..., Any]
"""Takes what is asked for, the call and its arguments; returns None where the driver cannot say."""


class Activity:
    """The last sample of each instance of one GPU, and a second one to take the next into."""

    def __init__(self) -> None:
        self._samples: dict[int, list[Any]] = {}
        self._taken: set[int] = set()
        self._is_told: bool | None = None
        self._metrics: Any = pynvml.c_nvmlGpmMetricsGet_t()  # large, so made once
        self._metrics.version = pynvml.NVML_GPM_METRICS_GET_VERSION
        self._metrics.numMetrics = 1

    def share(self, ask: Ask, gpu: Any, number: int) -> float | None:
        """Return the share of time since the last call in which something ran on an instance.

        Args:
            ask: asks the driver, once for what it does not have.
            gpu: handle of the GPU.
            number: of the instance. None at its first call, and where the driver does not tell.
        """
        pair = self._samples.get(number) or self._made(ask, gpu, number)
        if pair is None:
            return None
        last, new = pair
        if ask("activity", pynvml.nvmlGpmMigSampleGet, gpu, number, new) is None:
            return None
        self._samples[number] = [new, last]
        if number not in self._taken:
            self._taken.add(number)
            return None
        asked = self._metrics
        asked.sample1, asked.sample2 = last, new
        asked.metrics[0].metricId = pynvml.NVML_GPM_METRIC_GRAPHICS_UTIL
        if ask("activity", pynvml.nvmlGpmMetricsGet, asked) is None:
            return None
        found = asked.metrics[0]
        is_known = found.nvmlReturn == pynvml.NVML_SUCCESS and 0 <= found.value <= 100
        return found.value / 100 if is_known else None

    def _made(self, ask: Ask, gpu: Any, number: int) -> list[Any] | None:
        if self._is_told is None:
            found = ask("activity", pynvml.nvmlGpmQueryDeviceSupport, gpu)
            self._is_told = found is not None and bool(found.isSupportedDevice)
        if not self._is_told:
            return None
        made = [ask("activity", pynvml.nvmlGpmSampleAlloc) for _ in range(2)]
        if None in made:
            return None
        self._samples[number] = made
        return made

    def keep(self, numbers: Collection[int]) -> None:
        """Let go of the samples of instances that are gone."""
        for number in self._samples.keys() - set(numbers):
            self._taken.discard(number)
            for sample in self._samples.pop(number):
                with suppress(pynvml.NVMLError):  # of a GPU that is gone, too
                    pynvml.nvmlGpmSampleFree(sample)
