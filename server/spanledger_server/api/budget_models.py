"""What the budgets' part of the API takes and answers. Amounts are decimal strings, exact."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from spanledger_server.periods import rfc3339
from spanledger_storage.budget_accounts import LONGEST_TTL_S
from spanledger_storage.budget_amounts import Amounts, Forecasts
from spanledger_storage.budget_requests import Reserve, Reserved, Settle, Settled, Subject
from spanledger_storage.budget_windows import Period
from spanledger_storage.budgets import Breach, BudgetScope, BudgetTerms, Measure

Amount = Annotated[
    Decimal,
    Field(ge=0, max_digits=30, decimal_places=12, examples=["12.345"]),
    PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json-unless-none"),
]
# Without limits: what is left may be below zero.
Figure = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:f}", return_type=str, when_used="json-unless-none"),
    Field(examples=["12.345000000000"]),
]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")]
_NO_ZERO = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(max_length=512, pattern=_NO_ZERO)]
_MOST_SETTLED = 500
_FIELDS = ("agent", "session", "user", "task", "model")


class Taken(BaseModel):
    """A body: what it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid")


class SubjectBody(Taken):
    """Whose call it is; what is left out is not known."""

    agent: Name = ""
    session: Name = ""
    user: Name = ""
    task: Name = ""
    model: Name = ""
    tags: dict[Name, Name] = Field(
        default={}, max_length=64, description="Dimensions; `team` is also a scope of its own."
    )

    def subject(self) -> Subject:
        """Return it as the accounts take it."""
        return Subject(self.agent, self.session, self.user, self.task, self.model, self.tags)


class AmountsBody(Taken):
    """An amount of each measure; null: not known."""

    usd: Amount | None = None
    tokens: Amount | None = None
    llm_calls: Amount | None = None

    def wanted(self) -> dict[Measure, Decimal | None]:
        """Return them by measure."""
        return {"usd": self.usd, "tokens": self.tokens, "llm_calls": self.llm_calls}


class ReserveBody(Taken):
    """Set something aside before calls are made."""

    key: Key = Field(description="The same in a request that is sent again: it counts once.")
    subject: SubjectBody
    needed: AmountsBody = Field(
        default=AmountsBody(),
        description="Less is refused. Null: as the largest call of the window, of at most a tenth "
        "of the hard limit, else a hundredth of the limit.",
    )
    wanted: AmountsBody = Field(
        default=AmountsBody(),
        description="Granted instead where it is at most a tenth of what is left.",
    )
    ttl_s: int = Field(default=600, ge=1, le=LONGEST_TTL_S, description="Seconds until it expires.")
    enforce: bool = Field(
        default=True, description="False: granted also over a hard limit, and told of."
    )

    def request(self) -> Reserve:
        """Return it as the accounts take it."""
        needed, wanted = self.needed.wanted(), self.wanted.wanted()
        return Reserve(
            self.key, self.subject.subject(), needed, wanted, self.ttl_s, is_strict=self.enforce
        )


class SettlementBody(Taken):
    """What one call used."""

    key: Key = Field(description="The same in a request that is sent again: it counts once.")
    reservation: str = Field(default="", max_length=32)
    subject: SubjectBody | None = Field(
        default=None, description="Whose call it was; needed where the reservation is not known."
    )
    set_aside: AmountsBody | None = Field(
        default=None,
        description="The part of the reservation that is not needed any more; null: all.",
    )
    used: AmountsBody = Field(description="Null: as much as was set aside.")
    started_at: float | None = Field(
        default=None, ge=0, le=1e11, description="Unix seconds; null: now."
    )
    trace_id: str = Field(default="", pattern=r"^([0-9a-f]{32})?$")
    span_id: str = Field(default="", pattern=r"^([0-9a-f]{16})?$")
    response_id: Annotated[str, StringConstraints(max_length=256, pattern=_NO_ZERO)] = ""
    passed: bool = Field(default=False, description="It was made although nobody answered in time.")

    def request(self, now_s: int) -> Settle:
        """Return it as the accounts take it."""
        has_span = bool(self.trace_id and self.span_id)
        return Settle(
            key=self.key,
            reservation=self.reservation,
            subject=None if self.subject is None else self.subject.subject(),
            set_aside=None if self.set_aside is None else self.set_aside.wanted(),
            used=self.used.wanted(),
            at_s=now_s if self.started_at is None else int(self.started_at),
            span_key=self.trace_id + self.span_id if has_span else "",
            response_id=self.response_id,
            was_passed=self.passed,
        )


class SettleBody(Taken):
    """Put what calls used in the place of what was set aside for them."""

    settlements: list[SettlementBody] = Field(min_length=1, max_length=_MOST_SETTLED)


class ReleaseBody(Taken):
    """Give back what is left."""

    reservations: list[Annotated[str, StringConstraints(max_length=32)]] = Field(
        min_length=1, max_length=_MOST_SETTLED
    )


class TermsBody(Taken):
    """What somebody decides about a budget."""

    name: str = Field(min_length=1, max_length=128)
    scope: BudgetScope
    selector: Name = Field(default="", description="Whose; of a tag: key=value.")
    measure: Measure = "usd"
    period: Period = "month"
    rolling_s: int | None = Field(default=None, description="Seconds of a rolling window.")
    timezone: str = Field(default="UTC", max_length=64, description="IANA name.")
    soft_limit: Amount | None = None
    hard_limit: Amount | None = None
    owner: Name = ""
    note: Annotated[str, StringConstraints(max_length=2_000, pattern=_NO_ZERO)] = ""
    is_active: bool = True

    def terms(self) -> BudgetTerms:
        """Return them, unchecked: storing checks them."""
        return BudgetTerms(**self.model_dump())


class BudgetState(BaseModel):
    """A budget, what is spent and set aside in its window, and where that leads."""

    id: str
    name: str
    scope: BudgetScope
    selector: str
    measure: Measure
    period: Period
    rolling_s: int | None
    timezone: str
    soft_limit: Figure | None
    hard_limit: Figure | None
    owner: str
    note: str
    is_active: bool
    window_start: str
    window_end: str
    spent: Figure = Field(description="in_ledger and settled.")
    in_ledger: Figure
    settled: Figure = Field(description="Told by clients and not in the ledger yet.")
    reserved: Figure
    left: Figure | None = Field(description="Of the hard limit; null: there is none.")
    level: Literal["", "soft", "hard"] = Field(description="The limit that spending has reached.")
    refused: int = Field(description="Requests that did not fit, in this window.")
    passed: int = Field(description="Calls that clients let pass unasked, in this window.")
    ledger_as_of: str | None = Field(description="Null: not asked yet in this window.")
    burn_per_hour: Figure | None = None
    forecast_low: Figure | None = None
    forecast_mid: Figure | None = None
    forecast_high: Figure | None = None
    forecast_method: str = ""
    exhausts_at: str | None = None
    exhaustion_ratio: Figure | None = None

    @classmethod
    def of(cls, amounts: Amounts, forecasts: Forecasts | None = None) -> BudgetState:
        """Return it as answered."""
        terms, window = amounts.budget.terms, amounts.window
        as_of_ns = amounts.ledger_as_of_ns
        told = forecasts or {}
        exhausts_at_s = told.get("exhausts_at_s")
        return cls.model_validate(
            {
                **{name: getattr(terms, name) for name in TermsBody.model_fields},
                **{name: told.get(name) for name in _FORESEEN},
                "forecast_method": told.get("forecast_method") or "",
                "id": amounts.budget.id,
                "window_start": rfc3339(window.start_s),
                "window_end": rfc3339(window.end_s),
                "spent": amounts.spent,
                "in_ledger": amounts.in_ledger,
                "settled": amounts.settled,
                "reserved": amounts.reserved,
                "left": amounts.room,
                "level": amounts.level,
                "refused": amounts.refused,
                "passed": amounts.passed,
                "ledger_as_of": None if as_of_ns is None else rfc3339(as_of_ns // 10**9),
                "exhausts_at": rfc3339(int(str(exhausts_at_s))) if exhausts_at_s else None,
            }
        )


_FORESEEN = (
    "burn_per_hour",
    "forecast_low",
    "forecast_mid",
    "forecast_high",
    "exhaustion_ratio",
)


class BudgetList(BaseModel):
    """Budgets by name."""

    project: str
    budgets: list[BudgetState]


class Grant(BaseModel):
    """The answer to a reservation."""

    granted: bool
    reservation: str = Field(description="Empty: nothing is set aside.")
    amounts: dict[Measure, Figure] = Field(description="Set aside, by measure that is limited.")
    expires_in_s: float
    over: list[str] = Field(description="Ids of the budgets it does not fit in.")
    budgets: list[BudgetState] = Field(description="That count these calls; none: no limit.")
    scopes: list[str] = Field(
        description="That any active budget asks for: calls that are alike in these count alike.",
        examples=[["agent", "tag:customer"]],
    )

    @classmethod
    def of(cls, reserved: Reserved) -> Grant:
        """Return it as answered."""
        return cls(
            granted=reserved.is_granted,
            reservation=reserved.reservation,
            amounts=dict(reserved.granted),
            expires_in_s=max(0.0, reserved.expires_at_ns / 1e9 - time.time()),
            over=list(reserved.over),
            budgets=[BudgetState.of(amounts) for amounts in reserved.budgets],
            scopes=list(reserved.scopes),
        )


class Counted(BaseModel):
    """What became of settlements."""

    counted: int
    repeated: int = Field(description="Counted before.")
    unknown: int = Field(description="Of no reservation we know, and without a subject.")

    @classmethod
    def of(cls, settled: Settled) -> Counted:
        """Return it as answered."""
        return cls(counted=settled.counted, repeated=settled.repeated, unknown=settled.unknown)


class Released(BaseModel):
    """How many reservations held something."""

    released: int


class BreachAnswer(BaseModel):
    """A budget was at a limit."""

    id: str
    budget_id: str
    budget: str
    level: Literal["soft", "hard", "refused"]
    window_start: str
    began_at: str
    ended_at: str | None = Field(description="Null: it lasts.")
    limit: Figure
    peak: Figure
    refused: int

    @classmethod
    def of(cls, breach: Breach) -> BreachAnswer:
        """Return it as answered."""
        ended_at_ns = breach.ended_at_ns
        return cls.model_validate(
            {
                "id": breach.id,
                "budget_id": breach.budget_id,
                "budget": breach.budget_name,
                "level": breach.level,
                "window_start": rfc3339(breach.window_start_s),
                "began_at": rfc3339(breach.began_at_ns // 10**9),
                "ended_at": None if ended_at_ns is None else rfc3339(ended_at_ns // 10**9),
                "limit": breach.limit_amount,
                "peak": breach.peak_amount,
                "refused": breach.count,
            }
        )


class BreachList(BaseModel):
    """Breaches, the newest first."""

    project: str
    breaches: list[BreachAnswer]
