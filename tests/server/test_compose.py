import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import sqlalchemy as sa
import typer.main
import yaml
from sqlalchemy.exc import DBAPIError

from spanledger_alerts.settings import AlertSettings
from spanledger_server.cli import app
from spanledger_storage.errors import StateError
from spanledger_storage.saved_views import SavedViews
from spanledger_storage.state import (
    Heartbeats,
    metadata,
    migrate_state,
    open_state,
    open_state_writer,
)
from spanledger_storage.store import Store
from tests.postgres import postgres_server

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = sorted(set(SERVICES) - {"migrate"})
OURS = ("migrate", "collector", "worker", "dashboard", "api")
PASSWORDS = {
    "CLICKHOUSE_PASSWORD",
    "CLICKHOUSE_READER_PASSWORD",
    "POSTGRES_PASSWORD",
    "POSTGRES_READER_PASSWORD",
}
SECRETS = PASSWORDS | {"INGEST_KEY"}
VARIABLE = re.compile(r"\$\{(\w+)(:[-?])([^}]*)\}")


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


def command_of(service: str) -> tuple[click.Command, dict[str, str]]:
    """The command of the real CLI that a service runs, and the options it is given."""
    group = typer.main.get_command(app)
    name, *arguments = SERVICES[service]["command"]
    command = getattr(group, "commands")[name]  # noqa: B009 (typer does not type the group)
    options = dict(argument.split("=", 1) for argument in arguments)
    return command, options


def defaults(command: click.Command) -> dict[str, Any]:
    return {option: p.default for p in command.params for option in p.opts}


def test_every_variable_is_in_the_example_with_the_same_default() -> None:
    used = {(name, kind, rest) for name, kind, rest in VARIABLE.findall(COMPOSE_TEXT)}
    # No plain $NAME or ${NAME}: every variable has a default or stops the start.
    plain = COMPOSE_TEXT.replace("$$", "")  # meant for the shell in a container
    assert plain.count("$") == len(VARIABLE.findall(COMPOSE_TEXT))
    assert {name for name, _, _ in used} == set(example())
    for name, kind, rest in used:
        assert kind == (":?" if name in SECRETS else ":-")
        assert name in SECRETS or rest == example()[name]


def test_no_password_is_given_anywhere() -> None:
    assert all(example()[name] == "" for name in SECRETS)
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or name.endswith("_KEY"):
                assert VARIABLE.fullmatch(value)
            if "://" in value and "@" in value:
                assert re.search(r"://\w+:\$\{\w+:\?[^}]+\}@", value)
    assert not re.search(r"<password>|password_sha|:latest", COMPOSE_TEXT + DOCKERFILE)


@pytest.mark.parametrize("service", ["collector", "api"])
def test_what_is_published_asks_for_keys(service: str) -> None:
    command, options = command_of(service)
    assert options["--auth"] == "keys"
    assert "--auth" in defaults(command)
    environment = SERVICES[service]["environment"]
    assert "SPANLEDGER_STATE_URL" in environment
    # Agents ask for budgets with the key they send with.
    assert ("SPANLEDGER_INGEST_KEY" in environment) == (service in {"collector", "api"})


def test_people_sign_in_to_the_dashboard_and_its_sessions_outlive_the_container() -> None:
    command, options = command_of("dashboard")
    assert options["--auth"] == "accounts"
    assert "--auth" in defaults(command)
    [volume] = named_volumes("dashboard")
    assert volume.endswith(f":{options['--data']}")
    assert "SPANLEDGER_STATE_URL" in SERVICES["dashboard"]["environment"]


def test_worker_and_dashboard_share_the_folder_of_alerts_and_say_the_same_address() -> None:
    for service in ("worker", "dashboard"):
        environment = SERVICES[service]["environment"]
        given = {name: VARIABLE.sub(_default, value) for name, value in environment.items()}
        settings = AlertSettings.of(given)
        assert settings.base_url == f"http://127.0.0.1:{example()['DASHBOARD_PORT']}"
        mounted = {VARIABLE.sub(_default, one) for one in SERVICES[service]["volumes"]}
        assert f"{example()['ALERTS_FOLDER']}:{settings.folder}:ro" in mounted
        public = AlertSettings.of(given | {"SPANLEDGER_PUBLIC_URL": "https://see.example"})
        assert public.base_url == "https://see.example"
    others = set(SERVICES) - {"worker", "dashboard"}
    assert not any("alerts" in one for o in others for one in SERVICES[o].get("volumes", []))


def _default(found: re.Match[str]) -> str:
    return found[3] if found[2] == ":-" else "secret"


def named_volumes(service: str) -> list[str]:
    """The volumes of a service that hold data: those that are no folder of the host."""
    return [one for one in SERVICES[service].get("volumes", []) if not one.startswith("${")]


def test_images_are_pinned() -> None:
    images = {s["image"] for s in SERVICES.values() if "build" not in s}
    assert len(images) == 2
    for image in {*images, *re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)}:
        assert re.search(r":\d+(\.\d+)?(-\w+)?$", image)


def test_clickhouse_is_the_version_that_statements_are_tested_with(store: Store) -> None:
    [row] = store.sql_rows("SELECT version() AS version")
    major, minor, *_ = str(row["version"]).split(".")
    assert SERVICES["clickhouse"]["image"].endswith(f":{major}.{minor}")


@pytest.mark.parametrize("service", OURS)
def test_command_and_options_exist_in_the_command_line(service: str) -> None:
    command, options = command_of(service)
    assert set(options) <= set(defaults(command))
    assert 'ENTRYPOINT ["spanledger"]' in DOCKERFILE


@pytest.mark.parametrize("service", OURS)
def test_settings_exist_in_the_command_line(service: str) -> None:
    from spanledger_server.environment import OTHER_VARIABLES

    group = typer.main.get_command(app)
    commands = getattr(group, "commands").values()  # noqa: B009 (typer does not type the group)
    known = {p.envvar for command in commands for p in command.params} | OTHER_VARIABLES
    known.add("FORWARDED_ALLOW_IPS")  # https://uvicorn.dev/settings/#http
    assert set(SERVICES[service]["environment"]) <= known


def test_ports_are_the_defaults_of_the_command_line_and_stay_on_this_machine() -> None:
    published = {service: sorted(_container_ports(SERVICES[service])) for service in SERVICES}
    assert {s: p for s, p in published.items() if p} == {
        "collector": [4317, 4318],
        "dashboard": [8501],
        "api": [8502],
    }
    for service, names in {
        "collector": ("--http-port", "--grpc-port"),
        "dashboard": ("--port",),
        "api": ("--port",),
    }.items():
        command, options = command_of(service)
        for name in names:
            assert int(options[name]) == defaults(command)[name]
            assert int(options[name]) in published[service]
        assert options["--host"] == "0.0.0.0"
    assert example()["BIND_ADDRESS"] == "127.0.0.1"
    assert set(map(str, sum(published.values(), []))) <= set(
        " ".join(re.findall(r"^EXPOSE (.*)$", DOCKERFILE, re.M)).split()
    )


def _container_ports(service: dict[str, Any]) -> Iterator[int]:
    for port in service.get("ports", []):
        address, host, container = VARIABLE.sub(lambda m: m[3], port).split(":")
        assert (address, host) == ("127.0.0.1", container)
        yield int(container)


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_long_running_service_is_watched_bounded_and_keeps_its_data(service: str) -> None:
    described = SERVICES[service]
    assert described["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(described["healthcheck"])
    assert re.search(r"\d+[mg]\}?$", described["mem_limit"])
    assert described["restart"] == "unless-stopped"
    assert described["stop_grace_period"]
    volumes = named_volumes(service)
    assert len(volumes) == (service != "api")  # the API keeps nothing
    for volume in volumes:
        name, path = volume.split(":")
        assert name in COMPOSE["volumes"]
        assert service not in OURS or path in re.findall(r"SPANLEDGER_DATA=(\S+)", DOCKERFILE)


def test_volumes_are_not_shared() -> None:
    used = [volume.split(":")[0] for service in SERVICES for volume in named_volumes(service)]
    assert sorted(used) == sorted(COMPOSE["volumes"])


def test_nothing_starts_before_what_it_needs() -> None:
    assert SERVICES["migrate"]["depends_on"] == {
        "clickhouse": {"condition": "service_healthy"},
        "postgres": {"condition": "service_healthy"},
    }
    for service in ("collector", "worker", "dashboard", "api"):
        migrated = {"migrate": {"condition": "service_completed_successfully"}}
        assert SERVICES[service]["depends_on"] == migrated
    assert SERVICES["migrate"]["restart"] == "on-failure:5"


def test_dashboard_knows_the_reading_user_only() -> None:
    environment = SERVICES["dashboard"]["environment"]
    assert "SPANLEDGER_STORE_URL" not in environment
    assert environment["SPANLEDGER_READ_STORE_URL"].startswith("clickhouse://reader:")


def test_clickhouse_users_need_passwords_and_the_reader_cannot_write() -> None:
    users = ET.fromstring(COMPOSE["configs"]["clickhouse-users"]["content"])
    default = users.find("users/default")
    assert default is not None
    assert default.get("remove") == "1"
    for name, variable in (("spanledger", "WRITER_PASSWORD"), ("reader", "READER_PASSWORD")):
        password = users.find(f"users/{name}/password")
        assert password is not None
        assert password.get("from_env") == variable
        assert variable in SERVICES["clickhouse"]["environment"]
    assert users.findtext("users/reader/profile") == "reader"
    assert users.findtext("profiles/reader/readonly") == "2"
    assert int(users.findtext("profiles/reader/max_execution_time") or 0) > 0
    assert int(users.findtext("profiles/reader/max_memory_usage") or 0) > 0


def test_the_reader_may_read_what_that_of_the_local_engine_may() -> None:
    compose = ET.fromstring(COMPOSE["configs"]["clickhouse-users"]["content"])
    local = ET.parse(ROOT / "storage" / "spanledger_storage" / "engine_users.xml").getroot()
    grants = [
        [query.text for query in users.iterfind("users/reader/grants/query")]
        for users in (compose, local)
    ]
    assert grants[0] == grants[1] != []


def test_clickhouse_bounds_its_memory_and_its_own_tables() -> None:
    server = ET.fromstring(COMPOSE["configs"]["clickhouse-server"]["content"])
    assert 0 < float(server.findtext("max_server_memory_usage_to_ram_ratio") or 0) < 1
    tables = [e for e in server if e.tag.endswith("_log")]
    for table in tables:
        assert table.get("remove") == "1" or "INTERVAL" in (table.findtext("ttl") or "")
    assert {
        "query_log",
        "part_log",
        "trace_log",
        "text_log",
        "metric_log",
        "asynchronous_metric_log",
    } <= {table.tag for table in tables}
    mounted = {c["source"]: c["target"] for c in SERVICES["clickhouse"]["configs"]}
    assert set(mounted) | {"postgres-reader"} == set(COMPOSE["configs"])
    assert mounted["clickhouse-users"].startswith("/etc/clickhouse-server/users.d/")
    assert mounted["clickhouse-server"].startswith("/etc/clickhouse-server/config.d/")


def test_the_dashboards_role_reads_the_state_database_and_writes_what_people_save() -> None:
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed")
    [mounted] = SERVICES["postgres"]["configs"]
    assert mounted["target"].startswith("/docker-entrypoint-initdb.d/")
    script = COMPOSE["configs"][mounted["source"]]["content"].replace("$$", "$")
    with postgres_server() as url:
        place = sa.make_url(url)
        environment = {
            **os.environ,
            "READER_PASSWORD": "it's 1 password",
            "POSTGRES_USER": str(place.username),
            "POSTGRES_DB": str(place.database),
            "PGHOST": str(place.host),
            "PGPORT": str(place.port),
        }
        subprocess.run(["bash", "-c", script], env=environment, check=True, capture_output=True)
        owner = open_state(url)
        migrate_state(owner)
        owner.dispose()
        readers_url = url.replace(f"{place.username}@", "reader@")
        reader = open_state(readers_url)
        with reader.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM watermarks")) == 0
        with reader.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(sa.text("INSERT INTO watermarks VALUES ('ledger', 1)"))
        with pytest.raises(StateError):  # its transactions read unless told otherwise
            SavedViews(reader).save("sql", "one", "q", {}, who="ann")
        reader.dispose()
        _check_writes_views_and_budgets_only(readers_url)


_SAID_IN_PAGES = (
    *("finding_states", "finding_mutes"),
    *("alert_rules", "alert_silences", "alert_acks", "alert_groups"),
)
"""What people say of findings and alerts; of their logs, the dashboard may only add lines."""


def _check_writes_views_and_budgets_only(readers_url: str) -> None:
    writer = open_state_writer(readers_url)
    views = SavedViews(writer)
    for answer in (1, 2):  # inserted, then updated
        views.save("sql", "one", "q", {"answer": answer}, who="ann")
    assert [dict(view.content) for view in views.of("sql", "one")] == [{"answer": 2}]
    assert views.remove("sql", "one", "q")
    written = {"saved_views", *_SAID_IN_PAGES}
    written |= {name for name in metadata.tables if name.startswith("budget")}
    tables = sorted(set(metadata.tables) - written)
    assert "watermarks" in tables
    for table in (*tables, "alembic_version"):
        with writer.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    for statement in ("TRUNCATE saved_views", "DROP TABLE saved_views", "CREATE TABLE t (n INT)"):
        with writer.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(sa.text(statement))
    writer.dispose()


@pytest.mark.parametrize(("age_s", "status"), [(5, 0), (600, 1), (None, 1)])
def test_worker_is_healthy_while_it_leaves_signs_of_life(
    tmp_path: Path, age_s: int | None, status: int
) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    state = open_state(url)
    migrate_state(state)
    if age_s is not None:
        Heartbeats(state).beat("worker", "test", time.time_ns() - age_s * 10**9)
    state.dispose()
    _, python, *arguments = SERVICES["worker"]["healthcheck"]["test"]
    assert python == "python"
    check = subprocess.run(
        [sys.executable, *arguments], env={"SPANLEDGER_STATE_URL": url}, check=False
    )
    assert check.returncode == status


@pytest.mark.parametrize("service", ["collector", "dashboard", "api"])
def test_http_health_checks_are_valid_programs_on_the_own_port(service: str) -> None:
    _, _, _, program = SERVICES[service]["healthcheck"]["test"]
    compile(program, service, "exec")
    [(port, path)] = re.findall(r"http://127\.0\.0\.1:(\d+)(/\w+)", program)
    assert int(port) in set(_container_ports(SERVICES[service]))
    assert path in ("/healthz", "/_stcore")


def test_image_runs_without_root_and_holds_every_package() -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.M)
    assert users == ["spanledger"]
    assert ".[postgres,oidc]" in DOCKERFILE
    project = (ROOT / "pyproject.toml").read_text()
    folders = set(re.findall(r'^    "(\w+)/spanledger_\w+",$', project, re.M)) | {"sdk"}
    assert len(folders) == 7
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.M))
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    assert copied == folders
    assert kept == folders | {"pyproject.toml", "README.md"}
