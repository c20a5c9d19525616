"""What was said in many spans: texts into hashed messages and tool columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import pyarrow as pa

from spanledger import INPUT_HASHES, OUTPUT_HASHES
from spanledger_collector.decode.bulk import arrow
from spanledger_collector.decode.bulk.arrow import Indexes, Mask
from spanledger_collector.decode.bulk.spans import Reading, pick
from spanledger_collector.decode.columns import Array, hash_array
from spanledger_collector.decode.messages import MessageStore
from spanledger_collector.decode.signatures import JUDGED_BY, SIGNATURES, judge
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


def sign_tools(reading: Reading) -> None:
    """Fill what is judged of tool spans, each as the row-by-row reader does."""
    columns = reading.columns
    rows = np.flatnonzero(arrow.is_word(columns["role"], "tool"))
    names, arguments, outcomes, results = (_texts(columns[name], rows) for name in JUDGED_BY)
    for place, (outcome, result) in enumerate(zip(outcomes, results, strict=True)):
        if outcome == "error" and not result:
            at = rows[place : place + 1]
            results[place] = (
                _texts(columns["status_message"], at)[0] or _texts(columns["error_type"], at)[0]
            )
    *signatures, evidence = judge(names, arguments, outcomes, results)
    for name, signed in zip(SIGNATURES, signatures, strict=True):
        known = columns.get(name)  # of spans whose content stayed where it was
        made = np.zeros(reading.size, np.uint64) if known is None else known.to_numpy().copy()
        new = np.array(signed, np.uint64)
        made[rows] = np.where(new > 0, new, made[rows])
        columns[name] = arrow.array(made)
    found = np.array([place for place, said in enumerate(evidence) if said], np.int64)
    if len(found):
        told = arrow.array([evidence[place] for place in found.tolist()], pa.string())
        before = np.arange(reading.size), columns["tool_evidence"]
        columns["tool_evidence"] = pick(
            reading.size, arrow.array([""]), [before, (rows[found], told)]
        )


def _texts(column: Array, rows: Indexes) -> list[str]:
    return cast("list[str]", arrow.take(column, rows).to_pylist())
