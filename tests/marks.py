"""The positions of jobs, kept in memory."""

from __future__ import annotations


class Marks:
    """What ``Watermarks`` of the state database are to a job."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}

    def get(self, job: str) -> int | None:
        return self.positions.get(job)

    def set(self, job: str, position: int) -> None:
        self.positions[job] = position
