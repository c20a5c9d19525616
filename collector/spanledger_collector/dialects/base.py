"""What a dialect is: a table from the keys of one family of instrumentations to our columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger_collector.decode.columns import Row
from spanledger_collector.decode.messages import Message
from spanledger_collector.decode.values import Attributes, Reader

Source: TypeAlias = tuple[str, int, Reader]
"""Column, rank (the lowest that yields a value wins), reader."""
Sources: TypeAlias = Mapping[str, Source]


def sources(column: str, read: Reader, *keys: str) -> dict[str, Source]:
    """Return the table entries of a column: its source keys, the best one first."""
    return {key: (column, rank, read) for rank, key in enumerate(keys)}


def fallback(table: Sources) -> dict[str, Source]:
    """Return entries that count only where a column has no key of another entry."""
    return {key: (column, rank + 100, read) for key, (column, rank, read) in table.items()}


@dataclass(frozen=True, slots=True)
class Content:
    """Keys that hold what was said; understood, they leave the attributes.

    ``tool_arguments`` and ``tool_result`` are read on tool spans only, the best key first.
    """

    tool_definitions: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    input_messages: tuple[str, ...] = ()
    output_messages: tuple[str, ...] = ()
    tool_arguments: tuple[str, ...] = ()
    tool_result: tuple[str, ...] = ()
    keys: frozenset[str] = field(init=False, repr=False)
    """All of them: a span without any of these need not be searched for each."""

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "keys",
            frozenset(
                self.tool_definitions
                + self.system
                + self.input_messages
                + self.output_messages
                + self.tool_arguments
                + self.tool_result
            ),
        )


@dataclass(slots=True)
class Draft:
    """A span while it is read; ``Dialect.interpret`` may change everything but ``span``.

    ``attributes`` are those that will be stored: take out a key whose content is held elsewhere.
    ``inputs`` and ``outputs`` are messages to be hashed after those of ``Dialect.content``;
    ``definitions`` are the tools offered to the model; ``flags`` say what is odd about the span
    (docs/ledger.md names them).
    """

    span: Span
    attributes: Attributes
    row: Row
    inputs: list[Message]
    outputs: list[Message]
    definitions: list[object]
    flags: list[str]

    def fill(self, column: str, value: object) -> None:
        """Set a column that no key of the table has set."""
        if value is not None and self.row[column] in (None, ""):
            self.row[column] = value


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of instrumentations spells what our columns say.

    Attributes:
        name: value of the ``dialect`` column.
        scopes: prefixes of the scope names that always speak it; the longest match wins.
        markers: keys that tell it in a span of any other scope.
        columns: source key to column.
        roles: keys that tell the role with their values in lower case, the first match wins.
        content: keys that hold messages, tool arguments and results.
        first_token_events: names of span events that mark the first token.
        interpret: reads what a table cannot say; called once per span, must not raise.
    """

    name: str
    scopes: tuple[str, ...]
    markers: frozenset[str]
    columns: Sources
    roles: tuple[tuple[str, Mapping[str, str]], ...] = ()
    content: Content = Content()
    first_token_events: frozenset[str] = frozenset()
    interpret: Callable[[Draft], None] | None = None
