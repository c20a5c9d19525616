"""Tools that failed in runs that report success."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from spanledger_analytics.findings.detectors.silent_failures import detect
from spanledger_analytics.findings.lanes import Step, TraceView
from tests.analytics.findings.planted_lanes import Said, lane, model, ref, tool, view
from tests.processor_time import processor_s

ANSWER = 90
DONE = "Done. Your flight is booked."


def run(*steps: Step, answer: str = DONE, arguments: dict[int, str] | None = None) -> TraceView:
    said = Said({ref(n): text for n, text in (arguments or {}).items()}, {ref(ANSWER): answer})
    return view(lane([*steps, Step(model(ANSWER), ())]), texts=said, total_cost_usd=Decimal("0.07"))


FAILED = Step(model(1, "0.02"), (tool(2, evidence="payload", cost="0.003"),))


@pytest.mark.parametrize("evidence", ["declared", "payload"])
def test_a_failure_that_nobody_admits_is_told_with_its_price(evidence: str) -> None:
    [found] = detect(run(Step(model(1, "0.02"), (tool(2, evidence=evidence, cost="0.003"),))))
    assert (found.kind, found.code, found.severity) == ("silent_failure", "failed", "info")
    assert found.direct_usd == Decimal("0.023")
    assert found.evidence == (ref(2), ref(1), ref(ANSWER))
    assert found.is_sure
    assert (found.subject.tool_name, found.subject.agent_name) == ("book", "clerk")
    assert found.details["trace_usd"] == "0.07"


@pytest.mark.parametrize(
    "answer",
    [
        "Sorry, the booking failed.",
        "I was unable to book it.",
        "The booking could not be completed.",
        "I couldn’t reach the airline.",
        "There was an issue with the booking.",
        "Die Buchung ist leider nicht möglich.",
        "Lo siento, no pude reservarlo.",
        "予約に失敗しました",
    ],
)
def test_an_answer_that_admits_it_is_honest(answer: str) -> None:
    assert detect(run(FAILED, answer=answer)) == []


def test_an_answer_about_somebody_elses_problem_admits_nothing() -> None:
    assert len(detect(run(FAILED, answer="No problem! It is booked."))) == 1


@pytest.mark.parametrize(
    "changes",
    [{"is_open": True}, {"is_error": True}, {"outcome": "failed"}, {"outcome": "escalated"}],
)
def test_runs_that_do_not_report_success_are_not_silent(changes: dict[str, object]) -> None:
    assert detect(replace(run(FAILED), **changes)) == []  # type: ignore[arg-type]


def test_a_run_without_failures_is_quiet() -> None:
    assert detect(run(Step(model(1), (tool(2), tool(3, "pay"))))) == []
    assert detect(view()) == []


def test_the_same_call_that_works_later_makes_up_for_it() -> None:
    assert detect(run(FAILED, Step(model(3), (tool(4),)))) == []


def test_a_later_success_for_another_thing_is_told_as_not_sure() -> None:
    steps = FAILED, Step(model(3), (tool(4, sig=9),))
    other = {2: '{"flight_id": "A1", "seats": 1}', 4: '{"flight_id": "B2", "seats": 1}'}
    [found] = detect(run(*steps, arguments=other))
    assert (found.severity, found.is_sure) == ("info", False)
    corrected = {2: '{"flight_id": "A1", "seats": 9}', 4: '{"flight_id": "A1", "seats": 2}'}
    assert detect(run(*steps, arguments=corrected)) == []
    assert detect(run(*steps)) == []  # what the calls were about is not known


def test_without_the_answer_nothing_is_certain() -> None:
    [found] = detect(run(FAILED, answer=""))
    assert (found.severity, found.is_sure) == ("info", False)
    assert "not captured" in found.explanation


def test_what_only_reads_like_an_error_asks_for_nobody() -> None:
    [found] = detect(run(Step(model(1), (tool(2, evidence="suspected"),))))
    assert (found.code, found.severity, found.is_sure) == ("suspected", "info", False)
    later = Step(model(3), (tool(4, sig=9),))
    assert detect(run(Step(model(1), (tool(2, evidence="suspected"),)), later)) == []


def test_a_turn_in_which_something_else_worked_was_not_wasted() -> None:
    both = Step(model(1, "0.02"), (tool(2, evidence="payload", cost="0.003"), tool(3, "pay")))
    assert detect(run(both))[0].direct_usd == Decimal("0.003")


def test_a_turn_with_two_failures_costs_once_and_unknown_is_not_zero() -> None:
    twice = Step(model(1, "0.02"), tuple(tool(n, evidence="payload", sig=n) for n in (2, 3)))
    [found] = detect(run(twice))
    assert (found.direct_usd, found.details["failures"]) == (Decimal("0.02"), 2)
    [unpriced] = detect(run(Step(model(1, None), (tool(2, evidence="payload"),))))
    assert unpriced.direct_usd is None


def test_a_turn_in_which_several_tools_failed_is_said_to_be_shared() -> None:
    failed = (tool(2, "pay", "payload"), tool(3, "mail", "payload", cost="0.003"))
    both, alone = (
        Step(model(1, "0.02"), failed),
        Step(model(4, "0.1"), (tool(5, "mail", "payload"),)),
    )
    pay, mail = detect(run(both, alone))
    assert (pay.direct_usd, pay.details["of_other_tools_usd"]) == (Decimal("0.02"), "0")
    assert (mail.direct_usd, mail.details["of_other_tools_usd"]) == (Decimal("0.123"), "0.02")


def test_calls_that_failed_at_the_same_time_wasted_it_once() -> None:
    calls = [tool(2, evidence="payload", sig=n)._replace(ref=ref(10 + n)) for n in range(4)]
    [found] = detect(run(Step(model(1), tuple(calls))))
    assert found.wasted_ns == calls[0].end_ns - calls[0].start_ns


def test_a_call_seen_in_two_lanes_counts_once() -> None:
    above = lane([FAILED, Step(model(ANSWER), ())])
    below = lane([FAILED], 1, above.ref)
    trace = view(above, below, texts=Said({}, {ref(ANSWER): DONE}))
    assert detect(trace)[0].details["failures"] == 1


@pytest.mark.endurance
def test_long_runs_take_time_in_proportion() -> None:
    steps = [
        Step(model(n), (tool(200_000 + n, evidence="payload" if n % 2 else "", sig=n),))
        for n in range(1, 30_001)
    ]
    texts = Said(dict.fromkeys((ref(200_000 + n) for n in range(1, 30_001)), '{"id": 1}'))
    assert processor_s(lambda: detect(view(lane(steps), texts=texts))) < 3
