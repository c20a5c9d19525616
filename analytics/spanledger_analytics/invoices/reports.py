"""The reports we read: which provider's, of what, how soon final, and which gives way to which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from urllib.parse import unquote

from spanledger_analytics.invoices.line import Dataset
from spanledger_analytics.providers import price_book_id

_NS_PER_S = 10**9
_MARKS = re.compile("[%/:]")  # what ends a part of a source's text, and what begins an escape
# Accounts that every report writes alike: AWS's payers and Google's billing accounts. Those of
# other providers may be one under two names, so that they do not tell two bills apart.
_ACCOUNT_IDS = {
    "aws": re.compile(r"\d{12}", re.ASCII),
    "google": re.compile(r"[0-9A-F]{6}(-[0-9A-F]{6}){2}"),
}
INVOICE_TOTAL = "invoice.total"
"""The report of what invoices come to as a whole; its lines are no part of any sum."""


@dataclass(frozen=True, slots=True)
class Report:
    """One report of a provider.

    Attributes:
        name: as in ``openai.costs``.
        provider: as the ledger names it; empty: each line tells.
        dataset: what it tells; None: each line tells.
        rank: of reports of the same money or quantities on the same day the lowest one counts.
        settles: after what a day is final: ``day``: so many days after it is over; ``month``: so
            many days after its month is over.
        settles_days: how many.
        part: what of the dataset it tells, where reports complement each other.
        is_delivered_in_parts: several files of one folder are one delivery.
    """

    name: str
    provider: str
    dataset: Dataset | None
    rank: int = 0
    settles: Literal["day", "month"] = "month"
    settles_days: int = 14
    part: str = ""
    is_delivered_in_parts: bool = False

    def settled_at(self, day: date) -> datetime:
        """Return the moment from which a report of a day does not change any more."""
        last = day if self.settles == "day" else month_of(day)[1]
        return datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(
            days=self.settles_days + 1
        )

    def is_final(self, day: date, fetched_at_ns: int) -> bool:
        """Return whether what was fetched then (UTC nanoseconds) is the last word on a day."""
        return fetched_at_ns >= int(self.settled_at(day).timestamp()) * _NS_PER_S


_OPENAI_USAGE = (
    "completions", "embeddings", "moderations", "images", "audio_speeches", "audio_transcriptions",
    "vector_stores", "code_interpreter_sessions", "file_search_calls", "web_search_calls",
    "decisions",
)  # fmt: skip

# When days are final: docs/invoices.md says what each number rests on.
REPORTS = {
    report.name: report
    for report in (
        *(
            Report(f"openai.usage.{part}", "openai", Dataset.USAGE, part=part)
            for part in _OPENAI_USAGE
        ),
        Report("openai.usage_csv", "openai", Dataset.USAGE, rank=5, part="completions"),
        Report("openai.costs", "openai", Dataset.COST),
        Report("openai.costs_csv", "openai", Dataset.COST, rank=5),
        Report("anthropic.usage", "anthropic", Dataset.USAGE, settles_days=1),
        Report("anthropic.usage_csv", "anthropic", Dataset.USAGE, rank=5, settles_days=1),
        Report("anthropic.analytics_usage", "anthropic", Dataset.USAGE, rank=10, settles_days=1),
        Report("anthropic.costs", "anthropic", Dataset.COST, settles_days=1),
        Report("anthropic.costs_csv", "anthropic", Dataset.COST, rank=5, settles_days=1),
        Report("anthropic.analytics_costs", "anthropic", Dataset.COST, rank=10, settles_days=1),
        Report("gcp.billing", "gcp.vertex_ai", Dataset.COST, is_delivered_in_parts=True),
        Report("aws.cur", "aws.bedrock", Dataset.COST, is_delivered_in_parts=True),
        Report("azure.costs", "azure.ai.openai", Dataset.COST, is_delivered_in_parts=True),
        Report("deepseek.amount", "deepseek", Dataset.COST, settles_days=1),
        Report("deepseek.cost", "deepseek", Dataset.COST, rank=5, settles_days=1),
        Report("fireworks.metrics", "fireworks", Dataset.USAGE),
        Report("fireworks.costs", "fireworks", Dataset.COST),
        Report("openrouter.activity", "openrouter", Dataset.COST, settles="day", settles_days=1),
        Report("openrouter.activity_usage", "openrouter", Dataset.USAGE, settles="day",
               settles_days=1),
        Report("openrouter.generation", "openrouter", Dataset.COST, rank=10),
        Report("openrouter.generation_usage", "openrouter", Dataset.USAGE, rank=10),
        Report("mistral.usage", "mistral_ai", Dataset.COST),
        Report("mistral.usage_quantities", "mistral_ai", Dataset.USAGE),
        Report("focus", "", Dataset.COST, rank=20, is_delivered_in_parts=True),
        Report("focus.invoice", "", Dataset.INVOICE, rank=20),
        Report(INVOICE_TOTAL, "", Dataset.INVOICE, settles_days=0),
        Report("generic", "", None, rank=30),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A report, the provider and dataset its lines are of, and the account at the provider.

    As text: ``openai.costs``, ``aws.cur/111122223333``, ``generic@acme:cost/team-a``. In the name
    of a provider ``%``, ``/`` and ``:`` are percent-encoded.
    """

    report: Report
    provider: str
    dataset: Dataset
    account: str = ""

    @property
    def text(self) -> str:
        """How it is stored; days of one source replace each other."""
        return self._text(_MARKS.sub(lambda mark: f"%{ord(mark[0]):02X}", self.provider))

    @property
    def earlier_text(self) -> str:
        """How earlier versions stored it: whatever the provider's name holds, as it is."""
        return self._text(self.provider)

    def _text(self, provider: str) -> str:
        told = "" if self.report.provider else f"@{provider}"
        told += "" if self.report.dataset else f":{self.dataset}"
        return self.report.name + told + (f"/{self.account}" if self.account else "")

    @property
    def is_total(self) -> bool:
        """Whether it tells what invoices come to, which is compared and not added up."""
        return self.report.name == INVOICE_TOTAL

    @classmethod
    def parse(cls, text: str) -> Source:
        """Return the source a text stands for; of a report that is not known any more, its name."""
        head, _, account = text.partition("/")
        name, _, provider = head.partition("@")
        report = REPORTS.get(name) or Report(name, "", Dataset.COST, rank=99)
        dataset = report.dataset
        if dataset is None:
            before, _, last = provider.rpartition(":")
            # Of earlier texts of acme/eu the dataset is taken for a part of the account.
            is_told = last in set(Dataset)
            provider, dataset = (before, Dataset(last)) if is_told else (provider, Dataset.COST)
        return cls(report, report.provider or unquote(provider), dataset, account)

    def competes_with(self, other: Source) -> bool:
        """Return whether both tell the same money or quantities, so that one alone counts."""
        if self.report.name == other.report.name or self.dataset is not other.dataset:
            return False
        if plain_provider(self.provider) != plain_provider(other.provider):
            return False
        if self.is_total or other.is_total or self._is_of_another_account(other):
            return False
        mine, theirs = self.report.part, other.report.part
        return not mine or not theirs or mine == theirs

    def _is_of_another_account(self, other: Source) -> bool:
        """Return whether both name an account by the provider's id, and not the same."""
        form = _ACCOUNT_IDS.get(plain_provider(self.provider))
        ids = {self.account, other.account}
        return form is not None and len(ids) == 2 and all(map(form.fullmatch, ids))


def plain_provider(provider: str) -> str:
    """Return one name for all spellings of a provider."""
    return price_book_id(provider) or provider.strip().lower()


def standing_back(told: Mapping[str, Source]) -> dict[str, str]:
    """Return which of the sources of one day do not count, and behind which each stands back.

    Args:
        told: the sources, by the texts that are stored.
    """
    # What an earlier version imported is replaced by the same source under the text of today.
    behind = {
        source.earlier_text: text
        for text, source in told.items()
        if source.earlier_text != text and source.earlier_text in told
    }
    found = [(source, text) for text, source in told.items() if text not in behind]
    found.sort(key=lambda one: (one[0].report.rank, one[0].report.name))
    counted: list[tuple[Source, str]] = []
    for source, text in found:
        better = next((name for one, name in counted if source.competes_with(one)), None)
        if better is None:
            counted.append((source, text))
        else:
            behind[text] = better
    return behind


def month_of(day: date) -> tuple[date, date]:
    """Return the first and the last day of the month a day lies in."""
    last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return day.replace(day=1), last
