"""Which incidents stay quiet because another rule says it better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spanledger_alerts.rules import Inhibition

Labels = Mapping[str, str]


def is_inhibited(
    labels: Labels, by: Sequence[Inhibition], firing: Mapping[str, Sequence[Labels]]
) -> bool:
    """Return whether something of an inhibiting rule fires with the same labels.

    Args:
        labels: of the incident that may stay quiet.
        by: the rules that quiet it.
        firing: labels of what fires, by rule.
    """
    return any(
        all(labels.get(name, "") == other.get(name, "") for name in one.equal)
        for one in by
        for other in firing.get(one.rule, ())
    )
