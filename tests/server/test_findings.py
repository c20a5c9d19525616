"""Findings by command line and over HTTP: shown, judged, muted, and the same by both."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from spanledger_analytics.findings.finding import Finding, SpanRef, Subject
from spanledger_analytics.findings.writing import StoredScope, write_findings
from spanledger_server.api.app import create_app
from spanledger_server.errors import UsageError
from spanledger_server.findings_cli import app
from spanledger_storage.api_keys import Scope
from spanledger_storage.errors import ConfigError
from spanledger_storage.finding_state import FindingStates
from spanledger_storage.store import Store
from tests.api_asking import Asker
from tests.dashboard.process import store_url
from tests.keys import key_state

S = 10**9
NOW = time.time_ns() // S * S
BASE = "/api/v1/findings"
LOOP = Finding(
    kind="loop",
    code="exact",
    anchor=("t1", "lane"),
    severity="critical",
    title="search was called 9 times with one result",
    explanation="Stop after the second one.",
    first_seen_ns=NOW - 600 * S,
    last_seen_ns=NOW - 60 * S,
    subject=Subject(trace_id="ab" * 16, session_id="s1", agent_name="bot", tool_name="search"),
    evidence=(SpanRef("ab" * 16, "1" * 16), SpanRef("ab" * 16, "2" * 16)),
    direct_usd=Decimal("1.5"),
    avoidable_usd=Decimal("1.25"),
    details={"count": 9},
)
SAME = replace(LOOP, anchor=("t2", "lane"), avoidable_usd=Decimal("0.5"), severity="warning")
BLOAT = replace(
    LOOP,
    kind="context_bloat",
    code="bloat",
    first_seen_ns=NOW - 300 * S,
    severity="info",
    direct_usd=None,
    avoidable_usd=None,
)
IDS = (LOOP.finding_id, SAME.finding_id, BLOAT.finding_id)


@pytest.fixture
def data(data: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    scope = StoredScope(("loop", "context_bloat"), ["ab" * 16])
    write_findings(store, "default", [LOOP, SAME, BLOAT], scope, NOW)
    write_findings(store, "shop", [replace(LOOP, title="a secret")], scope, NOW)
    monkeypatch.setenv("SPANLEDGER_READ_STORE_URL", store_url(store.settings))
    return data


@pytest.fixture
def api(data: Path, store: Store, state: sa.Engine) -> Iterator[TestClient]:
    assert data
    with TestClient(create_app(store.settings, state=state), base_url="http://localhost") as client:
        yield client


def run(data: Path, *args: str) -> str:
    result = CliRunner().invoke(app, [*args, "--data", str(data)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def listed(data: Path, *args: str) -> dict[str, dict[str, Any]]:
    rows = json.loads(run(data, "list", "--format", "json", *args))
    return {str(row["finding_id"]): row for row in rows}


def answered(api: TestClient, **query: Any) -> dict[str, dict[str, Any]]:
    answer = api.get(BASE, params=query)
    assert answer.status_code == 200, answer.text
    return {str(row["finding_id"]): row for row in answer.json()["rows"]}


def test_the_dearest_comes_first_and_filters_narrow(data: Path) -> None:
    assert list(listed(data)) == list(IDS)
    assert list(listed(data, "--kind", "context_bloat")) == [BLOAT.finding_id]
    assert list(listed(data, "--severity", "warning")) == [SAME.finding_id]
    assert list(listed(data, "--since", "30s")) == []
    assert "Nothing was found" in run(data, "list", "--since", "30s")
    row = listed(data)[LOOP.finding_id]
    assert (row["avoidable_usd"], row["state"], row["details"]) == (
        "1.250000000000", "open", {"count": 9},
    )  # fmt: skip
    assert "search was called" in run(data, "list")
    with pytest.raises(UsageError, match="since"):
        run(data, "list", "--since", "yesterday")
    with pytest.raises(ConfigError, match="no project"):
        run(data, "list", "--project", "nowhere")


def test_a_finding_from_its_first_look_to_its_return(data: Path, store: Store) -> None:
    begins = LOOP.finding_id[:8]
    assert "Nobody has said anything" in run(data, "show", begins)
    assert "acknowledged" in run(data, "acknowledge", begins, "--note", "I look", "--by", "ann")
    run(data, "resolve", begins, "--note", "fixed", "--by", "bob")
    row = listed(data)[LOOP.finding_id]
    assert (row["state"], row["note"], row["who"]) == ("resolved", "fixed", "bob")
    scope = StoredScope(("loop", "context_bloat"), ["ab" * 16])
    later = replace(LOOP, last_seen_ns=NOW + 3_600 * S)
    write_findings(store, "default", [later, SAME, BLOAT], scope, NOW + 1)
    row = listed(data)[LOOP.finding_id]
    assert (row["state"], row["is_back"]) == ("open", True)
    [whole] = json.loads(run(data, "show", LOOP.finding_id, "--format", "json"))
    assert [one["action"] for one in whole["history"]] == ["resolved", "acknowledged"]
    assert [one["span_id"] for one in whole["evidence"]] == ["1" * 16, "2" * 16]


def test_a_false_alarm_mutes_its_pattern_until_somebody_unmutes_it(data: Path) -> None:
    said = run(data, "false-alarm", SAME.finding_id, "--note", "it polls")
    assert "loop / exact / bot / search" in said
    assert list(listed(data)) == [BLOAT.finding_id]
    assert "2 muted: --muted shows them." in run(data, "list")
    shown = listed(data, "--muted")
    assert [shown[one]["is_muted"] for one in IDS] == [True, True, False]
    assert [shown[one]["state"] for one in IDS] == ["open", "false_alarm", "open"]
    assert "it polls" in run(data, "mutes")
    run(data, "unmute", "loop / exact / bot / search")
    assert set(listed(data)) == set(IDS)
    assert "Nothing is muted" in run(data, "mutes")
    with pytest.raises(ConfigError, match="not muted"):
        run(data, "unmute", "loop / exact / bot / search")


def test_taking_a_false_alarm_back_unmutes_and_a_plan_is_expected(data: Path) -> None:
    run(data, "false-alarm", LOOP.finding_id)
    run(data, "reopen", LOOP.finding_id)
    assert set(listed(data, "--state", "open")) == set(IDS)
    run(data, "expected", BLOAT.finding_id, "--note", "a migration")
    assert list(listed(data, "--state", "expected")) == [BLOAT.finding_id]


@pytest.mark.parametrize(
    ("finding", "advice"), [("abc", "6 to 32"), ("0" * 32, "no finding"), ("ffffffff", "no find")]
)
def test_what_is_not_there_is_refused(data: Path, finding: str, advice: str) -> None:
    with pytest.raises(UsageError, match=advice):
        run(data, "resolve", finding)


def test_http_and_command_line_say_the_same(data: Path, api: TestClient) -> None:
    run(data, "resolve", BLOAT.finding_id)
    run(data, "false-alarm", SAME.finding_id)
    run(data, "acknowledge", LOOP.finding_id)  # after the mute: it is shown
    ours = listed(data, "--muted")
    theirs = answered(api, muted=True)
    assert theirs.keys() == ours.keys() == set(IDS)
    for one in IDS:
        assert (theirs[one]["state"], theirs[one]["muted"], theirs[one]["back"]) == (
            ours[one]["state"], ours[one]["is_muted"], ours[one]["is_back"],
        )  # fmt: skip
    assert set(answered(api)) == set(listed(data))
    assert list(answered(api, state="resolved")) == [BLOAT.finding_id]
    assert list(answered(api, kind="loop", severity="critical")) == [LOOP.finding_id]
    assert answered(api, project="shop")[LOOP.finding_id]["title"] == "a secret"


def test_pages_and_formats(api: TestClient) -> None:
    first = api.get(BASE, params={"limit": 2}).json()
    rest = api.get(BASE, params={"limit": 2, "cursor": first["next"]}).json()
    found = [row["finding_id"] for row in first["rows"] + rest["rows"]]
    assert (sorted(found), rest["next"]) == (sorted(IDS), None)
    assert found[0] == BLOAT.finding_id  # the newest
    text = api.get("/api/v1/export/findings", params={"format": "csv"}).text
    assert len(text.splitlines()) == 4


def test_a_finding_is_judged_over_http(api: TestClient, state: sa.Engine) -> None:
    path = f"{BASE}/{LOOP.finding_id}"
    found = api.get(path).json()
    assert (found["state"], found["avoidable_usd"]) == ("open", "1.250000000000")
    assert len(found["evidence"]) == 2
    said = api.post(f"{path}/state", json={"state": "false_alarm", "note": "a poll"})
    assert (said.status_code, said.json()["state"], said.json()["muted"]) == (
        200, "false_alarm", True,
    )  # fmt: skip
    assert [one["action"] for one in said.json()["history"]] == ["mute", "false_alarm"]
    assert list(answered(api)) == [BLOAT.finding_id]
    [mute] = api.get(f"{BASE}/mutes").json()["mutes"]
    gone = api.delete(f"{BASE}/mutes", params={"pattern": mute["pattern"]})
    assert gone.json()["mutes"] == []
    assert api.delete(f"{BASE}/mutes", params={"pattern": "x"}).status_code == 404
    assert api.get(f"{BASE}/{'0' * 32}").status_code == 404
    assert api.post(f"{path}/state", json={"state": "gone"}).status_code == 422
    assert FindingStates(state).of("default")[LOOP.finding_id].who == "api"


def test_only_an_admin_says_what_holds(store: Store, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    with key_state(folder) as keys:
        app = create_app(store.settings, keys.ring, state=keys.engine)
        reader = Asker(app, keys.key(Scope.READ))
        assert reader.get(f"{BASE}/{LOOP.finding_id}").status_code == 200
        key = {"x-api-key": keys.key(Scope.READ)}
        with TestClient(app, base_url="http://localhost") as client:
            path = f"{BASE}/{LOOP.finding_id}/state"
            body = {"state": "resolved"}
            assert client.post(path, json=body, headers=key).status_code == 403
            key = {"x-api-key": keys.key(Scope.ADMIN)}
            assert client.post(path, json=body, headers=key).status_code == 200
