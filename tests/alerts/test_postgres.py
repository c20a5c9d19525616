"""What alerts remember, on a PostgreSQL server: figures, the queue, people, a role that reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from spanledger_alerts import dead_letters
from spanledger_alerts.notification import DeliveryError
from spanledger_storage.alert_figures import AlertFigures, Waiting
from spanledger_storage.alert_letters import AlertLetters
from spanledger_storage.alert_reading import AlertReading
from spanledger_storage.alert_rows import EngineChange, RuleStateRow, SilenceRow
from spanledger_storage.alert_rules import AlertRules
from spanledger_storage.alert_state import AlertState, LeaseLost
from spanledger_storage.alert_tables import attempts, groups, outbox, rule_states, timeline
from spanledger_storage.collector_spools import CollectorSpools
from spanledger_storage.errors import StateError
from spanledger_storage.state import (
    migrate_state,
    open_state,
    open_state_reader,
    open_state_writer,
)
from tests.alerts.stage import AWAY, REFUSED, Recorder, S, Stage, rule
from tests.postgres import postgres_server

MAYBE = DeliveryError("timed out", permanent=False, is_doubtful=True)
DAY_NS = 86_400 * S
_READS = "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(server: str) -> Iterator[sa.Engine]:
    """An empty state database, with the role that the dashboard has."""
    engine = open_state(server)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA public TO public")
        connection.exec_driver_sql("CREATE ROLE reader LOGIN")
        connection.exec_driver_sql("ALTER ROLE reader SET default_transaction_read_only = on")
        connection.exec_driver_sql(_READS)
    migrate_state(engine)
    yield engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY reader; DROP ROLE reader")
    engine.dispose()


@pytest.fixture
def ops() -> Recorder:
    return Recorder()


@pytest.fixture
def stage(database: sa.Engine, ops: Recorder) -> Stage:
    quick = rule(group_interval="10s", group_by=["agent"])
    return Stage(database, quick, channels={"ops": ops})


def test_an_incident_with_everything_that_may_happen_to_it(stage: Stage, ops: Recorder) -> None:
    stage.rules = [rule(group_interval="10s")]
    ops.failures, ops.raises = [AWAY], [MAYBE]
    stage.tick(a=12)
    stage.pass_s(30)
    assert ops.story == ["trigger: a", "trigger: a"]
    key = ops.sent[0].incidents[0].key
    assert stage.state.acknowledge("default", "made", key, "ann", stage.now_ns)
    assert not stage.state.acknowledge("default", "made", key, "bob", stage.now_ns)
    stage.tick(b=12)
    stage.pass_s(20)
    stage.tick(a=1, b=1)
    stage.pass_s(30)
    assert ops.story[2:] == ["update: a b", "resolve:  / a b"]
    actions = [row.action for row in stage.state.history("default", incident=key)][::-1]
    assert actions == ["fired", "sent", "acknowledged", "sent", "resolved", "sent"]
    reading = AlertReading(stage.state_engine)
    ended = reading.ended("default", 0, stage.now_ns + 1, 10)
    assert set(ended) == {one.key for one in ops.sent[-1].incidents}
    assert reading.fired("default", 0, stage.now_ns + 1)["made"].times == 2
    outcomes = [o.outcome for o in reading.attempts([row["id"] for row in stage.rows(outbox)])]
    assert sorted(outcomes) == ["failed", "failed", *["sent"] * 3]


def test_figures_count_what_was_done(stage: Stage, ops: Recorder) -> None:
    ops.failures = [AWAY, REFUSED]
    stage.tick(a=12, b=12)
    stage.pass_s(30)
    ops.failures = [AWAY] * 100
    stage.tick(c=12)
    stage.now_ns += 60 * S
    kept = AlertFigures(stage.state_engine)
    kept.note_heartbeat(is_heard=False, now_ns=stage.now_ns - 5)
    kept.note_heartbeat(is_heard=True, now_ns=stage.now_ns)
    found = kept.read()
    [state] = found.rules
    assert (state.evaluations, state.failures, state.samples) == (5, 0, 3)
    assert found.instances == {("default", "made", "firing"): 3}
    tried = [row["outcome"] for row in stage.rows(attempts)]
    assert found.deliveries == {("ops", one): tried.count(one) for one in set(tried)}
    assert {"sent", "failed", "dead"} == set(tried)
    assert found.waiting == {"ops": Waiting(1, stage.now_ns - 60 * S)}
    assert found.leaders["alerts"].holder == "one"
    assert found.heartbeats == {"heard": stage.now_ns, "failed": stage.now_ns - 5}
    health = stage.outbox.health(stage.now_ns)["ops"]
    assert health == {"waiting": 1, "oldest_s": 60, "dead": 1, "sent": tried.count("sent")}
    assert stage.outbox.last_attempts()["ops"][1] == "failed"


def test_of_many_threads_one_takes_each_notification_and_one_the_lease(
    stage: Stage, ops: Recorder
) -> None:
    stage.say(**{f"a{number}": 12.0 for number in range(20)})
    stage.now_ns += 10 * S
    engines = [stage.new_engine(str(number)) for number in range(4)]
    senders = [stage.new_sender() for _ in range(4)]
    together([engine.run_once for engine in engines])
    assert len(stage.rows(outbox)) == 20
    together([sender.run_once for sender in senders])
    stage.send()
    assert sorted(ops.story) == sorted(f"trigger: a{number}" for number in range(20))
    assert AlertFigures(stage.state_engine).read().deliveries == {("ops", "sent"): 20}


def test_whoever_lost_the_lease_writes_nothing(stage: Stage) -> None:
    first = stage.state.acquire("alerts", "first", stage.now_ns, 15 * S)
    assert first is not None
    later_ns = stage.now_ns + 20 * S
    assert stage.state.acquire("alerts", "second", later_ns, 15 * S)
    change = EngineChange(rule_states=[RuleStateRow("default", "made", later_ns)])
    with pytest.raises(LeaseLost):
        stage.state.commit(first, later_ns, change)
    assert stage.rows(rule_states) == []


def test_dead_letters_are_tried_again_once(stage: Stage, ops: Recorder) -> None:
    ops.failures = [REFUSED] * 3
    stage.tick(a=12, b=12, c=12)
    kept = AlertLetters(stage.state_engine)
    first, second, third = (one.row.id for one in kept.all()[::-1])
    said: list[str] = []
    together([lambda: said.append(retry(stage, first))] * 4)
    assert sorted(said) == ["closed", "closed", "closed", "waiting"]
    assert dead_letters.drop(kept, second, "ann", stage.now_ns) == "dropped"
    stage.pass_s(20)
    assert len(ops.story) == 1
    assert [one.row.id for one in kept.ended(0, stage.now_ns, 10)] == [third]
    found = kept.find(third)
    assert found is not None
    assert not found.is_told
    actions = [row["action"] for row in stage.rows(timeline)]
    assert (actions.count("retried"), actions.count("dropped")) == (1, 1)


def test_what_ended_long_ago_is_forgotten(stage: Stage) -> None:
    stage.tick(a=12)
    stage.tick(a=1)
    stage.pass_s(20)
    stage.state.forget(stage.now_ns + 89 * DAY_NS)
    assert stage.rows(attempts)
    assert stage.rows(groups)
    stage.state.forget(stage.now_ns + 91 * DAY_NS)
    assert [stage.rows(one) for one in (attempts, groups, outbox, timeline)] == [[], [], [], []]


def test_the_dashboards_role_says_what_people_say_and_changes_no_message(
    stage: Stage, ops: Recorder, server: str
) -> None:
    ops.failures = [REFUSED] * 2
    stage.tick(a=12, b=12)
    reader = open_state_writer(server.replace("test@", "reader@"))
    try:
        state, letters = AlertState(reader), AlertLetters(reader)
        first, second = (one.row for one in letters.all()[::-1])
        key = f"default/{stage.state.instances('default')[0].instance_id}/1"
        assert state.acknowledge("default", "made", key, "ann", stage.now_ns)
        silence = SilenceRow(
            "", "default", (("agent", "=", "x"),), 0, 2**60, "", "UTC", "ann", "why", 0
        )
        assert state.lift("default", state.silence(silence).id, "ann", stage.now_ns)
        AlertRules(reader).put("own", "name: own", "ann", stage.now_ns)
        assert dead_letters.retry(letters, first.id, "ann", stage.now_ns) == "waiting"
        assert dead_letters.drop(letters, second.id, "ann", stage.now_ns) == "dropped"
        for statement in (
            "UPDATE alert_outbox SET payload = ''",
            "DELETE FROM alert_outbox",
            "INSERT INTO alert_attempts (outbox_id, channel, at_ns, outcome, reason)"
            " VALUES (1, '', 0, '', '')",
            "UPDATE alert_timeline SET who = ''",
            "UPDATE alert_leases SET token = 0",
            "UPDATE alert_figures SET value = 0",
        ):
            with reader.connect() as connection, pytest.raises(DBAPIError, match="denied"):
                connection.execute(sa.text(statement))
    finally:
        reader.dispose()
    stage.pass_s(20)
    assert len(ops.story) == 1


def test_a_role_made_without_default_privileges_reads_what_came_later(server: str) -> None:
    owner = open_state(server)
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA public TO public")
        connection.exec_driver_sql("CREATE ROLE reader LOGIN")
    reader = open_state_reader(server.replace("test@", "reader@"))
    try:
        migrate_state(owner)
        assert CollectorSpools(reader).waiting(0) is None
        assert AlertState(reader).instances("default") == []
        with owner.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE next_version (n int)")
        with reader.connect() as connection:
            assert connection.execute(sa.text("SELECT n FROM next_version")).all() == []
        with owner.begin() as connection:
            connection.exec_driver_sql("REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM reader")
        for ask in (
            lambda: CollectorSpools(reader).waiting(0),
            lambda: AlertState(reader).instances("default"),
        ):
            with pytest.raises(StateError, match="GRANT SELECT ON ALL TABLES IN SCHEMA public TO"):
                ask()
    finally:
        reader.dispose()
        with owner.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY reader; DROP ROLE reader")
        owner.dispose()


def retry(stage: Stage, letter_id: int) -> str:
    kept = AlertLetters(stage.state_engine)
    return dead_letters.retry(kept, letter_id, "ann", stage.now_ns)


def together(acts: Sequence[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
