"""Every recording through a collector that keeps no content: the same ledger, and no word of it."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from spanledger_analytics.job import LedgerJob
from spanledger_collector.access.senders import OpenAccess
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.edge.json_otlp import request_from_json
from spanledger_collector.signals import REQUESTS, Signal
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.engine import Engine
from spanledger_storage.project_settings import Content, Privacy, Project, ProjectSettings
from spanledger_storage.store import Store
from tests.conftest import fresh_store
from tests.instance import wait_until
from tests.marks import Marks
from tests.running import running_collector

RECORDINGS = Path(__file__).parent.parent / "fixtures" / "otlp"
SIGNALS = frozenset(Signal)
OPEN, SILENT = "open", "silent"
SETTINGS = ProjectSettings(privacy=Privacy(content=Content.OFF))
TABLES = ("spans", "logs", "metric_points", "ledger", "traces", "trajectories", "usage_hourly")
# What an entry is, but for the names of its spans: those of log records are hashes of them.
IDENTITY = frozenset(
    {"project", "entry_id", "trace_id", "span_id", "source_spans", "version", "derived_at"}
)
PHRASE = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,} [A-Za-z]{2,}")


@dataclass(frozen=True)
class Sent:
    """A recorded request in protobuf."""

    signal: Signal
    body: bytes


def recorded() -> Iterator[Sent]:
    for folder in sorted(path for path in RECORDINGS.iterdir() if path.is_dir()):
        for sent in json.loads((folder / "headers.json").read_text()):
            if sent["signal"] in SIGNALS:
                headers = {key.lower(): value for key, value in sent["headers"]}
                yield _parsed(Signal(sent["signal"]), headers, (folder / sent["file"]).read_bytes())


def _parsed(signal: Signal, headers: dict[str, str], body: bytes) -> Sent:
    match headers.get("content-encoding"):
        case "gzip":
            body = gzip.decompress(body)
        case "deflate":
            body = zlib.decompress(body)
        case _:
            pass
    if "json" in headers.get("content-type", ""):
        request = REQUESTS[signal]()
        request_from_json(body, request)
        body = request.SerializeToString()
    return Sent(signal, body)


@dataclass(frozen=True)
class Replayed:
    store: Store
    spool: Path
    log: str


@pytest.fixture(scope="module")
def replayed(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """A store with every recording twice: as it came, and through a collector without content."""
    directory = tmp_path_factory.mktemp("silent")
    lines: list[str] = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign] # a list is enough
    logging.getLogger().addHandler(handler)
    try:
        with fresh_store(engine) as store:
            requests = list(recorded())
            _store_as_it_came(store, requests)
            access = OpenAccess(Project(SILENT, SETTINGS, b"salt of the project"))
            with (
                running_collector(store, directory, access=access) as collector,
                httpx.Client(timeout=10) as client,
            ):
                for sent in requests:
                    answer = client.post(
                        f"{collector.url}/v1/{sent.signal}",
                        content=sent.body,
                        headers={"content-type": "application/x-protobuf"},
                    )
                    assert answer.status_code == 200, answer.content
                wait_until(lambda: _counts(store, SILENT) == _counts(store, OPEN), timeout_s=30)
                written = directory / "written"
                written.write_bytes(b"".join(p.read_bytes() for p in _files(directory / "spool")))
            LedgerJob(store, time.time_ns, Marks()).run_once()
            yield Replayed(store, written, "\n".join(lines))
    finally:
        logging.getLogger().removeHandler(handler)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def _store_as_it_came(store: Store, requests: list[Sent]) -> None:
    received_ns = time.time_ns()
    for number in range(0, len(requests), 64):
        part = requests[number : number + 64]
        bodies = [Body(OPEN, sent.body, received_ns, sent.signal) for sent in part]
        store_rows(store, decode_batch(bodies, f"open-{number}", received_ns), f"open-{number}")


def _counts(store: Store, project: str) -> list[str]:
    return [
        str(store.sql_rows(f"SELECT count() AS n FROM {t} FINAL WHERE project = '{project}'"))
        for t in ("spans", "logs", "metric_points")
    ]


def ledger(store: Store, project: str) -> Counter[str]:
    rows = store.sql_rows(f"SELECT * FROM ledger_current WHERE project = '{project}'")
    return Counter(
        str([(key, value) for key, value in row.items() if key not in IDENTITY]) for row in rows
    )


def test_the_ledger_is_the_same_to_the_last_figure(replayed: Replayed) -> None:
    expected = ledger(replayed.store, OPEN)
    assert expected.total() > 300
    assert ledger(replayed.store, SILENT) == expected


def test_trajectories_have_the_same_calls_tools_and_dollars(replayed: Replayed) -> None:
    def found(project: str) -> Counter[str]:
        rows = replayed.store.sql_rows(
            "SELECT llm_calls, tool_calls, total_cost_usd, input_tokens, output_tokens "
            f"FROM traces FINAL WHERE project = '{project}'"
        )
        return Counter(str(row) for row in rows)

    assert found(SILENT) == found(OPEN)


def test_spans_have_the_same_columns_but_for_what_was_said(replayed: Replayed) -> None:
    said = "tool_arguments, tool_result, status_message, call_sig, result_sig, input_messages"
    gone = "output_messages, attributes, resource_attributes, project, version, ingested_at"
    nested = "`events.name`, `events.time`, `events.attributes`, `links.attributes`, error_type"
    query = f"SELECT * EXCEPT ({said}, {gone}, {nested}) FROM spans FINAL WHERE kind != 'log'"
    open_rows, silent_rows = (
        Counter(map(str, replayed.store.sql_rows(f"{query} AND project = '{project}'")))
        for project in (OPEN, SILENT)
    )
    assert silent_rows == open_rows


def test_messages_are_told_apart_as_before(replayed: Replayed) -> None:
    """Equal messages have equal hashes, others others, and none is the hash of the text."""
    query = (
        "SELECT trace_id, span_id, arrayMap(h -> hex(h), input_messages) AS i, "
        "arrayMap(h -> hex(h), output_messages) AS o FROM spans FINAL "
        "WHERE kind != 'log' AND project = '{}' ORDER BY trace_id, span_id"
    )
    open_rows = replayed.store.sql_rows(query.format(OPEN))
    silent_rows = replayed.store.sql_rows(query.format(SILENT))
    names: dict[str, str] = {}
    for plain, keyed in zip(open_rows, silent_rows, strict=True):
        for side in ("i", "o"):
            plain_hashes: Any = plain[side]
            keyed_hashes: Any = keyed[side]
            for one, other in zip(plain_hashes, keyed_hashes, strict=True):
                assert names.setdefault(one, other) == other
    assert len(names) > 200
    assert len(set(names.values())) == len(names)
    assert names.keys().isdisjoint(names.values())


def test_tool_calls_have_signatures_where_they_had_before(replayed: Replayed) -> None:
    query = (
        "SELECT trace_id, span_id, call_sig, result_sig FROM spans FINAL "
        "WHERE role = 'tool' AND kind != 'log' AND project = '{}' ORDER BY trace_id, span_id"
    )
    open_rows = replayed.store.sql_rows(query.format(OPEN))
    silent_rows = replayed.store.sql_rows(query.format(SILENT))
    for side in ("call_sig", "result_sig"):
        names: dict[object, object] = {}
        for plain, keyed in zip(open_rows, silent_rows, strict=True):
            assert names.setdefault(plain[side], keyed[side]) == keyed[side]
        assert len(set(names.values())) == len(names) > 20
        assert names[0] == 0


def test_no_word_of_it_is_in_any_table_nor_in_the_spool_nor_in_a_log(replayed: Replayed) -> None:
    sentinels = said_in(replayed.store)
    assert len(sentinels) > 150
    store = replayed.store
    places = {
        table: "\n".join(
            map(str, store.sql_rows(f"SELECT * FROM {table} WHERE project = '{SILENT}'"))
        )
        for table in TABLES
    }
    places["spool"] = replayed.spool.read_bytes().decode("utf-8", "replace")
    places["log"] = replayed.log
    assert len(places["spool"]) > 100_000
    found = {
        (place, sentinel)
        for place, text in places.items()
        for sentinel in sentinels
        if sentinel in text
    }
    assert not found
    assert not store.sql_rows("SELECT * FROM messages WHERE project = 'silent'")


def said_in(store: Store) -> set[str]:
    """Return phrases of three words and values of arguments, as the open project holds them."""
    texts = [
        leaf
        for row in store.sql_rows("SELECT content FROM messages WHERE project = 'open'")
        for leaf in _leaves(orjson.loads(str(row["content"])))
    ]
    tools = store.sql_rows(
        "SELECT DISTINCT tool_arguments AS a, tool_result AS r FROM spans WHERE project = 'open'"
    )
    arguments = list(itertools.chain.from_iterable(_values(str(row["a"])) for row in tools))
    texts += [str(row[side]) for row in tools for side in ("a", "r")]
    phrases = {phrase for text in texts for phrase in PHRASE.findall(text)}
    names = _names(store)
    return phrases | {one for one in arguments if len(one) > 3 and one not in names}


def _names(store: Store) -> str:
    """Return what columns and labels of metrics hold anyway: some tools are told the session."""
    ids = "session_id, user_id, tool_call_id, environment, service_name, scope_name, name"
    names = "workflow_name, agent_name, tool_name, provider, request_model"
    rows = store.sql_rows(f"SELECT DISTINCT {ids}, {names} FROM spans WHERE project = 'open'")
    rows += store.sql_rows(
        "SELECT DISTINCT arrayJoin(mapValues(attributes)) AS v FROM metric_points"
    )
    return "\n".join({str(value) for row in rows for value in row.values()})


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in ("type", "role", "id", "name"):
                yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str):
        yield value


def _values(arguments: str) -> Iterator[str]:
    try:
        yield from _leaves(orjson.loads(arguments))
    except orjson.JSONDecodeError:
        return
