"""Runs programs as their users would, against model servers of ours, and reads the ledger after."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from spanledger_analytics.job import LedgerJob
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.conftest import fresh_store
from tests.instance import environment, wait_until
from tests.marks import Marks
from tests.running import RunningCollector, running_collector
from tests.sdk.real.billing import Billed, ModelServer
from tests.sdk.real.model_server import serving_models


@dataclass(frozen=True)
class Beside:
    """A process that a program needs: its command, and what it logs when it is ready."""

    command: tuple[str, ...]
    ready: str


@dataclass(frozen=True)
class Program:
    """A program to run; its name is that of its service."""

    name: str
    file: Path
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    beside: Beside | None = None


@dataclass
class Ran:
    """What became of a program: what it printed, what it was billed, what the ledger has."""

    code: int
    output: str
    errors: str
    bill: list[Billed]
    entries: list[dict[str, Any]]
    spans: list[dict[str, Any]]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Entries of calls of models; paid tools have entries of their own."""
        return [entry for entry in self.entries if entry["kind"] in ("llm", "embedding")]

    def spans_of(self, role: str) -> list[dict[str, Any]]:
        return [span for span in self.spans if span["role"] == role]


@contextmanager
def stage(engine: Engine, folder: Path) -> Iterator[Stage]:
    """A collector on an empty store, for the programs of one module."""
    with fresh_store(engine) as store, running_collector(store, folder) as collector:
        yield Stage(store, collector)


@dataclass(frozen=True)
class Stage:
    """Where programs are run; they know each other's spans by the name of the service."""

    store: Store
    collector: RunningCollector

    def run(self, program: Program) -> Ran:
        """Run a program; return what became of it when all is in the ledger."""
        with serving_models() as server:
            variables = _variables(program, server, self.collector.url)
            with _beside(program, variables):
                done = _run(program, variables)
        self.collector.await_stored()
        LedgerJob(self.store, time.time_ns, Marks()).run_once()
        return Ran(
            done.returncode,
            done.stdout,
            done.stderr,
            server.bill,
            _rows(self.store, "ledger_current", program.name),
            _rows(self.store, "spans FINAL", program.name),
        )


def _rows(store: Store, table: str, service: str) -> list[dict[str, Any]]:
    order = "time" if "ledger" in table else "start_time"
    query = f"SELECT * FROM {table} WHERE service_name = '{service}' ORDER BY {order}"
    return [dict(row) for row in store.sql_rows(query)]


def _variables(program: Program, server: ModelServer, url: str) -> dict[str, str]:
    return {
        **environment(),
        "SPANLEDGER_SEND_UNDER_PYTEST": "true",
        "SPANLEDGER_ENDPOINT": url,
        "OTEL_SERVICE_NAME": program.name,
        "OPENAI_BASE_URL": f"{server.url}/v1",
        "OPENAI_API_KEY": "key",
        "ANTHROPIC_BASE_URL": server.url,
        "ANTHROPIC_API_KEY": "key",
        "GOOGLE_GEMINI_BASE_URL": server.url,
        "GEMINI_API_KEY": "key",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": server.url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_DEFAULT_REGION": "us-east-1",
        **program.variables,
    }


@contextmanager
def _beside(program: Program, variables: dict[str, str]) -> Iterator[None]:
    if program.beside is None:
        yield
        return
    folder, ready = program.file.parent, program.beside.ready
    log = folder / "beside.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            program.beside.command, stdout=output, stderr=output, env=variables, cwd=folder
        ) as process,
    ):
        try:
            wait_until(lambda: ready in log.read_text(), 60)
            yield
        finally:
            process.terminate()


def _run(program: Program, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(program.file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        env=variables,
        cwd=program.file.parent,
    )


def amounts(entries: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return model and tokens of ledger entries, sorted; ``None`` for what nobody knows."""
    names = ("input", "output", "cache_read", "cache_write", "reasoning")
    return sorted(
        (str(row["model"]), *((row[f"{name}_tokens"] or 0) for name in names)) for row in entries
    )


def billed(bill: Iterable[Billed]) -> list[tuple[Any, ...]]:
    """Return model and tokens of a bill, as ``amounts`` does; of what was not told, zeros."""
    return sorted(
        (
            one.model,
            one.input_tokens * one.is_told,
            one.output_tokens * one.is_told,
            one.cache_read_tokens * one.is_told,
            one.cache_write_tokens * one.is_told,
            one.reasoning_tokens * one.is_told,
        )
        for one in bill
    )


def price_usd(one: Billed) -> Decimal | None:
    """Price a call as `genai_prices` does, by its own arithmetic; ``None``: nobody was told."""
    from genai_prices import Usage, calc_price

    if not one.is_told:
        return None
    usage = Usage(
        input_tokens=one.input_tokens,
        output_tokens=one.output_tokens,
        cache_read_tokens=one.cache_read_tokens,
        cache_write_tokens=one.cache_write_tokens,
        cache_write_1h_tokens=one.cache_write_1h_tokens,
    )
    provider = {"bedrock": "aws"}.get(one.provider, one.provider)
    when = datetime.now(UTC)
    price = calc_price(usage, one.model, provider_id=provider, genai_request_timestamp=when)
    return price.total_price.quantize(Decimal("1e-12"))


def assert_billed_once(ran: Ran, *, has_reasoning: bool = True) -> None:
    """Every call of the bill is in the ledger, once, with its tokens and its price.

    ``has_reasoning``: whether the instrumentation tells what of the output was reasoning.
    """
    found, expected = amounts(ran.calls), billed(ran.bill)
    if not has_reasoning:
        found, expected = [one[:-1] for one in found], [one[:-1] for one in expected]
    assert found == expected, f"{found} in the ledger, {expected} billed\n{ran.errors}"
    costs = sorted((row["total_cost_usd"] for row in ran.calls), key=str)
    prices = sorted(map(price_usd, ran.bill), key=str)
    assert costs == prices, f"{costs} in the ledger, {prices} billed"
