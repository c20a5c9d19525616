"""Lines that count, read back: the best report of each day, with what users say of them applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from spanledger_analytics.invoices.line import Dataset, InvoiceLine
from spanledger_analytics.invoices.reports import Source, plain_provider, standing_back
from spanledger_analytics.invoices.rows import lines_of
from spanledger_analytics.invoices.rules import Rules
from spanledger_storage.store import Params, Store

_PAGE = 50_000


@dataclass(frozen=True, slots=True)
class SourceDay:
    """What a source tells of a day.

    Attributes:
        source: as stored.
        import_id: the import that counts for the day.
        is_final: whether the provider will not change it.
        stands_back_behind: the source that tells the same and counts instead; empty: none, this
            one counts.
    """

    day: date
    source: str
    provider: str
    dataset: Dataset
    account: str
    import_id: str
    is_final: bool
    stands_back_behind: str = ""


def sources(
    store: Store, project: str, first_day: date, last_day: date, *, totals: bool = False
) -> list[SourceDay]:
    """Return what was imported into a project for some days, by day and source.

    With ``totals`` those too that tell what invoices come to (``totals.py``).

    Raises:
        StoreError: the store refused or did not answer.
    """
    params = {"project": project, "first_day": first_day, "last_day": last_day}
    by_day: dict[date, dict[str, tuple[Source, str, bool]]] = {}
    for row in store.rows("invoice_sources", params):
        day = date.fromisoformat(str(row["day"]))
        text = str(row["source"])
        source = Source.parse(text)
        if source.is_total and not totals:
            continue
        by_day.setdefault(day, {})[text] = source, str(row["import_id"]), bool(row["is_final"])
    found: list[SourceDay] = []
    for day, told in by_day.items():
        behind = standing_back({text: source for text, (source, _, _) in told.items()})
        found += [
            SourceDay(
                day, text, source.provider, source.dataset, source.account, import_id, is_final,
                behind.get(text, ""),
            )
            for text, (source, import_id, is_final) in told.items()
        ]  # fmt: skip
    return found


def current_lines(
    store: Store,
    project: str,
    first_day: date,
    last_day: date,
    provider: str | None = None,
    *,
    rules: Rules | None = None,
    only_waiting: bool = False,
) -> Iterator[InvoiceLine]:
    """Return the lines that count for some days, by day, source and line of the file.

    Of reports that tell the same money or the same quantities on a day only the best one counts.
    A line of several days counts on its first.

    Args:
        store: where lines are.
        project: whose; lines of scopes that are mapped to it elsewhere are among them, and those
            of its own that are mapped to another project are not.
        first_day: UTC.
        last_day: the last one, itself included.
        provider: one alone, in any of its spellings; None: all.
        rules: what users say of lines (``rules_of``); None: lines are as they were imported.
        only_waiting: those alone that were imported without a class, or without dollars.

    Raises:
        StoreError: the store refused or did not answer.
    """
    rules = rules or Rules()
    for place in rules.places(project):
        days = sources(store, place, first_day, last_day)
        counted = [one for one in days if not one.stands_back_behind]
        if provider is not None:
            wanted = plain_provider(provider)
            counted = [one for one in counted if plain_provider(one.provider) == wanted]
        for line in _lines(store, place, counted, only_waiting):
            read = rules.read(line, place, project)
            if read is not None:
                yield read


def _lines(
    store: Store, project: str, days: Sequence[SourceDay], only_waiting: bool
) -> Iterator[InvoiceLine]:
    """Return the lines of some days and sources, a page at a time."""
    if not days:
        return
    finals = {(one.day, one.source): one.is_final for one in days}
    params: dict[str, object] = {
        "project": project,
        "first_day": min(one.day for one in days),
        "last_day": max(one.day for one in days),
        "wanted": sorted({f"{one.day} {one.source}" for one in days}),
        "page_size": _PAGE,
        "only_waiting": int(only_waiting),
    }
    yield from _pages(store, params, finals)


def _pages(
    store: Store, params: Params, finals: dict[tuple[date, str], bool]
) -> Iterator[InvoiceLine]:
    after: dict[str, object] = {
        "after_day": date(1970, 1, 1), "after_source": "", "after_line": 0, "after_part": 0,
    }  # fmt: skip
    while True:
        table = store.arrow("invoice_lines_page", {**params, **after})
        for _, _, line in lines_of(table, finals):
            yield line
        if table.num_rows < _PAGE:
            return
        last = table.slice(table.num_rows - 1).to_pylist()[0]
        after = {
            "after_day": next(lines_of(table.slice(table.num_rows - 1)))[2].day,
            "after_source": last["source"],
            "after_line": last["line_number"],
            "after_part": last["part"],
        }
