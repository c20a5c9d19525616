"""Every statement file is valid on the migrated schema, says what it is, and is used."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger_storage.engine import Engine
from spanledger_storage.statements import load, names
from spanledger_storage.store import Store
from tests.conftest import fresh_store

ROOT = Path(__file__).parent.parent.parent
_PARAMETER = re.compile(r"\{(\w+):((?:[^{}()]|\([^{}]*\))+)\}")
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
    empty_store.sql_rows(text, {p: example(kind) for p, kind in parameters.items()})


def test_no_statement_is_unused() -> None:
    folders = ("alerts", "analytics", "collector", "dashboard", "server", "storage")
    sources = "\n".join(
        path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")
    )
    assert [name for name in names() if f'"{name}"' not in sources] == []
