"""Which prices somebody changed in a time: what a rise in dollars may follow from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from spanledger_analytics.findings.finding import Json
from spanledger_storage.price_state import PriceState

_NEWEST = 200
_MOST = 10
_NAMES = ("provider", "model", "name", "tool", "tool_name")


def changes(prices: PriceState, from_s: int, to_s: int) -> Sequence[Mapping[str, Json]]:
    """Return entries of the price log: ``at`` (unix seconds), ``action``, ``object``, names.

    At most ten, of the two hundred newest.

    Raises:
        StateError: the state database does not answer.
    """
    found: list[Mapping[str, Json]] = []
    for row in prices.log(_NEWEST):
        at_s = row.at_ns // 10**9
        if from_s <= at_s < to_s:
            said = json.loads(row.after or "{}")
            names = {key: str(said[key]) for key in _NAMES if isinstance(said.get(key), str)}
            found.append({"at": at_s, "action": row.action, "object": row.object, **names})
    return found[:_MOST]
