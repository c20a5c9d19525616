"""Shared budgets: processes held to one limit, and nobody held up when the server is away."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.server
import json
import multiprocessing
import os
import socketserver
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

import spanledger
from spanledger import _budget_desk, _budget_server
from spanledger._accounts import BudgetEvent, LocalAccount
from spanledger._budget_desk import Desk
from spanledger._budget_server import BudgetServer
from spanledger._leases import Line
from spanledger.testing import capture
from spanledger_server.api.access import KeyGuard
from spanledger_server.api.budgets import budgets_router
from spanledger_server.api.problems import explain_errors
from spanledger_storage.budget_accounts import BudgetAccounts
from spanledger_storage.budget_amounts import Amounts
from spanledger_storage.budget_tables import reservations, settlements
from spanledger_storage.budgets import Budgets, BudgetTerms
from spanledger_storage.state import migrate_state, open_state
from tests.instance import wait_until
from tests.ports import free_port

TOO_LONG_S = 30.0  # far more than a machine that is busy needs


@dataclass
class Server:
    url: str
    state: sa.Engine

    def limit(self, limit: str | int, measure: Any = "llm_calls", **more: Any) -> None:
        terms: dict[str, Any] = {
            "name": "cap",
            "scope": "project",
            "selector": "",
            "period": "month",
            **more,
        }
        made = BudgetTerms(measure=measure, hard_limit=Decimal(limit), **terms)
        Budgets(self.state).create("default", made, "me", time.time_ns())

    def found(self) -> Amounts:
        [(found, _)] = BudgetAccounts(self.state).state("default", time.time_ns())
        return found

    def reservations(self) -> int:
        return len(self.rows(reservations))

    def rows(self, table: sa.Table) -> list[Any]:
        with self.state.connect() as connection:
            return list(connection.execute(sa.select(table)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    port = free_port()
    app = FastAPI()  # with the budgets of the real one alone: making all of that takes a second
    explain_errors(app)
    app.include_router(budgets_router(state))
    app.add_middleware(KeyGuard, ring=None)
    config = uvicorn.Config(app, port=port, log_config=None)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run)
    thread.start()
    wait_until(lambda: running.started, every_s=0.01)
    yield Server(f"http://127.0.0.1:{port}", state)
    running.should_exit = True
    thread.join()
    state.dispose()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    """Lets budgets of the test use a server; waits longer than a program would."""
    made: list[Desk] = []

    def used(url: str, timeout_s: float = TOO_LONG_S) -> Desk:
        desk = Desk(url, timeout_s=timeout_s)
        monkeypatch.setattr(_budget_desk, "_own", desk)
        made.append(desk)
        return desk

    yield used
    for desk in made:
        desk.close(TOO_LONG_S)


def seen(*values: object) -> tuple[object, ...]:
    """Figures of any type, to compare with whole numbers."""
    return values


def call(**usage: int) -> None:
    with spanledger.llm_call(provider="openai", model="gpt-4o") as one:
        one.usage(**(usage or {"input_tokens": 10, "output_tokens": 5}))


def test_a_call_over_the_limit_is_stopped_and_told(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit(5, soft_limit=Decimal(3))
    desk, told = use(server.url), list[BudgetEvent]()
    with spanledger.budget(shared=True, mode="raise", on_limit=told.append) as running:
        for _ in range(5):
            call()
        with pytest.raises(spanledger.BudgetExceeded) as stopped:
            call()
        assert running.use().llm_calls == 5
    event = stopped.value.event
    assert seen(event.budget, event.amount, event.level, event.limit) == (
        "cap",
        "llm_calls",
        "hard",
        5,
    )
    assert told[-1] == event
    desk.close(TOO_LONG_S)
    found = server.found()
    assert seen(found.spent, found.reserved) == (5, 0)
    figures = desk.figures
    assert seen(figures.admitted, figures.refused, figures.passed, figures.problem) == (5, 1, 0, "")


def test_settlements_name_the_span_the_ledger_will_know(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit(1000, "tokens")
    desk = use(server.url)
    with capture() as captured, spanledger.budget(shared=True):
        call(input_tokens=70, output_tokens=7)

        @spanledger.tool("search", cost_usd="0.5")
        def search() -> None: ...

        search()
        desk.close(TOO_LONG_S)
        chat = captured.span("chat gpt-4o").context
    assert chat is not None
    key = f"{chat.trace_id:032x}{chat.span_id:016x}"
    rows = {row.span_key: row.amount for row in server.rows(settlements)}
    assert rows[key] == 77
    assert len(rows) == 2  # the tool, which has no tokens


def test_dollars_and_prices_of_tools_count(server: Server, use: Callable[..., Desk]) -> None:
    server.limit("1", "usd")
    desk = use(server.url)

    @spanledger.tool("search", cost_usd="0.4")
    def search() -> None: ...

    with spanledger.budget(shared=True, mode="raise"):
        search()
        search()
        with pytest.raises(spanledger.BudgetExceeded):
            search()
        call(input_tokens=1000, output_tokens=100)  # gpt-4o: 2.50 and 10 dollars per million
    desk.close(TOO_LONG_S)
    assert server.found().spent == Decimal("0.8035")


def test_a_tool_that_another_guard_refuses_costs_nothing(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit("1", "usd")
    desk = use(server.url)

    @spanledger.tool("search", cost_usd="0.4")
    def search() -> None: ...

    with (
        spanledger.budget(shared=True),
        spanledger.budget(usd="0.1", mode="raise"),
        pytest.raises(spanledger.BudgetExceeded),
    ):
        search()
    desk.close(TOO_LONG_S)
    found = server.found()
    assert seen(found.spent, found.reserved) == (0, 0)


def test_threads_together_stay_within_the_limit(server: Server, use: Callable[..., Desk]) -> None:
    server.limit(40)
    desk = use(server.url)
    made = list[int]()

    def work() -> None:
        with (
            spanledger.budget(shared=True, mode="raise"),
            contextlib.suppress(spanledger.BudgetExceeded),
        ):
            for _ in range(4):
                call()
                made.append(1)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    desk.close(TOO_LONG_S)
    assert len(made) - desk.figures.passed <= 40
    found = server.found()
    assert seen(found.spent, found.reserved) == (len(made), 0)


def test_tasks_of_an_event_loop_ask_without_blocking_it(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit(30)
    desk = use(server.url)
    made, refused = list[int](), list[int]()

    async def one() -> None:
        try:
            async with spanledger.llm_call(provider="openai", model="gpt-4o") as running:
                await asyncio.sleep(0)
                running.usage(input_tokens=1, output_tokens=1)
            made.append(1)
        except spanledger.BudgetExceeded:
            refused.append(1)

    async def main() -> None:
        async with spanledger.budget(shared=True, mode="raise"):
            for _ in range(10):
                await asyncio.gather(*(one() for _ in range(5)))

    asyncio.run(main())
    desk.close(TOO_LONG_S)
    passed = desk.figures.passed
    assert len(made) + len(refused) == 50
    assert len(made) - passed <= 30
    assert passed < 10
    assert refused
    assert server.found().passed == passed


def test_on_an_event_loop_nobody_waits_for_the_server(use: Callable[..., Desk]) -> None:
    with _answering(lambda request: time.sleep(1)) as url:
        desk = use(url)

        async def main() -> float:
            with spanledger.budget(shared=True, mode="raise"):
                began = time.monotonic()
                for _ in range(100):
                    call()
                return time.monotonic() - began

        assert asyncio.run(main()) < 0.8
        assert desk.figures.passed == 100


def test_a_hot_line_asks_rarely_and_an_idle_one_gives_back(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit(10_000)
    desk = use(server.url)
    with spanledger.budget(shared=True):
        for _ in range(300):
            call()
    assert server.reservations() <= 30
    desk.close(TOO_LONG_S)
    found = server.found()
    assert seen(found.spent, found.reserved) == (300, 0)


def test_sessions_share_a_lease_where_no_budget_tells_them_apart(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit(1000)
    Budgets(server.state).create(
        "default",
        BudgetTerms("t", "tag", "customer=acme", "llm_calls", "day", hard_limit=Decimal(2)),
        "me",
        time.time_ns(),
    )
    desk = use(server.url)
    with spanledger.budget(shared=True, mode="raise"):
        for number in range(20):
            with spanledger.session(f"s{number}"), spanledger.dimensions(customer="other"):
                call()
        with spanledger.dimensions(customer="acme"):
            call()
            call()
            with pytest.raises(spanledger.BudgetExceeded):
                call()
    desk.close(TOO_LONG_S)
    assert server.reservations() < 15


def test_without_budgets_nothing_is_limited_and_rarely_asked(
    server: Server, use: Callable[..., Desk]
) -> None:
    desk = use(server.url)
    with spanledger.budget(shared=True, mode="raise"):
        for _ in range(50):
            call()
    desk.close(TOO_LONG_S)
    assert seen(desk.figures.admitted, desk.figures.passed) == (50, 0)
    assert server.rows(reservations) == server.rows(settlements) == []


def test_an_observer_is_told_and_goes_on(server: Server, use: Callable[..., Desk]) -> None:
    server.limit(2)
    desk, told = use(server.url), list[BudgetEvent]()
    with spanledger.budget(shared=True, on_limit=told.append):
        for _ in range(4):
            call()
    desk.close(TOO_LONG_S)
    assert {event.level for event in told} == {"hard"}
    assert server.found().spent == 4


@contextlib.contextmanager
def _answering(answer: Callable[[http.server.BaseHTTPRequestHandler], object]) -> Generator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with contextlib.suppress(OSError):
                self.rfile.read(int(self.headers["Content-Length"]))
                answer(self)

        def log_message(self, format: str, *args: Any) -> None: ...

    class Threaded(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Threaded(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def _status(code: int, body: bytes = b"{}") -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        _status(500),
        _status(200, b"not json"),
        _status(200, b"{}"),
        _status(200, b'{"granted": true, "budgets": [{}], "over": [], "scopes": []}'),
        _status(401),
        lambda request: time.sleep(1),
        lambda request: request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le"),
        lambda request: None,
    ],
    ids=["500", "text", "empty", "nonsense", "401", "slow", "half", "closed"],
)
def test_a_server_that_does_not_answer_lets_calls_pass(
    use: Callable[..., Desk], answer: Callable[[http.server.BaseHTTPRequestHandler], object]
) -> None:
    with _answering(answer) as url:
        desk = use(url, timeout_s=0.1)
        began = time.monotonic()
        with spanledger.budget(shared=True, mode="raise"):
            for _ in range(200):
                call()
        assert time.monotonic() - began < TOO_LONG_S  # the first few waited, the others did not
        assert seen(desk.figures.passed, desk.figures.refused) == (200, 0)
        assert desk.figures.problem
        desk.close(TOO_LONG_S)


def test_a_server_that_is_away_is_found_again(
    server: Server, use: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.limit(10)
    desk = use(f"http://127.0.0.1:{free_port()}")
    with spanledger.budget(shared=True, mode="raise"):
        for _ in range(3):
            call()
        assert desk.figures.passed == 3
        assert "Shared budgets: 0 calls admitted" in str(spanledger.doctor())
        monkeypatch.setattr(desk, "_server", BudgetServer(server.url, ""))  # it is up again
        call()
    desk.close(TOO_LONG_S)
    found = server.found()
    assert seen(found.spent, found.passed, desk.figures.admitted) == (4, 3, 1)


def test_a_child_process_has_leases_of_its_own(server: Server, use: Callable[..., Desk]) -> None:
    server.limit(100)
    desk = use(server.url)
    with spanledger.budget(shared=True, mode="raise"):
        call()
        child = os.fork()
        if child == 0:
            try:
                call()
                desk.close(TOO_LONG_S)
                is_right = desk.figures.admitted == 1 and desk.figures.passed == 0
                os._exit(0 if is_right else 1)
            finally:
                os._exit(2)
        call()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    desk.close(TOO_LONG_S)
    found = server.found()
    assert seen(found.spent, found.reserved) == (3, 0)


def test_a_child_of_multiprocessing_settles_when_it_ends(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit(100)
    use(server.url)
    with spanledger.budget(shared=True, mode="raise"):
        child = multiprocessing.get_context("fork").Process(target=call)
        child.start()
        child.join()
    found = server.found()
    assert seen(child.exitcode, found.spent, found.reserved) == (0, 1, 0)


def test_under_pytest_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_budget_desk, "_own", None)
    with spanledger.budget(shared=True, mode="raise"):
        call()
    desk = _budget_desk.desk()
    assert desk.figures.passed == 0
    assert "spanledger-budgets" not in {thread.name for thread in threading.enumerate()}


def test_a_shared_budget_may_have_limits_of_its_own(use: Callable[..., Desk]) -> None:
    use("")
    with spanledger.budget(shared=True, llm_calls=1, mode="raise"):
        call()
        with pytest.raises(spanledger.BudgetExceeded):
            call()
    with pytest.raises(ValueError, match="needs a limit"):
        spanledger.budget()


def test_what_the_server_does_not_take_is_left_out(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit(1000, "tokens")
    desk = use(server.url)
    many = {f"d{n}": "x" for n in range(70)}
    with (
        spanledger.budget(shared=True),
        spanledger.session("s" * 600),
        spanledger.dimensions(**many),
    ):
        call(input_tokens=-7, output_tokens=2)
    desk.close(TOO_LONG_S)
    figures = desk.figures
    assert seen(figures.admitted, figures.dropped, figures.problem) == (1, 0, "")
    assert len(server.rows(settlements)) == 1


def test_a_request_that_is_refused_stops_nobody_elses(
    server: Server, use: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.limit(10)
    desk = use(server.url)
    monkeypatch.setattr(_budget_server, "_is_name", lambda text: True)
    with spanledger.budget(shared=True):
        with spanledger.session("s" * 600):
            call()
        for _ in range(3):
            call()
    desk.close(TOO_LONG_S)
    figures = desk.figures
    assert seen(figures.passed, figures.admitted, figures.dropped) == (1, 3, 1)
    assert server.found().spent == 3


def test_a_host_that_keeps_its_executor_busy_holds_up_no_call(
    server: Server, use: Callable[..., Desk]
) -> None:
    server.limit(10)
    desk, done = use(server.url), threading.Event()

    async def one() -> None:
        async with spanledger.llm_call(provider="openai", model="gpt-4o") as running:
            running.usage(input_tokens=1, output_tokens=1)

    async def main() -> None:
        async with spanledger.budget(shared=True):
            loop = asyncio.get_running_loop()
            busy = [loop.run_in_executor(None, done.wait) for _ in range(100)]
            try:
                await asyncio.wait_for(asyncio.gather(one(), one()), 10)
            finally:
                done.set()
            await asyncio.gather(*busy)

    asyncio.run(main())
    assert seen(desk.figures.admitted, desk.figures.passed) == (2, 0)


@pytest.mark.parametrize(
    ("owner", "name"), [(_budget_desk, "Line"), (Line, "_parts"), (LocalAccount, "_judged")]
)
def test_a_stream_may_be_collected_while_a_lock_is_held(
    server: Server,
    use: Callable[..., Desk],
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
) -> None:
    server.limit(1000)
    desk, under_lock = use(server.url), getattr(owner, name)

    def collecting(*args: Any, **options: Any) -> Any:
        gc.collect()
        return under_lock(*args, **options)

    def work() -> None:
        with spanledger.budget(shared=True, llm_calls=1000):
            with spanledger.llm_call(provider="openai", model="gpt-4o") as one:
                stream = one.stream(iter([1, 2]))
            cycle: list[object] = [stream]
            cycle.append(cycle)
            del cycle, stream, one
            monkeypatch.setattr(owner, name, collecting)
            with spanledger.session("another"):
                call()

    gc.disable()
    try:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    finally:
        gc.enable()
    desk.close(TOO_LONG_S)
    found = server.found()
    assert seen(found.spent, found.reserved) == (2, 0)


class _SlowToReserve(BudgetServer):
    """Answers requests to reserve too late, the first few of them."""

    def __init__(self, url: str, failures: int) -> None:
        super().__init__(url, "")
        self.left = failures
        self.keys = list[object]()

    def _sent(self, path: str, body: bytes, timeout_s: float) -> dict[str, Any]:
        answer = super()._sent(path, body, timeout_s)
        if path.endswith("reserve"):
            self.keys.append(json.loads(body)["key"])
            if len(self.keys) <= self.left:
                raise TimeoutError
        return answer


def test_a_request_without_an_answer_counts_once(
    server: Server, use: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.limit(10)
    desk = use(server.url)
    monkeypatch.setattr(desk, "_server", _SlowToReserve(server.url, 2))
    with spanledger.budget(shared=True):
        call()
    assert desk.figures.admitted == 1
    assert server.reservations() == 1


def test_answered_settlements_do_not_excuse_a_server_that_is_slow_to_reserve(
    server: Server, use: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.limit(100)
    desk = use(server.url)
    slow = _SlowToReserve(server.url, 1000)
    monkeypatch.setattr(desk, "_server", slow)
    with spanledger.budget(shared=True):
        for _ in range(5):
            call()
            wait_until(lambda: desk.waiting == 0, every_s=0.01)
    assert len(slow.keys) == 3
    assert len(set(slow.keys)) == 1
    assert desk.figures.passed == 5


def test_without_a_thread_calls_pass(
    use: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    desk = use("http://127.0.0.1:9")
    with monkeypatch.context() as patched, spanledger.budget(shared=True, mode="raise"):
        patched.setattr(threading.Thread, "start", refuse)
        call()
    assert desk.figures.passed == 1
    assert "thread" in desk.figures.problem


def test_after_a_refusal_the_largest_call_is_forgotten() -> None:
    line = Line({}, lambda _: True, lambda _: None, 0.0, is_strict=True)
    line.settled({"tokens": 90}, None)
    assert line.request()["needed"] == {"tokens": "90", "llm_calls": "1"}
    line.answered({"granted": False, "budgets": [], "over": []})
    assert line.request()["needed"] == {"llm_calls": "1"}
