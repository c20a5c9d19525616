"""Every statement file is valid on the migrated schema, says what it is, and is used."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from spanledger_storage.engine import Engine
from spanledger_storage.statements import load, names
from spanledger_storage.store import Store
from tests.conftest import fresh_store

ROOT = Path(__file__).parent.parent.parent
_PARAMETER = re.compile(r"\{(\w+):((?:[^{}()]|\([^{}]*\))+)\}")
_TABLE = re.compile(r"^-- Table: (\w+) \(([^)]*)\)", re.MULTILINE)
_ARROW = {
    "String": pa.string(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Int64": pa.int64(),
}
_EXAMPLES = {
    "String": "x",
    "FixedString(16)": "0123456789abcdef",
    "Date": "2026-01-01",
    "DateTime": "2026-01-01 00:00:00",
    "Identifier": "project",  # a column every table has
}


def example(type_name: str) -> object:
    """A value of a ClickHouse type, as the driver wants it."""
    if type_name.startswith("Array("):
        return [example(type_name[6:-1])]
    if type_name.startswith("Tuple("):
        return tuple(example(part.strip()) for part in type_name[6:-1].split(","))
    base = type_name.partition("(")[0]
    return _EXAMPLES.get(type_name, _EXAMPLES.get("DateTime" if "Date" in base else base, 1))


def example_table(columns: str) -> pa.Table:
    """One row of a table that a statement is sent with, from its explanation."""
    pairs = [column.split() for column in columns.split(", ")]
    return pa.table({name: pa.array([example(kind)], _ARROW[kind]) for name, kind in pairs})


@pytest.fixture(scope="module")
def empty_store(engine: Engine) -> Iterator[Store]:
    """One for all: where there is nothing, no statement writes anything."""
    with fresh_store(engine) as store:
        yield store


@pytest.mark.parametrize("name", names())
def test_a_statement_is_explained_and_runs_on_an_empty_store(empty_store: Store, name: str) -> None:
    text = load(name)
    assert text.startswith("--"), "the first line says which question is answered"
    parameters = dict(_PARAMETER.findall(text))
    comments = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    for parameter in parameters:
        assert parameter in comments, f"{parameter} is not explained"
    values = {p: example(kind) for p, kind in parameters.items()}
    tables = {table: example_table(columns) for table, columns in _TABLE.findall(text)}
    if tables:
        empty_store.arrow(name, {**values, **tables})
    else:
        empty_store.sql_rows(text, values)


def test_no_statement_is_unused() -> None:
    folders = ("alerts", "analytics", "collector", "dashboard", "server", "storage")
    sources = "\n".join(
        path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")
    )
    assert [name for name in names() if f'"{name}"' not in sources] == []
