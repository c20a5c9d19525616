"""Nothing listens beyond loopback without keys: the start rules, as a user meets them."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import psutil
import pytest
import trustme

from spanledger_collector.access.senders import KeyAccess
from spanledger_server.errors import UsageError
from spanledger_server.guard import INGEST_KEY, Auth, Guard, is_loopback, sender_headers, tls_files
from spanledger_storage.api_keys import Scope
from spanledger_storage.project_settings import Project
from spanledger_storage.projects import Keys
from spanledger_storage.state import migrate_state, open_state
from tests.instance import command, environment, typed, wait_until
from tests.keys import BODY, PROTOBUF
from tests.ports import free_port

NO_STORE = "clickhouse://127.0.0.1:1/x"
STATIC = "a-key-from-the-environment"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a state database, as `spanledger migrate` leaves it."""
    folder = tmp_path / "data"
    folder.mkdir()
    engine = open_state(f"sqlite:///{folder / 'state.db'}")
    migrate_state(engine)
    engine.dispose()
    return folder


def test_spaces_around_the_key_of_the_environment_are_no_part_of_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INGEST_KEY, f" {STATIC}\n")
    assert sender_headers() == {"x-api-key": STATIC}
    ring = Guard(Auth.KEYS, data).key_ring(Project("shop"))
    assert KeyAccess(ring).ingest({"x-api-key": STATIC}).name == "shop"


def make_key(data: Path, *scopes: Scope) -> str:
    engine = open_state(f"sqlite:///{data / 'state.db'}")
    key = Keys(engine).create("default", scopes, "ann", 1)[1].text
    engine.dispose()
    return key


@contextlib.contextmanager
def running(
    words: Sequence[str], url: str, verify: ssl.SSLContext | bool = True, **variables: str
) -> Iterator[httpx.Client]:
    """A role as a process, once its health path answers."""
    process = subprocess.Popen(
        [*command(words[0]), *words[1:]],
        env=environment() | variables,
        stdin=subprocess.PIPE,  # its end would tell a supervised role to end
        stderr=subprocess.PIPE,
        text=True,
    )
    client = httpx.Client(base_url=url, verify=verify, trust_env=False, timeout=10)

    def answers() -> bool:
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            return client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, every_s=0.05)
        yield client
    finally:
        client.close()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)
    assert process.returncode == 0


def collect(data: Path, *more: str) -> tuple[list[str], str]:
    """The words of a collector on free ports and every address, and its URL."""
    port = free_port()
    words = ["collect", "--data", str(data), "--store-url", NO_STORE, "--host", "0.0.0.0",
             "--http-port", str(port), "--grpc-port", str(free_port()), *more]  # fmt: skip
    return words, f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.evil", False),
        ("", False), ("fe80::1%lo", False),
    ],
)  # fmt: skip
def test_only_loopback_is_loopback(host: str, expected: bool, tmp_path: Path) -> None:
    assert is_loopback(host) == expected
    assert Guard.of(host, None, tmp_path, "").auth is (Auth.NONE if expected else Auth.KEYS)
    assert Guard.of(host, Auth.KEYS, tmp_path, "").auth is Auth.KEYS


@pytest.mark.parametrize("name", ["collect", "api", "up"])
def test_listening_wider_without_keys_is_refused_with_what_to_do(data: Path, name: str) -> None:
    done = typed(
        name, "--host", "0.0.0.0", "--auth", "none", "--data", str(data), "--store-url", NO_STORE
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "0.0.0.0" in done.stderr
    assert f"`spanledger keys create --project default --scope ingest --data {data}`" in done.stderr


@pytest.mark.parametrize("name", ["collect", "up"])
def test_without_any_key_to_send_the_start_is_refused_and_the_command_mends_it(
    data: Path, name: str
) -> None:
    make_key(data, Scope.READ)
    words, url = collect(data)
    more = ["--engine-port", "0"] if name == "up" else words[3:5]
    done = typed(name, *words[1:3], *more, *words[7:11], "--host", "0.0.0.0")
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    [mending] = re.findall(r"`(spanledger keys create [^`]+)`", done.stderr)
    made = typed(*shlex.split(mending)[1:])
    assert re.fullmatch(r"sl_\w+\n", made.stdout), made.stderr
    if name == "up":  # it starts the other
        return
    with running(words, url) as client:
        headers = PROTOBUF | {"x-api-key": made.stdout.strip()}
        assert client.post("/v1/traces", content=BODY, headers=headers).status_code == 200
        assert client.post("/v1/traces", content=BODY, headers=PROTOBUF).status_code == 401


def test_a_key_from_a_file_opens_the_default_project(data: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{STATIC}\n")
    words, url = collect(data)
    with running(words, url, SPANLEDGER_INGEST_KEY_FILE=str(tmp_path / "key")) as client:
        assert client.post("/v1/traces", content=BODY, headers=PROTOBUF).status_code == 401
        headers = PROTOBUF | {"x-api-key": STATIC}
        assert client.post("/v1/traces", content=BODY, headers=headers).status_code == 200
        assert client.get("/metrics", headers=headers).status_code == 403
        reader = {"x-api-key": make_key(data, Scope.ADMIN)}  # made while it runs
        wait_until(lambda: client.get("/metrics", headers=reader).status_code == 200)


def test_the_key_of_the_environment_is_of_one_project_in_collector_and_api(data: Path) -> None:
    port = free_port()
    words = ["api", "--data", str(data), "--store-url", NO_STORE, "--auth", "keys",
             "--port", str(port)]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running(words, url, SPANLEDGER_INGEST_KEY=STATIC, SPANLEDGER_PROJECT="shop") as client:
        answer = client.get("/api/v1/budgets/state", headers={"x-api-key": STATIC})
    assert answer.json()["project"] == "shop"


def test_a_short_key_in_the_environment_stops_the_start_unquoted(data: Path) -> None:
    words, _ = collect(data)
    done = typed(*words, SPANLEDGER_INGEST_KEY="hunter2")
    assert (done.returncode, "24 characters" in done.stderr) == (2, True), done.stderr
    assert "hunter2" not in done.stderr


def test_without_its_state_database_a_closed_role_does_not_start(tmp_path: Path) -> None:
    words, _ = collect(tmp_path / "nothing")
    for done in (
        typed(*words, SPANLEDGER_INGEST_KEY=STATIC),
        typed("api", "--auth", "keys", "--data", str(tmp_path), "--store-url", NO_STORE),
    ):
        assert done.returncode == 1, done.stderr
        assert "spanledger migrate" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_state_database_that_is_named_must_answer_even_on_loopback(tmp_path: Path) -> None:
    """It may hold settings of privacy."""
    url = f"sqlite:///{tmp_path / 'none.db'}"
    done = typed("collect", "--data", str(tmp_path), "--store-url", NO_STORE, "--state-url", url)
    assert (done.returncode, "spanledger migrate" in done.stderr) == (1, True), done.stderr


def test_a_password_of_the_state_database_is_not_repeated(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:hunter2@127.0.0.1:1/x"
    done = typed("collect", "--host", "0.0.0.0", "--data", str(tmp_path), "--store-url", NO_STORE,
               "--state-url", url)  # fmt: skip
    assert done.returncode == 1
    assert "hunter2" not in done.stderr


def test_on_loopback_a_collector_alone_needs_neither_key_nor_state(tmp_path: Path) -> None:
    words, url = collect(tmp_path / "data")
    words[words.index("0.0.0.0")] = "127.0.0.1"
    with running(words, url) as client:
        assert client.post("/v1/traces", content=BODY, headers=PROTOBUF).status_code == 200


def test_a_collector_that_is_started_again_empties_its_spool_also_without_a_key(
    data: Path,
) -> None:
    words, url = collect(data, "--supervised")
    with running(words, url) as client:
        assert client.post("/v1/traces", content=BODY, headers=PROTOBUF).status_code == 401


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], ssl.SSLContext]:
    """The options of a server, and what trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(folder / "key.pem")
    own.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    options = ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]
    return options, trust


def test_the_api_speaks_tls_and_asks_for_keys(
    data: Path, certificate: tuple[list[str], ssl.SSLContext]
) -> None:
    options, trust = certificate
    port, key = free_port(), make_key(data, Scope.READ)
    words = ["api", "--data", str(data), "--store-url", NO_STORE, "--host", "0.0.0.0",
             "--port", str(port), *options]  # fmt: skip
    with running(words, f"https://127.0.0.1:{port}", trust) as client:
        assert client.get("/api/v1/data-quality").status_code == 401
        answer = client.get("/api/v1/data-quality", headers={"x-api-key": key})
        assert answer.status_code == 503  # there is no store
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)


@pytest.mark.parametrize("name", ["collect", "api", "up"])
def test_files_of_tls_are_checked_before_anything_listens(
    data: Path, certificate: tuple[list[str], ssl.SSLContext], name: str
) -> None:
    _, cert, _, key = certificate[0]
    for options, message in (
        (["--tls-cert", cert], "both --tls-cert FILE and --tls-key FILE"),
        (["--tls-cert", cert, "--tls-key", cert], "do not go together"),
        (["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", "/none"], "--tls-client-ca"),
    ):
        done = typed(name, "--data", str(data), "--store-url", NO_STORE, *options)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    with pytest.raises(UsageError):
        tls_files(None, None, Path(cert))
    assert tls_files(None, None, None) is None


@pytest.mark.endurance
def test_up_listens_wider_with_keys_and_tls_while_the_dashboard_stays(
    data: Path, certificate: tuple[list[str], ssl.SSLContext]
) -> None:
    options, trust = certificate
    sender, reader = make_key(data, Scope.INGEST), make_key(data, Scope.READ)
    ports = {name: free_port() for name in ("http", "grpc", "dashboard", "api", "engine")}
    words = [f"--{name}-port={port}" for name, port in ports.items()]
    output = data.with_suffix(".out")
    with output.open("w") as said:
        up = subprocess.Popen(
            [*command("up"), "--data", str(data), "--host", "0.0.0.0", *words, *options],
            stdout=said, stderr=said, env=environment(),
        )  # fmt: skip
    try:
        wait_until(lambda: "ready" in output.read_text() or up.poll() is not None, timeout_s=60)
        assert "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=KEY" in output.read_text()
        assert "The dashboard asks nobody" in output.read_text()
        _check_both(ports, trust, sender, reader)
        assert _addresses(up.pid)[ports["dashboard"]] == "127.0.0.1"
        assert _addresses(up.pid)[ports["http"]] == "0.0.0.0"
        doctor = typed("doctor", "--data", str(data), SPANLEDGER_INGEST_KEY=sender)
        assert doctor.returncode == 0, doctor.stdout
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(30) == 0


def _check_both(ports: dict[str, int], trust: ssl.SSLContext, sender: str, reader: str) -> None:
    with httpx.Client(verify=trust, trust_env=False, timeout=20) as client:
        otlp = f"https://127.0.0.1:{ports['http']}/v1/traces"
        report = f"https://127.0.0.1:{ports['api']}/api/v1/data-quality"
        assert client.post(otlp, content=BODY, headers=PROTOBUF).status_code == 401
        headers = PROTOBUF | {"x-api-key": sender}
        assert client.post(otlp, content=BODY, headers=headers).status_code == 200
        assert client.get(report).status_code == 401
        assert client.get(report, headers={"x-api-key": reader}).status_code == 200


def _addresses(pid: int) -> dict[int, str]:
    """Where the processes of an instance listen: port -> address."""
    tree = psutil.Process(pid).children(recursive=True)
    found = [c for process in tree for c in process.net_connections("tcp") if c.status == "LISTEN"]
    return {c.laddr.port: c.laddr.ip for c in found}
