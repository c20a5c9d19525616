"""What was said in the traces of one step, read from the store when a detector first asks.

Few traces ask, and a statement for each is dear: so what is missing may be noted first, and read
for all of them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spanledger_analytics._rows import Literal, batches, strings
from spanledger_analytics.findings.lanes import Lane, ModelCall, Step, ToolCall
from spanledger_storage.store import Store

LONGEST = 4_096
"""Characters read of each text."""
MOST_READS = 20
"""Blocks of one trace and kind; what lies beyond counts as not captured."""
_BLOCK = 512  # calls of which the texts are read together


class StepTexts:
    """Texts of several traces of one project.

    ``is_waiting``: what is asked for is not there until ``read``; otherwise it is read at once.
    """

    def __init__(self, store: Store, project: str) -> None:
        self._store = store
        self._project = project
        self.is_waiting = False
        self._tools: list[tuple[StoredTexts, Sequence[str]]] = []
        self._answers: list[tuple[StoredTexts, Sequence[str]]] = []

    def of(self, trace_id: str, hours: Sequence[int]) -> StoredTexts:
        """Return the texts of a trace that has spans in these hours (UTC, UNIX seconds)."""
        return StoredTexts(self, trace_id, hours)

    def want(
        self, texts: StoredTexts, tools: Sequence[str] = (), answers: Sequence[str] = ()
    ) -> None:
        """Read the arguments of tools and answers for a trace, or note that it wants them."""
        if tools:
            self._tools.append((texts, tools))
        if answers:
            self._answers.append((texts, answers))
        if not self.is_waiting:
            self.read()

    def read(self) -> set[str]:
        """Read what was noted; return the traces that wanted something.

        Raises:
            StoreError: the store refused or did not answer.
        """
        arguments = self._read_arguments()
        said = self._read_answers()
        for texts, span_ids in self._tools:
            told = arguments.get(texts.trace_id, {})
            texts.add_arguments({one: told[one] for one in span_ids if one in told})
        for texts, digests in self._answers:
            texts.add_answers({one: said[one] for one in digests if one in said})
        asked = {texts.trace_id for texts, _ in (*self._tools, *self._answers)}
        self._tools, self._answers = [], []
        return asked

    def _read_arguments(self) -> dict[str, dict[str, str]]:
        wanted = [(texts, span_id) for texts, span_ids in self._tools for span_id in span_ids]
        found: dict[str, dict[str, str]] = {}
        for part in batches(wanted):
            traces = {texts.trace_id: texts for texts, _ in part}
            params: dict[str, object] = {
                "project": self._project,
                "trace_ids": Literal(traces),
                "hours": Literal(sorted({h for texts in traces.values() for h in texts.hours})),
                "span_ids": Literal([span_id for _, span_id in part]),
                "longest": LONGEST,
            }
            table = self._store.arrow("findings_tool_texts", params)
            columns = (strings(table, name) for name in ("trace_id", "span_id", "arguments"))
            for trace_id, span_id, text in zip(*columns, strict=True):
                found.setdefault(trace_id, {})[span_id] = text
        return found

    def _read_answers(self) -> dict[str, str]:
        wanted = dict.fromkeys(one for _, digests in self._answers for one in digests)
        found: dict[str, str] = {}
        for part in batches(list(wanted)):
            params = {"project": self._project, "hashes": Literal(part), "longest": LONGEST}
            table = self._store.arrow("findings_message_texts", params)
            found |= zip(strings(table, "digest"), strings(table, "said"), strict=True)
        return found


class StoredTexts:
    """Texts of one trace: those of up to 512 calls are wanted together, at most 20 times each.

    Make it, give it to the view, and tell it the view's lanes: it goes by their order. It does not
    keep the view itself: the two would hold each other, and only a search for cycles frees such.
    """

    def __init__(self, step: StepTexts, trace_id: str, hours: Sequence[int]) -> None:
        self._step = step
        self.trace_id = trace_id
        self.hours = hours
        self._tools: _Blocks | None = None
        self._outputs: _Blocks | None = None
        self._arguments: dict[str, str] = {}
        self._answers: dict[str, str] = {}
        self._lanes: Sequence[Lane] = ()

    def tell(self, lanes: Sequence[Lane]) -> None:
        """Say what the trace consists of."""
        self._lanes = lanes

    def add_arguments(self, read: dict[str, str]) -> None:
        """Take the arguments of tools, by span."""
        self._arguments |= read

    def add_answers(self, read: dict[str, str]) -> None:
        """Take what messages say, by hash."""
        self._answers |= read

    def arguments(self, tool: ToolCall) -> str:
        """Return the arguments of a tool call; empty: not captured, or not there yet."""
        if self._tools is None:
            self._tools = _Blocks(one.ref.span_id for step in self._steps() for one in step.tools)
        span_id = tool.ref.span_id
        if span_id not in self._arguments and (block := self._tools.of(span_id)):
            self._arguments |= dict.fromkeys(block, "")
            self._step.want(self, tools=block)
        return self._arguments.get(span_id, "")

    def output(self, model: ModelCall) -> str:
        """Return what the model answered; empty: not captured, or not there yet."""
        if not model.output:
            return ""
        if self._outputs is None:
            models = (step.model for step in self._steps() if step.model)
            self._outputs = _Blocks(one.hex() for model in models for one in model.output)
        wanted = [digest.hex() for digest in model.output]
        for digest in wanted:
            if digest not in self._answers and (block := self._outputs.of(digest)):
                self._answers |= dict.fromkeys(block, "")
                self._step.want(self, answers=block)
        return "\n".join(filter(None, (self._answers.get(one, "") for one in wanted)))[:LONGEST]

    def _steps(self) -> Iterable[Step]:
        return (step for lane in self._lanes for step in lane.steps)


class _Blocks:
    """Names in blocks, in order; after so many blocks were handed out, there are none."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(names))
        self._at = {name: index for index, name in enumerate(self._names)}
        self._left = MOST_READS

    def of(self, name: str) -> list[str]:
        """Return the block that a name is in; empty: it is not there, or enough was wanted."""
        if name not in self._at or not self._left:
            return []
        self._left -= 1
        start = self._at[name] // _BLOCK * _BLOCK
        return self._names[start : start + _BLOCK]
