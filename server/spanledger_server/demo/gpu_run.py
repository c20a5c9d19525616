"""The GPU workers of the demo beside its agents: what they cost, and who sends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from spanledger_analytics.gpu_cost.price_changes import set_gpu_price
from spanledger_server.demo.gpu_plan import WORKERS
from spanledger_server.demo.gpus import send_gpus
from spanledger_server.errors import UsageError
from spanledger_server.state_database import state_writer_of
from spanledger_storage.gpu_price_state import OWNED, RENTED, GpuPriceRow
from spanledger_storage.price_state import PriceState

_NOTE = "of the demo"


def run_gpus(
    endpoint: str,
    data: Path | None,
    *,
    hours: float,
    live: bool,
    say: Callable[[str], None],
    stop: threading.Event,
) -> None:
    """Set what the demo's GPUs cost, and send them; with ``live`` in a thread, until ``stop``.

    Args:
        endpoint: Base URL of an OTLP/HTTP endpoint.
        data: The instance's directory, in whose state database prices go; None: nowhere.
        hours: Length of the history.
        live: Go on after it.
        say: Told what happens, one sentence at a time.
        stop: Ends it.
    """
    if data is not None:
        set_demo_prices(data, time.time_ns())

    def send() -> None:
        try:
            send_gpus(endpoint, hours=hours, live=live, on_progress=say, stop=stop)
        except UsageError as error:  # the agents' own sender says the same, and ends the demo
            say(str(error))

    if live:
        threading.Thread(target=send, name="demo-gpus", daemon=True).start()
    else:
        send()


def demo_prices() -> tuple[GpuPriceRow, ...]:
    """Return a price for each host of the demo, at all times: one rented, one owned."""
    rented, owned = WORKERS
    return (
        GpuPriceRow(RENTED, Decimal("2.49"), 0, host=rented.host, note=_NOTE),
        GpuPriceRow(
            OWNED, Decimal("0.15"), 0, host=owned.host, note=_NOTE,
            purchase_usd=Decimal(28_000), amortization_years=Decimal(4),
            usd_per_kwh=Decimal("0.14"), pue=Decimal("1.3"),
        ),
    )  # fmt: skip


def set_demo_prices(data: Path, now_ns: int) -> None:
    """Store the prices of the demo's hosts in an instance, where they have none.

    Raises:
        StateError: the state database does not answer.
        UsageError: no instance has run on the directory.
    """
    prices = PriceState(state_writer_of(data, ""))
    known = {row.host for row in prices.gpu_prices()}
    missing = [row for row in demo_prices() if row.host not in known]
    if missing:
        with prices.change("demo", now_ns) as change:
            for row in missing:
                set_gpu_price(change, row)
