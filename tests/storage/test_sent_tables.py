"""Tables that are sent with a statement, against the real engine."""

import pyarrow as pa
import pytest

from spanledger_storage.engine import Engine
from spanledger_storage.sent_tables import sent
from tests.conftest import fresh_store

_ODD = ("it's", "a\tb\nc", "back\\slash \\n", "日本 \U0001f600", "NULL", "")


def _keys(texts: tuple[str, ...]) -> pa.Table:
    return pa.table({"key": pa.array(texts, pa.string())})


def test_texts_are_found_whatever_they_hold(engine: Engine) -> None:
    with fresh_store(engine) as store:
        rows = [{"project": "p", "kind": "link", "key": key, "trace_id": "t"} for key in _ODD]
        store.insert("trajectory_keys", pa.Table.from_pylist(rows), token="odd")
        asked = {"project": "p", "max_traces": 9}
        for key in _ODD:
            found = store.arrow("trajectory_key_traces", {**asked, "asked": _keys((key,))})
            assert found.column("key").to_pylist() == [key]
        every = store.arrow("trajectory_key_traces", {**asked, "asked": _keys(_ODD)})
        assert set(every.column("key").to_pylist()) == set(_ODD)
        assert store.arrow("trajectory_key_traces", {**asked, "asked": _keys(())}).num_rows == 0


def test_values_stay_values_and_columns_have_their_types() -> None:
    hours = pa.table({"hour": pa.array([1], pa.uint32()), "lane": pa.array([2], pa.uint64())})
    values, tables = sent({"project": "p", "asked": hours})
    assert values == {"project": "p"}
    assert tables is not None
    assert tables.query_params["asked_structure"] == "hour UInt32, lane UInt64"
    assert sent({"project": "p"}) == ({"project": "p"}, None)


def test_a_type_that_no_statement_reads_is_refused() -> None:
    with pytest.raises(KeyError):
        sent({"asked": pa.table({"at": pa.array([1.5])})})
