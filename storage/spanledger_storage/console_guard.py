"""What a typed query may say, beyond what the store's grants see to.

The reading user can neither write nor open tables elsewhere; its grants refuse that. Functions have
no grants: ``file()`` of the local engine reads any file of the machine, and settings can carry
expressions and paths. So a query is first put into one canonical form by the store's own parser,
which has no comments, no other spellings and one way to quote; that form is looked through, and
that form is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import cast

from spanledger_storage.errors import StorageError
from spanledger_storage.store import Store

LENGTH_LIMIT = 20_000
_FIRST_WORDS = ("SELECT", "WITH", "EXPLAIN", "DESCRIBE", "SHOW")

# Functions that look outside the tables, and table functions, which the grants refuse as well;
# python() ends the local engine, and AIGenerate() and its kin send text to a provider.
_REFUSED = re.compile(
    r"(?i:arrow|azureblob|bigquery|catboost|cluster|cosn|deltalake|dictionary$|eval$|executable"
    r"|file|fuzz|gcs|getclient|hdfs|hudi|iceberg|input$|jdbc|logtrace|mongo|mysql|odbc|oss|paimon"
    r"|postgresql|prometheus|python|redis|remote|reversedns|s3|showcertificate|sqlite|url$"
    r"|urlcluster|viewexplain|viewifpermitted|ytsaurus)|ai[A-Z]|AI[A-Z]"
)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|`((?:[^`\\]|\\.)*)`|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_CALLED = re.compile(r"(\w+)\s*\(")
_WORD = re.compile(r"\w+")
_APPLIED = re.compile(r"\bAPPLY\b[\s(]*(\w+)")
_CLAUSE = re.compile(r"\b(SETTINGS|FORMAT|INTO OUTFILE)\b")

_PARSED = """
SELECT
    formatQuery({sql:String}) AS text,
    getSetting('readonly') != 0 AS is_reader,
    (SELECT groupArray(name) FROM system.functions) AS functions
"""


class QueryRefused(StorageError):
    """A query says something that is not for this place; the message says what."""


def canonical(store: Store, sql: str) -> str:
    """Return the query as the store's parser writes it: what may be run.

    Raises:
        QueryRefused: it is not one statement that only reads the tables; says why.
        StoreError: it cannot be parsed; the message has the position.
    """
    if len(sql) > LENGTH_LIMIT:
        raise QueryRefused(f"A query has at most {LENGTH_LIMIT:,} characters, not {len(sql):,}.")
    if not sql.strip():
        raise QueryRefused("There is no query.")
    [found] = store.sql_rows(_PARSED, {"sql": sql})
    if not found["is_reader"]:
        raise QueryRefused(
            "Queries need a user of the store that can only read: give the dashboard its address "
            "in SPANLEDGER_READ_STORE_URL."
        )
    text = str(found["text"])
    check(text, cast("Sequence[str]", found["functions"]))
    return text


def check(text: str, functions: Iterable[str]) -> None:
    """Refuse a query in canonical form that says something it may not.

    Args:
        text: the query.
        functions: names of all functions the store has. One that reaches outside may not be named
            at all: ``arrayMap(file, …)`` calls it without brackets.

    Raises:
        QueryRefused: says what.
    """
    refused = {name.lower() for name in functions if _REFUSED.match(name)}
    bare = _QUOTED.sub(_without_quotes, text)
    first = bare.lstrip("( \n").partition("\n")[0].split(" ")[0]
    if first not in _FIRST_WORDS:
        raise QueryRefused(
            f"{first[:40]} is not possible here: a query begins with {', '.join(_FIRST_WORDS)}."
        )
    if clause := _CLAUSE.search(_QUOTED.sub("''", text)):
        raise QueryRefused(
            f"{clause[1]} is not possible here: settings, format and limits are given beside it."
        )
    called = {*_CALLED.findall(bare), *_APPLIED.findall(bare)}
    for name in _WORD.findall(bare):
        if name.lower() in refused or (name in called and _REFUSED.match(name)):
            raise QueryRefused(
                f"{name}() is not possible here: it reaches beyond the tables of this store."
            )


def _without_quotes(found: re.Match[str]) -> str:
    """Return a name without its quotes, so that it is looked at; a text becomes nothing."""
    name = found[1] or found[2]
    return "''" if name is None else re.sub(r"\W", "_", name)
