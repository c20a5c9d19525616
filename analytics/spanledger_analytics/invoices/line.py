"""One line of a provider's report in our terms, whatever the report calls things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Dataset(StrEnum):
    """What a report tells: quantities, amounts by day, or the invoice itself."""

    USAGE = "usage"
    COST = "cost"
    INVOICE = "invoice"


class TokenClass(StrEnum):
    """What a line is for; classes of tokens are disjoint, so no token is in two of them.

    ``CACHE_WRITE`` is of an unknown lifetime. ``UNMAPPED`` waits for a mapping: its amount counts,
    what it is for is not known.
    """

    UNCACHED = "uncached"
    INPUT = "input"
    """Input of which cached tokens are not told apart; quantities alone."""
    CACHE_READ = "cache_read"
    CACHE_WRITE = "cache_write"
    CACHE_WRITE_5M = "cache_write_5m"
    CACHE_WRITE_1H = "cache_write_1h"
    OUTPUT = "output"
    WEB_SEARCH = "web_search"
    TOOL = "tool"
    """Other tools the provider runs: code execution, file search, sessions."""
    STORAGE = "storage"
    IMAGES = "images"
    AUDIO = "audio"
    REQUESTS = "requests"
    """Numbers of requests; no money."""
    MODEL = "model"
    """All of a model's usage in one line: its classes are not told apart."""
    CAPACITY = "capacity"
    """Throughput, commitments and subscriptions bought ahead."""
    GPU = "gpu"
    """Time of a GPU: rented, owned, or a share of one."""
    INFRA = "infra"
    """Other infrastructure by the hour."""
    CREDIT = "credit"
    DISCOUNT = "discount"
    TAX = "tax"
    ROUNDING = "rounding"
    ADJUSTMENT = "adjustment"
    INVOICE_TOTAL = "invoice_total"
    """What an invoice comes to as a whole: compared with the sum of lines, never added to it."""
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """What a provider says was used, or charged, in some days.

    A dimension is ``None`` where the report does not tell it, and ``""`` where it says there is
    none (Anthropic's default workspace). Quantities are tokens, searches, requests …: never
    thousands of them.

    Attributes:
        day: first UTC day the line is for.
        last_day: its last one, the same but for lines of weeks or months.
        dataset: what kind of report it comes from.
        provider: as the ledger names it: ``openai``, ``anthropic``, ``gcp.vertex_ai`` …
        token_class: what it is for.
        quantity: in ``unit``; None: not told.
        unit: ``tokens``, ``requests``, ``searches``, ``hours`` … in the plural; empty: none.
        amount: what is charged, in ``currency``, after discounts as far as the report tells;
            None: the report tells no money.
        currency: ISO 4217, upper case; empty without an amount.
        list_amount: the same before discounts; None: not told.
        scope: the provider's project, workspace, subscription or account.
        api_key: id of the key, never the secret.
        user: the provider's id of who used it.
        model: as the ledger would name it, without vendor's prefixes.
        reported_model: as it stands in the report.
        processing: ``sync`` or ``batch``.
        service_tier: ``""`` is the standard tier, however the provider calls it.
        context: context bucket as the provider names it, such as ``0-200k``.
        geo: where it ran, as the provider names it.
        description: the free text of the line, as it stands there.
        invoice_id: of the provider; empty: not told.
        line_number: in its file, from 1 (of JSON: the number of the record).
        extra: what else the line says, by the names of the report.
        amount_usd: ``amount`` in US dollars, when it is read back; None: no money, or no exchange
            rate known for the day.
        is_final: whether the provider will not change the day, when it is read back.
    """

    day: date
    last_day: date
    dataset: Dataset
    provider: str
    token_class: TokenClass
    quantity: Decimal | None = None
    unit: str = ""
    amount: Decimal | None = None
    currency: str = ""
    list_amount: Decimal | None = None
    scope: str | None = None
    api_key: str | None = None
    user: str | None = None
    model: str | None = None
    reported_model: str = ""
    processing: str | None = None
    service_tier: str | None = None
    context: str | None = None
    geo: str | None = None
    description: str = ""
    invoice_id: str = ""
    line_number: int = 0
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    amount_usd: Decimal | None = None
    is_final: bool = False
