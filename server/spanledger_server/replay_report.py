"""What ``spanledger replay`` prints: tables, JSON for programs, JUnit XML for CI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

from spanledger_analytics.golden.alignment import DiffRow, DiffStep, Side
from spanledger_analytics.golden.judge import Verdict
from spanledger_analytics.golden.repeats import repeated_calls
from spanledger_server.errors import UsageError
from spanledger_server.output import Format
from spanledger_server.periods import rfc3339
from spanledger_server.replay import Candidate, Judged, side_of_view
from spanledger_server.rows import print_rows, printable
from spanledger_storage.saved_views import SavedView

_LIST = (
    "name", "trajectory", "steps", "llm_calls", "tokens", "cost_usd", "repeated_calls", "outcome",
    "started", "saved_by", "saved",
)  # fmt: skip
_STEPS = ("step", "role", "what", "agent", "cost_usd", "tokens", "failed")
_CHECK = (
    "golden", "trajectory", "verdict", "cost_usd", "golden_cost_usd", "llm_calls",
    "golden_llm_calls", "matched", "extra", "missing", "repeated_calls", "outcome", "why",
)  # fmt: skip
_MOST_DIFFERENCES = 200
_NS_PER_S = 10**9


def print_list(views: Iterable[SavedView], output: Format) -> None:
    """Print one row per golden trajectory."""
    rows = [
        {
            "name": view.name,
            **_figures(side_of_view(view)),
            "saved_by": view.saved_by,
            "saved": rfc3339(view.saved_at_ns // _NS_PER_S),
        }
        for view in views
    ]
    print_rows(_LIST, rows, output, nothing="No golden trajectory is saved in this project.")


def print_steps(side: Side, output: Format) -> None:
    """Print what a golden trajectory keeps: figures, then a row per step."""
    if output is Format.table:
        for name, value in _figures(side).items():
            print(f"{name.replace('_', ' ')}: {_plain(value)}")
        print()
    rows = [
        {
            "step": number,
            "role": step.role,
            "what": step.what,
            "agent": step.agent,
            "cost_usd": step.cost_usd,
            "tokens": step.tokens,
            "failed": "yes" if step.has_failed else "",
        }
        for number, step in enumerate(side.steps, 1)
    ]
    print_rows(_STEPS, rows, output)


def print_check(judged: Sequence[Judged], output: Format) -> None:
    """Print a row per candidate; as JSON with every step that differs."""
    if output is Format.json:
        print(json.dumps([_golden_json(one) for one in judged], indent=2, ensure_ascii=False))
        return
    rows = [
        _check_row(one.name, candidate, verdict)
        for one in judged
        for candidate, verdict in one.verdicts
    ]
    rows += [
        {"golden": one.name, "verdict": "missing", "why": "no candidate"}
        for one in judged
        if not one.verdicts
    ]
    print_rows(_CHECK, rows, output)


def write_junit(judged: Sequence[Judged], file: Path) -> None:
    """Write one test case per candidate, as CI systems read them.

    Raises:
        UsageError: the file cannot be written.
    """
    suite = ET.Element("testsuite", name="spanledger replay")
    failures = errors = 0
    for one in judged:
        for candidate, verdict in one.verdicts:
            case = ET.SubElement(
                suite, "testcase", classname=_xml(one.name), name=candidate.side.trace_id,
                time=f"{candidate.side.totals.duration_ns / _NS_PER_S:.3f}",
            )  # fmt: skip
            if not verdict.passed:
                failures += 1
                failure = ET.SubElement(case, "failure", message=_xml(_why(verdict)))
                failure.text = _xml("\n".join(v.text for v in verdict.violations))
        if not one.verdicts:
            errors += 1
            case = ET.SubElement(suite, "testcase", classname=_xml(one.name), name="no candidate")
            ET.SubElement(case, "error", message="no candidate was found")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    try:
        ET.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from None


def _figures(side: Side) -> dict[str, object]:
    return {
        "trajectory": side.trace_id,
        "steps": len(side.steps),
        "llm_calls": side.totals.llm_calls,
        "tokens": side.totals.tokens,
        "cost_usd": side.totals.cost_usd,
        "repeated_calls": repeated_calls(side.steps),
        "outcome": side.outcome,
        "started": rfc3339(side.start_ns // _NS_PER_S),
    }


def _check_row(name: str, candidate: Candidate, verdict: Verdict) -> dict[str, object]:
    totals, golden = candidate.side.totals, verdict.golden.totals
    return {
        "golden": name,
        "trajectory": candidate.side.trace_id,
        "verdict": "ok" if verdict.passed else "worse",
        "cost_usd": totals.cost_usd,
        "golden_cost_usd": golden.cost_usd,
        "llm_calls": totals.llm_calls,
        "golden_llm_calls": golden.llm_calls,
        "matched": verdict.matched,
        "extra": verdict.extra,
        "missing": verdict.missing,
        "repeated_calls": verdict.loops,
        "outcome": candidate.side.outcome,
        "why": _why(verdict) or _notes(candidate),
    }


def _why(verdict: Verdict) -> str:
    return "; ".join(violation.text for violation in verdict.violations)


def _notes(candidate: Candidate) -> str:
    found = [
        f"{n:,} calls {what}, so it cost more than that"
        for n, what in (
            (candidate.unpriced_calls, "without a price"),
            (candidate.calls_without_usage, "without token counts"),
        )
        if n
    ]
    return "; ".join(found)


def _golden_json(one: Judged) -> dict[str, object]:
    return {
        "golden": one.name,
        "trajectory_id": one.golden.trace_id,
        "candidates": [_candidate_json(candidate, verdict) for candidate, verdict in one.verdicts],
    }


def _candidate_json(candidate: Candidate, verdict: Verdict) -> dict[str, object]:
    different = [row for row in verdict.rows if row.is_divergent]
    return {
        "trajectory_id": candidate.side.trace_id,
        "passed": verdict.passed,
        "violations": [{"rule": v.rule, "text": v.text} for v in verdict.violations],
        "has_ended": candidate.has_ended,
        "unpriced_calls": candidate.unpriced_calls,
        "calls_without_usage": candidate.calls_without_usage,
        "golden": _totals_json(verdict.golden, verdict.golden_loops),
        "candidate": _totals_json(candidate.side, verdict.loops),
        "cost_difference_usd": _money(verdict.cost_usd),
        "matched": verdict.matched,
        "extra": verdict.extra,
        "missing": verdict.missing,
        "differences": [_row_json(row) for row in different[:_MOST_DIFFERENCES]],
        "more_differences": max(0, len(different) - _MOST_DIFFERENCES),
    }


def _totals_json(side: Side, loops: int) -> dict[str, object]:
    totals = side.totals
    return {
        "cost_usd": _money(totals.cost_usd),
        "tokens": totals.tokens,
        "llm_calls": totals.llm_calls,
        "steps": len(side.steps),
        "repeated_calls": loops,
        "errors": totals.errors,
        "duration_ns": totals.duration_ns,
        "outcome": side.outcome,
    }


def _row_json(row: DiffRow) -> dict[str, object]:
    states = {"only a": "missing", "only b": "extra"}
    return {
        "difference": states.get(row.state, row.state),
        "golden": _step_json(row.a),
        "candidate": _step_json(row.b),
    }


def _step_json(step: DiffStep | None) -> dict[str, object] | None:
    if step is None:
        return None
    return {
        "role": step.role,
        "what": step.what,
        "agent": step.agent,
        "span_id": step.span_id,
        "cost_usd": _money(step.cost_usd),
        "tokens": step.tokens,
        "failed": step.has_failed,
    }


def _money(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _plain(value: object) -> str:
    if value is None or value == "":
        return "-"
    return printable(f"{value:,}" if isinstance(value, int) else str(value))


def _xml(text: str) -> str:
    # XML 1.0 has no place for control characters.
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
