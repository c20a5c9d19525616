"""States of instances: each rule of the machine by an example, all of them against a reference."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from spanledger_alerts.rules import Rule
from spanledger_alerts.sample import Failure, Outcome, Sample
from spanledger_alerts.state_machine import Counts, Instance, evaluate
from tests.alerts.stage import T0, S, rule


class Play:
    """A rule that is shown values, one every ten seconds."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.instances: dict[str, Instance] = {}
        self.counts = Counts()
        self.t_ns = T0

    def show(self, outcome: Outcome) -> list[str]:
        """Return what changed, as ``change severity``."""
        found = evaluate(self.rule, outcome, self.instances, self.counts, self.t_ns)
        self.instances |= found.instances
        self.counts = found.counts
        self.t_ns += 10 * S
        return [f"{one.change} {one.instance.severity}" for one in found.transitions]

    def value(self, *values: float | None) -> list[list[str]]:
        """The same for values of one instance; None: it has no row."""
        return [self.show([] if v is None else [sample("a", v)]) for v in values]

    @property
    def states(self) -> list[str]:
        return [one.state for one in self.instances.values()]


def sample(name: str, value: float, points: int | None = None) -> Sample:
    return Sample({"agent": name}, Decimal(str(value)), points=points)


def test_it_fires_when_a_threshold_is_passed_for_long_enough() -> None:
    play = Play(rule(**{"for": "20s"}))
    assert play.value(12, 12) == [[], []]
    assert play.states == ["pending"]
    assert play.value(12) == [["fired critical"]]


def test_what_is_back_before_it_fired_is_forgotten() -> None:
    play = Play(rule(**{"for": "20s"}))
    assert play.value(12, 12, 1, 12, 12) == [[], [], [], [], []]
    assert play.value(12) == [["fired critical"]]


def test_it_goes_on_until_the_recovery_threshold_was_passed_for_long_enough() -> None:
    play = Play(rule(recovery=8, keep_firing_for="20s"))
    assert play.value(12, 9, 9, 9) == [["fired critical"], [], [], []]
    assert play.states == ["firing"]
    assert play.value(7, 7) == [[], []]
    assert play.states == ["recovering"]
    assert play.value(9, 7, 7) == [[], [], []]
    assert play.value(7) == [["resolved critical"]]
    assert play.states == ["inactive"]


def test_severity_rises_at_once_and_falls_slowly() -> None:
    play = Play(rule(warn=5, keep_firing_for="20s"))
    assert play.value(6, 12) == [["fired warning"], ["rose critical"]]
    assert play.value(6, 12, 6, 6) == [[], [], [], []]
    assert play.value(6) == [["fell warning"]]


def test_the_worst_is_that_of_one_incident() -> None:
    play = Play(rule(recovery=8, keep_firing_for="20s"))

    def worst(usd: str | None, value: float) -> tuple[Decimal | None, Decimal | None]:
        cost = None if usd is None else Decimal(usd)
        play.show([replace(sample("a", value), usd=cost)])
        [one] = play.instances.values()
        return one.worst_value, one.worst_usd

    assert worst(None, 12) == (Decimal(12), None)
    assert worst("0", 11) == (Decimal(12), Decimal(0))
    assert worst("3.5", 40) == (Decimal(40), Decimal("3.5"))
    assert [worst("1", 2) for _ in range(3)] == [(Decimal(40), Decimal("3.5"))] * 3
    assert play.states == ["inactive"]
    assert worst("2", 15) == (Decimal(15), Decimal(2))


def test_below_a_threshold_the_least_is_the_worst() -> None:
    play = Play(rule(op="<", critical=5))
    play.value(4, 1, 3, None, 9)
    [one] = play.instances.values()
    assert (one.state, one.worst_value) == ("inactive", Decimal(1))


def test_the_next_incident_of_an_instance_has_another_generation() -> None:
    play = Play(rule())
    play.value(12, 1, 12)
    [instance] = play.instances.values()
    assert instance.generation == 2
    assert instance.resolved_at_ns is None


def test_a_threshold_may_be_one_from_above() -> None:
    play = Play(rule(op="<", warn=5, critical=2, recovery=7))
    assert play.value(6, 4, 1, 6, 8) == [
        [],
        ["fired warning"],
        ["rose critical"],
        ["fell warning"],
        ["resolved warning"],
    ]


def test_a_missing_row_is_well_or_as_before_as_the_rule_says() -> None:
    assert Play(rule()).value(12, None) == [["fired critical"], ["resolved critical"]]
    kept = Play(rule(no_data="keep"))
    assert kept.value(12, None, None) == [["fired critical"], [], []]
    kept.t_ns += 24 * 3_600 * S
    assert kept.value(None) == [["resolved critical"]]


def test_no_data_is_an_incident_of_the_rule_after_some_times() -> None:
    play = Play(rule(no_data="alert", no_data_after=2))
    assert play.value(1, None, None) == [[], [], ["fired critical"]]
    assert play.states == ["no_data"]
    assert play.value(1) == [["resolved critical"]]


def test_errors_change_nothing_but_are_an_incident_after_some_times() -> None:
    play = Play(rule(error_after=2))
    play.value(12)
    assert play.show(Failure("no such column")) == []
    assert play.show(Failure("no such column")) == ["fired critical"]
    assert sorted(play.states) == ["error", "firing"]
    assert play.value(12) == [["resolved critical"]]
    assert sorted(play.states) == ["firing", "inactive"]
    quiet = Play(rule(error="keep", error_after=1))
    assert quiet.show(Failure("no such column")) == []


def test_two_rows_with_the_same_labels_are_an_error() -> None:
    play = Play(rule(error_after=1))
    assert play.show([sample("a", 1), sample("a", 20)]) == ["fired critical"]


def test_a_row_of_few_points_is_none() -> None:
    play = Play(rule(min_points=10))
    assert play.show([sample("a", 20, points=9)]) == []
    assert play.show([sample("a", 20, points=10)]) == ["fired critical"]


def test_instances_beyond_the_limit_are_counted_and_those_that_fire_stay() -> None:
    play = Play(rule(max_instances=2))
    play.show([sample("a", 20)])
    found = evaluate(
        play.rule, [sample(n, 20) for n in "dcba"], play.instances, Counts(), play.t_ns
    )
    assert found.left_out == 2
    assert len(found.instances | play.instances) == 2


def test_a_finding_keeps_its_incident_when_its_labels_change() -> None:
    play = Play(rule(measure=None, critical=None, finding=["loop"]))
    first = Sample({"trace": "t"}, None, severity="warning", identity="f1")
    assert play.show([first]) == ["fired warning"]
    later = Sample({"trace": "t", "agent": "a"}, None, severity="critical", identity="f1")
    assert play.show([later]) == ["rose critical"]
    assert [one.labels for one in play.instances.values()] == [{"trace": "t", "agent": "a"}]
    assert play.show([]) == ["resolved critical"]


def test_a_finding_is_never_more_severe_than_its_rule() -> None:
    play = Play(rule(measure=None, critical=None, finding=["drift"], severity="warning"))
    assert play.show([Sample({}, None, severity="critical")]) == ["fired warning"]
    assert Play(play.rule).show([Sample({}, None, severity="info")]) == []
