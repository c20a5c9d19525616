"""The cards of the GPUs page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from spanledger_dashboard import format as fmt
from spanledger_dashboard.gpus import format as units
from spanledger_dashboard.gpus.data import Fleet, Gpu, Infrastructure, Worker

Card = tuple[str, str, str]


def show(cards: Sequence[Card]) -> None:
    """Show label, figure and help of each, in one row."""
    with st.grid(len(cards), min_column_width=118, gap="small"):
        for label, text, explanation in cards:
            st.metric(label, text, border=True, help=explanation)


def fleet_cards(found: Infrastructure) -> list[Card]:
    """Return the figures of the whole fleet."""
    fleet = found.fleet
    hosts = len({gpu.text("host") for gpu in fleet.whole})
    lost = sum(gpu.is_lost for gpu in fleet.whole)
    tokens = [t for w in found.workers if (t := w.total("output_tokens")) is not None]
    joules = fleet.total("energy_joules")
    return [
        (
            "GPUs",
            fmt.count(len(fleet.whole)) + (f", {lost} lost" if lost else ""),
            f"On {hosts} host{'' if hosts == 1 else 's'}, with "
            f"{len(fleet.gpus) - len(fleet.whole)} MIG instances.",
        ),
        (
            "Utilization",
            units.ratio(fleet.mean("utilization_ratio")),
            "Mean share of time in which a kernel ran, over the GPUs that tell it.",
        ),
        (
            "Idle",
            units.ratio(fleet.mean("idle_ratio")),
            "Share of the samples in which nothing ran: what you pay for and do not use.",
        ),
        ("Memory", units.size(fleet.now("memory_used_bytes")), _memory_help(fleet)),
        (
            "Power",
            units.watts(fleet.now("newest_power_watts")),
            f"Newest draw of the GPUs that answer. Mean of all over the range: "
            f"{units.watts(fleet.total('power_watts'))}.",
        ),
        ("Energy", units.energy(joules), _energy_help(fleet)),
        (
            "Throttled",
            units.ratio(fleet.mean("throttled_ratio")),
            "Share of the samples in which power or heat held the clocks down.",
        ),
        (
            "Tokens/J",
            units.decimal(sum(tokens) / joules if tokens and joules else None),
            "Output tokens of all workers over the energy of all GPUs in the range.",
        ),
    ]


def gpu_cards(gpu: Gpu) -> list[Card]:
    """Return the figures of one GPU."""
    n = gpu.number
    return [
        ("Utilization", units.ratio(n("utilization_ratio")), "Mean; with MIG nobody tells it."),
        ("Idle", units.ratio(n("idle_ratio")), "Share of the samples in which nothing ran."),
        (
            "Memory",
            units.size(n("memory_used_bytes")),
            f"Of {units.size(n('memory_total_bytes'))}; peak {units.size(n('memory_peak_bytes'))}.",
        ),
        ("Power", units.watts(n("newest_power_watts")), _power_help(gpu)),
        ("Energy", units.energy(n("energy_joules")), _energy_help(Fleet((gpu,)))),
        (
            "Temperature",
            units.celsius(n("temperature_celsius")),
            f"Newest; highest {units.celsius(n('temperature_peak_celsius'))}.",
        ),
        (
            "Throttled",
            units.ratio(n("throttled_ratio")),
            "Share of the samples in which power or heat held the clocks down.",
        ),
        (
            "ECC errors",
            units.decimal(n("ecc_uncorrected_errors")),
            f"Uncorrected in the range; corrected {units.decimal(n('ecc_corrected_errors'))}.",
        ),
    ]


def worker_cards(found: Infrastructure, worker: Worker) -> list[Card]:
    """Return the figures of one worker."""
    return [
        ("Running", units.decimal(worker.newest("newest_running")), "Requests, newest."),
        ("Queued", units.decimal(worker.newest("newest_waiting")), "Requests that wait, newest."),
        ("KV cache", units.ratio(worker.newest("newest_kv_cache_ratio")), "In use, newest."),
        (
            "Prefix hits",
            units.ratio(worker.cache_hit_ratio),
            "Share of the input tokens looked for in the prefix cache that were in it.",
        ),
        ("In per second", units.decimal(worker.rate("input_tokens")), "Input tokens, mean."),
        ("Out per second", units.decimal(worker.rate("output_tokens")), "Output tokens, mean."),
        (
            "Tokens/J",
            units.decimal(found.tokens_per_joule(worker)),
            "Output tokens over the energy of its pod's GPUs, or of its host's with all workers "
            "there.",
        ),
        ("Requests", units.decimal(worker.total("requests")), "Finished in the range."),
    ]


def _memory_help(fleet: Fleet) -> str:
    used, total = fleet.now("memory_used_bytes"), fleet.now("memory_total_bytes")
    share = units.ratio(used / total) if used is not None and total else fmt.UNKNOWN
    return f"In use, of {units.size(total)} ({share})."


def _energy_help(fleet: Fleet) -> str:
    estimated = sum(bool(g.row["is_energy_estimated"]) for g in fleet.whole)
    if not estimated:
        return "By the GPUs' own counters."
    return f"By the GPUs' own counters; for {estimated} without one, mean power times time."


def _power_help(gpu: Gpu) -> str:
    limit = units.watts(gpu.number("power_limit_watts"))
    return f"Newest draw, limit {limit}; mean {units.watts(gpu.number('power_watts'))}."
