"""Whatever arrives, it is never answered as our fault, and what is accepted can be decoded."""

from __future__ import annotations

import time

import pytest

from tests.fuzzing import Fault, Fuzzer, fuzz

_SECONDS = 5


def test_spoilt_requests_are_never_our_fault() -> None:
    until, seed = time.monotonic() + _SECONDS, time.time_ns() % 1_000_000
    inputs = 0
    while time.monotonic() < until:
        fuzzer = fuzz(seed, 300)  # a failure names the input
        assert fuzzer.statuses[200] > 0
        assert fuzzer.statuses[400] > 0
        assert fuzzer.decoded_requests > 0
        inputs, seed = inputs + 300, seed + 1
    assert inputs >= 300


def test_the_same_seed_makes_the_same_inputs() -> None:
    assert fuzz(7, 200).statuses == fuzz(7, 200).statuses


def test_a_fault_is_told_with_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    from spanledger_collector import intake

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(intake, "screen", fail)
    with pytest.raises(Fault, match="answered with 503: Input"):
        fuzz(1, 200)
    assert Fuzzer(1).statuses == {}
