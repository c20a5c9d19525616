"""Storage of agents whose every call repeats the conversation so far.

    python -m benchmarks.conversations [--agents 200] [--turns 50]

The same calls three times: as the product stores them (each message once, spans hold hashes); with
the messages of each call in the row of its span, in the order of the OpenTelemetry Collector's
ClickHouse exporter, where calls of agents that run at the same time alternate; and the same in our
order, where a trace's calls lie together and compression finds most of what they repeat. Bytes on
disk after merges, of simulated agents and of the recordings in tests/fixtures/otlp.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import random
import re
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import orjson
import psutil
import pyarrow as pa
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.payloads import text, vocabulary
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_collector.edge.json_otlp import traces_from_json
from spanledger_storage.engine import Engine, EngineSettings
from spanledger_storage.migrations import create_database, migrate
from spanledger_storage.store import Store
from tests.otlp import attributes, llm_span, request
from tests.ports import free_port

_BODIES_A_BATCH = 20
_EXPORTERS_ORDER = "ORDER BY (service_name, name, toDateTime(start_time))"
_RECORDINGS = Path(__file__).parents[1] / "tests" / "fixtures" / "otlp"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--turns", type=int, default=50)
    options = parser.parse_args()
    print(f"{platform.machine()}, {psutil.cpu_count()} CPUs, Python {platform.python_version()}")
    simulated = conversations(options.agents, options.turns)
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(EngineSettings(Path(directory), free_port()))
        engine.start()
        try:
            _compare(engine, f"{options.agents} agents of {options.turns} turns", simulated)
            _compare(engine, "all recordings", _recordings())
        finally:
            engine.stop()


def _recordings() -> Iterator[bytes]:
    """Yield the trace requests of all recordings in protobuf."""
    for folder in sorted(_RECORDINGS.iterdir()):
        for sent in orjson.loads((folder / "headers.json").read_bytes()):
            if sent["signal"] != "traces":
                continue
            headers = {name.lower(): value for name, value in sent["headers"]}
            body = (folder / sent["file"]).read_bytes()
            wbits = {"gzip": 31, "deflate": 15}.get(headers.get("content-encoding", ""))
            body = zlib.decompress(body, wbits) if wbits else body
            if "json" in headers.get("content-type", ""):
                body = traces_from_json(body).SerializeToString()
            yield body


def conversations(agents: int, turns: int, seed: int = 1) -> Iterator[bytes]:
    """Yield one request an agent: a call a turn, each with the whole history, then its tool.

    All begin within ten minutes and take a turn every 2 to 20 seconds: a fleet at work.
    """
    rng = random.Random(seed)
    words = vocabulary(rng)
    system = text(rng, words, 3_000)
    for agent in range(agents):
        at_ns = time.time_ns() - 3_600 * 10**9 + rng.randrange(600 * 10**9)
        history = [_said("user", rng, words, 400)]
        trace_id, spans = rng.randbytes(16), []
        for _ in range(turns):
            at_ns += rng.randrange(2 * 10**9, 20 * 10**9)
            answer = _said("assistant", rng, words, 250)
            spans.append(_call(rng, trace_id, at_ns, system, history, answer))
            history += [answer, _said("tool", rng, words, 900)]
        yield request(*spans, service=f"agent-{agent % 8}").SerializeToString()


def _said(role: str, rng: random.Random, words: list[str], length: int) -> dict[str, object]:
    part = {"type": "text", "content": text(rng, words, length)}
    return {"role": role, "parts": [part]}


def _compare(engine: Engine, what: str, bodies: Iterable[bytes]) -> None:
    settings = engine.writer.with_database(f"compared_{what.split(' ', 1)[0]}")
    create_database(settings)
    store = Store.connect(settings)
    migrate(store)
    [made] = store.sql_rows("SHOW CREATE TABLE spans")
    ddl = str(made["statement"]).replace(f"{settings.database}.spans", "spans_inline", 1)
    texts = "`inputs` String CODEC(ZSTD(3)), `outputs` String CODEC(ZSTD(3)), "
    ddl = ddl.replace("(", f"({texts}", 1)
    store.execute(ddl)
    # https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/clickhouseexporter
    by_service = ddl.replace("spans_inline", "spans_by_service", 1)
    by_service = re.sub(r"ENGINE = \w+\(\w+\)", "ENGINE = MergeTree", by_service)
    by_service = re.sub(r"ORDER BY \(.*\)", _EXPORTERS_ORDER, by_service)
    store.execute(by_service.replace("CODEC(ZSTD(3))", "CODEC(ZSTD(1))"))
    spans = received = 0
    for number, batch in enumerate(_batches(bodies)):
        received += sum(map(len, batch))
        now_ns = time.time_ns()
        decoded = decode_traces([Body("default", b, now_ns) for b in batch], "c", now_ns)
        spans += decoded.spans.num_rows
        store.insert("messages", decoded.messages, token=f"m{number}")
        store.insert("spans", decoded.spans, token=f"s{number}")
        inline = _inline(decoded.spans, decoded.messages)
        store.insert("spans_inline", inline, token=f"i{number}")
        store.insert("spans_by_service", inline, token=f"e{number}")
    once = _bytes(store, "spans") + _bytes(store, "messages")
    print(f"{what}: {spans:,} spans, {received / spans:,.0f} bytes a span as received")
    for layout, size in (
        ("each message once", once),
        ("each call's, the exporter's order", _bytes(store, "spans_by_service")),
        ("each call's, our order", _bytes(store, "spans_inline")),
    ):
        print(f"  {layout:<36}{size / spans:8,.0f} bytes a span, {size / once:5.1f} times")
    store.close()


def _call(
    rng: random.Random, trace_id: bytes, at_ns: int, system: str,
    history: list[dict[str, object]], answer: dict[str, object],
) -> Span:  # fmt: skip
    made = llm_span(trace_id=trace_id, start_ns=at_ns, input_tokens=100 + len(history) * 200)
    instructions = [{"type": "text", "content": system}]
    made.attributes.extend(
        attributes(
            {
                "gen_ai.response.id": f"chatcmpl-{rng.randbytes(12).hex()}",
                "gen_ai.system_instructions": orjson.dumps(instructions).decode(),
                "gen_ai.input.messages": orjson.dumps(history).decode(),
                "gen_ai.output.messages": orjson.dumps([answer]).decode(),
            }
        )
    )
    return made


def _inline(spans: pa.Table, messages: pa.Table) -> pa.Table:
    """Return the spans with the texts of their messages in place of the hashes."""
    texts = dict(zip(messages["hash"].to_pylist(), messages["content"].to_pylist(), strict=True))
    for column, hashes in (("inputs", "input_messages"), ("outputs", "output_messages")):
        rows = cast("list[list[bytes]]", spans[hashes].to_pylist())
        written = ["[" + ",".join(str(texts[h]) for h in row) + "]" for row in rows]
        spans = spans.append_column(column, pa.array(written, pa.string()))
    return spans.drop_columns(["input_messages", "output_messages"])


def _batches(bodies: Iterable[bytes]) -> Iterator[tuple[bytes, ...]]:
    rest = iter(bodies)
    while batch := tuple(itertools.islice(rest, _BODIES_A_BATCH)):
        yield batch


def _bytes(store: Store, table: str) -> int:
    store.execute(f"OPTIMIZE TABLE {table} FINAL")
    [found] = store.sql_rows(
        "SELECT sum(bytes_on_disk) AS n FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = {table:String}",
        {"table": table},
    )
    return int(str(found["n"]))


if __name__ == "__main__":
    main()
