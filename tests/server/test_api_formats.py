"""The formats of the API agree with each other, to the last digit."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spanledger_server.api import exports
from spanledger_server.api.app import create_app
from spanledger_server.api.formats import MEDIA_TYPES, Format
from spanledger_server.api.gpu_rows import GpuMinute, GpuSample
from spanledger_server.api.money_rows import Entry, Usage
from spanledger_server.api.resources import Part, Question
from spanledger_server.api.row_types import Row
from spanledger_server.api.rows import moment_text, read_rows
from spanledger_server.api.trace_rows import Message, Session, Span, Trace, Trajectory
from spanledger_storage.engine import Engine
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store
from tests.api_asking import Asker
from tests.conftest import fresh_store
from tests.dashboard.seed import Seeder

NOW_S = int(time.time())
TRACE = "ab" * 16
HOSTILE = "a\"b,\n\r\t'=1+1;\\ é 日本 </script>"
MOST = 2**64 - 1
NO_PARTS = dict.fromkeys(("uncached_cost_usd", "cache_read_cost_usd", "output_cost_usd"))
ROWS: dict[str, type[Row]] = {
    "traces": Trace,
    "trajectories": Trajectory,
    "sessions": Session,
    "ledger": Entry,
    "usage": Usage,
    "gpu-minutes": GpuMinute,
    "gpu-samples": GpuSample,
    f"traces/{TRACE}/spans": Span,
    f"traces/{TRACE}/messages": Message,
}
EXPORTS = [name for name in ROWS if "/" not in name]
ASKED = {"by": "agent,dimension.team", "grain": "hour"}


@pytest.fixture(scope="module")
def store(engine: Engine) -> Iterator[Store]:
    with fresh_store(engine) as store:
        plant(store)
        yield store


@pytest.fixture(scope="module")
def asker(store: Store) -> Asker:
    return Asker(create_app(store.settings))


def plant(store: Store) -> None:
    seed = Seeder(store, NOW_S)
    for number, cost in enumerate(["99999999999999.999999999999", "0.000000000001", None]):
        trace = TRACE if number == 0 else f"{number:032x}"
        said = seed.message("user", {"type": "text", "content": HOSTILE})
        span = seed.span(
            trace,
            f"{number + 1:016x}",
            at_s=-60 - 4_000 * number,
            agent_name=HOSTILE,
            session_id=f"{HOSTILE}{number}",
            attributes={HOSTILE: HOSTILE},
            input_messages=[said],
            **{
                "events.time": [(NOW_S - 60) * 10**9 + 123_456_789],
                "events.name": [HOSTILE],
                "events.attributes": [{"k": HOSTILE}],
                "links.trace_id": ["cd" * 16],
                "links.span_id": ["ef" * 8],
                "links.attributes": [{}],
            },
        )
        seed.entry(
            span,
            cost,
            agent_name=HOSTILE,
            tokens=(MOST if number == 0 else 5, 2**53 + 1),
            dimensions={"team": HOSTILE},
            session_id=f"{HOSTILE}{number}",
            **NO_PARTS,
        )
        seed.trace(trace, name=HOSTILE, dimensions={"team": HOSTILE})
        seed.trajectory(trace, name=HOSTILE)
    seed.insert()
    for table, moment in {"gpu_minutes": "minute", "gpu_samples": "time"}.items():
        more = [", version", ", 1"] if table == "gpu_minutes" else ["", ""]
        store.execute(
            f"INSERT INTO {table} (project, gpu, {moment}, utilization_ratio, memory_total_bytes"
            f"{more[0]}) SELECT 'default', 'GPU-' || toString(number % 2), toDateTime("
            f"{NOW_S // 60 * 60 - 600}) + intDiv(number, 2) * 60, 0.1, {MOST}{more[1]}"
            " FROM numbers(8)"
        )


def of_csv(body: bytes) -> list[dict[str, Any]]:
    """Records with None for what is not in quotes and empty, as the header of the API says."""
    text = body.decode()
    rows: list[list[str | None]] = []
    for record in re.findall(
        r'((?:"(?:[^"]|"")*"|[^",\n]*)(?:,(?:"(?:[^"]|"")*"|[^",\n]*))*)\n', text
    ):
        cells = re.findall(r'(?:^|,)("(?:[^"]|"")*"|[^",\n]*)', record)
        rows.append(
            [None if c == "" else c[1:-1].replace('""', '"') if c[0] == '"' else c for c in cells]
        )
    assert [[cell or "" for cell in row] for row in rows] == list(
        csv.reader(io.StringIO(text, newline=""))
    )
    header, *records = rows
    return [dict(zip([str(name) for name in header], record, strict=True)) for record in records]


READERS: dict[Format, Callable[[bytes], list[dict[str, Any]]]] = {
    Format.JSON: lambda body: json.loads(body)["rows"],
    Format.JSONL: lambda body: [json.loads(line) for line in body.splitlines()],
    Format.CSV: of_csv,
    Format.ARROW: lambda body: pa.ipc.open_stream(body).read_all().to_pylist(),
    Format.PARQUET: lambda body: pq.read_table(io.BytesIO(body)).to_pylist(),
}


def comparable(value: Any, as_json: Any) -> Any:
    """A value of another format as JSON has it; ``as_json`` says of which kind it is."""
    if value is None or value == as_json:
        return value
    if isinstance(as_json, list | dict) and isinstance(value, str):
        value = json.loads(value)
    if isinstance(as_json, dict):
        pairs = dict(value)
        return {name: comparable(pairs[name], one) for name, one in as_json.items()}
    if isinstance(as_json, list):
        return [comparable(v, j) for v, j in zip(value, as_json, strict=True)]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if hasattr(value, "value") or hasattr(value, "isoformat"):
        whole = getattr(value, "value", None)
        ns = whole if whole is not None else round(value.timestamp() * 1_000) * 10**6
        return moment_text(ns)[: len(str(as_json)) - 1] + "Z"
    if isinstance(as_json, bool):
        return {"true": True, "false": False}.get(value, value)
    if isinstance(as_json, float):
        return pytest.approx(float(value), rel=1e-6)
    return int(value) if isinstance(as_json, int) else str(value)


@pytest.mark.parametrize("name", ROWS)
def test_all_formats_say_the_same_and_what_is_described(asker: Asker, name: str) -> None:
    params = ASKED if name == "usage" else {}
    [whole] = asker.pages(f"/api/v1/{name}", limit=1_000, **params)
    assert len(whole) == {"gpu-minutes": 8, "gpu-samples": 8}.get(name, 1 if "/" in name else 3)
    for row in whole:
        ROWS[name].model_validate(row, strict=True)
    for fmt, read in READERS.items():
        answer = asker.get(f"/api/v1/{name}", {**params, "format": fmt.value})
        assert answer.headers["content-type"].startswith(MEDIA_TYPES[fmt])
        rows = read(answer.content)
        shown = [
            {k: comparable(row[k], v) for k, v in as_json.items()}
            for row, as_json in zip(rows, whole, strict=True)
        ]
        assert shown == whole, fmt
        assert [list(row) for row in rows] == [list(row) for row in whole]


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_what_the_pages_are(
    asker: Asker, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_PIECE_ROWS", 2)
    monkeypatch.setattr(exports, "_GROUPED_ROWS", 1)
    params = ASKED if name == "usage" else {}
    [whole] = asker.pages(f"/api/v1/{name}", limit=1_000, **params)
    for fmt, read in READERS.items():
        answer = asker.get(f"/api/v1/export/{name}", {**params, "format": fmt.value})
        assert answer.status_code == 200
        assert f'filename="{name}.{fmt.value}"' in answer.headers["content-disposition"]
        rows = read(answer.content)
        found = [
            {k: comparable(row[k], v) for k, v in one.items()}
            for row in rows
            for one in whole
            if alike(row, one)
        ]
        assert sorted(found, key=str) == sorted(whole, key=str), fmt
        nothing = asker.get(f"/api/v1/export/{name}", {"project": "empty", "format": fmt.value})
        assert read(nothing.content) == []


def alike(row: dict[str, Any], as_json: dict[str, Any]) -> bool:
    """Whether a row of another format is this one, by what tells rows apart."""
    keys = [
        k
        for k in ("trace_id", "trajectory_id", "entry_id", "session_id", "key", "gpu", "time")
        if k in row
    ]
    return all(comparable(row[k], as_json[k]) == as_json[k] for k in keys)


def test_64_bits_and_every_picodollar_survive(asker: Asker) -> None:
    [newest, *_] = asker.rows("/api/v1/ledger")
    assert newest["input_tokens"] == str(MOST)
    assert newest["output_tokens"] == str(2**53 + 1)
    assert newest["total_cost_usd"] == "99999999999999.999999999999"
    assert newest["agent_name"] == HOSTILE
    unknown = asker.rows("/api/v1/ledger")[-1]
    assert unknown["total_cost_usd"] is None
    table = pa.ipc.open_stream(asker.get("/api/v1/ledger", {"format": "arrow"}).content).read_all()
    assert table.schema.field("total_cost_usd").type == pa.decimal128(38, 12)
    assert table.schema.field("input_tokens").type == pa.uint64()
    assert table.schema.field("time").type == pa.timestamp("ns", "UTC")


def test_an_export_that_fails_on_the_way_is_no_complete_document(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_PIECE_ROWS", 1)
    read, asked = Question.read, list[object]()

    def failing(self: Question, *args: Any) -> Any:
        asked.append(args)
        if len(asked) > 3:
            raise StoreError("away", permanent=False)
        return read(self, *args)

    monkeypatch.setattr(Question, "read", failing)
    answer = asker.get("/api/v1/export/traces")
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert asker.get("/api/v1/export/traces").status_code == 503  # where nothing was sent yet


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        (
            "application/json;q=0.1, application/vnd.apache.parquet",
            "application/vnd.apache.parquet",
        ),
        ("application/json;q=0, text/*;q=0.5", "text/csv"),
        ("text/csv;q=nonsense, application/x-ndjson", "application/x-ndjson"),
    ],
)
def test_the_header_accept_chooses_where_the_parameter_does_not(
    asker: Asker, accept: str, media_type: str
) -> None:
    answer = asker.get("/api/v1/traces", accept=accept)
    assert answer.headers["content-type"].startswith(media_type)
    assert asker.get("/api/v1/traces", {"format": "csv"}, accept=accept).text.startswith(
        '"trace_id"'
    )


def test_what_cannot_be_answered_is_told_what_can(asker: Asker) -> None:
    refused = asker.get("/api/v1/traces", accept="image/png")
    assert refused.status_code == 406
    assert "text/csv" in refused.json()["detail"]
    assert asker.get("/api/v1/traces", {"format": "xml"}).status_code == 422


@pytest.mark.parametrize("by", ["agent", "session"])  # from the hourly usage, and from the ledger
def test_an_export_of_usage_is_read_in_pieces(
    asker: Asker, store: Store, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = Seeder(store, NOW_S)
    for number in range(6):
        name = f"many-{number}"
        seed.usage(project="many", agent_name=name, hours_ago=1)
        about = {"project": "many", "agent_name": name, "session_id": name}
        span = seed.span(f"{number + 1:032x}", f"{number + 1:016x}", at_s=-3_600, **about)
        seed.entry(span, "0.25", agent_name=name, session_id=name)
    seed.insert()
    asked = {"project": "many", "by": by, "grain": "hour"}
    whole = asker.rows("/api/v1/usage", **asked)
    monkeypatch.setattr(exports, "_COUNTED_ROWS", 2)
    parts = list[Part]()
    read = Question.read

    def noted(self: Question, store: Store, part: Part, *args: Any) -> Any:
        parts.append(part)
        return read(self, store, part, *args)

    monkeypatch.setattr(Question, "read", noted)
    found = asker.rows("/api/v1/export/usage", **asked)
    assert len(whole) == 6
    assert sorted(found, key=itemgetter("key")) == sorted(whole, key=itemgetter("key"))
    assert [(part.slice, part.slices) for part in parts[1:]] == [(0, 3), (1, 3), (2, 3)]


def test_csv_with_long_texts_and_many_line_breaks_is_read_fast() -> None:
    text = b'"' + b"line\n" * 200_000 + b'"'
    began_s = time.process_time()
    rows = read_rows(b'"id","text"\n"a",' + text + b'\n"b",' + text + b"\n", Format.CSV)
    assert rows.last(("id",)) == {"id": "b"}
    assert len(rows) == 2
    assert time.process_time() - began_s < 3  # was minutes
