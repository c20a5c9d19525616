"""A cell while its difference is being explained; numbers in units of 10^-12."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from typing import Literal, NamedTuple

from spanledger_analytics.invoices.line import TokenClass
from spanledger_analytics.reconciliation.bill_side import BillRow
from spanledger_analytics.reconciliation.ledger_side import LedgerRow, Sum, Telemetry
from spanledger_analytics.reconciliation.pico import pro_rata
from spanledger_analytics.reconciliation.result import Cause, CellKey, Confidence

Shown = Literal["", "incomplete", "retried", "crossing", "unpriced", "doubled", "long", "any"]
"""Which calls of a cell show a cause; empty: none, their absence does."""


_HALF_CENT = 5 * 10**9
_NOISE = 10**6  # a millionth of a dollar: reports round their amounts to about as many decimals


def sure_if(is_sure: bool) -> Confidence:
    """Return how sure a claim is: two independent facts agree, or one alone says so."""
    return "high" if is_sure else "medium"


class Claim(NamedTuple):
    """What a cause explains of a cell.

    Attributes:
        cause: why.
        usd: how much of the difference.
        confidence: how sure it is.
        explanation: one or two sentences.
        quantity: what of the difference in quantity it is; 0: it is about the price.
        shown: which calls show it.
        evidence_count: how many there are.
    """

    cause: Cause
    usd: int
    confidence: Confidence
    explanation: str
    quantity: int = 0
    shown: Shown = ""
    evidence_count: int = 0


@dataclass(slots=True)
class Case:
    """One key of both sides, and what of their difference is not explained yet.

    Attributes:
        key: what it is about.
        token_class: the same as in the key.
        ledger: what the ledger says; its ``quantity`` includes what has no price.
        telemetry: how well its calls are known.
        ledger_rows: what it is made of.
        billed_rows: what the bill says of it, by everything the bill tells.
        usage_rows: the same of the usage report.
        billed_quantity: None: the bill does not tell it.
        usage_quantity: None: no usage report tells it at this grain.
        billed_usd: what was charged.
        volume: part of the difference that comes of quantities and is not explained yet.
        price: the same of prices.
        quantity: difference in quantity that is not explained yet.
        claims: what was explained, in order.
    """

    key: CellKey
    token_class: TokenClass
    ledger: Sum = Sum()
    telemetry: Telemetry = Telemetry()
    ledger_rows: list[LedgerRow] = field(default_factory=list[LedgerRow])
    billed_rows: list[BillRow] = field(default_factory=list[BillRow])
    usage_rows: list[BillRow] = field(default_factory=list[BillRow])
    billed_quantity: int | None = None
    usage_quantity: int | None = None
    billed_usd: int = 0
    volume: int = 0
    price: int = 0
    quantity: int = 0
    volume_usd: int = 0
    claims: list[Claim] = field(default_factory=list[Claim])
    _rounding: int | None = None

    @property
    def variance(self) -> int:
        """What was charged beyond the ledger."""
        return self.billed_usd - self.ledger.usd

    @property
    def price_usd(self) -> int:
        """What of the variance comes of prices, explained or not."""
        return self.variance - self.volume_usd

    @property
    def rest(self) -> int:
        """What of it is not explained yet."""
        return self.volume + self.price

    @property
    def charged_quantity(self) -> int | None:
        """What the provider counted: by its bill, else by its usage report; None: not told."""
        return self.billed_quantity if self.billed_quantity is not None else self.usage_quantity

    @property
    def priced_quantity(self) -> int:
        """What of the ledger's quantity it knows the price of."""
        return self.ledger.quantity - self.ledger.unpriced

    @property
    def base_usd(self) -> int:
        """What the provider's quantity costs at the ledger's price."""
        return self.ledger.usd + self.volume_usd

    @property
    def rounding(self) -> int:
        """By how much the bill may be off because its amounts are rounded."""
        if self._rounding is None:
            lines = sum([row.lines for row in self.billed_rows])
            self._rounding = max(lines, 1) * (_HALF_CENT if self.is_in_cents else _NOISE)
        return self._rounding

    @property
    def is_in_cents(self) -> bool:
        """Whether every amount of the bill is of whole cents, so that it may be rounded to them."""
        return bool(self.billed_rows) and all(row.is_in_cents for row in self.billed_rows)

    def before_discount(self, ratio: Fraction) -> None:
        """Reckon with list prices from now on: what rounding took there is more by the discount."""
        self._rounding = ceil(self.rounding / ratio)

    def agrees(self, usd: int) -> bool:
        """Return whether an amount is what is unexplained of the price, as far as lines tell."""
        return abs(usd - self.price) <= self.rounding

    def fits(self, usd: int) -> bool:
        """Return whether an amount is what is unexplained of the price, and no mere rounding."""
        return abs(usd) > 4 * self.rounding and self.agrees(usd)

    def exactly(self, usd: int) -> int:
        """Return an amount that fits, with what noise of arithmetic differs."""
        return self.price if abs(usd - self.price) <= _NOISE else usd

    @property
    def is_agreed(self) -> bool:
        """Whether both sides tell the same quantity, and it is not nothing."""
        return self.ledger.quantity > 0 and self.charged_quantity == self.ledger.quantity

    def split(self) -> None:
        """Set what is to be explained: the difference in quantity at the ledger's price, the rest.

        volume = (billed - ledger) x price of the ledger; where the ledger knows no price, at the
        provider's. What stands on one side alone is all volume.
        """
        charged = self.charged_quantity
        if charged == self.ledger.quantity and self.billed_usd == self.ledger.usd:
            return  # nothing is off, as in most cells
        if self.ledger.quantity == 0 or charged == 0 or self.ledger.usd == 0 == self.billed_usd:
            is_only_price = self.ledger.quantity == 0 and charged == 0
            self.volume = 0 if is_only_price else self.variance
        elif charged is None:
            self.volume = 0 if self.ledger.usd and self.billed_usd else self.variance
        else:
            priced = self.priced_quantity
            amount, of = (
                (self.ledger.usd, priced)
                if self.ledger.usd and priced
                else (self.billed_usd, charged)
            )
            self.volume = pro_rata(amount, charged - self.ledger.quantity, of)
        self.quantity = (charged or 0) - self.ledger.quantity if charged is not None else 0
        self.price = self.variance - self.volume
        self.volume_usd = self.volume

    def worth(self, quantity: int) -> int:
        """Return what a part of the difference in quantity is worth, at the price volume has."""
        if quantity == self.quantity:
            return self.volume
        if self.ledger.usd and self.priced_quantity:
            return pro_rata(self.ledger.usd, quantity, self.priced_quantity)
        charged = self.charged_quantity
        return pro_rata(self.billed_usd, quantity, charged) if charged else 0

    def revalue(self, volume: int) -> None:
        """Set what the open difference in quantity is worth; the rest is one of price."""
        self.price += self.volume - volume
        self.volume = volume

    def take(self, claim: Claim) -> None:
        """Count a claim as explained; one without money and quantity is nothing."""
        if not claim.usd and not claim.quantity:
            return
        if claim.quantity:
            self.quantity -= claim.quantity
            self.volume -= claim.usd
            if not self.quantity:
                # Single calls cost more or less than the average that volume is reckoned at.
                self.price, self.volume = self.price + self.volume, 0
        else:
            # What is not about quantities is taken from the price first.
            from_price = claim.usd if self.volume == 0 or self.price else 0
            self.price -= from_price
            self.volume -= claim.usd - from_price
        if claim.usd:
            self.claims.append(claim)

    def whole(self, cause: Cause, confidence: Confidence, text: str, shown: Shown = "") -> Claim:
        """Return a claim of everything that is not explained yet."""
        return Claim(cause, self.rest, confidence, text, 0, shown)
