"""A message in the store is not stored again within a minute, and never missing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import orjson
import pytest

from spanledger_collector.decode import recent_messages
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.decode.recent_messages import RecentMessages
from spanledger_collector.store.store_process import StoreJob, StoreProcess
from spanledger_storage.messages import STORED_AGAIN_AFTER_S
from spanledger_storage.store import Store
from tests.otlp import attributes, llm_span, request

SECOND = 10**9
NOON = (20_000 * 86_400 + 43_200) * SECOND
KEY = ("p", b"0123456789abcdef")
TEXT = ("p", "user", b"digest of a text")


def filled(at_ns: int = NOON) -> RecentMessages:
    recent = RecentMessages()
    recent.advance(at_ns)
    recent.add([KEY], {TEXT: [KEY[1]]})
    return recent


@pytest.mark.parametrize(
    ("after_s", "holds"),
    [(0, True), (29, True), (59, True), (60, False), (3_600, False), (-1, False), (43_200, False)],
)
def test_a_message_is_held_for_the_window(after_s: int, holds: bool) -> None:
    recent = filled()
    recent.advance(NOON + after_s * SECOND)
    assert recent.holds(KEY) is holds
    assert recent.messages_of(TEXT) == ([KEY[1]] if holds else None)


def test_a_text_is_held_no_longer_than_its_messages() -> None:
    recent = filled()
    recent.advance(NOON + 59 * SECOND)
    recent.add([], {("p", "tool", b"found later"): [KEY[1]]})
    assert recent.messages_of(("p", "tool", b"found later")) == [KEY[1]]
    recent.advance(NOON + 60 * SECOND)
    assert not recent.holds(KEY)
    assert recent.messages_of(("p", "tool", b"found later")) is None


def test_nothing_is_held_longer_however_often_the_clock_is_told() -> None:
    recent = filled()
    for second in range(1, 200):
        recent.advance(NOON + second * SECOND)
        assert not recent.holds(KEY) or second < STORED_AGAIN_AFTER_S
        if second % 7 == 0:
            recent.add([("p", bytes([second]) * 16)], {})


def test_a_new_day_begins_with_nothing() -> None:
    midnight = 20_001 * 86_400 * SECOND
    recent = filled(midnight - SECOND)
    recent.advance(midnight)
    assert not recent.holds(KEY)


def test_a_text_counts_only_while_all_its_messages_do() -> None:
    recent = filled()
    recent.advance(NOON + 40 * SECOND)
    recent.add([], {TEXT: [KEY[1]]})  # read again, its message known from before
    recent.advance(NOON + 70 * SECOND)
    assert not recent.holds(KEY)
    assert recent.messages_of(TEXT) is None


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_messages, "_MOST_MESSAGES", 10)
    recent = filled()
    for n in range(100):
        recent.advance(NOON + n)
        recent.add([("p", n.to_bytes(16, "big"))], {})
    held = sum(recent.holds(("p", n.to_bytes(16, "big"))) for n in range(100))
    assert 10 <= held <= 21


def test_known_messages_get_no_row_and_keep_their_hashes() -> None:
    text = b'[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]'
    first = MessageStore()
    hashes = first.add_messages("p", text, "user", may_break=False)
    parts = first.add_parts("p", "Be brief.", "system")
    recent = RecentMessages()
    recent.advance(NOON)
    recent.add(first.rows, first.texts)
    second = MessageStore(recent)
    assert second.add_messages("p", text, "user", may_break=False) == hashes
    assert second.add_parts("p", "Be brief.", "system") == parts
    assert not second.rows
    longer = text[:-1] + b',{"role":"user","content":"new"}]'
    assert len(second.add_messages("p", longer, "user", may_break=False) or []) == 3
    assert [role for role, _ in second.rows.values()] == ["user"]
    assert second.add_messages("q", text, "user", may_break=False) == hashes
    assert len(second.rows) == 3  # another project has its own


def test_roles_are_not_mixed_up() -> None:
    store = MessageStore()
    text = b'[{"content":"no role of its own","name":"n"}]'
    asked = store.add_messages("p", text, "user", may_break=False)
    assert asked != store.add_messages("p", text, "assistant", may_break=False)
    assert store.add_parts("p", text.decode(), "user") not in (asked, None)


@pytest.fixture
def process(store: Store) -> Iterator[StoreProcess]:
    with closing(StoreProcess(store.settings)) as process:
        yield process


def batch(name: str, ingested_at_ns: int, *said: str) -> StoreJob:
    messages = orjson.dumps([{"role": "user", "content": one} for one in said]).decode()
    span = llm_span()
    span.attributes.extend(attributes({"gen_ai.input.messages": messages}))
    made = request(span, scope="opentelemetry.instrumentation.genai").SerializeToString()
    return StoreJob(name, ingested_at_ns, [Body("default", made, ingested_at_ns)])


def test_a_conversation_is_stored_as_it_grows(store: Store, process: StoreProcess) -> None:
    now = time.time_ns() // (86_400 * SECOND) * 86_400 * SECOND
    assert process.run(batch("a", now, "one")).error is None
    assert process.run(batch("b", now + SECOND, "one", "two")).error is None
    assert process.run(batch("c", now + 61 * SECOND, "one", "two", "three")).error is None
    rows = store.sql_rows(
        "SELECT JSONExtractString(content, 'parts', 1, 'content') AS said,"
        f" toUnixTimestamp(stored_at) - {now // SECOND} AS at FROM messages ORDER BY at, said"
    )
    assert [(row["said"], row["at"]) for row in rows] == [
        ("one", 0), ("two", 1), ("one", 61), ("three", 61), ("two", 61),
    ]  # fmt: skip


def test_another_attempt_brings_what_has_left_meanwhile(
    store: Store, process: StoreProcess
) -> None:
    now = time.time_ns() // (86_400 * SECOND) * 86_400 * SECOND
    assert process.run(batch("a", now, "one")).error is None
    store.execute("RENAME TABLE spans TO spans_away")
    assert process.run(batch("b", now + SECOND, "one", "two")).error is not None
    store.execute("RENAME TABLE spans_away TO spans")
    store.execute("TRUNCATE TABLE messages")  # as a deletion that found no span with them
    assert process.run(batch("b", now + 90 * SECOND, "one", "two")).error is None
    assert store.sql_rows("SELECT count() AS n FROM messages") == [{"n": 2}]


def test_what_could_not_be_stored_is_not_held(store: Store, process: StoreProcess) -> None:
    now = time.time_ns()
    store.execute("RENAME TABLE spans TO spans_away")
    assert process.run(batch("a", now, "one")).error is not None
    store.execute("RENAME TABLE spans_away TO spans")
    store.execute("TRUNCATE TABLE messages")
    assert process.run(batch("b", now, "one")).error is None
    assert store.sql_rows("SELECT count() AS n FROM messages") == [{"n": 1}]
