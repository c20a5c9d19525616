"""What is past its days leaves, on a real engine: nothing else does, and no money."""

from __future__ import annotations

import itertools
from typing import Any, cast

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_analytics.retention.expiry import Removed, RetentionJob
from spanledger_analytics.retention.policy import Kind, day_number, first_second, kept_from
from spanledger_analytics.retention.sizes import read_sizes
from spanledger_storage.errors import StoreError
from spanledger_storage.project_settings import Project, ProjectSettings, Retention
from tests.analytics.expiring import DAY, NOW, S, World, ago, day_of, plant, said
from tests.instance import wait_until
from tests.on_disk import clean_at_once, holding
from tests.otlp import attributes, llm_span, request, span
from tests.signals import logs, record


def test_each_project_loses_what_is_past_its_own_days_and_nothing_else(world: World) -> None:
    for project in ("a", "b", "c"):
        plant(world, project, (0, 5, 10, 40))
    world.derive()
    world.keep("a", spans_days=7, metrics_days=7)
    world.keep("b", spans_days=30)
    world.keep("c")
    kept, money = world.digest("c"), [world.spent(p) for p in "abc"]
    bills = [world.entries(p) for p in "abc"]
    world.job.run_once()
    assert [day_of(world, p) for p in "abc"] == [[0, 5], [0, 5, 10], [0, 5, 10, 40]]
    for table, per_day in (("logs", 1), ("messages", 2), ("traces", 1), ("trajectories", 1)):
        assert [world.count(table, p) // per_day for p in "abc"] == [2, 3, 4], table
    assert [world.count("metric_points", p) for p in "abc"] == [2, 4, 4]
    assert [world.count("trace_hours", p) for p in "abc"] == [2, 3, 4]
    assert world.digest("c") == kept
    assert [world.entries(p) for p in "abc"] == bills
    assert [world.spent(p) for p in "abc"] == money
    assert money[0][0] == money[0][1] > 0


def test_a_second_run_does_nothing(world: World) -> None:
    plant(world, "a", (0, 10, 40))
    plant(world, "b", (0, 10, 40))
    world.keep("a", content_days=3, spans_days=20, metrics_days=7, ledger_days=30)
    world.derive()
    assert world.job.run_once()
    before, mutations = {p: world.digest(p) for p in "ab"}, world.mutations()
    assert world.job.run_once() == []
    assert world.mutations() == mutations
    assert {p: world.digest(p) for p in "ab"} == before


def test_parts_that_hold_nothing_else_are_dropped_without_rewriting(world: World) -> None:
    plant(world, "a", (0, 10, 40))
    world.keep("a", spans_days=7)
    done = world.job.run_once()
    assert {one.action for one in done} == {"drop parts", "forget traces"}
    assert day_of(world, "a") == [0]


def test_a_dry_run_says_what_the_run_then_does(world: World) -> None:
    plant(world, "a", (0, 10))
    plant(world, "b", (0, 10))
    world.derive()
    world.keep("a", spans_days=7, metrics_days=7, content_days=2, ledger_days=9)
    before = world.digest("a")
    planned = world.job.run_once(is_dry=True)
    assert world.digest("a") == before
    assert world.state.floors(Kind.SPANS) == {}
    assert world.job.run_once() == planned != []


def test_dead_letters_leave_with_the_spans_they_would_have_become(world: World) -> None:
    world.store.execute(
        "INSERT INTO dead_letters (project, letter_id, received_at, body)"
        " SELECT ['a', 'b'][number % 2 + 1], toString(number),"
        f" toDateTime64({NOW // S}, 9, 'UTC') - toIntervalDay(number), 'x' FROM numbers(20)"
    )
    world.keep("a", spans_days=7)
    world.job.run_once()
    assert [world.count("dead_letters", p) for p in "ab"] == [4, 10]
    assert world.job.run_once() == []


def test_what_is_not_a_day_older_than_its_days_stays(world: World) -> None:
    days = kept_from([_project(spans_days=7)], Kind.SPANS, NOW)
    first = first_second(days["a"]) * S
    world.spans(llm_span(start_ns=first), llm_span(start_ns=first - 1))
    world.keep("a", spans_days=7)
    world.job.run_once()
    [row] = world.store.sql_rows("SELECT toUnixTimestamp64Nano(start_time) AS t FROM spans")
    assert row["t"] == first


def _project(**days: int) -> Project:
    return Project("a", ProjectSettings(retention=Retention(**days)))


def test_days_never_reach_before_the_calendar() -> None:
    assert kept_from([_project(spans_days=36_500)], Kind.SPANS, NOW) == {"a": 19700101}
    assert day_number(NOW, 10**9) == day_number(NOW, 10**6) == day_number(0) == 19700101


def test_content_leaves_earlier_than_spans(world: World) -> None:
    tool = span("tool", start_ns=ago(10))
    tool.attributes.extend(
        attributes(
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "search",
                "gen_ai.tool.call.arguments": '{"q": "secret"}',
                "gen_ai.tool.call.result": "a result",
                "app.note": "long " * 100,
                "app.prompt": "hi",
                "app.kind": "note",
            }
        )
    )
    event = tool.events.add(name="exception", time_unix_nano=ago(10))
    event.attributes.extend(attributes({"exception.message": "no", "exception.type": "E"}))
    told = logs(record("note", "a text", time_ns=ago(10), said={"k": "v"}))
    world.put(request(tool), told, received_ns=ago(10))
    plant(world, "b", (10,))
    before = world.digest("b")
    world.keep("a", content_days=7)
    world.job.run_once()
    [row] = world.store.sql_rows(
        "SELECT tool_name, tool_arguments, tool_result, attributes, events.attributes AS e"
        " FROM spans WHERE project = 'a'"
    )
    assert (row["tool_name"], row["tool_arguments"], row["tool_result"]) == ("search", "", "")
    said_of_it = cast("dict[str, str]", row["attributes"])
    kept = {key: said_of_it[key] for key in ("app.note", "app.prompt", "app.kind")}
    assert kept == {"app.note": "", "app.prompt": "", "app.kind": "note"}
    assert row["e"] == [{"exception.message": "", "exception.type": "E"}]
    [log] = world.store.sql_rows("SELECT body, attributes FROM logs WHERE project = 'a'")
    assert log == {"body": "", "attributes": {"k": "v"}}
    assert world.digest("b") == before


def test_content_that_arrives_late_is_cleared_by_the_next_run(world: World) -> None:
    world.keep("a", content_days=7)
    texts = "SELECT countIf(body != '') AS n FROM logs"
    for number in range(3):
        told = record("note", f"text {number}", time_ns=ago(10) + number)
        world.put(logs(told))
        assert world.store.sql_rows(texts) == [{"n": 1}]
        [done] = world.job.run_once()
        assert (done.table, done.action) == ("logs", "clear content")
        assert world.store.sql_rows(texts) == [{"n": 0}]
        assert world.job.run_once() == []


def test_a_message_stays_as_long_as_a_recent_span_refers_to_it(world: World) -> None:
    for day in (20, 10, 1):
        texts = ["in every call", f"only {day} days ago"]
        calls = [said(llm_span(start_ns=ago(day) + n), text) for n, text in enumerate(texts)]
        world.spans(*calls, received_ns=ago(day))
    # A day holds what its spans refer to.
    assert world.store.sql_rows("SELECT count() AS n FROM messages") == [{"n": 3 * 3}]
    world.keep("a", content_days=7)
    world.job.run_once()
    rows = world.store.sql_rows("SELECT DISTINCT content FROM messages ORDER BY content")
    contents = " ".join(str(row["content"]) for row in rows)
    assert len(rows) == 3
    assert "in every call" in contents
    assert "only 1 days ago" in contents
    dangling = world.store.sql_rows(
        "SELECT count() AS n FROM (SELECT arrayJoin(input_messages) AS h FROM spans"
        f" WHERE toUnixTimestamp64Nano(start_time) > {ago(7)}) WHERE h NOT IN"
        " (SELECT hash FROM messages)"
    )
    assert dangling == [{"n": 0}]


def test_messages_do_not_outlive_the_spans_that_refer_to_them(world: World) -> None:
    plant(world, "a", (0, 10))
    world.keep("a", spans_days=7)
    world.job.run_once()
    assert world.count("messages") == 2


class Interrupted(Exception):
    pass


@pytest.mark.parametrize(
    "after", [3, *(pytest.param(after, marks=pytest.mark.endurance) for after in (0, 1, 2, 4, 5))]
)
def test_an_interrupted_run_is_continued(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    for project in ("a", "b"):
        plant(world, project, (0, 10))
    world.derive()
    bills = world.entries("a")
    world.keep("a", content_days=3, spans_days=7, metrics_days=7)
    acts = itertools.count()

    def failing(act: Any) -> Any:
        def run(*args: Any, **more: Any) -> None:
            if next(acts) == after:
                raise Interrupted
            act(*args, **more)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "command", failing(world.store.command))
        patch.setattr(world.store, "execute", failing(world.store.execute))
        with pytest.raises(Interrupted):
            world.job.run_once()
    world.job.run_once()
    assert world.job.run_once() == []
    assert day_of(world, "a") == [0]
    assert [world.count(t) for t in ("messages", "logs", "metric_points", "trace_hours")] == [
        2, 1, 1, 1,
    ]  # fmt: skip
    assert world.entries("a") == bills
    assert day_of(world, "b") == [0, 10]


def test_a_table_that_is_being_rewritten_is_left_alone(world: World) -> None:
    plant(world, "a", (10,))
    plant(world, "b", (10,))
    world.keep("a", spans_days=7)
    stuck = "ALTER TABLE spans DELETE WHERE throwIf(project = 'b') SETTINGS mutations_sync = 0"
    world.store.execute(stuck)
    done = world.job.run_once()
    assert "spans" not in {one.table for one in done}
    assert "logs" in {one.table for one in done}
    world.store.execute("KILL MUTATION WHERE database = currentDatabase() AND table = 'spans' SYNC")
    assert "spans" in {one.table for one in world.job.run_once()}


def test_the_bytes_leave_the_disk(world: World) -> None:
    sentinel = b"sentinel-of-what-must-leave"
    for table, column in (("messages", "content"), ("logs", "body")):
        clean_at_once(world.store, table)
        world.store.execute(f"ALTER TABLE {table} MODIFY COLUMN {column} String CODEC(NONE)")
    told = logs(record("note", sentinel.decode(), time_ns=ago(10)))
    world.put(told, request(said(llm_span(start_ns=ago(10)), sentinel.decode())),
              received_ns=ago(10))  # fmt: skip
    plant(world, "b", (10,))
    assert holding(world.store, sentinel) == {"messages", "logs"}
    world.keep("a", content_days=7)
    world.job.run_once()

    wait_until(lambda: not holding(world.store, sentinel), timeout_s=60)


# Sizes


def test_sizes_tell_our_tables_from_the_stores_own(world: World) -> None:
    plant(world, "a", (0,))
    sizes = read_sizes(world.store)
    ours = {size.table: size for size in sizes.tables if size.is_ours}
    assert ours["spans"].rows == 1
    assert ours["spans"].bytes > 0
    assert sizes.bytes >= sizes.system_bytes


def test_what_a_run_did_is_said_in_a_sentence() -> None:
    one = Removed(Kind.SPANS, "logs", "delete rows", 31, 5, is_done=False)
    assert one.sentence == (
        "logs: delete rows in 31 places, 5 rows past spans days; the next run goes on"
    )


def test_a_trajectory_keeps_its_first_traces_while_it_lasts(world: World) -> None:
    for day in (40, 35, 2):
        world.spans(said_again(ago(day)), received_ns=ago(day))
    world.keep("a", spans_days=30)
    world.derive()
    assert (world.count("traces"), world.count("trajectories")) == (3, 1)
    spent = world.spent()
    world.job.run_once()
    assert (world.count("spans"), world.count("traces")) == (1, 3)
    world.spans(said_again(ago(1)))
    world.derive()
    [row] = world.store.sql_rows("SELECT * FROM trajectories FINAL WHERE is_deleted = 0")
    assert (row["traces"], row["llm_calls"]) == (4, 4)
    assert row["total_cost_usd"] == world.spent()[0] > spent[0]
    world.keep("a", spans_days=1)
    world.job.run_once()
    assert world.count("traces") == 4  # the last of them is of yesterday
    later = RetentionJob(world.store, world.state, lambda: world.projects, lambda: NOW + 2 * DAY)
    later.run_once()
    tables = ("traces", "trajectories", "trajectory_traces", "trajectory_keys")
    assert [world.count(table) for table in tables] == [0, 0, 0, 0]
    assert later.run_once() == []


def said_again(at: int) -> Span:
    """A call of the conversation."""
    call = llm_span(start_ns=at)
    call.attributes.extend(attributes({"gen_ai.conversation.id": "c"}))
    return call


def test_a_store_that_refuses_is_not_hidden(world: World) -> None:
    plant(world, "a", (10,))
    world.keep("a", spans_days=7)
    world.store.execute("DROP TABLE traces SYNC")
    with pytest.raises(StoreError):
        world.job.run_once()
