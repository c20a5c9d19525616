"""Columns that say nothing are not sent, and read the same."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from spanledger_collector.decode.columns import MAPS, REPEATED, with_dictionaries, without_defaults
from spanledger_collector.decode.decode import Body, decode_traces
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from tests.otlp import llm_span, request, span

NOW_NS = 1_800_000_000_123_456_789


def _spans() -> pa.Table:
    payload = request(span(start_ns=NOW_NS), llm_span(), service="s").SerializeToString()
    return decode_traces([Body("p", payload, NOW_NS)], "flush", NOW_NS).spans


def test_columns_in_which_a_row_says_something_stay() -> None:
    left = without_defaults(_spans()).column_names
    assert {"trace_id", "start_time", "request_model", "input_tokens", "attributes"} <= set(left)


def test_columns_in_which_no_row_says_anything_go() -> None:
    left = without_defaults(_spans()).column_names
    assert not {"tool_result", "seed", "stream", "flags", "events.name", "links.attributes"} & set(
        left
    )


def test_the_store_fills_what_is_not_sent(store: Store) -> None:
    rows = _spans()
    store_rows(store, [("spans", rows)], "without")
    store.insert("spans", rows.set_column(0, "project", pa.array(["q", "q"])), token="with")
    sent = [
        {**row, "project": ""}
        for row in store.sql_rows("SELECT * FROM spans ORDER BY project, span_id")
    ]
    assert sent[:2] == sent[2:]
    assert len(sent) == 4


def test_a_dictionary_says_what_the_texts_say() -> None:
    rows = _spans()
    made = with_dictionaries(rows)
    assert made.to_pylist() == rows.to_pylist()
    assert pa.types.is_dictionary(made.schema.field("request_model").type)
    assert all(pa.types.is_dictionary(made.schema.field(name).type.key_type) for name in MAPS)


@pytest.mark.parametrize(
    "part", [(0, 0), (0, 1), (1, 2), (0, 2), (2, 1)], ids=lambda part: f"{part[0]}+{part[1]}"
)
def test_a_dictionary_of_keys_is_that_of_all_maps_of_a_part(part: tuple[int, int]) -> None:
    rows = pa.concat_tables([_spans(), _spans()]).slice(*part)
    made = with_dictionaries(rows)
    made.validate(full=True)
    assert made.to_pylist() == rows.to_pylist()
    maps: list[Any] = [made[name].combine_chunks() for name in MAPS]
    attributes, resource = (column.keys.dictionary for column in maps)
    assert attributes.equals(resource)


def test_what_the_store_keeps_in_dictionaries_is_sent_in_such(store: Store) -> None:
    columns = store.sql_rows(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'spans'"
        " AND type = 'LowCardinality(String)'"
    )
    assert {str(row["name"]) for row in columns} == REPEATED
    maps = store.sql_rows(
        "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'spans'"
        " AND type = 'Map(LowCardinality(String), String)' AND default_kind = ''"
    )
    assert {str(row["name"]) for row in maps} == set(MAPS)
