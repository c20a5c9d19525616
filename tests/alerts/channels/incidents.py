"""Notifications that tests send, also with what hostile telemetry would put into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from spanledger_alerts.content import incident
from spanledger_alerts.notification import Facts, Incident, Notification, Transition

BASE = "https://ledger.example.com/dash"
BEGAN_NS = 1_763_730_000_000_000_000
HOSTILE = (
    "<!channel> <@U024BE7LH> <https://evil.example|click> @here",
    "*bold* _it_ ~no~ `code` ```\nfence",
    "line\r\nBcc: victim@example.com\n\n.\r\nQUIT\x00\x1b[31m",
    "\u202egnp.exe \u2066 שלום עולם مرحبا \u200e",
    "<script>alert(1)</script> &amp; \"quoted\" 'single' </div>",
    "x" * 100_000,
    "<&>" * 40_000,
    "\ud800 half",
)


def facts(number: int = 1, **changes: object) -> Facts:
    plain = Facts(
        key=f"shop/{number:016x}/3",
        project="shop",
        rule="cost-per-hour",
        title="Cost per hour",
        description="What one agent spends.",
        labels={"agent": f"researcher-{number}"},
        severity="critical",
        cause="value",
        unit="usd",
        value=Decimal("12.4"),
        threshold=Decimal(10),
        baseline=Decimal("3.1"),
        usd=Decimal("12.4"),
        explanation="The agent repeats search 41 times.",
        trace_ids=("a" * 32, "b" * 32, "c" * 32, "d" * 32),
        view=f"traces?from=1763726400&to=1763730060&agent=researcher-{number}",
        runbook="https://wiki.example.com/cost",
        owner="on-call",
        started_ns=BEGAN_NS,
        series=((1_763_726_400, 3.0), (1_763_730_000, 12.4)),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields, as tests write them


def notification(
    transition: Transition = "trigger",
    incidents: Sequence[Incident] | None = None,
    receipt: str = "",
    number: int = 1,
) -> Notification:
    ended = BEGAN_NS + 720 * 10**9 if transition == "resolve" else None
    given = [incident(facts(ended_ns=ended), BASE)] if incidents is None else incidents
    return Notification(
        id=f"n-{number}-{transition}",
        transition=transition,
        group="shop / cost-per-hour",
        group_key="shop/cost-per-hour/7",
        incidents=given,
        receipt=receipt,
        labels={"agent": "researcher-1"},
    )


def hostile() -> Notification:
    """One with every text that tries to break out, wherever telemetry can put one."""
    incidents = [
        incident(
            facts(
                number,
                labels={"agent": text, text[:60]: "x"},
                headline=text if number % 2 else "",
                explanation=text,
                owner=text,
                series=(),
            ),
            BASE,
        )
        for number, text in enumerate(HOSTILE, 1)
    ]
    # Not through our own words either: a title and lines as somebody else would make them.
    raw = [replace(one, title=text, lines=(text, text)) for one, text in zip(incidents, HOSTILE)]  # noqa: B905
    return replace(notification(incidents=[*incidents, *raw]), group=HOSTILE[0], left_out=9)
