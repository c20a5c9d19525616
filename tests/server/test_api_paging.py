"""Pages of the API: every row once, whatever arrives meanwhile."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from spanledger_server.api import pages, traces
from spanledger_server.api.app import create_app
from spanledger_storage.engine import Engine
from spanledger_storage.store import Store
from tests.api_asking import Asker
from tests.conftest import fresh_store
from tests.dashboard.seed import Seeder
from tests.variants import first

DAY_S = 86_400
NOW_S = int(time.time()) // 3_600 * 3_600
PERIOD = {"from": "2020-01-01", "to": time.strftime("%Y-%m-%d", time.gmtime(NOW_S + DAY_S))}


@pytest.fixture(scope="module")
def store(engine: Engine) -> Iterator[Store]:
    with fresh_store(engine) as store:
        yield store


@pytest.fixture(scope="module")
def asker(store: Store) -> Asker:
    return Asker(create_app(store.settings))


def plant(store: Store, numbers: range, at_s: int = -60) -> list[str]:
    """Traces with one call and one session each; two start in the same moment."""
    seed = Seeder(store, NOW_S)
    ids = [f"{number * 0x9E3779B97F4A7C15 % 2**128:032x}" for number in numbers]
    for place, trace_id in enumerate(ids):
        when = at_s - place // 2 * 700  # over many hours
        span = seed.span(
            trace_id, trace_id[:16], at_s=when, session_id=f"session-{trace_id}", agent_name="a"
        )
        seed.message("user", {"type": "text", "content": trace_id})
        seed.entry(span, "0.25", entry_id=trace_id[::-1], session_id=f"session-{trace_id}")
        seed.trace(trace_id)
        seed.trajectory(trace_id)
    seed.insert()
    return ids


@pytest.fixture(scope="module")
def ids(store: Store) -> list[str]:
    return plant(store, range(1, 61))


LISTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "traces": ("trace_id", str),
    "trajectories": ("trajectory_id", str),
    "ledger": ("entry_id", lambda trace_id: trace_id[::-1]),
    "sessions": ("session_id", lambda trace_id: f"session-{trace_id}"),
}


@pytest.mark.parametrize("name", first(LISTS, 2))
def test_every_row_comes_once_while_others_are_inserted(
    asker: Asker,
    store: Store,
    ids: list[str],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "_FIRST_LOOK_ROWS", 7)
    column, of = LISTS[name]
    seen: list[str] = []
    number = 1_000 * (1 + list(LISTS).index(name))
    for rows in asker.pages(f"/api/v1/{name}", limit=17, **PERIOD):
        seen += [row[column] for row in rows]
        # One newer than everything, and one that came late: older than everything.
        plant(store, range(number, number + 1), at_s=-1)
        plant(store, range(number + 1, number + 2), at_s=-40 * DAY_S)
        number += 2
    wanted = [of(trace_id) for trace_id in ids]
    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in set(wanted)] == [
        one for one in asker_order(asker, name, column) if one in set(wanted)
    ]
    assert set(wanted) <= set(seen)


def asker_order(asker: Asker, name: str, column: str) -> list[str]:
    return [row[column] for row in asker.rows(f"/api/v1/{name}", limit=10_000, **PERIOD)]


@pytest.mark.parametrize("name", ["sessions", "usage"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "arrow", "parquet"])
def test_a_page_of_every_format_leads_to_the_same_next_one(
    asker: Asker, ids: list[str], name: str, form: str
) -> None:
    params = {"limit": 5, "by": "session"} if name == "usage" else {"limit": 5}
    first = asker.get(f"/api/v1/{name}", {**params, **PERIOD, "format": "json"})
    other = asker.get(f"/api/v1/{name}", {**params, **PERIOD, "format": form})
    assert other.links["next"]["url"] == first.links["next"]["url"].replace("json", form)


def test_rows_of_a_page_are_the_newest_first_and_in_the_period(asker: Asker) -> None:
    for name, column in {"traces": "start_time", "ledger": "time"}.items():
        times = [row[column] for row in asker.rows(f"/api/v1/{name}", limit=100, **PERIOD)]
        assert times == sorted(times, reverse=True)
        half = {**PERIOD, "to": times[50]}
        assert asker.rows(f"/api/v1/{name}", limit=1, **half)[0][column] < times[50]


def test_usage_is_paged_by_bucket_and_dimensions(asker: Asker, ids: list[str]) -> None:
    asked: dict[str, Any] = {"by": "session,kind", "grain": "hour", **PERIOD}
    whole = asker.rows("/api/v1/usage", limit=10_000, **asked)
    paged = [row for rows in asker.pages("/api/v1/usage", limit=13, **asked) for row in rows]
    assert paged == whole
    assert len({(row["time"], row["key"]) for row in whole}) == len(whole)


def test_spans_and_messages_of_a_trace_are_paged_in_order(asker: Asker, store: Store) -> None:
    seed = Seeder(store, NOW_S)
    trace = "c0ffee" + "0" * 26
    said = [seed.message("user", {"type": "text", "content": f"say {n}"}) for n in range(5)]
    for number in range(7):
        at_s = -4_000 + number // 2 * 1_800
        seed.span(trace, f"{9 - number:016x}", at_s=at_s, input_messages=said[: number % 6])
    seed.insert()
    spans = [r for rows in asker.pages(f"/api/v1/traces/{trace}/spans", limit=3) for r in rows]
    assert [(row["start_time"], row["span_id"]) for row in spans] == sorted(
        (row["start_time"], row["span_id"]) for row in spans
    )
    assert len(spans) == 7
    messages = [r for p in asker.pages(f"/api/v1/traces/{trace}/messages", limit=2) for r in p]
    assert [row["hash"] for row in messages] == sorted(digest.hex() for digest in said)
    detail = asker.get(f"/api/v1/traces/{trace}", {"include": ["spans", "messages"]}).json()
    assert (detail["trace"], detail["spans"], detail["messages"]) == (None, spans, messages)
    assert detail["spans_next"] is detail["messages_next"] is None


def changed(cursor: str, place: int, value: object) -> str:
    parts = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    parts[place] = value
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_a_cursor_is_good_for_its_own_question_alone(asker: Asker, ids: list[str]) -> None:
    cursor = asker.get("/api/v1/traces", {"limit": 1, **PERIOD}).json()["next"]
    for path, params in {
        "/api/v1/ledger": {},
        "/api/v1/traces": {"agent": "a"},
        "/api/v1/sessions": {"project": "other"},
    }.items():
        answer = asker.get(path, {"cursor": cursor, **params})
        assert answer.status_code == 422, path
        assert "not of this question" in answer.json()["detail"]
    moved = asker.get("/api/v1/traces", {"cursor": cursor, "from": "2021-01-01"})
    assert moved.status_code == 422
    assert "another period" in moved.json()["detail"]
    assert asker.get("/api/v1/traces", {"cursor": cursor, "limit": 3}).status_code == 200
    assert asker.get("/api/v1/traces", {"cursor": cursor, **PERIOD}).status_code == 200


@pytest.mark.parametrize("text", ["x", "====", "W10", "bnVsbA", "e30", "[" * 3_000, "é", "WzFd"])
def test_what_is_no_cursor_is_refused(asker: Asker, text: str) -> None:
    assert asker.get("/api/v1/traces", {"cursor": text}).status_code == 422


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 2), (2, -1), (3, 2**40), (3, 0), (4, -5), (4, 2**80), (4, 1.5), (5, 7), (5, "\x00")],
)
def test_a_cursor_that_was_changed_is_refused(
    asker: Asker, ids: list[str], place: int, value: object
) -> None:
    cursor = asker.get("/api/v1/traces", {"limit": 1, **PERIOD}).json()["next"]
    answer = asker.get("/api/v1/traces", {"cursor": changed(cursor, place, value)})
    assert answer.status_code == 422


def test_sessions_with_odd_and_long_ids_are_paged(asker: Asker, store: Store) -> None:
    seed = Seeder(store, NOW_S)
    odd = ["nul-\x00", "long-" + "é" * 4_000, "plain", ""]
    for number, session in enumerate(odd):
        trace = f"{number + 1:08x}" + "5e" * 12
        seed.span(trace, f"{number + 1:016x}", project="odd", session_id=session)
        seed.trace(trace, session_id=session)
    seed.insert()
    asked: dict[str, Any] = {"project": "odd", "limit": 1, **PERIOD}
    seen = [row["session_id"] for rows in asker.pages("/api/v1/sessions", **asked) for row in rows]
    assert sorted(seen) == sorted(filter(None, odd))


def test_a_page_that_would_be_too_large_says_what_to_do(
    asker: Asker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = Seeder(store, NOW_S)
    trace = "b16" + "0" * 29
    for number in range(3):
        said = seed.message("user", {"type": "text", "content": f"{number}" + "x" * 20_000})
        about = {"attributes": {"long": f"{number}" * 20_000}, "input_messages": [said]}
        seed.span(trace, f"{number + 1:016x}", at_s=-60 + number, **about)
    seed.insert()
    for name in ("SPANS", "MESSAGES"):
        monkeypatch.setattr(traces, name, replace(getattr(traces, name), most_bytes=50_000))
        path = f"/api/v1/traces/{trace}/{name.lower()}"
        refused = asker.get(path)
        assert refused.status_code == 422
        assert "smaller limit" in refused.json()["detail"]
        assert sum(len(rows) for rows in asker.pages(path, limit=1)) == 3
