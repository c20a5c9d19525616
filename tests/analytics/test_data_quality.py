"""The checks on made-up evidence, and the statements behind them on a real engine."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from spanledger_analytics.data_quality import (
    CHECKS,
    Example,
    Finding,
    Period,
    Report,
    Severity,
    evidence,
    examine,
    report,
)
from spanledger_analytics.data_quality.evidence import (
    CallKind,
    Evidence,
    FlaggedSpans,
    Medians,
    ScopeKind,
)
from spanledger_storage.store import Store
from tests.dashboard.seed import Seeder

PERIOD = Period(0, 100)
EXAMPLE = Example("a" * 32, "1" * 16)
OPENAI = "opentelemetry.instrumentation.genai.openai@1.3b0"


def calls(count: int = 10, **fields: Any) -> CallKind:
    """Calls that are in order, but for the fields given."""
    settings: dict[str, Any] = {
        "is_rest": False,
        "kind": "llm",
        "service_name": "svc",
        "scopes": (OPENAI,),
        "provider": "openai",
        "model": "gpt-4o-2024-08-06",
        "request_model": "gpt-4o",
        "agent_name": "planner",
        "stream": False,
        "status": "ok",
        "usage_source": "span",
        "price_status": "priced",
        "flags": frozenset[str](),
        "calls": count,
        "usage_views": count,
        "input_tokens": 1_000 * count,
        "output_tokens": 100 * count,
        "cost_usd": Decimal("0.5") * count,
        "excess_usd": Decimal(0),
        "claimed_usd": Decimal(0),
        "cost_of_claimed_usd": Decimal(0),
        "worst": EXAMPLE,
        "examples": (EXAMPLE,),
        **dict.fromkeys(("no_cache_read", "no_cache_write", "no_reasoning", "own_ids"), 0),
        "claimed_calls": 0,
        **fields,
    }
    return CallKind(**settings)


def silent(count: int = 10, **fields: Any) -> CallKind:
    """Answered calls without usage."""
    empty = {"usage_source": "none", "price_status": "unpriced", "cost_usd": Decimal(0)}
    return calls(
        count, **{**empty, "input_tokens": 0, "output_tokens": 0, "usage_views": 0} | fields
    )


def look(
    *kinds: CallKind,
    scopes: tuple[ScopeKind, ...] = (),
    flagged: tuple[FlaggedSpans, ...] = (),
    medians: dict[tuple[str, str | None], Decimal] | None = None,
) -> Report:
    return examine(Evidence(kinds, scopes, flagged, Medians(medians or {})), "p", PERIOD)


def finding(found: Report, check: str) -> Finding:
    return next(f for f in found.findings if f.check == check)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    found = look(calls(10))
    assert found.findings == ()
    c = found.coverage
    assert (c.calls, c.calls_with_usage, c.priced_calls) == (10, 10, 10)
    assert (c.spend_usd, c.at_risk_usd, c.calls_not_estimated) == (Decimal(5), Decimal(0), 0)


def test_a_period_without_calls_has_no_findings() -> None:
    found = look()
    assert found.findings == ()
    assert found.coverage.calls == 0
    assert found.coverage.spend_usd == 0


def test_missing_usage_is_estimated_with_the_median_of_the_same_model_and_agent() -> None:
    medians: dict[tuple[str, str | None], Decimal] = {
        ("gpt-4o", None): Decimal("0.02"),
        ("gpt-4o", "planner"): Decimal("0.03"),
    }
    other = silent(1, model="own", request_model="own")
    found = look(silent(10), silent(2, agent_name="writer"), other, medians=medians)
    missing = finding(found, "missing_usage")
    assert missing.severity is Severity.error
    assert missing.count == 13
    assert missing.usd == Decimal("0.34")
    assert [g.usd for g in missing.groups] == [Decimal("0.30"), Decimal("0.04"), None]
    assert found.coverage.at_risk_usd == Decimal("0.34")
    assert found.coverage.calls_not_estimated == 1


def test_what_nobody_can_estimate_is_unknown_and_not_zero() -> None:
    found = look(silent(3))
    assert finding(found, "missing_usage").usd is None
    assert found.coverage.at_risk_usd is None


def test_failed_calls_without_usage_are_not_missed() -> None:
    found = look(calls(), silent(5, status="error"))
    assert found.findings == ()
    assert (found.coverage.calls, found.coverage.answered_calls) == (15, 10)


@pytest.mark.parametrize(
    ("scope", "stream", "advice"),
    [
        ("opentelemetry.instrumentation.openai_v2@2.4b0", None, "genai-openai"),
        ("openinference.instrumentation.litellm@0.1", True, "LiteLLM"),
        ("openinference.instrumentation.langchain@0.1", True, "stream_usage=True"),
        ("somebody.else@1", True, "stream_options"),
        ("somebody.else@1", None, "If the calls stream"),
    ],
)
def test_the_advice_fits_the_instrumentation(scope: str, stream: bool | None, advice: str) -> None:
    [group] = finding(look(silent(scopes=(scope,), stream=stream)), "missing_usage").groups
    assert advice in group.fix


def test_an_unpriced_model_comes_with_reason_likeness_and_command() -> None:
    kind = calls(
        model="gpt-4o-mini-2027",
        price_status="unpriced",
        cost_usd=Decimal(0),
        flags=frozenset({"unknown_model"}),
        claimed_calls=4,
        claimed_usd=Decimal("0.7"),
    )
    found = look(kind)
    [group] = finding(found, "unpriced_models").groups
    assert "does not know this model" in group.detail
    assert "spanledger prices set openai gpt-4o-mini-2027" in group.fix
    assert "--from DATE" in group.fix
    assert "The nearest known name is gpt-4o-mini" in group.fix
    assert group.usd == Decimal("0.7")
    assert (group.input_tokens, group.output_tokens) == (10_000, 1_000)
    assert found.coverage.priced_calls == 0
    assert (found.coverage.at_risk_usd, found.coverage.calls_not_estimated) == (Decimal("0.7"), 6)


def test_a_model_name_cannot_add_a_command() -> None:
    [group] = finding(
        look(calls(model="x; rm -rf ~", price_status="unpriced")), "unpriced_models"
    ).groups
    assert "'x; rm -rf ~'" in group.fix


def test_contradicting_usage_is_not_answered_with_a_price() -> None:
    kind = calls(price_status="unpriced", flags=frozenset({"inconsistent_usage"}))
    [group] = finding(look(kind), "unpriced_models").groups
    assert "prices set" not in group.fix


@pytest.mark.parametrize(
    ("flag", "fix"),
    [("tier_undecided", "instrumentation"), ("no_exchange_rate", "prices exchange-rates add")],
)
def test_what_a_rate_would_not_mend_is_not_answered_with_one(flag: str, fix: str) -> None:
    kind = calls(price_status="unpriced", flags=frozenset({flag}))
    [group] = finding(look(kind), "unpriced_models").groups
    assert fix in group.fix
    assert "prices set" not in group.fix


def test_without_a_provider_the_price_is_for_any() -> None:
    kind = calls(provider="", model="own-model", price_status="unpriced")
    [group] = finding(look(kind), "unpriced_models").groups
    assert "prices set '*' own-model" in group.fix


def test_double_reports_are_information_with_what_they_would_have_cost() -> None:
    scopes = ("com.anthropic.sdk.python@2.11.0", "openinference.instrumentation.anthropic@3.1.0")
    kinds = [
        calls(10, scopes=scopes, usage_views=20, excess_usd=Decimal(5), agent_name=agent)
        for agent in ("a", "b")
    ]
    double = finding(look(*kinds), "double_instrumentation")
    assert double.severity is Severity.info
    assert (double.count, double.usd) == (20, Decimal(10))
    [group] = double.groups
    assert "switch off openinference.instrumentation.anthropic" in group.fix


def test_client_and_inference_server_are_meant_to_report_both() -> None:
    kind = calls(scopes=(OPENAI, "vllm.tracing.otel@"), usage_views=20)
    [group] = finding(look(kind), "double_instrumentation").groups
    assert group.fix.startswith("Nothing to do")


def test_two_scopes_of_which_one_reports_are_no_double_report() -> None:
    assert look(calls(scopes=("a@1", "b@1"))).findings == ()


@pytest.mark.parametrize("source", ["aggregate", "metric"])
def test_sums_are_named_with_the_spend_that_rests_on_them(source: str) -> None:
    sums = finding(look(calls(usage_source=source)), "sums_only")
    assert (sums.severity, sums.usd) == (Severity.warning, Decimal(5))


@pytest.mark.parametrize("flag", ["input_excluded_cache", "advisor_left_out"])
def test_disagreeing_views_put_their_cost_at_risk_and_other_conflicts_do_not(flag: str) -> None:
    corrected = calls(1, flags=frozenset({flag}))
    assert finding(look(corrected), "conflicts").severity is Severity.info
    conflicts = finding(look(corrected, calls(2, flags=frozenset({"views_disagree"}))), "conflicts")
    assert (conflicts.severity, conflicts.count, conflicts.usd) == (Severity.warning, 3, Decimal(1))


@pytest.mark.parametrize(
    ("claimed", "computed", "is_found"),
    [
        ("1.00", "2.00", True),
        ("2.00", "2.00", False),
        ("2.02", "2.00", False),  # one percent
        ("2.021", "2.00", True),
        ("0.009", "0.001", False),  # below a cent
        ("0.5", "0", True),
    ],
)
def test_claims_that_differ_by_more_than_a_cent_and_a_percent_are_found(
    claimed: str, computed: str, is_found: bool
) -> None:
    kind = calls(
        claimed_calls=3, claimed_usd=Decimal(claimed), cost_of_claimed_usd=Decimal(computed)
    )
    found = look(kind)
    assert bool(found.findings) is is_found
    if is_found:
        [group] = finding(found, "reported_cost").groups
        assert group.usd == abs(Decimal(claimed) - Decimal(computed))
        assert (group.reported_usd, group.computed_usd) == (Decimal(claimed), Decimal(computed))
        assert group.examples == (EXAMPLE,)


def test_claims_of_one_model_are_compared_as_one_sum() -> None:
    more, less = (
        calls(claimed_calls=1, agent_name=agent, claimed_usd=Decimal(usd),
              cost_of_claimed_usd=Decimal(2))
        for agent, usd in (("a", "2.5"), ("b", "1.5"))
    )  # fmt: skip
    assert look(more, less).findings == ()


@pytest.mark.parametrize("flag", ["bad_token_count", "long_model_name", "impossible_time"])
def test_bad_spans_are_counted_as_spans(flag: str) -> None:
    flagged = FlaggedSpans(flag, "svc", "scope", "1", 7, (EXAMPLE,))
    bad = finding(look(calls(flags=frozenset({flag})), flagged=(flagged,)), "bad_input")
    assert (bad.count, bad.usd) == (7, None)


@pytest.mark.parametrize("flag", ["parent_cycle", "reused_response_id"])
def test_bad_calls_are_counted_as_calls(flag: str) -> None:
    bad = finding(look(calls(flags=frozenset({flag}))), "bad_input")
    assert (bad.count, bad.usd) == (10, Decimal(5))


TRACELOOP = "opentelemetry.instrumentation.anthropic@{}"


@pytest.mark.parametrize(
    ("kind", "effect"),
    [
        (calls(scopes=(TRACELOOP.format("0.62.4"),), stream=True), "one too many per stream"),
        (silent(scopes=(TRACELOOP.format("0.40.14"),), stream=True), "up to 0.4x"),
        (calls(scopes=("opentelemetry.instrumentation.openai_v2@2.4b0",)), "Responses API"),
        (calls(scopes=("opentelemetry.instrumentation.openai_v2@",)), "Responses API"),
        (calls(scopes=("openlit@1",), flags=frozenset({"estimated_usage"})), "nobody measured"),
        (calls(scopes=("com.anthropic.claude_code.tracing@2.1.213",)), "2.1.214"),
        (calls(scopes=("litellm@1",), own_ids=2), "own response ids"),
        (calls(scopes=("ai@",), usage_source="aggregate"), "last step only"),
        (calls(stream=True, status="error"), "broke off"),
    ],
)  # fmt: skip
def test_a_known_fault_is_told_where_its_symptom_is_seen(kind: CallKind, effect: str) -> None:
    faults = finding(look(kind), "known_faults")
    assert any(effect in group.detail for group in faults.groups)


@pytest.mark.parametrize(
    "kind",
    [
        calls(scopes=(TRACELOOP.format("0.62.4"),)),
        calls(scopes=("opentelemetry.instrumentation.openai_v2@2.5b0",)),
        calls(scopes=("opentelemetry.instrumentation.openai_v3@1",)),
        calls(scopes=("com.anthropic.claude_code.tracing@2.1.214",)),
        calls(scopes=("aid@",), usage_source="span"),
    ],
)
def test_a_fault_is_not_told_without_symptom_or_after_its_version(kind: CallKind) -> None:
    assert look(kind).findings == ()


def test_a_framework_without_calls_is_found_by_its_traces() -> None:
    blind = ScopeKind("crew", "openinference.instrumentation.crewai", "1.1.21", 0, 0, 3,
                      (), (), (Example("b" * 32, ""),))  # fmt: skip
    faults = finding(look(scopes=(blind,)), "known_faults")
    assert faults.severity is Severity.error
    [group] = faults.groups
    assert (group.count, group.examples[0].trace_id) == (3, "b" * 32)


def test_the_worst_findings_and_faults_come_first() -> None:
    found = look(
        calls(scopes=("a@1", "b@1"), usage_views=20),
        calls(usage_source="metric"),
        silent(scopes=("openinference.instrumentation.dspy@1",)),
        calls(scopes=("litellm@1",), own_ids=2),
    )
    ranks = [f.severity.rank for f in found.findings]
    assert ranks == sorted(ranks)
    assert len(found.findings) == 4
    details = [g.detail for g in finding(found, "known_faults").groups]
    assert "DSPy" in details[0]


def test_every_check_has_the_one_shape() -> None:
    from importlib import import_module

    for path in CHECKS.values():
        assert import_module(path).check(Evidence((), (), (), Medians({}))) is None


# On the engine


@pytest.fixture
def seed(store: Store) -> Seeder:
    return Seeder(store, int(time.time()))


def last_hour(seed: Seeder, **changed: int) -> Period:
    return Period(changed.get("from_s", seed.now_s - 3_600), seed.now_s + 60)


def test_a_report_joins_calls_with_the_scopes_that_reported_them(
    store: Store, seed: Seeder
) -> None:
    trace = "ab" * 16
    columns = {"service_name": "shop", "input_tokens": 1_000, "output_tokens": 200}
    outer = seed.span(trace, f"{1:016x}", scope_name="openinference.instrumentation.anthropic",
                      scope_version="3.1.0", **columns)  # fmt: skip
    seed.span(trace, f"{2:016x}", f"{1:016x}", scope_name="com.anthropic.sdk.python",
              scope_version="2.11.0", **columns)  # fmt: skip
    seen_in = [{"trace_id": trace, "span_id": f"{n:016x}"} for n in (1, 2)]
    seed.entry(outer, "0.25", source_spans=seen_in, usage_source="merged", service_name="shop")
    quiet = seed.span(trace, f"{3:016x}", scope_name="openlit", service_name="shop")
    seed.entry(quiet, None, tokens=None, service_name="shop")
    seed.insert()
    found = report(store, "default", last_hour(seed))
    [double] = finding(found, "double_instrumentation").groups
    assert double.scopes == (
        "com.anthropic.sdk.python@2.11.0", "openinference.instrumentation.anthropic@3.1.0",
    )  # fmt: skip
    assert (double.count, double.usd, double.service_name) == (1, Decimal("0.25"), "shop")
    missing = finding(found, "missing_usage")
    assert (missing.count, missing.usd) == (1, Decimal("0.25"))
    assert missing.groups[0].scopes == ("openlit@",)
    assert missing.groups[0].examples == (Example(trace, f"{3:016x}"),)
    assert report(store, "default", Period(0, 2**32 - 1)).findings == found.findings


def test_the_median_is_of_priced_calls_that_succeeded(store: Store, seed: Seeder) -> None:
    for number, cost in enumerate(("0.10", "0.20", "0.90"), start=1):
        seed.entry(seed.span("ab" * 16, f"{number:016x}"), cost)
    failed = seed.span("ab" * 16, f"{8:016x}", status="error")
    seed.entry(failed, "5.00")
    seed.entry(seed.span("ab" * 16, f"{9:016x}"), None, tokens=None)
    seed.insert()
    assert finding(report(store, "default", last_hour(seed)), "missing_usage").usd == Decimal("0.2")


def test_other_projects_and_times_are_left_out(store: Store, seed: Seeder) -> None:
    old = seed.span("ab" * 16, f"{1:016x}", at_s=-7_200)
    seed.entry(old, None, tokens=None)
    other = seed.span("cd" * 16, f"{2:016x}", project="other")
    seed.entry(other, None, tokens=None)
    seed.insert()
    assert report(store, "default", last_hour(seed)).coverage.calls == 0
    assert report(store, "other", last_hour(seed)).coverage.calls == 1
    assert report(store, "default", last_hour(seed, from_s=seed.now_s - 9_000)).coverage.calls == 1


def test_a_span_sent_twice_counts_once(store: Store, seed: Seeder) -> None:
    for _ in range(2):
        seed.span("ab" * 16, f"{1:016x}", role="agent", flags=["bad_token_count"], at_s=-100,
                  scope_name="openinference.instrumentation.crewai")  # fmt: skip
        seed.insert()
    found = report(store, "default", last_hour(seed))
    assert finding(found, "bad_input").count == 1
    assert finding(found, "known_faults").count == 1


def test_an_impossible_time_is_found_by_its_receipt(store: Store, seed: Seeder) -> None:
    now_ms = seed.now_s * 1_000
    for number, at_s in enumerate((-seed.now_s + 1, 90 * 86_400), start=1):
        seed.span("ab" * 16, f"{number:016x}", at_s=at_s, ingested_at=now_ms,
                  flags=["impossible_time"], role="other")  # fmt: skip
    seed.insert()
    assert finding(report(store, "default", last_hour(seed)), "bad_input").count == 2


def test_a_flood_of_models_is_summed_and_not_lost(
    store: Store, seed: Seeder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MAX_KINDS", 5)
    for number in range(1, 31):
        span = seed.span("ab" * 16, f"{number:016x}", response_model=f"model-{number}")
        seed.entry(span, None, tokens=(1_000, 10), flags=["unknown_model"])
    seed.insert()
    found = report(store, "default", last_hour(seed))
    unpriced = finding(found, "unpriced_models")
    assert (unpriced.count, found.coverage.calls) == (30, 30)
    assert found.coverage.input_tokens == 30_000
    assert len(unpriced.groups) == 6
    assert max(group.count for group in unpriced.groups) == 25
