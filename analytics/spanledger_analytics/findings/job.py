"""The findings job: traces that changed in, what detectors find in them out, in bounded steps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from spanledger_analytics import _rows
from spanledger_analytics.findings.baselines import Baselines
from spanledger_analytics.findings.build import build_view, said_between, with_people
from spanledger_analytics.findings.changes import ChangedTrace, ChangeReader, parts
from spanledger_analytics.findings.detectors import DETECTORS, KINDS, Detector
from spanledger_analytics.findings.finding import Finding
from spanledger_analytics.findings.lanes import TraceView
from spanledger_analytics.findings.limits import DetectorSettings
from spanledger_analytics.findings.material import Material, read_material, read_roles
from spanledger_analytics.findings.texts import StepTexts
from spanledger_analytics.findings.writing import StoredScope, write_findings
from spanledger_analytics.job import Watermarks
from spanledger_storage.errors import StoreError
from spanledger_storage.store import Store

log = logging.getLogger(__name__)

FINDINGS = "findings"
_BATCHES_PER_RUN = 20
_TRACES_PER_STEP = 1_000
_SPANS_PER_STEP = 20_000
_WAITING_ROUNDS = 2  # what a detector asks for next depends on what it read
_FEWEST_CALLS = 2  # one call alone repeats, hides and grows nothing
_DEFAULTS = DetectorSettings()


@dataclass(frozen=True, slots=True)
class FindingsStats:
    """What one run did; ``is_drained`` is False when it stopped at its bound with changes left."""

    traces: int = 0
    written: int = 0
    removed: int = 0
    is_drained: bool = True


class FindingsJob:
    """Keeps the findings of traces up to date; one instance per store.

    Args:
        store: The telemetry store.
        now_ns: The clock, UTC nanoseconds.
        watermarks: Position "findings": newest version of ``traces`` that was handled.
        settings: Returns what projects tell detectors, asked at every run; a project that is not
            among them has no limits.
        detectors: By name.
    """

    def __init__(
        self,
        store: Store,
        now_ns: Callable[[], int],
        watermarks: Watermarks,
        settings: Callable[[], Mapping[str, DetectorSettings]] = dict[str, DetectorSettings],
        detectors: Mapping[str, Detector] = DETECTORS,
    ) -> None:
        self._store = store
        self._now_ns = now_ns
        self._watermarks = watermarks
        self._settings = settings
        self._panel = Panel(detectors)
        self._baselines = Baselines(store, now_ns)
        self._changes = ChangeReader(store, watermarks.get(FINDINGS), now_ns)

    def run_once(self) -> FindingsStats:
        """Look at the traces that changed, batch by batch, until nothing is left.

        Raises:
            StorageError: the store or the state database refused or did not answer; the next run
                starts at that batch.
        """
        settings = self._settings()
        traces = written = removed = 0
        with _rows.without_collection():
            for _ in range(_BATCHES_PER_RUN):
                batch = self._changes.next_batch()
                if batch is None:
                    return FindingsStats(traces, written, removed)
                for project, changed in batch.by_project.items():
                    said = settings.get(project, _DEFAULTS)
                    for part in parts(changed, _TRACES_PER_STEP, _SPANS_PER_STEP):
                        done = self._guarded(project, part, said)
                        written += done.written
                        removed += done.removed
                    traces += len(changed)
                self._changes.mark_handled(batch)
                self._watermarks.set(FINDINGS, self._changes.position_ns)
        return FindingsStats(traces, written, removed, is_drained=False)

    def _guarded(
        self, project: str, changed: Sequence[ChangedTrace], settings: DetectorSettings
    ) -> _rows.Changes:
        """Look at traces; when the store refuses them for good, find the one at fault."""
        try:
            return self._step(project, changed, settings)
        except StoreError as error:
            if not error.permanent:
                raise
            if len(changed) == 1:
                log.error("trace %s of %s is not looked at: %s", changed[0][0], project, error)
                return _rows.Changes(0, 0)
        middle = len(changed) // 2
        one = self._guarded(project, changed[:middle], settings)
        other = self._guarded(project, changed[middle:], settings)
        return _rows.Changes(one.written + other.written, one.removed + other.removed)

    def _step(
        self, project: str, changed: Sequence[ChangedTrace], settings: DetectorSettings
    ) -> _rows.Changes:
        """Look at traces, and at others of their sessions and users as far as limits ask for it."""
        written = removed = 0
        every = self._baselines.with_told(project, changed, settings.limits)
        for part in parts(every, _TRACES_PER_STEP, _SPANS_PER_STEP):
            done = self._look_at(project, part, settings)
            written, removed = written + done.written, removed + done.removed
        return _rows.Changes(written, removed)

    def _look_at(
        self, project: str, changed: Sequence[ChangedTrace], settings: DetectorSettings
    ) -> _rows.Changes:
        fewest = 0 if settings.limits else _FEWEST_CALLS
        wanted = [one.trace_id for one in changed if one.calls >= fewest]
        texts = StepTexts(self._store, project)
        views = self._views(texts, project, read_material(self._store, project, wanted), settings)
        views = self._baselines.of(project, views, settings.limits)
        found, unsure = self._look(views, texts, settings.disabled)
        scope = StoredScope(KINDS, [o.trace_id for o in changed if o.trace_id not in unsure])
        return write_findings(self._store, project, found, scope, self._now_ns())

    def _look(
        self, views: Sequence[TraceView], texts: StepTexts, disabled: frozenset[str]
    ) -> tuple[list[Finding], set[str]]:
        """Return what was found, and traces of which not every detector could say.

        A trace whose texts were not there yet is looked at again when those of all were read.
        """
        found: dict[str, list[Finding]] = {}
        unsure: set[str] = set()
        left = views
        for rounds_left in range(_WAITING_ROUNDS, -1, -1):
            texts.is_waiting = rounds_left > 0
            looked = [(view.trace_id, *self._panel.look(view, disabled)) for view in left]
            asked = texts.read()
            for trace_id, of_view, is_whole in looked:
                if trace_id not in asked:
                    found[trace_id] = of_view
                    unsure |= set() if is_whole else {trace_id}
            left = [view for view in left if view.trace_id in asked]
        return [one for view in views for one in found[view.trace_id]], unsure

    def _views(
        self,
        texts: StepTexts,
        project: str,
        materials: Sequence[Material],
        settings: DetectorSettings,
    ) -> list[TraceView]:
        views: list[TraceView] = []
        for material in materials:
            trace_id = material.head.trace_id
            said_in = texts.of(trace_id, material.hours)
            view = replace(
                build_view(material, settings.limits, said_in),
                poll_tools=settings.poll_tools,
                mutating_tools=settings.mutating_tools,
            )
            said_in.tell(view.lanes)
            views.append(view)
        said = [said_between(view) for view in views]
        hashes = {one.message for candidates in said for one in candidates}
        roles = read_roles(self._store, project, hashes) if hashes else {}
        pairs = zip(views, said, strict=True)
        return [with_people(view, candidates, roles) for view, candidates in pairs]


class Panel:
    """The detectors: each looks at a trace, and one that fails stops no other."""

    def __init__(self, detectors: Mapping[str, Detector]) -> None:
        self._detectors = detectors
        self._failed: set[str] = set()

    def look(
        self, view: TraceView, disabled: frozenset[str] = frozenset()
    ) -> tuple[list[Finding], bool]:
        """Return what was found in a trace, and whether every detector could say."""
        found: list[Finding] = []
        is_whole = True
        for name, detector in self._detectors.items():
            if name in disabled:
                continue
            try:
                found += _checked(detector(view), view)
            except StoreError:
                raise  # of a text: the store is away, not the detector wrong
            except Exception as error:
                is_whole = False
                self._tell(name, view, error)
        return found, is_whole

    def _tell(self, name: str, view: TraceView, error: Exception) -> None:
        """Log a detector's first failure, without the error's words: they may hold content."""
        if name in self._failed:
            return
        self._failed.add(name)
        at = error.__traceback__
        while at and at.tb_next:
            at = at.tb_next
        where = f"{at.tb_frame.f_code.co_name}, line {at.tb_lineno}" if at else "unknown"
        log.error(
            "detector %s failed on trace %s: %s in %s; it is not told again",
            name,
            view.trace_id,
            type(error).__name__,
            where,
        )


def _checked(found: Sequence[Finding], view: TraceView) -> list[Finding]:
    """Return findings with what a trace says of itself where they leave it out."""
    kinds = {one.kind for one in found} - set(KINDS)
    if kinds:
        raise ValueError("a detector found what no detector of traces owns")
    return [_completed(one, view) for one in found]


def _completed(finding: Finding, view: TraceView) -> Finding:
    said = finding.subject
    subject = replace(
        said,
        trace_id=said.trace_id or view.trace_id,
        session_id=said.session_id or view.session_id,
        user_id=said.user_id or view.user_id,
        agent_name=said.agent_name or view.agent_name,
        agent_version=said.agent_version or view.agent_version,
    )
    return finding if subject == said else replace(finding, subject=subject)
