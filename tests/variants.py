"""Variants of a test that each take seconds: the first stay in `make test`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def first(variants: Iterable[object], stay: int = 1) -> list[object]:
    """Return the variants with all but the first ``stay`` marked for `make endurance`."""
    return [
        variant if place < stay else pytest.param(variant, marks=pytest.mark.endurance)
        for place, variant in enumerate(variants)
    ]
