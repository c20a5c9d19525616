"""`spanledger dead-letter`: what could not be stored is seen, kept, retried once, or given up."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.errors import CollectorError
from spanledger_collector.signals import REQUESTS, Signal
from spanledger_collector.spool.dead_letters import DeadLetter, rows_of, token_of
from spanledger_collector.spool.spool import Spool
from spanledger_collector.store.letter_box import LetterBox, LetterFilter, RetryProcess
from spanledger_collector.store.letter_text import describe, first_fault
from spanledger_collector.store.store_process import StoreOutcome, StoreProcess
from spanledger_server import cli, doctor
from spanledger_server.run_file import RunInfo
from spanledger_storage.store import Store
from tests.otlp import request, span
from tests.signals import logs, record

NOW_NS = 1_795_000_000_000_000_000


def letter(
    body: bytes, n: int = 0, project: str = "p", signal: Signal = Signal.TRACES
) -> DeadLetter:
    return DeadLetter.of(
        project, signal, NOW_NS + n, 1, body, "cannot be\nstored", spool_id="s", seq=n
    )


def put(store: Store, *letters: DeadLetter) -> list[str]:
    store.insert("dead_letters", rows_of(letters), token=token_of(letters))
    return [x.letter_id for x in letters]


def good(name: str) -> bytes:
    return request(span(name)).SerializeToString()


class Command:
    """Runs `spanledger dead-letter …` in this process, against the test's store."""

    def __init__(self, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
        self._store = store
        self._capsys = capsys
        self.code = 0

    def __call__(self, *args: str) -> str:
        self._capsys.readouterr()
        argv = ["spanledger", "dead-letter", *args, "--store-url", self._store.settings.url]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", argv)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        self.code = int(str(ended.value.code or 0))
        captured = self._capsys.readouterr()
        return captured.out + captured.err


@pytest.fixture
def command(store: Store, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    return Command(store, capsys)  # type: ignore[return-value]  # nothing to tear down


def states(store: Store) -> dict[str, str]:
    rows = store.sql_rows("SELECT letter_id, state FROM dead_letters FINAL")
    return {str(row["letter_id"]): str(row["state"]) for row in rows}


def names(store: Store) -> list[str]:
    return [str(r["name"]) for r in store.sql_rows("SELECT name FROM spans ORDER BY name")]


def test_letters_are_listed_oldest_first_by_project_signal_and_state(
    store: Store, command: Command
) -> None:
    assert command("list") == "No dead letters.\n"
    second, first = put(store, letter(b"\xff", 2), letter(b"\xfe", 1, "q", Signal.LOGS))
    listed = command("list")
    assert listed.index(first) < listed.index(second)
    assert "cannot be stored" in listed
    assert second not in command("list", "--project", "q")
    assert first not in command("list", "--signal", "traces")
    assert command("list", "--state", "dropped") == "No dead letters.\n"
    [row] = json.loads(command("list", "--project", "q", "--format", "json"))
    assert row == {
        "letter_id": first, "state": "open", "received_at": "2026-11-18T11:06:40Z",
        "project": "q",
        "signal": "logs", "items": 1, "bytes": 1, "reason": "cannot be\nstored",
    }  # fmt: skip


def test_a_letter_is_shown_by_how_its_id_begins(
    store: Store, command: Command, tmp_path: Path
) -> None:
    body = request(span("prüfen", trace_id=bytes(range(16)), text="a\x1b[2J")).SerializeToString()
    [letter_id] = put(store, letter(body))
    shown = command("show", letter_id[:8])
    assert letter_id in shown
    assert "000102030405060708090a0b0c0d0e0f" in shown, "ids as OTLP/JSON has them"
    assert "prüfen" in shown
    assert "\x1b" not in shown, "what was received does not move the cursor"
    command("show", letter_id, "--save", str(tmp_path / "body"))
    assert (tmp_path / "body").read_bytes() == body
    assert "cannot be written" in command("show", letter_id, "--save", str(tmp_path / "no" / "x"))
    assert command.code == 2


def test_a_body_that_cannot_be_read_is_shown_by_its_bytes_and_the_place_of_the_fault(
    store: Store, command: Command
) -> None:
    body = good("a") + b"\x0a\xff\xff\xff\x7fsecret"
    [letter_id] = put(store, letter(body))
    shown = command("show", letter_id)
    assert f"fault at byte {len(good('a'))} of {len(body)}" in shown
    assert body[:16].hex(" ") in shown
    assert "secret" not in shown


_SPAN = request(Span(trace_id=bytes(16), span_id=bytes(8), name="a"))  # no 255 anywhere


@pytest.mark.parametrize(
    ("broken", "offset"),
    [
        (b"\x0a\x05ab", 0),  # longer than the bytes that are there
        (b"\x00\x01", 0),  # field number 0
        (b"\x0f", 0),  # a wire type that does not exist
        (b"\x10" + b"\xff" * 11, 1),  # a number without end
        (b"\x0a\x04\x0a\x02\x0a\x05", 4),  # in a message within the message
        (_SPAN.SerializeToString().replace(b"\x2a\x01a", b"\x2a\x01\xff"), -1),
    ],
    ids=["truncated", "field 0", "wire type", "endless number", "nested", "no UTF-8"],
)
def test_the_first_fault_is_where_the_wire_format_breaks(broken: bytes, offset: int) -> None:
    kind = REQUESTS[Signal.TRACES]
    found = first_fault(broken, kind.DESCRIPTOR)
    assert found == (broken.index(b"\xff") if offset < 0 else offset)
    assert "fault at byte" in describe(broken, "traces")


def test_a_good_message_has_no_fault() -> None:
    body = good("a")
    assert first_fault(body, REQUESTS[Signal.TRACES].DESCRIPTOR) == len(body)


def test_what_became_storable_is_stored_once_and_marked(store: Store, command: Command) -> None:
    bad, a, b = put(store, letter(b"\xff", 0), letter(good("a"), 1), letter(good("b"), 2))
    said = command("retry", "--all")
    assert command.code == 1, "one could not be stored"
    assert "2 stored, 1 still open." in said
    assert names(store) == ["a", "b"]
    assert states(store) == {bad: "open", a: "retried", b: "retried"}
    assert "not a trace request" in command("show", bad), "the reason of the newest attempt"
    assert "was retried" in command("show", a)
    assert "not open" in command("retry", a)
    assert command.code == 2
    assert names(store) == ["a", "b"]


def test_retry_takes_the_project_and_signal_it_is_told(store: Store, command: Command) -> None:
    log = logs(record("e", "hi", time_ns=time.time_ns())).SerializeToString()
    a, b, c = put(
        store, letter(good("a"), 0), letter(good("b"), 1, "q"), letter(log, 2, "q", Signal.LOGS)
    )
    command("retry", "--all", "--project", "q", "--signal", "logs")
    assert states(store) == {a: "open", b: "open", c: "retried"}
    assert store.sql_rows("SELECT project FROM logs") == [{"project": "q"}]


def test_what_is_dropped_leaves_a_note_and_no_body(store: Store, command: Command) -> None:
    a, b = put(store, letter(good("a"), 0), letter(good("b"), 1))
    assert command("drop", a) == "1 dropped.\n"
    assert states(store) == {a: "dropped", b: "open"}
    assert store.sql_rows(f"SELECT body FROM dead_letters FINAL WHERE letter_id = '{a}'") == [
        {"body": ""}
    ]
    assert command("drop", "--all") == "1 dropped.\n"
    assert names(store) == []


@pytest.mark.parametrize(
    ("action", "done"), [("retry", "1 stored, 0 still"), ("drop", "1 dropped")]
)
def test_all_passes_over_what_another_process_closed_meanwhile(
    store: Store, command: Command, monkeypatch: pytest.MonkeyPatch, action: str, done: str
) -> None:
    a, b = put(store, letter(good("a"), 0), letter(good("b"), 1))
    real_list = LetterBox.list

    def list_and_lose(self: LetterBox, narrowed: LetterFilter) -> list[dict[str, object]]:
        found = real_list(self, narrowed)
        self.drop(self.find(a))
        return found

    monkeypatch.setattr(LetterBox, "list", list_and_lose)
    said = command(action, "--all")
    assert command.code == 0
    assert f"Skipped. The dead letter {a} is not open: it was dropped." in said
    assert done in said
    assert "open" not in (states(store)[a], states(store)[b])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["retry"], "say --all"),
        (["drop"], "say --all"),
        (["retry", "abcd", "--all"], "say --all"),
        (["drop", "abcdef", "--project", "p"], "go with --all"),
        (["show", "ab"], "too short"),
        (["show", "abcdef"], "There is no dead letter"),
        (["show", "aaaa"], "More than one"),
    ],
)
def test_what_cannot_be_meant_is_explained(
    store: Store, command: Command, args: list[str], said: str
) -> None:
    put(store, *(replace(letter(b"x", n), letter_id=f"aaaa{n:028}") for n in range(2)))
    assert said in command(*args)
    assert command.code == 2
    assert set(states(store).values()) == {"open"}


def test_a_retry_that_died_before_its_note_does_not_double_when_repeated(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    [letter_id] = put(store, letter(good("a")))
    box, child = LetterBox(store, time.time_ns), RetryProcess(store.settings)
    real_insert = Store.insert

    def insert(self: Store, table: str, rows: object, *, token: str) -> None:
        raise KeyboardInterrupt

    try:
        monkeypatch.setattr(Store, "insert", insert)  # this process dies; the child had stored it
        with pytest.raises(KeyboardInterrupt):
            box.retry(box.find(letter_id), child)
        monkeypatch.setattr(Store, "insert", real_insert)
        assert states(store) == {letter_id: "open"}
        assert names(store) == ["a"]
        assert box.retry(box.find(letter_id), child).error is None
    finally:
        child.close()
    assert names(store) == ["a"]
    assert states(store) == {letter_id: "retried"}


def test_a_store_that_is_down_keeps_the_letter_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    [letter_id] = put(store, letter(good("a")))
    outcome = StoreOutcome("nobody answers", permanent=False)
    monkeypatch.setattr(StoreProcess, "run", lambda *_: outcome)
    assert "still open: nobody answers" in command("retry", letter_id)
    assert command.code == 1
    rows = store.sql_rows("SELECT reason FROM dead_letters FINAL")
    assert rows == [{"reason": "cannot be\nstored"}], "the letter is not at fault"


def test_a_letter_that_comes_again_stays_what_it_became(store: Store, command: Command) -> None:
    """Out of a salvaged spool, or because its delivery could not be noted."""
    again = letter(good("a"))
    [letter_id] = put(store, again)
    command("drop", letter_id)
    store.insert("dead_letters", rows_of([again]), token="another")
    assert states(store) == {letter_id: "dropped"}


def test_errors_of_letters_are_errors_of_the_collector(store: Store) -> None:
    with pytest.raises(CollectorError):
        LetterBox(store, time.time_ns).find("abcdef")


def test_the_doctor_tells_of_open_letters_and_of_damaged_spools(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "spool" / "spool.db"
    file.parent.mkdir()
    file.write_bytes(b"no spool" * 1_000)
    with closing(Spool(file, max_bytes=1 << 20)) as spool:
        spool.append("p", b"\xff", 1, 1).result(5)
        batch = spool.take(1, 1)
        assert batch is not None
        spool.bury(batch, "cannot be stored")
    put(store, letter(b"\xff", 0), letter(b"\xfe", 1))
    monkeypatch.setenv("SPANLEDGER_READ_STORE_URL", store.settings.url)
    info = RunInfo(pid=1, started_at_s=0, host="127.0.0.1", http_port=1, grpc_port=1,
                   dashboard_port=1, engine_port=0)  # fmt: skip
    said: list[str] = []
    doctor._report_damage(tmp_path, said.append)
    doctor._report_letters(info, tmp_path, said.append)
    assert "0 requests salvaged" in said[0]
    assert str(next(file.parent.glob("spool-damaged-*.db"))) in said[0]
    assert said[1].startswith("note  1 dead letters wait in the spool")
    assert "2 dead letters are open (2 items, the oldest received 2026-11-18 11:06:40)" in said[2]
    assert said[2].endswith("spanledger dead-letter list")
