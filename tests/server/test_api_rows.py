"""What the API answers: the planted rows, narrowed as was asked, of one project alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger_server.api.app import create_app
from spanledger_storage.api_keys import Scope
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.api_asking import Asker
from tests.conftest import fresh_store
from tests.dashboard.seed import Seeder
from tests.keys import State, key_state

DAY_S = 86_400
NO_PARTS = dict.fromkeys(("uncached_cost_usd", "cache_read_cost_usd", "output_cost_usd"))
NOW_S = int(time.time()) // DAY_S * DAY_S + 7_200  # never at the seam of two days
OF_ANY_LIST = ("from", "to", "limit", "format", "cursor", "status", "kind", "price_status", "grain")
SECRET = "of-another-project"
HIDDEN = "what nobody else may read"
OTHER = "dd" * 16
FIRST, SECOND, ALONE = "11" * 16, "22" * 16, "33" * 16
PERIOD = {
    "from": time.strftime("%Y-%m-%d", time.gmtime(NOW_S - 30 * DAY_S)),
    "to": time.strftime("%Y-%m-%d", time.gmtime(NOW_S + 2 * DAY_S)),
}


@pytest.fixture(scope="module")
def store(engine: Engine) -> Iterator[Store]:
    with fresh_store(engine) as store:
        plant(store)
        yield store


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with key_state(tmp_path_factory.mktemp("state")) as state:
        yield state


@pytest.fixture(scope="module")
def asker(store: Store) -> Asker:
    return Asker(create_app(store.settings))


@pytest.fixture(scope="module")
def asker_with_state(store: Store, state: State) -> Asker:
    return Asker(create_app(store.settings, state=state.engine))


def plant(store: Store) -> None:
    """Three traces of `default`, two of them one trajectory; and one of `shop` that is a secret."""
    seed = Seeder(store, NOW_S)
    one = seed.span(FIRST, "1" * 16, at_s=-3_600, agent_name="ann", session_id="s1", user_id="u1")
    two = seed.span(SECOND, "2" * 16, at_s=-600, agent_name="bob", session_id="s1", status="error")
    three = seed.span(ALONE, "3" * 16, at_s=-9 * DAY_S, agent_name="ann", service_name="web")
    plain = {"session_id": "s1", "user_id": "u1"}
    seed.entry(one, "0.25", agent_name="ann", dimensions={"team": "red"}, **plain)
    seed.entry(one, "0.5", agent_name="ann", model="gpt-5", dimensions={"team": "blue"}, **plain)
    seed.entry(two, None, agent_name="bob", session_id="s1", tokens=(7, 3))
    seed.entry(two, "0.125", agent_name="bob", kind="tool", tool_name="search", session_id="s1")
    seed.entry(three, "1.000000000001", agent_name="ann", service_name="web", **NO_PARTS)
    seed.trace(FIRST, dimensions={"team": "red"}, outcome="completed", task_id="t1")
    seed.trace(SECOND, status="open")
    seed.trace(ALONE)
    seed.trajectory(FIRST, SECOND, status="waiting", waits_for="human")
    seed.trajectory(ALONE, status="open")
    hidden = {"project": "shop", "agent_name": SECRET, "session_id": SECRET, "user_id": SECRET}
    span = seed.span(OTHER, "4" * 16, name=HIDDEN, at_s=-60, service_name=HIDDEN, **hidden)
    seed.entry(span, "777", model=SECRET, provider=SECRET, service_name=HIDDEN, **hidden)
    seed.trace(OTHER)
    seed.trajectory(OTHER)
    seed.usage(project="shop", model=SECRET, agent_name=SECRET, total_cost_usd=Decimal(777))
    seed.insert()
    store.execute(
        "INSERT INTO usage_hourly (project, hour, kind, model, agent_name, service_name, calls,"
        " input_tokens, total_cost_usd, version) SELECT project, toStartOfHour(time), kind, model,"
        " agent_name, service_name, countIf(kind != 'tool'), sum(ifNull(input_tokens, 0)),"
        " sum(ifNull(total_cost_usd, 0)), 1 FROM ledger_current"
        " WHERE project = 'default' GROUP BY ALL"
    )


def found(asker: Asker, name: str, column: str, **params: str) -> set[str]:
    return {row[column] for row in asker.rows(f"/api/v1/{name}", **{**PERIOD, **params})}


@pytest.mark.parametrize(
    ("params", "traces"),
    [
        ({}, {FIRST, SECOND, ALONE}),
        ({"agent": "ann"}, {FIRST, ALONE}),
        ({"session": "s1"}, {FIRST, SECOND}),
        ({"user": "u1"}, {FIRST}),
        ({"service": "web"}, {ALONE}),
        ({"model": "gpt-5"}, {FIRST}),
        ({"status": "open"}, {SECOND}),
        ({"outcome": "completed", "task": "t1"}, {FIRST}),
        ({"dimension": "team=red"}, {FIRST}),
        ({"dimension": "team=blue"}, set()),
        ({"trajectory": FIRST.upper()}, {FIRST, SECOND}),
        ({"trajectory": SECOND}, set()),
        ({"trajectory": ALONE}, {ALONE}),
    ],
)
def test_traces_are_narrowed(asker: Asker, params: dict[str, str], traces: set[str]) -> None:
    assert found(asker, "traces", "trace_id", **params) == traces


def test_traces_and_entries_know_their_trajectory(asker: Asker) -> None:
    for name in ("traces", "ledger"):
        of = {
            row["trace_id"]: row["trajectory_id"] for row in asker.rows(f"/api/v1/{name}", **PERIOD)
        }
        assert of == {FIRST: FIRST, SECOND: FIRST, ALONE: ALONE}


@pytest.mark.parametrize(
    ("params", "trajectories"),
    [
        ({"status": "waiting"}, {FIRST}),
        ({"trace": SECOND}, {FIRST}),
        ({"status": "abandoned"}, {ALONE}),
        ({"status": "open"}, set()),
    ],
)
def test_trajectories_are_narrowed_by_how_they_stand_now(
    asker: Asker, params: dict[str, str], trajectories: set[str]
) -> None:
    assert found(asker, "trajectories", "trajectory_id", **params) == trajectories


def test_how_long_an_abandoned_one_is_silent_can_be_set(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPANLEDGER_ABANDONED_AFTER_DAYS", "36500")
    assert found(asker, "trajectories", "trajectory_id", status="abandoned") == set()
    assert found(asker, "trajectories", "trajectory_id", status="open") == {ALONE}


@pytest.mark.parametrize(
    ("params", "usd"),
    [
        ({}, "1.875000000001"),
        ({"agent": "ann", "model": "gpt-5"}, "0.500000000000"),
        ({"kind": "tool", "tool": "search"}, "0.125000000000"),
        ({"dimension": "team=blue"}, "0.500000000000"),
        ({"trace": SECOND}, "0.125000000000"),
        ({"price_status": "unpriced"}, None),
        ({"session": "s1", "user": "u1"}, "0.750000000000"),
    ],
)
def test_entries_are_narrowed(asker: Asker, params: dict[str, str], usd: str | None) -> None:
    costs = [r["total_cost_usd"] for r in asker.rows("/api/v1/ledger", **{**PERIOD, **params})]
    known = [Decimal(cost) for cost in costs if cost is not None]
    assert (f"{sum(known, Decimal(0)):f}" if known else None) == usd


def summed(rows: list[dict[str, Any]]) -> tuple[Decimal, int, int]:
    usd = sum((Decimal(row["total_cost_usd"]) for row in rows), Decimal(0))
    return usd, sum(int(r["calls"]) for r in rows), sum(int(r["input_tokens"]) for r in rows)


@pytest.mark.parametrize("grain", ["hour", "day", "month", "total"])
@pytest.mark.parametrize("by", ["", "agent,model", "session", "tool,dimension.team"])
def test_usage_adds_up_to_the_ledger_however_it_is_cut(asker: Asker, grain: str, by: str) -> None:
    rows = asker.rows("/api/v1/usage", grain=grain, by=by, **PERIOD)
    assert summed(rows) == (Decimal("1.875000000001"), 4, 4_007)
    assert len({row["time"] for row in rows}) == (
        1 if grain == "total" else len({r["time"] for r in rows})
    )


def test_usage_tells_apart_what_was_asked_for(asker: Asker) -> None:
    rows = asker.rows("/api/v1/usage", grain="total", by="dimension.team,agent", **PERIOD)
    assert {(r["agent_name"], r["dimensions"]["team"]): r["total_cost_usd"] for r in rows} == {
        ("ann", "red"): "0.250000000000",
        ("ann", "blue"): "0.500000000000",
        ("ann", ""): "1.000000000001",
        ("bob", ""): "0.125000000000",
    }
    assert "model" not in rows[0]
    refused = asker.get("/api/v1/usage", {"by": "colour"})
    assert refused.status_code == 422
    assert "dimension.NAME" in refused.json()["detail"]


def test_sessions_add_up_their_traces(asker: Asker) -> None:
    [session] = asker.rows("/api/v1/sessions", **PERIOD)
    assert session["session_id"] == "s1"
    assert (session["traces"], session["failed_traces"], session["completed_traces"]) == (
        "2",
        "1",
        "1",
    )
    assert session["total_cost_usd"] == "0.875000000000"
    assert (session["users"], session["agents"]) == (["u1"], ["ann", "bob"])


def test_one_trace_and_one_trajectory(asker: Asker) -> None:
    detail = asker.get(f"/api/v1/traces/{FIRST.upper()}", {"include": "spans"}).json()
    assert detail["trace"]["total_cost_usd"] == "0.750000000000"
    assert [span["span_id"] for span in detail["spans"]] == ["1" * 16]
    assert "messages" not in detail
    whole = asker.get(f"/api/v1/trajectories/{FIRST}").json()["trajectory"]
    assert (whole["trace_ids"], whole["waits_for"]) == ([FIRST, SECOND], "human")


@pytest.mark.parametrize(
    "path", ["traces/xyz", "trajectories/1", "traces/%00/spans", "ledger?trace=1"]
)
def test_a_bad_id_is_told_what_an_id_is(asker: Asker, path: str) -> None:
    answer = asker.get(f"/api/v1/{path}")
    assert answer.status_code == 422
    assert "0-9a-fA-F" in answer.json()["detail"]


def test_a_parameter_with_a_slip_does_not_go_unnoticed(asker: Asker) -> None:
    for query, said in {"agnt=ann": "agent", "agent=a&agent=b": "2 times"}.items():
        answer = asker.get(f"/api/v1/traces?{query}")
        assert answer.status_code == 422
        assert said in answer.json()["detail"]
    assert asker.get("/api/v1/traces?dimension=a=1&dimension=b=2").status_code == 200


@pytest.mark.parametrize("path", ["data-quality", "data-quality/missing_usage", "budgets"])
def test_also_routes_that_list_nothing_refuse_a_slip(asker_with_state: Asker, path: str) -> None:
    asker = asker_with_state
    answer = asker.get(f"/api/v1/{path}", {"projct": "shop"})
    assert answer.status_code == 422
    assert "project" in answer.json()["detail"]
    assert asker.get(f"/api/v1/{path}").status_code == 200


def test_what_may_be_asked_is_what_is_described(asker_with_state: Asker) -> None:
    asker = asker_with_state
    for path, parameters in paths_of(asker).items():
        listed = {p["name"]: is_listed(p["schema"]) for p in parameters if p["in"] == "query"}
        slip = asker.get(path, {"nonsense": 1})
        known = ", ".join(sorted(listed)) or "none"
        assert slip.json()["detail"] == f"There is no parameter 'nonsense' here; there are {known}."
        for name, may_be_twice in listed.items():
            twice = asker.get(path, {name: ["1", "1"]})
            assert (f"{name} is given 2 times" in twice.text) != may_be_twice, (path, name)


def is_listed(schema: dict[str, Any]) -> bool:
    return any(one.get("type") == "array" for one in (schema, *schema.get("anyOf", ())))


def paths_of(asker: Asker) -> dict[str, list[dict[str, Any]]]:
    described = asker.app.openapi()["paths"]
    return {
        path: methods["get"].get("parameters", [])
        for path, methods in described.items()
        if path.startswith("/api/v1") and "get" in methods
    }


def test_nothing_of_another_project_is_read_by_any_parameter(store: Store, state: State) -> None:
    app = create_app(store.settings, state.ring, state=state.engine)
    own = Asker(app, state.key(Scope.READ))
    shop = Asker(app, state.key(Scope.READ, project="shop"))
    for path, parameters in paths_of(own).items():
        filled = path.replace("{check}", "missing_usage").replace("{budget}", "none")
        filled = filled.replace("{trace_id}", OTHER).replace("{trajectory_id}", OTHER)
        named = {"from": PERIOD["from"], "to": PERIOD["to"]}
        known = {p["name"]: named[p["name"]] for p in parameters if p["name"] in named}
        required = {"provider": "openai", "model": "gpt-5"} if path.endswith("resolve") else {}
        queries: list[dict[str, Any]] = [known | required]
        names = {p["name"] for p in parameters if p["in"] == "query"} - {"project", *OF_ANY_LIST}
        for name in names if "/export/" not in path else ():  # which are the same
            value = {"trace": OTHER, "trajectory": OTHER, "dimension": f"team={SECRET}"}.get(name)
            queries.append({**known, **required, name: value or SECRET})
        for query in queries:
            answer = own.get(filled, query)
            assert answer.status_code < 500, (path, query)
            assert HIDDEN not in answer.text, (path, query)
            assert "777." not in answer.text, (path, query)
        if OTHER in filled:
            assert own.get(filled).status_code == 404
            nowhere = own.get(filled.replace(OTHER, "ee" * 16))
            assert nowhere.text.replace("ee" * 16, "") == own.get(filled).text.replace(OTHER, "")
            assert shop.get(filled).status_code == 200
    for path in ("traces", "ledger", "usage", "export/traces"):
        assert {HIDDEN, "777."} & {
            w for w in (HIDDEN, "777.") if w in shop.get(f"/api/v1/{path}", PERIOD).text
        }
    asked = own.get("/api/v1/traces", {"project": "shop"})
    assert asked.status_code == 403


def test_prices_need_a_state_database(store: Store, tmp_path: Path) -> None:
    assert Asker(create_app(store.settings)).get("/api/v1/prices").status_code == 404
