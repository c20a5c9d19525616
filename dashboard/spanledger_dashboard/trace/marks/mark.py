"""One thing worth pointing out on one span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

GivenMarks = Mapping[str, Sequence[Mapping[str, str]]]
"""By span id: marks with ``kind`` and ``text``, and a ``label`` if wanted."""


class Mark(NamedTuple):
    """A mark as the tree shows it.

    Attributes:
        row: the span's.
        kind: ``finding loop retry cache wait idle`` tell of trouble; ``resumed link sources same``
            of how spans belong together; any other is somebody else's and shown as trouble.
        label: at most a few words, beside the name of the span.
        text: one sentence, shown on hover.
        target: ``trace id/span id`` the mark leads to; empty: nowhere.
    """

    row: int
    kind: str
    label: str
    text: str
    target: str = ""
