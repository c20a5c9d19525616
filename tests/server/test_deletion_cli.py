"""`spanledger delete` as a user types it, in this process; the store is a real engine."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
import sqlalchemy as sa
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy.exc import SQLAlchemyError

from spanledger_analytics import ledger
from spanledger_analytics.deletion import remove
from spanledger_analytics.deletion.rows import CONDITIONS, TABLES
from spanledger_analytics.deletion.subject import Kind, Subject, needles
from spanledger_analytics.job import LedgerJob
from spanledger_analytics.ledger import write_entries
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.privacy.hashing import hashed
from spanledger_collector.signals import Request, Signal
from spanledger_collector.spool.spool import Spool
from spanledger_collector.store.store_process import store_rows
from spanledger_server import cli, deletion_run, jobs_lease, other_spools, spool_cleaning
from spanledger_server.errors import UsageError
from spanledger_server.jobs import Means
from spanledger_server.jobs_lease import JobsLease, LeasedStore
from spanledger_storage import alert_tables
from spanledger_storage.alert_state import AlertState, LeaseLost
from spanledger_storage.collector_spools import CollectorSpools
from spanledger_storage.engine import Engine
from spanledger_storage.project_settings import Project
from spanledger_storage.projects import Projects
from spanledger_storage.retention_state import RetentionState
from spanledger_storage.state import Heartbeats, Watermarks, migrate_state, open_state
from spanledger_storage.store import Store
from tests.dashboard.process import store_url
from tests.instance import wait_until
from tests.marks import Marks
from tests.on_disk import clean_at_once, holding
from tests.otlp import attributes, llm_span, request, span
from tests.signals import histogram, logs, metrics, record

HOUR = 3_600 * 10**9
NOW = time.time_ns() // HOUR * HOUR - 5 * HOUR
SENTINEL = "what-anna-said-to-the-model"
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
}
_flushes = itertools.count(1)


class Done(NamedTuple):
    code: int
    out: str
    err: str


class World:
    """A store with a job, fed as the collector feeds it, and the command line beside it."""

    def __init__(self, store: Store, data: Path, state: sa.Engine) -> None:
        self.store, self.data, self.state = store, data, state
        self.job = LedgerJob(store, time.time_ns, Marks())
        self.type: Callable[..., Done] = lambda *_: Done(1, "", "")

    def put(self, *requests: Request, project: str = "default", received_ns: int = NOW) -> None:
        kinds = {"Trace": Signal.TRACES, "Logs": Signal.LOGS, "Metrics": Signal.METRICS}
        bodies = [
            Body(project, r.SerializeToString(), received_ns,
                 next(s for word, s in kinds.items() if word in type(r).__name__))
            for r in requests
        ]  # fmt: skip
        flush = f"deletion-{next(_flushes)}"
        store_rows(self.store, decode_batch(bodies, flush, received_ns), flush)

    def derive(self) -> None:
        self.job.run_once()
        self.job.run_usage_once()

    def one(self, sql: str) -> Any:
        [row] = self.store.sql_rows(sql)
        return next(iter(row.values()))

    def digest(self, condition: str) -> dict[str, tuple[object, ...]]:
        """Everything stored that fulfils a condition."""
        tables = ("spans", "logs", "messages", "metric_points", "ledger", "usage_hourly",
                  "usage_by_user", "traces", "trajectories", "trajectory_traces", "trajectory_keys",
                  "trace_hours", "response_traces")  # fmt: skip
        sql = "SELECT count(), groupBitXor(cityHash64(t.*)) FROM {} AS t FINAL WHERE {}"
        return {t: tuple(self.store.sql_rows(sql.format(t, condition))[0].values()) for t in tables}

    def entries(self, condition: str = "1") -> list[dict[str, Any]]:
        sql = f"SELECT * FROM ledger_current WHERE {condition} ORDER BY time, entry_id"
        return self.store.sql_rows(sql)

    def sums(self) -> tuple[Decimal, Decimal]:
        """What ledger and hourly usage add up to, the latter by user as well as whole."""
        by_user, whole = (
            self.one(f"SELECT sum(total_cost_usd) FROM {table} FINAL WHERE is_deleted = 0")
            for table in ("usage_by_user", "usage_hourly")
        )
        assert by_user == whole
        return (
            Decimal(str(self.one("SELECT sum(total_cost_usd) FROM ledger_current"))),
            Decimal(str(whole)),
        )

    def usage_is_the_sum(self) -> bool:
        """Compare hourly usage with a sum of the entries made here."""
        usage = self.store.sql_rows(
            "SELECT hour, model, sum(calls) AS calls, sum(input_tokens) AS tokens,"
            " sum(total_cost_usd) AS usd FROM usage_hourly FINAL WHERE is_deleted = 0"
            " GROUP BY hour, model ORDER BY hour, model"
        )
        sums: dict[tuple[object, ...], list[Any]] = {}
        for entry in self.entries():
            hour = entry["time"].replace(minute=0, second=0, microsecond=0)
            found = sums.setdefault((hour, entry["model"]), [0, 0, Decimal(0)])
            found[0] += 1
            found[1] += entry["input_tokens"] or 0
            found[2] += entry["total_cost_usd"] or 0
        expected = [[*key, *values] for key, values in sorted(sums.items())]
        return [list(row.values()) for row in usage] == expected


@pytest.fixture
def world(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[World]:
    state = open_state(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    monkeypatch.setenv("SPANLEDGER_DATA", str(tmp_path))
    monkeypatch.setenv("SPANLEDGER_STORE_URL", store_url(store.settings))
    monkeypatch.setattr(remove, "_STEP_S", 0)
    monkeypatch.setattr(remove, "_REFERRED_WITHIN_S", 0)  # every batch here brings its messages
    world = World(store, tmp_path, state)

    def typed(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["spanledger", "delete", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, shown.out, shown.err)

    world.type = typed
    yield world
    state.dispose()


def call(user: str, session: str = "", trace: bytes | None = None, at: int = 0,
         text: str = "hello", **more: str) -> Span:  # fmt: skip
    made = llm_span(trace_id=trace, start_ns=NOW + at)
    said = {"user.id": user, "session.id": session, **{k.replace("__", "."): v
            for k, v in more.items()}}  # fmt: skip
    parts = [{"role": "user", "parts": [{"type": "text", "content": text}]}]
    made.attributes.extend(attributes({**said, "gen_ai.input.messages": json.dumps(parts)}))
    return made


def measured(user: str, total: int, at: int, session: str = "") -> Request:
    who = {"user.id": user, "session.id": session} if session else {"user.id": user}
    both = [
        histogram("gen_ai.client.token.usage", total, NOW - 60 * 10**9, NOW + at,
                  {**CHAT, "gen_ai.token.type": kind, **who})
        for kind in ("input", "output")
    ]  # fmt: skip
    return metrics(*both, service=f"svc-{len(user)}")


def plant(world: World, project: str = "default", user: str = "anna") -> None:
    """Anna in two sessions, of which one trace is shared with Bob; and Bob by himself."""
    shared = b"shared-trace-id!"
    world.put(
        request(
            call(user, "s1", text=SENTINEL, gen_ai__response__id="r1"),
            call(user, "s2", b"second-trace-id!", at=HOUR, text="hello"),
            call(user, "s1", shared, at=2 * HOUR, text="together"),
            call("bob", "s3", shared, at=2 * HOUR + 10**9, text="together"),
            call("bob", "s3", b"trace-id-of-bob!", at=HOUR, text="hello"),
            span("tool", start_ns=NOW),
        ),
        logs(
            record("note", SENTINEL, time_ns=NOW, said={"user.id": user}),
            record("note", "of bob", time_ns=NOW, said={"user.id": "bob", "count": "anna"}),
        ),
        measured(user, 500, 3 * HOUR),
        measured("bob", 700, 3 * HOUR),
        project=project,
    )
    world.derive()


def plant_one(world: World) -> None:
    """One call of Anna: enough where it does not matter what else is there."""
    world.put(request(call("anna", "s2", b"second-trace-id!", text=SENTINEL)))
    world.derive()


def test_a_user_goes_from_every_table_with_proof(world: World) -> None:
    plant(world)
    plant(world, project="other")
    others = world.digest("project = 'other'")
    before, bob = world.sums()[0], world.entries("project = 'default' AND user_id = 'bob'")
    own = [e for e in world.entries("project = 'default'") if e not in bob]
    lost = sum(e["total_cost_usd"] for e in own) + bob[-2]["total_cost_usd"]
    done = world.type("user", "anna", "--yes", "--no-wait", "--by", "carla")
    assert done.code == 0, done.err
    lines = [line.split() for line in done.out.splitlines() if line.endswith(" 0")]
    table = {line[0]: line[1:] for line in lines}
    assert set(table) >= set(CONDITIONS)
    assert (table["spans"], table["messages"]) == (["4", "0"], ["2", "0"])
    columns = {"spans": "attributes", "logs": "attributes", "metric_points": "attributes",
               "ledger": "user_id", "traces": "user_id", "trajectories": "user_id",
               "usage_by_user": "user_id"}  # fmt: skip
    for name, column in columns.items():
        where = f"project = 'default' AND toString({column}) LIKE '%anna%'"
        left = 1 if name == "logs" else 0  # a count that happens to be the same text
        assert world.one(f"SELECT count() FROM {name} WHERE {where}") == left, name
    assert world.one(f"SELECT count() FROM messages WHERE project = 'default'"
                     f" AND content LIKE '%{SENTINEL}%'") == 0  # fmt: skip
    assert world.one("SELECT count() FROM messages FINAL WHERE project = 'default'"
                     " AND content LIKE '%hello%'") == 1  # fmt: skip
    assert world.digest("project = 'other'") == others
    assert world.sums() == (before - lost, before - lost)
    assert world.usage_is_the_sum()
    world.derive()
    assert world.sums() == (before - lost, before - lost)
    assert world.usage_is_the_sum()
    assert f"{lost:,f} USD left the ledger" in done.out
    assert world.one("EXISTS deletion_targets") == 0


def test_who_deleted_what_is_on_record_without_the_id(world: World) -> None:
    plant_one(world)
    assert world.type("user", "anna", "--yes", "--no-wait", "--by", "carla").code == 0
    finish, begin = RetentionState(world.state).deletions()
    assert (begin.action, finish.action, begin.who, begin.kind) == (
        "begin", "finish", "carla", "user",
    )  # fmt: skip
    said = json.loads(finish.said)
    assert said["rows"]["spans"] == 1
    assert Decimal(said["usd_gone"]) > 0
    assert "anna" not in repr([begin, finish])
    log = world.type("log")
    assert "carla" in log.out
    assert "anna" not in log.out
    with world.state.connect() as connection, pytest.raises(SQLAlchemyError):
        connection.execute(sa.text("DELETE FROM deletions"))


def test_a_dry_run_changes_nothing(world: World) -> None:
    plant(world)
    before = world.digest("1")
    done = world.type("user", "anna", "--dry-run")
    assert done.code == 0, done.err
    assert "3 traces" in done.out
    assert "would leave the ledger" in done.out
    assert world.digest("1") == before
    assert RetentionState(world.state).deletions() == []


def test_without_a_yes_nothing_is_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_one(world)
    before = world.digest("1")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    done = world.type("user", "anna")
    assert done.code == 2
    assert "nobody said yes" in done.err
    assert world.digest("1") == before


def test_a_session_takes_its_traces_and_no_others(world: World) -> None:
    plant(world)
    assert world.type("session", "s2", "--yes", "--no-wait").code == 0
    users = world.store.sql_rows("SELECT user_id FROM spans WHERE user_id != '' ORDER BY user_id")
    assert [row["user_id"] for row in users] == ["anna", "anna", "bob", "bob"]
    assert world.usage_is_the_sum()


def test_a_trace_goes_alone(world: World) -> None:
    plant(world)
    trace = b"second-trace-id!".hex()
    others = world.one(f"SELECT count() FROM spans WHERE trace_id != '{trace}'")
    done = world.type("trace", trace.upper(), "--yes", "--no-wait")
    assert done.code == 0, done.err
    assert world.one(f"SELECT count() FROM spans WHERE trace_id = '{trace}'") == 0
    assert world.one("SELECT count() FROM spans") == others
    assert world.one("SELECT count() FROM messages FINAL WHERE content LIKE '%hello%'") == 1
    assert world.usage_is_the_sum()


def test_kept_costs_name_nobody_and_no_job_undoes_them(world: World) -> None:
    plant(world)
    before = world.sums()
    done = world.type("user", "anna", "--yes", "--no-wait", "--keep-cost")
    assert done.code == 0, done.err
    assert "stay under pseudonyms" in done.out
    assert world.sums() == before
    rows = json.dumps(world.entries(), default=str) + json.dumps(
        world.store.sql_rows("SELECT * FROM ledger"), default=str
    )
    for gone in ("anna", "s1", "r1", b"shared-trace-id!".hex(), b"second-trace-id!".hex()):
        assert f'"{gone}"' not in rows
    hidden = world.entries("startsWith(user_id, 'deleted-')")
    assert len(hidden) == 5
    assert all("deleted" in entry["flags"] for entry in hidden)
    assert len({entry["user_id"] for entry in hidden} - {""}) == 2  # bob's share of the trace too
    for _ in range(2):
        world.derive()
        assert world.sums() == before
    assert world.usage_is_the_sum()


def test_what_was_compared_with_bills_names_no_deleted_call(world: World) -> None:
    plant_one(world)
    [gone] = {entry["trace_id"] for entry in world.entries()}
    evidence = ", ".join(
        f"('unknown', '{trace}', '0123456789abcdef', 'entry', 'request', 'response-{trace}')"
        for trace in (gone, "ab" * 16)
    )
    for version in (1, 2):  # the row that was replaced, too
        world.store.execute(
            "INSERT INTO reconciliation_cells (project, day, provider, cell_id, evidence, version)"
            f" VALUES ('default', '2026-11-20', 'openai', '{'c' * 32}', [{evidence}], {version})"
        )
    assert world.type("trace", gone, "--yes", "--no-wait").code == 0
    named = "SELECT groupUniqArrayArray(evidence.trace_id) FROM reconciliation_cells"
    assert world.one(named) == ["ab" * 16]


def incident(
    world: World, instance: str, state: str, group: str = "", *, is_told: bool = True, **labels: str
) -> None:
    """What alerts remember of an incident, and of the message that told of it."""
    key, said = f"default/{instance}/1", json.dumps(labels)
    told = json.dumps({"notification": {"incidents": [{"key": key, "labels": labels}]}})
    rows: dict[sa.Table, dict[str, object]] = {
        alert_tables.instances: {
            "instance_id": instance, "labels": said, "state": state, "severity": "warning",
            "generation": 1, "active_at_ns": 1, "sample": said,
        },
        alert_tables.groups: {
            "group_id": instance, "channel": "ops", "run": 1, "told": json.dumps({key: ["", 0]}),
            "labels": group or said, "opened_at_ns": 1 if group or state == "firing" else None,
        },
        alert_tables.outbox: {
            "channel": "ops", "group_id": instance, "group_key": key, "transition": "trigger",
            "payload": told, "status": "sent", "created_at_ns": 1, "not_before_ns": 1,
            "claimed_until_ns": 0, "attempts": 1, "is_doubtful": False, "receipt": "",
            "last_error": "", "ended_at_ns": 2,
        },
        alert_tables.timeline: {
            "incident": key, "at_ns": 1, "action": "fired", "who": "", "note": "",
        },
    }  # fmt: skip
    if not is_told:
        del rows[alert_tables.outbox]
    with world.state.begin() as connection:
        for table, row in rows.items():
            connection.execute(sa.insert(table).values(project="default", rule="r", **row))


def remembered(world: World) -> list[list[str]]:
    """Instances that each table of alerts still knows."""
    tables = (alert_tables.instances.c.instance_id, alert_tables.groups.c.group_id,
              alert_tables.outbox.c.group_id, alert_tables.timeline.c.incident)  # fmt: skip
    with world.state.connect() as connection:
        return [sorted(connection.scalars(sa.select(column))) for column in tables]


def test_alerts_forget_whom_they_named(world: World) -> None:
    plant_one(world)
    [trace] = {entry["trace_id"] for entry in world.entries()}
    incident(world, "a", "inactive", user="anna", agent="x")
    incident(world, "b", "inactive", kind="loop", trace=trace)
    incident(world, "c", "inactive", agent="anna", user="annabel")
    incident(world, "d", "firing", user="anna")
    incident(world, "e", "inactive", group='{"agent": "x"}', trace=trace)  # others fire in it
    incident(world, "f", "inactive", group='{"agent": "y"}', is_told=False, trace=trace)
    done = world.type("user", "anna", "--yes", "--no-wait")
    assert done.code == 1
    assert "6 incidents and messages of alerts are not over yet" in done.out
    kept = ["c", "d", "e", "f"]
    assert remembered(world) == [kept, kept, kept[:3], [f"default/{one}/1" for one in kept]]
    with world.state.begin() as connection:
        connection.execute(sa.update(alert_tables.instances).values(state="inactive"))
        connection.execute(sa.update(alert_tables.groups).values(opened_at_ns=None))
    assert world.type("user", "anna", "--yes", "--no-wait").code == 0
    assert remembered(world) == [["c"], ["c", "e", "f"], ["c"], ["default/c/1"]]
    for path in world.data.glob("state.db*"):
        assert b'"user": "anna"' not in path.read_bytes()


def test_usage_that_metrics_tell_of_several_users_is_counted_anew(world: World) -> None:
    world.put(measured("anna", 500, 3 * HOUR), measured("bert", 700, 3 * HOUR))
    world.derive()
    before = world.sums()[0]
    done = world.type("user", "anna", "--yes", "--no-wait", "--keep-cost")
    assert done.code == 0, done.err
    after = world.sums()
    assert before > after[0] == after[1] > 0
    assert f"{before - after[0]:,f} USD left besides" in done.out
    world.derive()
    assert world.sums() == after


def test_a_call_that_another_trace_saw_too_is_counted_there(world: World) -> None:
    ours, theirs = b"trace-that-goes!", b"trace-that-stays"
    outer = call("anna", trace=ours, gen_ai__response__id="same")
    inner = call("", trace=theirs, at=1_000, gen_ai__response__id="same")
    world.put(request(outer, scope="a"), request(inner, scope="b"))
    world.derive()
    before = world.sums()
    assert len(world.entries()) == 1
    for keep in ((), ("--keep-cost",)):
        done = world.type("trace", ours.hex(), "--yes", "--no-wait", *keep)
        assert done.code == 0, done.err
        world.derive()
        [entry] = world.entries()
        assert entry["trace_id"] == theirs.hex()
        assert world.sums() == before
        assert ours.hex() not in json.dumps(
            world.store.sql_rows("SELECT * FROM ledger"), default=str
        )
        if not keep:
            world.put(request(outer, scope="a"))
            world.derive()
            assert world.sums() == before


@pytest.mark.parametrize(
    ("after", "keep"),
    [
        (3, ()),
        pytest.param(6, ("--keep-cost",), marks=pytest.mark.endurance),
        pytest.param(0, (), marks=pytest.mark.endurance),
        pytest.param(6, (), marks=pytest.mark.endurance),
        pytest.param(2, ("--keep-cost",), marks=pytest.mark.endurance),
    ],
)
def test_an_interrupted_deletion_is_run_again(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int, keep: tuple[str, ...]
) -> None:
    plant(world)
    before = world.sums()[0]
    execute, acts = Store.execute, itertools.count()

    def failing(self: Store, sql: str, *args: Any, **more: Any) -> None:
        if "DELETE" in sql and next(acts) == after:
            raise KeyboardInterrupt
        execute(self, sql, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "execute", failing)
        assert world.type("user", "anna", "--yes", "--no-wait", *keep).code != 0
    done = world.type("user", "anna", "--yes", "--no-wait", *keep)
    assert done.code == 0, done.err
    assert world.one("SELECT count() FROM spans WHERE user_id = 'anna'") == 0
    assert world.one(f"SELECT count() FROM messages WHERE content LIKE '%{SENTINEL}%'") == 0
    assert world.usage_is_the_sum()
    entries = [json.loads(entry.said) for entry in RetentionState(world.state).deletions()]
    assert [e["usd_gone"] for e in entries] == [entries[0]["usd_gone"]] * 2
    assert world.sums()[0] == before - Decimal(entries[0]["usd_gone"])


def test_an_id_that_nothing_carries_changes_nothing(world: World) -> None:
    plant_one(world)
    before = world.digest("1")
    done = world.type("user", "nobody", "--yes")
    assert (done.code, done.out) == (0, "Nothing is stored of this user in project default.\n")
    assert world.digest("1") == before
    assert world.type("user", " ", "--yes").code == 2
    assert world.type("user", "x", "--project", "a b", "--yes").code == 2


def test_values_under_other_keys_are_no_users(world: World) -> None:
    world.put(request(call("bob", count__of="7"), call("7", http__status="bob")))
    world.derive()
    assert world.type("user", "7", "--yes", "--no-wait").code == 0
    assert world.one("SELECT count() FROM spans WHERE user_id = 'bob'") == 1


def test_whom_an_event_or_a_link_names_is_found(world: World) -> None:
    event, link, other = span("event"), span("link"), span("other")
    event.events.add(name="asked", attributes=attributes({"user.id": "17"}))
    link.links.add(trace_id=b"t" * 16, span_id=b"s" * 8, attributes=attributes({"user.id": "17"}))
    other.events.add(name="asked", attributes=attributes({"user.id": "bob", "count": "17"}))
    world.put(request(event, link, other))
    assert world.type("user", "17", "--yes", "--no-wait").code == 0
    assert [row["name"] for row in world.store.sql_rows("SELECT name FROM spans")] == ["other"]


def test_a_user_whose_id_is_hashed_is_found(world: World) -> None:
    salt = Projects(world.state).get("default").project.salt
    text = hashed(AnyValue(string_value="17"), salt)
    number = hashed(AnyValue(int_value=17), salt)
    world.put(request(call(text), call(number), call("bob")))
    assert world.type("user", "17", "--yes", "--no-wait").code == 0
    users = world.store.sql_rows("SELECT user_id FROM spans")
    assert [row["user_id"] for row in users] == ["bob"]


def test_messages_leave_whichever_trace_goes_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remove, "_ROUNDS", 1)
    world.put(request(call("anna", "s1", text=SENTINEL)))
    world.put(request(call("anna", "s2", text=SENTINEL)), received_ns=time.time_ns())
    assert world.type("session", "s2", "--yes", "--no-wait").code == 0
    done = world.type("session", "s1", "--yes", "--no-wait")
    assert (done.code, "Something is left" in done.out) == (1, True)  # it came just now
    log = RetentionState(world.state).deletions()
    assert [entry.action for entry in log] == ["begin", "finish", "begin"]
    monkeypatch.setattr(remove, "_ON_THEIR_WAY_S", 0)
    assert world.type("session", "s1", "--yes", "--no-wait").code == 0
    assert world.one("SELECT count() FROM messages") == 0
    assert RetentionState(world.state).deletions()[0].action == "finish"


def test_messages_wait_for_spans_that_may_refer_to_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(remove, "_REFERRED_WITHIN_S", 70)
    monkeypatch.setattr(remove, "_ON_THEIR_WAY_S", 0)
    monkeypatch.setattr(time, "sleep", waited.append)
    world.put(request(call("anna", "s1", text=SENTINEL)), received_ns=time.time_ns())
    assert world.type("session", "s1", "--yes", "--no-wait").code == 0
    assert max(waited) == 70
    assert world.one("SELECT count() FROM messages") == 0


def test_what_a_job_writes_late_goes_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(request(call("anna")))
    job = LedgerJob(world.store, time.time_ns, Watermarks(world.state))
    derived, is_over = threading.Event(), threading.Event()

    def late(*args: Any) -> Any:
        derived.set()
        time.sleep(1.5)
        return write_entries(*args)

    def work() -> None:
        Heartbeats(world.state).beat("worker", "one", time.time_ns())
        while not is_over.is_set():
            job.run_once()

    monkeypatch.setattr(ledger, "write_entries", late)
    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert derived.wait(10)
        done = world.type("user", "anna", "--yes", "--no-wait")
    finally:
        is_over.set()
        worker.join()
    assert done.code == 0, done.err
    assert world.one("SELECT count() FROM ledger") == 0
    assert world.one("SELECT count() FROM traces") == 0


def test_a_worker_that_was_stopped_writes_nothing_of_what_was_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(request(*(call("anna", f"s{n}", b"trace-of-anna-%02d" % n) for n in range(3))))
    monkeypatch.setattr(jobs_lease, "_LASTS_NS", 0)  # whoever is silent is taken for dead
    lease = JobsLease(world.state, "one")
    token = lease.token()
    assert token is not None
    stopped, done = list[str](), list[Done]()
    insert = LeasedStore.insert

    def late(self: LeasedStore, table: str, rows: pa.Table, *, token: str) -> None:
        if not stopped:  # stopped here for longer than a lease lasts, with what it has derived
            stopped.append(table)
            done.append(world.type("user", "anna", "--yes", "--no-wait"))
        insert(self, table, rows, token=token)

    monkeypatch.setattr(LeasedStore, "insert", late)
    with pytest.raises(LeaseLost):
        Means(world.store.settings, world.state, partial(lease.demand, token)).ledger.run_once()
    assert (done[0].code, stopped) == (0, ["ledger"]), done[0].err
    for table in ("spans", "ledger", "traces", "trajectories", "usage_by_user"):
        assert world.one(f"SELECT count() FROM {table} WHERE user_id = 'anna'") == 0, table
    monkeypatch.setattr(jobs_lease, "_RENEWED_EVERY_S", 0)
    again = lease.token()
    assert again not in (None, token), "it goes on, without what it remembered"


def test_a_lease_that_somebody_silent_holds_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be of a worker whose signs of life get lost, or of a deletion that was killed."""
    world.put(request(call("anna")))
    monkeypatch.setattr(deletion_run, "_JOB_WITHIN_S", 0)
    leases = AlertState(world.state)
    lease = leases.acquire("jobs", "somebody", time.time_ns(), 10**12)
    assert lease
    done = world.type("user", "anna", "--yes", "--no-wait")
    assert done.code == 2
    assert "run this again" in done.err
    leases.release(lease)
    assert world.type("user", "anna", "--yes", "--no-wait").code == 0


def test_what_only_a_trajectory_is_left_of_is_found(world: World) -> None:
    plant(world)
    world.put(request(call("bob", "s1", b"another-of-bob-!", at=HOUR)))
    world.derive()
    for table in ("spans", "logs", "ledger", "traces"):
        gone = f"ALTER TABLE {table} DELETE WHERE trace_id = '{b'second-trace-id!'.hex()}'"
        world.store.execute(f"{gone} SETTINGS mutations_sync = 2")
    done = world.type("session", "s2", "--yes", "--no-wait")
    assert done.code == 0, done.err
    assert "1 traces" in done.out
    assert world.one("SELECT count() FROM trajectories WHERE session_id = 's2'") == 0
    assert world.one("SELECT uniqExact(trace_id) FROM spans WHERE user_id = 'bob'") == 3


def test_what_is_left_of_a_trajectory_is_derived_anew(world: World) -> None:
    """Anna's trace is what ties two of Bob's together."""
    first, between, last = (
        f"{who}-is-a-trace-id"[:16].encode() for who in ("bob1", "anna", "bob2")
    )
    tie = call("anna", "s1", between, at=HOUR)
    tie.links.add(trace_id=last, span_id=b"\1" * 8)
    world.put(request(call("bob", "s1", first), tie, call("bob", "s2", last, at=2 * HOUR)))
    world.derive()
    assert world.one("SELECT count() FROM trajectories FINAL WHERE is_deleted = 0") == 1
    done = world.type("user", "anna", "--yes", "--no-wait")
    assert done.code == 0, done.err
    world.derive()
    assert world.one("SELECT count() FROM trajectories FINAL WHERE is_deleted = 0") == 2
    assert world.one("SELECT count() FROM trajectory_traces FINAL WHERE is_deleted = 0") == 0
    ids = world.one("SELECT arraySort(groupArray(trajectory_id)) FROM trajectories FINAL"
                    " WHERE is_deleted = 0")  # fmt: skip
    assert ids == sorted((first.hex(), last.hex()))
    for table in ("traces", "trajectory_keys", "trajectory_traces"):
        gone = f"SELECT count() FROM {table} WHERE trace_id = '{between.hex()}'"
        assert world.one(gone) == 0, table


def test_a_worker_that_is_far_behind_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(request(call("anna")))
    Heartbeats(world.state).beat("worker", "one", time.time_ns())
    monkeypatch.setattr(deletion_run, "_JOB_WITHIN_S", 0)
    done = world.type("user", "anna", "--yes", "--no-wait")
    assert done.code == 2
    assert "run this again when it has caught up" in done.err


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
def test_a_trace_that_is_not_there_is_not_counted(world: World, how: str) -> None:
    done = world.type("trace", "e" * 32, how)
    assert (done.code, done.out) == (0, "Nothing is stored of this trace in project default.\n")


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
def test_a_project_that_is_not_there_is_refused(world: World, how: str) -> None:
    done = world.type("user", "anna", "--project", "rde", how)
    assert (done.code, done.out) == (2, "")
    assert "There is no project 'rde'; there are default." in done.err


@pytest.mark.parametrize("how", ["--yes", "--dry-run"])
def test_a_project_of_which_something_is_stored_need_not_be_listed(world: World, how: str) -> None:
    world.put(request(call("anna")), project="unlisted")
    done = world.type("user", "nobody", "--project", "unlisted", how)
    assert (done.code, "in project unlisted" in done.out) == (0, True), done.err
    done = world.type("user", "anna", "--project", "unlisted", "--no-wait", how)
    assert (done.code, "1 traces" in done.out) == (0, True), done.err


def test_a_trace_is_named_in_full(world: World) -> None:
    done = world.type("trace", "e", "--yes")
    assert done.code == 2
    assert "32 hex digits" in done.err


def test_subjects_of_different_projects_have_different_digests() -> None:
    one, other = (Subject(Project(name, salt=b"s"), Kind.USER, "anna") for name in "ab")
    assert one.digest != other.digest


@pytest.mark.parametrize("length", [1, 100, 127, 128, 300, 20_000])
def test_raw_requests_are_known_by_the_whole_id(length: int) -> None:
    user = "u" * length
    [needle] = needles(Subject(Project("a"), Kind.USER, user), ())
    assert needle in raw(user)
    assert needle not in raw(user + "u") + raw("x", **{user: "x"})
    assert needles(Subject(Project("a"), Kind.TRACE, "e"), ["e"]) == []


# The spool


def raw(user: str, **more: str) -> bytes:
    """A request as a spool holds it."""
    made = span("x")
    made.attributes.extend(attributes({"user.id": user, **more}))
    return request(made).SerializeToString()


def test_a_spool_that_another_process_reads_is_not_said_to_be_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "spool" / "spool.db"
    path.parent.mkdir()
    monkeypatch.setattr(spool_cleaning, "_LOCKED_S", 0.2)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("PRAGMA journal_mode=WAL")
        reader.execute("CREATE TABLE requests (seq INTEGER PRIMARY KEY)")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM requests").fetchall()
        assert not spool_cleaning.SpoolCleaning(tmp_path).clean()
        assert "another process reads it" in capsys.readouterr().out
    assert spool_cleaning.SpoolCleaning(tmp_path).clean()


def test_a_damaged_spool_is_said(world: World) -> None:
    path = world.data / "spool" / "spool.db"
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 2_000)
    done = world.type("user", "anna", "--yes")
    assert done.code == 2
    assert "cannot be read" in done.err


def spool_of(world: World) -> sqlite3.Connection:
    path = world.data / "spool" / "spool.db"
    path.parent.mkdir(exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE requests (seq INTEGER PRIMARY KEY, project TEXT, body BLOB);"
        "CREATE TABLE dead_letters (seq INTEGER PRIMARY KEY, project TEXT, body BLOB);"
    )
    return connection


def test_nothing_is_deleted_while_requests_wait_in_the_spool(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_one(world)
    monkeypatch.setattr(spool_cleaning, "_ALONE_S", 0)
    with closing(spool_of(world)) as spool:
        spool.execute("INSERT INTO requests VALUES (1, 'default', x'00')")
        spool.commit()
        done = world.type("user", "anna", "--yes")
    assert done.code == 2
    assert "1 requests wait in the spool" in done.err
    assert world.one("SELECT count() FROM spans WHERE user_id = 'anna'") == 1


def test_requests_in_the_spool_of_a_silent_collector_are_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_one(world)
    monkeypatch.setattr(other_spools, "_SILENT_AFTER_S", -1)
    CollectorSpools(world.state).note("another", 2, NOW, NOW)
    done = world.type("user", "anna", "--yes", "--no-wait")
    assert done.code == 0
    assert "Not reached: 2 requests" in done.out


def killed(data: Path) -> Path:
    """A spool file whose 60 requests are in its log only, as a killed collector leaves them."""
    path, running = data / "spool" / "spool.db", data / "running" / "spool.db"
    path.parent.mkdir()
    spool = Spool(running, max_bytes=1 << 30)
    try:
        for n in range(60):
            spool.append("default", b"request %d" % n, 1, 1).result(5)
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{running}{suffix}", f"{path}{suffix}")
    finally:
        spool.close()
    return path


def waiting_in(path: Path) -> int:
    spool = Spool(path, max_bytes=1 << 30)
    try:
        return spool.depth().requests
    finally:
        spool.close()


@pytest.mark.parametrize("is_file_lost", [False, True])
def test_a_damaged_log_of_the_spool_is_left_to_the_collector(
    tmp_path: Path, is_file_lost: bool
) -> None:
    path = killed(tmp_path)
    log = Path(f"{path}-wal")
    if is_file_lost:
        path.unlink()
    else:
        damaged = bytearray(log.read_bytes())
        damaged[len(damaged) // 2] ^= 0xFF
        log.write_bytes(damaged)
    before = log.read_bytes()
    cleaning = spool_cleaning.SpoolCleaning(tmp_path, drained_in_s=0)
    with pytest.raises(UsageError, match="Start the collector once"):
        cleaning.await_empty()
    if not is_file_lost:
        with pytest.raises(UsageError, match="Start the collector once"):
            cleaning.remove_letters("default", [b"x"])
        assert not cleaning.clean()
    assert log.read_bytes() == before
    assert waiting_in(path) >= 58
    with pytest.raises(UsageError, match="requests wait"):
        cleaning.await_empty()


def test_looking_into_a_spool_leaves_its_log(tmp_path: Path) -> None:
    path = killed(tmp_path)
    before = {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal")}
    with pytest.raises(UsageError, match="60 requests wait"):
        spool_cleaning.SpoolCleaning(tmp_path, drained_in_s=0).await_empty()
    assert {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in before} == before
    assert waiting_in(path) == 60


def test_a_spool_that_was_half_set_aside_is_left_to_the_collector(tmp_path: Path) -> None:
    path = killed(tmp_path)
    Path(f"{path}-wal").rename(path.with_name("spool-damaged-20261121T000000-000000001.db-wal"))
    with pytest.raises(UsageError, match="set aside"):
        spool_cleaning.SpoolCleaning(tmp_path).await_empty()
    assert waiting_in(path) == 60


def test_the_log_of_a_running_collector_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damage(_path: Path) -> str:
        return "it is being written"

    monkeypatch.setattr("spanledger_collector.spool.wal.damage", damage)
    path = tmp_path / "spool" / "spool.db"
    cleaning = spool_cleaning.SpoolCleaning(tmp_path)
    spool = Spool(path, max_bytes=1 << 30)
    try:
        cleaning.await_empty()
    finally:
        spool.close()
    with pytest.raises(UsageError, match="it is being written"):
        cleaning.await_empty()


def test_a_spool_that_drains_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "spool" / "spool.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as spool:
        spool.execute("CREATE TABLE requests (seq INTEGER PRIMARY KEY)")
        spool.execute("INSERT INTO requests VALUES (7)")
        spool.commit()
    thread = threading.Timer(0.5, drain, (path,))
    thread.start()
    try:
        spool_cleaning.SpoolCleaning(tmp_path).await_empty()
    finally:
        thread.join()


def drain(path: Path) -> None:
    """Store what waits; a newer request arrives meanwhile, which nobody waits for."""
    with closing(sqlite3.connect(path)) as spool:
        spool.execute("DELETE FROM requests")
        spool.execute("INSERT INTO requests VALUES (8)")
        spool.commit()


def test_dead_letters_and_unused_pages_of_the_spool_are_emptied(world: World) -> None:
    plant_one(world)
    with closing(spool_of(world)) as spool:
        of_anna, of_others = raw("anna"), raw("annabel") + raw("bob", anna="anna-2")
        letters = [(1, "default", of_anna), (2, "default", of_others), (3, "other", of_anna),
                   (4, "default", b"-" + b"second-trace-id!")]  # fmt: skip
        spool.executemany("INSERT INTO dead_letters VALUES (?, ?, ?)", letters)
        spool.execute("INSERT INTO requests VALUES (1, 'default', ?)", (SENTINEL.encode() * 99,))
        spool.commit()
        spool.execute("DELETE FROM requests")
        spool.commit()
        done = world.type("user", "anna", "--yes", "--no-wait")
        assert done.code == 0, done.err
        assert done.out.count("dead letters of the spool") == 2  # in the plan and in the proof
        kept = spool.execute("SELECT seq FROM dead_letters ORDER BY seq").fetchall()
    assert kept == [(2,), (3,)]
    for path in (world.data / "spool").iterdir():
        assert SENTINEL.encode() not in path.read_bytes()


@pytest.mark.parametrize("user", ["anna", "nobody"])
def test_files_of_the_spool_that_were_set_aside_are_named(world: World, user: str) -> None:
    plant_one(world)
    aside = world.data / "spool" / "spool-damaged-20261121T000000-000000001.db"
    aside.parent.mkdir()
    held = raw("anna")
    aside.write_bytes(held)
    done = world.type("user", user, "--yes", "--no-wait")
    assert done.code == 0, done.err
    assert f"may hold some of it: {aside.name} in {aside.parent}" in done.out
    assert aside.read_bytes() == held


# The disk


@pytest.mark.endurance
def test_no_file_holds_what_was_deleted(world: World, engine: Engine) -> None:
    for table, column in (("messages", "content"), ("logs", "body"), ("ledger", "user_id"),
                          ("spans", "user_id"), ("traces", "user_id"),
                          ("trajectories", "user_id"),
                          ("usage_by_user", "user_id")):  # fmt: skip
        store = world.store
        store.execute(f"ALTER TABLE {table} MODIFY COLUMN {column} String CODEC(NONE)")
    for table in TABLES:
        clean_at_once(world.store, table)
    user = "anna-whose-name-is-rare"
    plant(world, user=user)
    plant(world, project="other", user="dora")
    needles = (user.encode(), SENTINEL.encode())
    named = {"spans", "ledger", "traces", "trajectories", "usage_by_user"}
    assert named <= holding(world.store, needles[0])
    assert {"messages", "logs"} <= holding(world.store, needles[1])
    done = world.type("user", user, "--yes")
    assert done.code == 0, done.err
    assert "No file that held any of it is left" in done.out
    assert holding(world.store, needles[0]) == set()
    with_sentinel = holding(world.store, needles[1])
    assert with_sentinel <= {"messages", "logs"}  # dora said the same
    assert world.type("user", "dora", "--project", "other", "--yes").code == 0
    wait_until(lambda: holding(world.store, needles[1]) == set(), timeout_s=60)
