"""`spanledger up` as a user meets it, and the first five minutes with it."""

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Page, expect
from typer.core import TyperGroup

from spanledger_dashboard.access.settings import DashboardAuth
from spanledger_server import cli
from spanledger_server.announcement import ready_text
from spanledger_server.child import Child
from spanledger_server.dashboard_guard import DashboardGuard
from spanledger_server.errors import UsageError
from spanledger_server.guard import Auth, Guard
from spanledger_server.run_file import RunFile, RunInfo, running_instance
from spanledger_server.supervisor import Supervisor
from spanledger_server.up_settings import UpSettings
from spanledger_storage.state import migrate_state, open_state
from tests.dashboard.process import CHROMIUM, chromium
from tests.instance import Instance, run, runs, typed, wait_until
from tests.otlp import llm_span, request, span
from tests.variants import first

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def test_it_prints_what_an_agent_needs_and_where_the_dashboard_is(instance: Instance) -> None:
    said = wait_until(
        lambda: "ready" in instance.output.read_text() and instance.output.read_text()
    )
    assert f"OTEL_EXPORTER_OTLP_ENDPOINT={instance.otlp_url}" in said
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in said
    assert instance.dashboard_url in said
    assert f":{instance.run_file()['api_port']}/api/docs" in said


def test_a_span_is_visible_with_its_cost_soon_after_it_was_acknowledged(
    instance: Instance,
) -> None:
    sent = llm_span("gpt-4o-mini", 1_000, 100)
    assert instance.post(request(sent).SerializeToString()) == 200
    acknowledged = time.monotonic()
    query = (
        "SELECT total_cost_usd, input_tokens, price_status FROM ledger_current"
        f" WHERE trace_id = '{sent.trace_id.hex()}'"
    )
    [entry] = wait_until(lambda: instance.sql(query), timeout_s=10)
    # 1,000 × $0.15/M + 100 × $0.60/M
    assert entry == {"total_cost_usd": 0.00021, "input_tokens": 1000, "price_status": "priced"}
    assert time.monotonic() - acknowledged < 10


def test_the_api_and_the_command_tell_the_same_of_data_quality(instance: Instance) -> None:
    quiet = span(gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o-mini")
    assert instance.post(request(quiet).SerializeToString()) == 200
    url = f"http://127.0.0.1:{instance.run_file()['api_port']}/api/v1/data-quality"

    def missing() -> Any:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.loads(answer.read())["findings"]
        return [f for f in found if f["check"] == "missing_usage"]

    [finding] = wait_until(missing, timeout_s=10)
    told = typed(
        "data-quality", "--data", str(instance.data), "--format", "json", "--fail-on", "info"
    )
    assert told.returncode == 1
    assert finding in json.loads(told.stdout)["findings"]


def test_the_api_holds_a_key_to_its_project_though_none_is_needed(instance: Instance) -> None:
    place = ("--data", str(instance.data))
    typed("projects", "create", "till", *place)
    made = typed("keys", "create", "--project", "till", "--scope", "read", *place)
    url = f"http://127.0.0.1:{instance.run_file()['api_port']}/api/v1/traces"
    headers = {"x-api-key": made.stdout.strip()}
    wait_until(lambda: httpx.get(url, headers=headers).status_code == 200)  # keys are read by 2 s
    assert httpx.get(url, headers=headers).json()["project"] == "till"
    assert httpx.get(url, headers=headers, params={"project": "default"}).status_code == 403
    assert httpx.get(url).json()["project"] == "default"


def test_doctor_is_green(instance: Instance) -> None:
    done = typed("doctor", "--data", str(instance.data))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert "queryable after" in done.stdout


def test_logs_do_not_grow_without_end(instance: Instance) -> None:
    logs = [instance.data / "logs" / "worker.log", instance.data / "engine" / "engine.log"]
    for log in logs:
        with log.open("ab") as file:
            file.truncate(51 << 20)
    wait_until(lambda: all(log.stat().st_size < 1 << 20 for log in logs))
    kept = [log.with_suffix(".previous.log") for log in logs]
    assert [log.stat().st_size >= 51 << 20 for log in kept] == [True, True]
    for log in kept:
        log.unlink()


def test_the_dashboard_starts_without_a_warning(instance: Instance) -> None:
    said = (instance.data / "logs" / "dashboard.log").read_text()
    assert [line for line in said.splitlines() if "WARNING" in line] == []


def test_a_second_instance_on_the_same_directory_is_refused(instance: Instance) -> None:
    done = run("up", "--data", str(instance.data), "--http-port", "0")
    assert done.returncode == 2
    assert "already runs" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EAGAIN, "already runs"),
        (errno.EACCES, "already runs"),
        (errno.ENOLCK, "cannot be locked"),
    ],
)
def test_a_lock_that_is_not_to_be_had_is_not_taken_for_another_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UsageError, match=said):
        RunFile(tmp_path).acquire()


def test_the_lock_says_whether_an_instance_runs(tmp_path: Path) -> None:
    directory, copy = tmp_path / "data", tmp_path / "copy"
    info = RunInfo(pid=os.getpid(), started_at_s=psutil.Process().create_time() + 3_600, host="",
                   http_port=1, grpc_port=1, dashboard_port=1, engine_port=0)  # fmt: skip
    file = RunFile(directory)
    file.acquire()
    file.write(info)
    # The clock was set back by an hour since it started.
    assert running_instance(directory) == info
    # What runs on the copied directory does not run on the copy.
    shutil.copytree(directory, copy)
    with pytest.raises(UsageError, match="No Spanledger runs"):
        running_instance(copy)
    file.release()
    with pytest.raises(UsageError, match="No Spanledger runs"):
        running_instance(directory)


def test_what_a_killed_instance_left_is_awaited_and_a_reused_pid_is_left_alone(
    tmp_path: Path,
) -> None:
    settings = UpSettings(tmp_path, "127.0.0.1", 0, 0, 0, 0, 0, Guard(Auth.NONE, tmp_path),
                          DashboardGuard(DashboardAuth.NONE, tmp_path))  # fmt: skip
    killed = RunInfo(pid=1, started_at_s=0, host="", http_port=1, grpc_port=1, dashboard_port=1,
                     engine_port=0)  # fmt: skip
    file = RunFile(tmp_path)
    stranger = subprocess.Popen(["sh", "-c", "read spanledger"], stdin=subprocess.PIPE)
    leftover = subprocess.Popen(["sleep", "0.5"])
    try:
        file.mark_ready(killed, ready=True, children=(leftover.pid, stranger.pid))
        wrong = file.read()
        assert wrong
        mine, reused = wrong.processes
        reused = reused.model_copy(update={"started_at_s": reused.started_at_s - 60})
        file.write(killed.model_copy(update={"processes": (mine, reused)}))
        Supervisor(settings, print)._end_leftovers()
        assert not psutil.pid_exists(leftover.pid)
        assert stranger.poll() is None
    finally:
        for process in (stranger, leftover):
            process.kill()
            process.wait()
            if process.stdin:
                process.stdin.close()


_PORTS = ("http-port", "grpc-port", "dashboard-port", "api-port", "engine-port")


@pytest.mark.parametrize("option", _PORTS)
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        free = [
            argument
            for name in _PORTS
            for argument in (f"--{name}", str(port if name == option else 0))
        ]
        done = typed("up", "--data", str(tmp_path / "data"), *free)
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert f"--{option}" in done.stderr


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["up", "--http-port", "7001", "--grpc-port", "7001"], "--http-port and --grpc-port"),
        (["up", "--grpc-port", "8501"], "--grpc-port and --dashboard-port"),
        (["up", "--api-port", "18123"], "--api-port and --engine-port"),
        (["collect", "--http-port", "4317", "--store-url", "clickhouse://127.0.0.1:1/x"],
         "--http-port and --grpc-port"),
    ],
)  # fmt: skip
def test_a_port_for_two_is_refused_at_once(tmp_path: Path, words: list[str], options: str) -> None:
    done = typed(*words, "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert f"is that of {options}: give each its own" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_port_of_the_engine_is_free_where_none_is_started(tmp_path: Path) -> None:
    store = ["--store-url", "clickhouse://127.0.0.1:1/x"]
    with socket.socket() as taken:  # which ends the start once the ports were found to differ
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = typed("up", "--data", str(tmp_path / "data"), "--http-port", port,
                     "--engine-port", port, *store)  # fmt: skip
    assert "Cannot listen" in done.stderr


@pytest.mark.parametrize("host", ["no-host.invalid", "192.0.2.1"])
@pytest.mark.parametrize("name", first(["up", "collect"]))
def test_an_address_that_is_not_of_this_machine_is_blamed_on_the_host(
    tmp_path: Path, name: str, host: str
) -> None:
    ports = ["--http-port", "0", "--grpc-port", "0"]
    settings = {"SPANLEDGER_INGEST_KEY": "a-key-from-the-environment"}
    migrate_state(open_state(f"sqlite:///{tmp_path / 'state.db'}"))
    store = ["--store-url", "clickhouse://127.0.0.1:1/x"]
    done = run(name, "--data", str(tmp_path), "--host", host, *ports, *store, **settings)
    assert done.returncode == 2
    assert f"Cannot listen on {host} (" in done.stderr
    assert done.stderr.strip().endswith("; give an address of this machine with --host.")
    assert "port" not in done.stderr


@pytest.mark.parametrize("state", ["", "sqlite:////x/state.db"])
def test_what_is_told_when_it_is_ready_names_its_place(tmp_path: Path, state: str) -> None:
    guard = Guard(Auth.KEYS, tmp_path, state)
    people = DashboardGuard(DashboardAuth.ACCOUNTS, tmp_path, state)
    settings = UpSettings(tmp_path, "0.0.0.0", 0, 0, 0, 0, 0, guard, people, state_url=state)
    info = RunInfo(pid=1, started_at_s=0, host="", http_port=1, grpc_port=1, dashboard_port=1,
                   engine_port=0)  # fmt: skip
    place = "--state-url URL" if state else f"--data {tmp_path}"
    said = ready_text(info, settings)
    assert f"`spanledger keys create --project default --scope ingest {place}`" in said
    assert f"`spanledger accounts add NAME {place}`" in said


def test_an_unwritable_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = typed("up", "--data", str(tmp_path / "file" / "data"))
    assert done.returncode == 2
    assert "--data" in done.stderr


def test_a_process_that_lasted_is_started_again_at_once(tmp_path: Path) -> None:
    role = Child("worker", [], lambda: True, tmp_path)
    now_s, pauses_s = 1_000.0, list[float]()
    for lived_s in (1, 1, 1, 500, 1, 1):
        role.began_at_s = now_s
        now_s += lived_s
        role.note_end(now_s)
        paused_s = 0.0
        while not role.is_due(now_s + paused_s):
            paused_s += 0.5
        now_s += paused_s
        pauses_s.append(paused_s)
    assert pauses_s == [0, 1, 2, 0, 0, 1]
    role.short_lives = 10_000
    assert role.is_due(now_s + 30)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SPANLEDGER_HTTP_PORT", "many", "--http-port"),
        ("SPANLEDGER_HTTP_PORT", "70000", "--http-port"),
        ("SPANLEDGER_HTPP_PORT", "4318", "SPANLEDGER_HTPP_PORT: no such setting"),
        ("SPANLEDGER_LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("SPANLEDGER_ABANDONED_AFTER_DAYS", "0", "whole days from 1 to 36500"),
        ("SPANLEDGER_STORE_URL", "mysql://x", "clickhouse://"),
        ("SPANLEDGER_HOST", "0.0.0.0", "loopback"),
        ("SPANLEDGER_STORE_URL_FILE", "/does/not/exist", "cannot be read"),
        ("SPANLEDGER_INGEST_KEY_FILE", sys.executable, "holds no text"),
    ],
)
def test_a_broken_setting_stops_the_start_and_says_which(
    tmp_path: Path, name: str, value: str, expected: str
) -> None:
    any_port = [argument for port in _PORTS for argument in (f"--{port}", "0")]
    free = [] if name == "SPANLEDGER_HTTP_PORT" else any_port
    done = typed("up", "--data", str(tmp_path / "data"), *free, **{name: value})
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_setting_comes_from_a_variable_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("of the file")
    both = {"SPANLEDGER_INGEST_KEY": "of the variable", "SPANLEDGER_INGEST_KEY_FILE": str(file)}
    done = typed("alerts", "check", "--data", str(tmp_path), **both)
    assert done.returncode == 2
    assert "Both SPANLEDGER_INGEST_KEY and SPANLEDGER_INGEST_KEY_FILE are set" in done.stderr


def test_a_variable_without_a_value_is_as_good_as_none(tmp_path: Path) -> None:
    rules = tmp_path / "alerts" / "rules"
    rules.mkdir(parents=True)
    (rules / "own.yaml").write_text("{name: own, title: Own, finding: [loop]}")
    names = ("ALERTS_FOLDER", "LOG_LEVEL", "LOG_FORMAT", "INGEST_KEY_FILE")
    empty = {f"SPANLEDGER_{name}": "" for name in names}
    done = typed("alerts", "check", "--data", str(tmp_path), **empty)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 rules")


@pytest.mark.parametrize("service", ["SPANLEDGER", "SPANLEDGER_API", "SPANLEDGER_HTTP"])
def test_a_service_of_kubernetes_that_is_named_like_us_is_no_setting(service: str) -> None:
    address = "tcp://10.0.0.7:8502"
    told = {
        f"{service}_SERVICE_HOST": "10.0.0.7",
        f"{service}_SERVICE_PORT": "8502",
        f"{service}_SERVICE_PORT_OTLP_HTTP": "8502",
        f"{service}_PORT": address,
        f"{service}_PORT_8502_TCP": address,
        f"{service}_PORT_8502_TCP_PROTO": "tcp",
        f"{service}_PORT_8502_TCP_PORT": "8502",
        f"{service}_PORT_8502_TCP_ADDR": "10.0.0.7",
    }
    for command in ("api", "collect"):
        done = typed(command, **told)
        assert "This command needs a store" in done.stderr


@pytest.mark.parametrize("command", ["api", "collect"])
def test_a_store_that_is_named_in_another_form_is_told_of(command: str) -> None:
    done = typed(command, SPANLEDGER_STORE_URL="tcp://clickhouse:9000/spanledger")
    assert "its scheme is 'tcp'" in done.stderr


def test_every_setting_is_one_of_a_command_without_a_group() -> None:
    """Where misspelt variables are looked for: making the groups would slow every start."""

    def settings(group: TyperGroup) -> set[str]:
        return {str(p.envvar) for sub in group.commands.values() for p in sub.params if p.envvar}

    assert settings(cli._everything()) == settings(cli._ungrouped())


def test_a_secret_in_a_store_url_is_not_repeated(tmp_path: Path) -> None:
    done = typed("migrate", "--store-url", "mysql://me:hunter2@x/y", "--data", str(tmp_path))
    assert done.returncode == 2
    assert "hunter2" not in done.stderr + done.stdout


def test_sql_prints_json_csv_and_tables(instance: Instance) -> None:
    data = ["--data", str(instance.data)]
    query = "SELECT 1 AS a, 'x, y' AS b;"
    assert instance.sql(query) == [{"a": 1, "b": "x, y"}]
    assert typed("sql", query, "--format", "csv", *data).stdout == '"a","b"\n1,"x, y"\n'
    assert "x, y" in typed("sql", query, *data).stdout
    assert instance.sql("SELECT 1 WHERE 0") == []


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE spans",
        "INSERT INTO touches (project) VALUES ('x')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SYSTEM SHUTDOWN",
        "SELECT 1 INTO OUTFILE 'spanledger-test'",
        "SELEC 1",
        " ; ",
    ],
)
def test_sql_only_reads(instance: Instance, query: str) -> None:
    done = typed("sql", query, "--data", str(instance.data))
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    assert instance.is_ready()


def test_commands_beside_it_say_when_nothing_runs(tmp_path: Path) -> None:
    for name in ("doctor", "demo"):
        done = typed(name, "--data", str(tmp_path))
        assert done.returncode == 2
        assert "spanledger up" in done.stderr


@pytest.fixture
def own_instance(tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(tmp_path / "data").start()
    yield instance
    instance.stop()


@pytest.mark.endurance
def test_a_role_that_dies_is_started_again(own_instance: Instance) -> None:
    for role in ("collect", "work", "dashboard", "api", "engine"):
        own_instance.kill_role(role)
    assert run("doctor", "--data", str(own_instance.data)).returncode == 0


@pytest.fixture(scope="module")
def demo(instance: Instance) -> Instance:
    """An instance with three hours of the demo fleet in it, all of it priced."""
    done = run("demo", "--data", str(instance.data), "--hours", "3", "--no-live")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: instance.sql("SELECT 1 FROM traces WHERE total_cost_usd > 5"))
    wait_until(
        lambda: instance.sql("SELECT 1 FROM usage_hourly GROUP BY 1 HAVING sum(calls) > 250")
    )
    return instance


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Where a newcomer looks around."""
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB")


def settle(page: Page) -> None:
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length === 0")


@pytest.mark.browser
@needs_chromium
def test_the_overview_shows_what_the_fleet_spent(demo: Instance, page: Page) -> None:
    page.goto(f"{demo.dashboard_url}/overview")
    settle(page)
    expect(page.locator("body")).to_contain_text("Spend since midnight")
    expect(page.locator("body")).to_contain_text("harborline-intent-v3")  # has no price, says so
    assert page.locator("[data-testid=stException]").count() == 0


@pytest.mark.browser
@needs_chromium
def test_the_runaway_is_found_and_its_cost_is_read(demo: Instance, page: Page) -> None:
    page.goto(f"{demo.dashboard_url}/traces?sort=Most+expensive")
    settle(page)
    box = page.locator("[data-testid=data-grid-canvas]").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 200, box["y"] + 35 + 17)  # the first row; the table is a canvas
    page.wait_for_selector(".tv[data-ready]")
    trace_id = page.url.partition("trace_id=")[2][:32]
    [trace] = demo.sql(
        "SELECT llm_calls, toString(total_cost_usd) AS cost FROM traces FINAL"
        f" WHERE trace_id = '{trace_id}'"
    )
    assert trace["llm_calls"] > 100
    cost = Decimal(trace["cost"])
    expect(page.locator("body")).to_contain_text(f"${cost:.2f}")
    call = page.locator(".tv .row", has_text="chat ").first
    call.click()
    detail = page.locator(".st-key-detail")
    expect(detail.locator("h4")).to_contain_text("chat")
    expect(detail).to_contain_text("$0.0")
    assert "span_id=" in page.url


def test_the_death_of_the_supervisor_ends_everything(instance: Instance) -> None:
    """The last test of the file: nothing is left for others."""
    tree = instance.tree()
    assert len(tree) >= 6  # itself, collect, work, dashboard, api and the engine
    tree[0].kill()
    assert instance.process is not None
    instance.process.wait(10)
    instance.process = None
    wait_until(lambda: not any(runs(process) for process in tree), timeout_s=10)
