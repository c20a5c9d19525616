"""What was said in many spans: texts into hashed messages and tool columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from spanledger import INPUT_HASHES, OUTPUT_HASHES
from spanledger_collector.decode.bulk import arrow
from spanledger_collector.decode.bulk.arrow import Indexes, Mask
from spanledger_collector.decode.bulk.spans import Reading, pick
from spanledger_collector.decode.columns import Array, hash_array
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.decode.signatures import SIGNATURES, sign_all
from spanledger_collector.dialects.base import Content

_HASH_KEYS = (INPUT_HASHES, OUTPUT_HASHES)
_Keep = Callable[[str, bytes, str], list[bytes] | None]


class Said:
    """The messages of all rows, and which attributes are held by them.

    Attributes:
        inputs: of each row, the hashes of its input messages.
        outputs: of each row, the hashes of its output messages.
        held: of each attribute, whether its content is kept elsewhere.
    """

    def __init__(self, reading: Reading, store: MessageStore, projects: Sequence[str]) -> None:
        self._reading = reading
        self._store = store
        self._projects = projects
        self._may_break = reading.attributes.has_controls()
        self.inputs: dict[int, list[bytes]] = {}
        self.outputs: dict[int, list[bytes]] = {}
        self.held = np.zeros(len(reading.attributes.codes), np.bool_)

    def read(self, content: Content, among: Mask) -> None:
        """Keep the messages of the rows of one dialect."""
        self._take(self.inputs, content.tool_definitions, "tool_definitions", among, self._parts)
        self._take(self.inputs, content.system, "system", among, self._parts)
        self._take(self.inputs, content.input_messages, "user", among, self._messages)
        self._take(self.outputs, content.output_messages, "assistant", among, self._messages)

    def _parts(self, project: str, text: bytes, role: str) -> list[bytes] | None:
        return self._store.add_written_parts(project, text, role)

    def _messages(self, project: str, text: bytes, role: str) -> list[bytes] | None:
        return self._store.add_messages(project, text, role, may_break=self._may_break)

    def _take(
        self,
        into: dict[int, list[bytes]],
        keys: tuple[str, ...],
        role: str,
        among: Mask,
        keep: _Keep,
    ) -> None:
        """Keep the first of the keys that can be kept, and mark it held."""
        reading = self._reading
        done = np.zeros(reading.size, np.bool_)
        for key in keys:
            rows, indexes = reading.of(key, among & ~done)
            texts = reading.attributes.written(indexes)
            places = cast("list[int]", rows.tolist())
            kept: list[int] = []
            for place, (row, text) in enumerate(zip(places, texts, strict=True)):
                try:
                    hashes = keep(self._projects[row], text, role) if text else None
                except ValueError:  # too deep to be written again
                    continue
                if hashes is not None:
                    into[row] = into[row] + hashes if row in into else hashes
                    kept.append(place)
            done[rows[kept]] = self.held[indexes[kept]] = True

    def lists(self, hashes: dict[int, list[bytes]]) -> Array:
        """Return a column of hashes of messages."""
        lengths = np.zeros(self._reading.size, np.int64)
        flat: list[bytes] = []
        for row in sorted(hashes):
            flat += hashes[row]
            lengths[row] = len(hashes[row])
        return arrow.lists(lengths, hash_array(flat))


def find_odd_content(reading: Reading, content: Content, among: Mask) -> None:
    """Mark rows whose content is not text, or whose tool says one thing under several keys."""
    for key in content.keys:
        rows, indexes = reading.of(key, among)
        reading.odd[rows[~reading.attributes.is_text(indexes)]] = True
    for key in _HASH_KEYS:
        reading.odd[reading.of(key, among)[0]] = True
    for keys in (content.tool_arguments, content.tool_result):
        times = np.zeros(reading.size, np.int64)
        for key in keys:
            times[reading.of(key, among)[0]] += 1
        reading.odd |= times > 1


def take_tools(reading: Reading, content: Content, among: Mask, held: Mask) -> None:
    """Fill the tool columns from the texts of tool spans, and mark these held."""
    tools = among & arrow.is_word(reading.columns["role"], "tool")
    for column, keys in (
        ("tool_arguments", content.tool_arguments),
        ("tool_result", content.tool_result),
    ):
        found: list[tuple[Indexes, Array]] = []
        before = reading.columns.get(column)
        if before is not None:
            found.append((np.arange(reading.size), before))
        for key in keys:
            rows, indexes = reading.of(key, tools)
            texts = reading.attributes.texts(indexes)
            found.append((rows, texts))
            held[indexes[arrow.sizes(texts) > 0]] = True
        reading.columns[column] = pick(reading.size, arrow.array([""]), found)


_SIGNED = (
    "tool_name",
    "tool_arguments",
    "tool_outcome",
    "tool_result",
    "status_message",
    "error_type",
)


def _signatures(reading: Reading, name: str) -> NDArray[np.uint64]:
    """Return the signatures that spans came with, whose content stayed where it was."""
    known = reading.columns.get(name)
    return np.zeros(reading.size, np.uint64) if known is None else known.to_numpy().copy()


def sign_tools(reading: Reading) -> None:
    """Fill what is judged of tool spans, each as the row-by-row reader does."""
    columns = reading.columns
    rows = np.flatnonzero(arrow.is_word(columns["role"], "tool"))
    told = pa.table({name: arrow.take(columns[name], rows) for name in _SIGNED}).to_pylist()
    sign_all(told)
    signed = {name: _signatures(reading, name) for name in SIGNATURES}
    evidence: dict[int, str] = {}
    for row, said in zip(rows.tolist(), told, strict=True):
        for name, column in signed.items():
            column[row] = said.get(name, column[row])
        if "tool_evidence" in said:
            evidence[row] = said["tool_evidence"]
    columns.update({name: arrow.array(column) for name, column in signed.items()})
    if evidence:
        before = np.arange(reading.size), columns["tool_evidence"]
        found = np.array(list(evidence), np.int64), pa.array(evidence.values(), pa.string())
        columns["tool_evidence"] = pick(reading.size, arrow.array([""]), [before, found])
