"""One pull: a report's days, window by window, each an import of its own; it can be resumed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from spanledger_analytics.invoices.deliveries import Delivery
from spanledger_analytics.invoices.documents import Document
from spanledger_analytics.invoices.errors import InvoiceError, PullError
from spanledger_analytics.invoices.formats import format_named
from spanledger_analytics.invoices.import_run import Asked, Outcome, import_delivery
from spanledger_analytics.invoices.line import Dataset
from spanledger_analytics.invoices.pulling import PULLERS
from spanledger_analytics.invoices.pulling.client import Access, Client
from spanledger_analytics.invoices.pulling.puller import Puller
from spanledger_analytics.invoices.reports import REPORTS, Source
from spanledger_storage.invoice_state import InvoiceState, PullRow
from spanledger_storage.price_state import StateEngine
from spanledger_storage.store import Store

SETTLING_DAYS = 14
"""For so many days after its end a month is pulled again: closed months are still restated."""
EVERY_NS = 24 * 3_600 * 10**9
_FIRST_RETRY_NS = 15 * 60 * 10**9
_NS_PER_S = 10**9
_ERROR_LIMIT = 500
MakeClient = Callable[[Puller, Access], Client]


@dataclass(frozen=True, slots=True)
class Pull:
    """What is pulled.

    Attributes:
        report: as in ``openai.costs``.
        since: first day; None: the open month, the one before while it settles, and whatever an
            interrupted pull left.
    """

    project: str
    provider: str
    report: str
    access: Access
    who: str
    since: date | None = None


def make_client(puller: Puller, access: Access) -> Client:
    """Return a client over the network."""
    return Client(access, puller.headers(access))


def pull(
    store: Store, state: StateEngine, asked: Pull, now_ns: int, make: MakeClient = make_client
) -> list[Outcome]:
    """Pull a report and import its days; how it went is kept in the state database.

    Raises:
        PullError: the provider refuses or does not answer; days pulled before that stay.
        InvoiceError: what it answered cannot be read.
    """
    states = InvoiceState(state)
    before = next((row for row in states.pulls(asked.project) if row.report == asked.report), None)
    row = replace(
        before or PullRow(asked.project, asked.report, now_ns, None, now_ns), last_try_ns=now_ns
    )
    puller = PULLERS[asked.provider]
    client = make(puller, asked.access)
    outcomes: list[Outcome] = []
    try:
        for first, last in windows(puller, _start(asked, row, now_ns), now_ns):
            outcome = _window(store, state, asked, puller, client, (first, last), now_ns)
            outcomes.append(outcome)
            row = replace(row, resume_day=f"{last + timedelta(days=1)}")
    except InvoiceError as error:
        states.keep_pull(_failed(row, error, now_ns))
        raise
    finally:
        client.close()
    states.keep_pull(
        replace(row, last_success_ns=now_ns, next_try_ns=now_ns + EVERY_NS, failures=0, error="")
    )
    return outcomes


def scheduled_start(now_ns: int) -> date:
    """Return the first day a scheduled pull asks for."""
    today = _day(now_ns)
    month = today.replace(day=1)
    return (month - timedelta(days=1)).replace(day=1) if today.day <= SETTLING_DAYS else month


def windows(puller: Puller, start: date, now_ns: int) -> Iterator[tuple[date, date]]:
    """Return first and last days of windows, within months, up to the newest day that is told."""
    today = _day(now_ns)
    end = today if puller.tells_today else today - timedelta(days=1)
    if puller.reaches_back_days is not None:
        start = max(start, today - timedelta(days=puller.reaches_back_days))
    while start <= end:
        month_end = (start.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        last = min(end, month_end, start + timedelta(days=puller.longest_days - 1))
        yield start, last
        start = last + timedelta(days=1)


def _start(asked: Pull, row: PullRow, now_ns: int) -> date:
    if asked.since is not None:
        return asked.since
    usual = scheduled_start(now_ns)
    left = date.fromisoformat(row.resume_day) if row.resume_day else usual
    return min(usual, left)


def _window(
    store: Store,
    state: StateEngine,
    asked: Pull,
    puller: Puller,
    client: Client,
    days: tuple[date, date],
    now_ns: int,
) -> Outcome:
    """Pull one window into a file, one page a line, and import it."""
    first, last = days
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pages.jsonl"
        with file.open("w", encoding="utf-8", newline="\n") as out:
            for text in puller.pages(client, asked.report, first, last):
                out.write(text.replace("\r", " ").replace("\n", " ") + "\n")
        name = f"{asked.report} {first} to {last}"
        form = format_named(puller.reports()[asked.report])
        delivery = Delivery(name, form, [Document(name, lambda: file.open("rb"))], now_ns)
        covers = _covers(asked.report, first, last)
        return import_delivery(
            store,
            state,
            delivery,
            Asked(asked.project, asked.who, report=asked.report, covers=covers),
            now_ns,
        )


def _covers(report: str, first: date, last: date) -> frozenset[tuple[str, date]]:
    """Return the days a window tells of, by source: also those on which there was nothing."""
    if report == "mistral.usage":  # it tells a month, by day or as one; the page says which
        return frozenset()
    names = [report] + [name for name in (f"{report}_usage",) if name in REPORTS]
    told = [REPORTS[name] for name in names]
    sources = [Source(one, one.provider, one.dataset or Dataset.COST).text for one in told]
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return frozenset((source, day) for source in sources for day in days)


def _failed(row: PullRow, error: InvoiceError, now_ns: int) -> PullRow:
    failures = row.failures + 1
    wait_ns = min(EVERY_NS, _FIRST_RETRY_NS * 2 ** min(failures - 1, 10))
    if isinstance(error, PullError):
        if error.permanent:
            wait_ns = EVERY_NS
        elif error.retry_after_s is not None:
            wait_ns = max(wait_ns, int(error.retry_after_s * _NS_PER_S))
    return replace(
        row, failures=failures, error=str(error)[:_ERROR_LIMIT], next_try_ns=now_ns + wait_ns
    )


def _day(now_ns: int) -> date:
    return datetime.fromtimestamp(now_ns // _NS_PER_S, UTC).date()
