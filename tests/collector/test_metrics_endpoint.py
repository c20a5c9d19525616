"""What the collector tells of itself: /metrics, /status, logs; who may ask; and pages that send."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from spanledger_collector.access.senders import OpenAccess
from spanledger_collector.edge import readiness
from spanledger_collector.edge.cors import OriginError, check_origin
from spanledger_collector.edge.status_page import StatusPage, duration, size
from spanledger_collector.errors import PermissionDenied, Unauthenticated
from spanledger_collector.service import CollectorSettings, serve
from spanledger_collector.spool.spool import Spool
from spanledger_collector.telemetry import Telemetry
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store, StoreSettings
from tests.instance import environment, run, wait_until
from tests.otlp import GRPC_METHOD, export_grpc, request, span
from tests.ports import free_port
from tests.running import RunningCollector, running_collector

PROTOBUF = {"content-type": "application/x-protobuf"}
OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
_PREFIX = "spanledger_collector_"
DOCUMENT = Path(__file__).parents[2] / "docs" / "otlp.md"


def figures(collector: RunningCollector) -> dict[frozenset[str], float]:
    """Every sample by its name and the values of its labels, whatever their order."""
    text = httpx.get(f"{collector.url}/metrics", headers=OPENMETRICS).text
    return {
        frozenset({sample.name.removeprefix(_PREFIX), *sample.labels.values()}): sample.value
        for family in openmetrics(text)  # type: ignore[no-untyped-call]  # it has no types
        for sample in family.samples
    }


def test_metrics_are_openmetrics_when_asked_for_and_text_otherwise(
    collector: RunningCollector,
) -> None:
    asked = httpx.get(f"{collector.url}/metrics", headers=OPENMETRICS)
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.text.endswith("# EOF\n")
    names = {f.name for f in openmetrics(asked.text)}  # type: ignore[no-untyped-call]
    plain = httpx.get(f"{collector.url}/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert {re.sub("_total$|_created$", "", f.name) for f in prometheus(plain.text)} >= names
    assert all(name.startswith("spanledger_collector_") for name in names)


def test_requests_are_counted_whatever_becomes_of_them(collector: RunningCollector) -> None:
    before = figures(collector)
    bad = span()
    bad.trace_id = b"short"
    body = request(span(), span(), bad).SerializeToString()
    httpx.post(f"{collector.url}/v1/traces", content=body, headers=PROTOBUF)
    httpx.post(f"{collector.url}/v1/traces", content=b"\xff", headers=PROTOBUF)
    httpx.post(f"{collector.url}/v1/traces", content=b"", headers={"content-type": "text/html"})
    httpx.get(f"{collector.url}/v1/traces")
    export_grpc(collector.grpc_port, body)

    after = figures(collector)

    def grown(*key: str) -> float:
        return after.get(frozenset(key), 0) - before.get(frozenset(key), 0)

    assert grown("received_requests_total", "http", "traces") == 4
    assert grown("received_requests_total", "grpc", "traces") == 1
    assert grown("received_bytes_total", "http", "traces") == len(body) + 1
    assert grown("received_bytes_total", "grpc", "traces") == len(body)
    assert grown("accepted_items_total", "traces", "default") == 4
    assert grown("rejected_items_total", "traces", "bad_trace_id") == 2
    for reason in ("invalid", "unsupported_media", "method"):
        assert grown("refused_requests_total", "http", "traces", reason) == 1
    assert grown("ack_seconds_count", "http", "traces") == 4
    assert grown("ack_seconds_count", "grpc", "traces") == 1
    assert after[frozenset({"inflight_bytes"})] == 0


def test_a_message_that_grpc_itself_refuses_is_not_counted_as_invalid(
    collector: RunningCollector,
) -> None:
    def refused(reason: str) -> float:
        key = frozenset({"refused_requests_total", "grpc", "traces", reason})
        return figures(collector).get(key, 0)

    before, invalid = refused("no_message"), refused("invalid")
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        export = channel.unary_unary(
            GRPC_METHOD, request_serializer=bytes, response_deserializer=bytes
        )
        with pytest.raises(grpc.RpcError, match="larger than max"):
            export(bytes(8 << 20), timeout=10)
    wait_until(lambda: refused("no_message") == before + 1)
    assert refused("invalid") == invalid


def test_the_status_page_tells_people_how_it_is(collector: RunningCollector) -> None:
    httpx.post(
        f"{collector.url}/v1/traces", content=request(span()).SerializeToString(), headers=PROTOBUF
    )
    answer = httpx.get(f"{collector.url}/status")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.text
    assert "Ready: telemetry is taken and stored." in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(""", page)
    for words in (
        "Spans, log records and data points taken",
        "Dead letters",
        "Version",
        "prefers-",
    ):
        assert words in page


def test_the_status_page_shows_trouble_and_escapes_it() -> None:
    telemetry = Telemetry()
    telemetry.spool_used_ratio.set(0.9)
    telemetry.spool_limit_bytes.set(10 << 30)
    telemetry.accepted_items.labels("traces", "default").inc(1_234_567)
    now = [100.0]
    page = StatusPage(telemetry, lambda: ["<store>: gone"], lambda: ["<b>"], lambda: now[0])
    now[0] += 3_700
    text = page.render()
    assert "&lt;store&gt;: gone" in text
    assert "<b>" not in text
    assert "1,234,567" in text
    assert "9.0 GiB of 10.0 GiB on disk (90.0 %)" in text
    assert "1 h 1 min ago" in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")],
)
def test_sizes_have_units(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (3661, "1 h 1 min"), (90_000, "1 d 1 h")]
)
def test_durations_have_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("error", "status"), [(Unauthenticated, 401), (PermissionDenied, 403)])
def test_figures_are_for_those_who_may_read_them(
    collector: RunningCollector,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    status: int,
) -> None:
    def refuse(_: object, headers: Mapping[str, str]) -> None:
        assert headers["x-api-key"] == "k"
        raise error("This needs a key.")

    monkeypatch.setattr(OpenAccess, "read", refuse)
    for path in ("/metrics", "/status"):
        answer = httpx.get(f"{collector.url}{path}", headers={"x-api-key": "k"})
        assert answer.status_code == status
        assert answer.json()["message"] == "This needs a key."
        assert ("www-authenticate" in answer.headers) == (status == 401)
    assert httpx.get(f"{collector.url}/healthz").status_code == 200
    assert httpx.get(f"{collector.url}/readyz").status_code == 200


def test_a_store_that_hangs_keeps_only_readiness_waiting(
    collector: RunningCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = list[object](), threading.Event()

    def hang(*_: object, **how: object) -> object:
        asked.append(how)
        go_on.wait(10)
        raise StoreError("10.1.2.3 is asleep", permanent=False)

    monkeypatch.setattr(Store, "connect", hang)
    monkeypatch.setattr(Store, "sql_rows", hang)
    time.sleep(1.1)  # the last answer is good so long
    limits = httpx.Limits(max_connections=None)
    with ThreadPoolExecutor(50) as pool, httpx.Client(limits=limits, timeout=10) as client:
        answers = [pool.submit(client.get, f"{collector.url}/readyz") for _ in range(50)]
        wait_until(lambda: asked)
        time.sleep(0.3)
        assert client.get(f"{collector.url}/healthz", timeout=1).status_code == 200
        go_on.set()
        assert {a.result().text for a in answers} == {"store: not in reach\n"}
    assert len(asked) == 1


def test_why_the_store_is_not_in_reach_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(readiness, "_GOOD_FOR_S", -1)
    spool = Spool(tmp_path / "spool.db", max_bytes=1 << 30)
    try:
        url = f"clickhouse://me:hunter2@127.0.0.1:{free_port()}/x"
        asked = readiness.Readiness(spool, StoreSettings.from_url(url))
        for _ in range(3):
            assert asked.problems() == ["store: not in reach"]
    finally:
        spool.close()
    [line] = [r.getMessage() for r in caplog.records if r.name == readiness.__name__]
    assert line.startswith("the store is not in reach: ")
    assert "hunter2" not in line


def test_every_figure_is_documented_and_no_other() -> None:
    if not DOCUMENT.exists():
        pytest.fail("docs/otlp.md is missing: it lists the figures")
    named = set(re.findall(r"`(spanledger_collector_\w+)`", DOCUMENT.read_text()))
    made = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in Telemetry().registry.collect()
    }
    assert named == made


def test_pages_of_listed_origins_may_send(store: Store, tmp_path: Path) -> None:
    ours, other = "https://app.example.com", "https://evil.example.com"
    preflight = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,content-encoding,authorization,x-api-key",
    }
    with running_collector(store, tmp_path, cors_origins=(ours,)) as collector:
        for path in ("/v1/traces", "/v1/logs", "/v1/metrics", "/api/public/otel/v1/traces"):
            allowed = httpx.options(f"{collector.url}{path}", headers={**preflight, "origin": ours})
            assert allowed.status_code == 200
            assert allowed.headers["access-control-allow-origin"] == ours
            assert allowed.headers["access-control-max-age"] == "7200"
            assert "x-api-key" in allowed.headers["access-control-allow-headers"]
        from_outside = {**preflight, "access-control-request-private-network": "true"}
        allowed = httpx.options(allowed.url, headers={**from_outside, "origin": ours})
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-private-network"] == "true"
        refused = httpx.options(allowed.url, headers={**preflight, "origin": other})
        assert "access-control-allow-origin" not in refused.headers
        url, body = f"{collector.url}/v1/traces", request(span()).SerializeToString()
        sent = httpx.post(url, content=body, headers={**PROTOBUF, "origin": ours})
        assert sent.status_code == 200
        assert sent.headers["access-control-allow-origin"] == ours
        assert sent.headers["access-control-allow-credentials"] == "true"
        bad = httpx.post(url, content=b"\xff", headers={**PROTOBUF, "origin": ours})
        assert (bad.status_code, bad.headers["access-control-allow-origin"]) == (400, ours)
        figures = httpx.get(f"{collector.url}/metrics", headers={"origin": ours})
        assert "access-control-allow-origin" not in figures.headers


def test_no_page_may_send_unless_it_is_listed(collector: RunningCollector) -> None:
    headers = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
    answer = httpx.options(f"{collector.url}/v1/traces", headers=headers)
    assert answer.status_code == 405
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("HTTPS://App.Example.com:443/", "https://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_origins_are_compared_as_browsers_write_them(given: str, origin: str) -> None:
    assert check_origin(given) == origin


@pytest.mark.parametrize(
    "given",
    ["*", "null", "", "example.com", "https://*.example.com", "https://a/b", "ftp://a",
     "https://u@a", "https://a:x"],
)  # fmt: skip
def test_what_is_no_origin_stops_the_start(given: str) -> None:
    with pytest.raises(OriginError, match="--cors-origin must be an origin"):
        check_origin(given)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_logs_are_lines_of_text_or_json(log_format: str) -> None:
    code = (
        "import logging; from spanledger_server.roles import configure_logging as f;"
        f"f('info', '{log_format}'); log = logging.getLogger('x.y');"
        "log.warning('it %s', 'works')\n"
        "try: 1/0\n"
        "except ZeroDivisionError: log.exception('it fails')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment(), timeout=60,
    )  # fmt: skip
    first, *rest = done.stderr.splitlines()
    if log_format == "text":
        assert re.match(r"\d{4}-\d\d-\d\d [\d:,]+Z WARNING x\.y: it works$", first)
        return
    event = json.loads(first)
    assert (event["level"], event["logger"], event["message"]) == ("WARNING", "x.y", "it works")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)$", event["time"])
    [failure] = rest
    assert "ZeroDivisionError" in json.loads(failure)["error"]


def test_requests_leave_no_line_in_the_log(
    collector: RunningCollector, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        body = request(span()).SerializeToString()
        for content in (body, b"\xff", body):
            httpx.post(f"{collector.url}/v1/traces", content=content, headers=PROTOBUF)
        httpx.get(f"{collector.url}/nowhere")
        export_grpc(collector.grpc_port, body)
        collector.await_spans(1)
    ours = [r for r in caplog.records if r.name.startswith(("spanledger", "uvicorn", "grpc"))]
    assert ours == []


def test_figures_of_the_spool_go_up_and_down(collector: RunningCollector) -> None:
    body = request(span()).SerializeToString()
    httpx.post(f"{collector.url}/v1/traces", content=body, headers=PROTOBUF)
    collector.await_spans(1)
    wait_until(lambda: figures(collector)[frozenset({"spool_requests"})] == 0)
    found = figures(collector)
    assert found[frozenset({"spool_limit_bytes"})] > 0
    assert found[frozenset({"stored_items_total"})] > 0
    assert found[frozenset({"queryable_lag_seconds_count"})] > 0


def test_the_log_names_the_ports_that_port_0_became(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = StoreSettings.from_url("clickhouse://127.0.0.1:1/x")
    settings = CollectorSettings("127.0.0.1", 0, 0, tmp_path / "spool.db", store)
    stop = asyncio.Event()
    stop.set()
    with caplog.at_level(logging.INFO):
        asyncio.run(serve(settings, stop))
    [ports] = re.findall(r"listening on 127.0.0.1: HTTP (\d+), gRPC (\d+)", caplog.text)
    assert "0" not in ports


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--cors-origin", "*"], {}, "--cors-origin must be an origin"),
        ([], {"SPANLEDGER_CORS_ORIGIN": "https://a.example null"}, "--cors-origin must be"),
        (["--max-inflight-bytes", "5"], {}, "--max-inflight-bytes must be a size"),
        ([], {"SPANLEDGER_LOG_FORMAT": "xml"}, "SPANLEDGER_LOG_FORMAT must be text or json"),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(
    arguments: list[str], variables: dict[str, str], message: str
) -> None:
    ended = run("collect", "--store-url", "clickhouse://127.0.0.1:1/x", *arguments, **variables)
    assert ended.returncode == 2
    assert message in ended.stderr
