"""Imports into a real store: once, as whole days, with history, and what is read back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from spanledger_analytics.invoices import import_run
from spanledger_analytics.invoices.deleting import delete_import
from spanledger_analytics.invoices.deliveries import find
from spanledger_analytics.invoices.errors import InvoiceError
from spanledger_analytics.invoices.import_run import Asked, import_delivery
from spanledger_analytics.invoices.line import Dataset, InvoiceLine, TokenClass
from spanledger_analytics.invoices.reading import current_lines, sources
from spanledger_analytics.invoices.reports import REPORTS, Report, Source
from spanledger_analytics.invoices.rules import Rules, checked_mapping, rules_of
from spanledger_analytics.invoices.unmapped import read_unmapped
from spanledger_storage.errors import ConfigError
from spanledger_storage.invoice_state import InvoiceState, MappingRow
from spanledger_storage.price_state import ExchangeRateRow, PriceState
from spanledger_storage.store import Store
from tests.invoicing import DAY_NS, NOW_NS, SAMPLES, charged, import_path
from tests.reconciled import bill
from tests.reconciled import line as charge

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)
HEADER = "start_time,end_time,amount_value,amount_currency,line_item,project_id\n"
GENERIC = """
columns: {day: Date, amount: Cost, model: Model, quantity: Tokens, description: Model}
constants: {provider: acme, currency: EUR, token_class: output, unit: tokens}
quantity_factor: 1000
amount_factor: 0.01
skip: {Kind: [Total]}
"""


def costs(*rows: tuple[int, str, str]) -> str:
    """A dashboard export: rows of day of November, amount and line item."""
    text = HEADER
    for day, amount, item in rows:
        start = int(datetime(2026, 11, day, tzinfo=UTC).timestamp())
        text += f'{start},{start + 86_400},{amount},usd,"{item}",proj_a\n'
    return text


def put(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def read(store: Store, project: str = "default", rules: Rules | None = None) -> list[InvoiceLine]:
    return list(current_lines(store, project, FIRST, LAST, rules=rules))


def mapped(state: sa.Engine, kind: str, pattern: str, target: dict[str, str]) -> MappingRow:
    row = MappingRow("default", kind, "openai", pattern, target, created_by="me",  # type: ignore[arg-type]  # a kind
                     created_at_ns=NOW_NS)  # fmt: skip
    return InvoiceState(state).add_mapping(checked_mapping(row))


def by_day(lines: Sequence[InvoiceLine]) -> dict[int, Decimal]:
    found: dict[int, Decimal] = {}
    for line in lines:
        found[line.day.day] = found.get(line.day.day, Decimal(0)) + (line.amount or 0)
    return found


def test_all_samples_together_count_each_amount_once(store: Store, state: sa.Engine) -> None:
    for file in sorted(SAMPLES.iterdir()):
        if file.name not in ("spans_daily_rollup.csv", "variance_report.json"):
            import_path(store, state, file)
    lines = read(store)
    assert {one.provider: charged([x for x in lines if x.provider == one.provider and
                                   x.dataset.value == "cost"]) for one in lines} == {
        "anthropic": {"USD": Decimal("64.17")}, "aws.bedrock": {"USD": Decimal("0.3370653")},
        "azure.ai.openai": {"USD": Decimal("55.69705")}, "deepseek": {"CNY": Decimal("18.9")},
        "exampleai": {"USD": Decimal("9.72")}, "fireworks": {},
        "gcp.vertex_ai": {"USD": Decimal("38.152")}, "openai": {"USD": Decimal("59.7")},
        "openrouter": {"USD": Decimal("4.12")},
    }  # fmt: skip
    behind = {one.source: one.stands_back_behind for one in sources(store, "default", FIRST, LAST)
              if one.stands_back_behind}  # fmt: skip
    assert behind["openai.costs_csv/org-demo"] == "openai.costs"
    assert behind["focus@anthropic/org-EXAMPLE"] == "anthropic.costs"
    assert "openai.usage.embeddings" not in behind


def test_the_same_content_is_imported_once(store: Store, state: sa.Engine, tmp_path: Path) -> None:
    text = costs((1, "1.25", "a, input"), (1, "1.25", "a, input"))
    [first] = import_path(store, state, put(tmp_path / "a.csv", text))
    [again] = import_path(store, state, put(tmp_path / "b.csv", text))
    assert (first.state, again.state) == ("imported", "known")
    assert again.row.import_id == first.row.import_id
    # Rows of the same group add up, and are there once.
    assert charged(read(store)) == {"USD": Decimal("2.50")}


def test_restated_days_are_replaced_whole_and_others_stay(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    old = costs((1, "1", "a, input"), (2, "2", "a, input"), (2, "3", "a, output"))
    [first] = import_path(store, state, put(tmp_path / "a.csv", old))
    new = put(tmp_path / "b.csv", costs((2, "7", "a, input"), (3, "8", "a, input")))
    [second] = import_path(store, state, new, now_ns=NOW_NS + 1)
    assert by_day(read(store)) == {1: 1, 2: 7, 3: 8}
    assert any("1 day(s) that were imported before" in note for note in second.notes)
    # The old lines are still there.
    kept = store.sql_rows("SELECT count() AS n FROM invoice_lines WHERE import_id = {i:String}",
                          {"i": first.row.import_id})  # fmt: skip
    assert kept == [{"n": 3}]


def test_a_deleted_import_falls_back_to_the_one_before(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    import_path(store, state, put(tmp_path / "a.csv", costs((1, "1", "a, input"))))
    text = costs((1, "7", "a, input"), (2, "8", "a, input"))
    [second] = import_path(store, state, put(tmp_path / "b.csv", text), now_ns=NOW_NS + 1)
    row, empty = delete_import(store, state, "default", second.row.import_id[:8], "me", NOW_NS + 2)
    assert (row.import_id, empty) == (second.row.import_id, 1)
    assert by_day(read(store)) == {1: 1}
    # What was deleted can be imported again.
    [again] = import_path(store, state, tmp_path / "b.csv", now_ns=NOW_NS + 3)
    assert again.state == "imported"
    assert by_day(read(store)) == {1: 7, 2: 8}
    with pytest.raises(InvoiceError, match="no import"):
        delete_import(store, state, "default", second.row.import_id, "me", NOW_NS + 4)


def test_a_file_with_one_bad_row_changes_nothing(
    store: Store, state: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_run, "_BATCH", 10)  # some are written before the bad one is read
    import_path(store, state, put(tmp_path / "a.csv", costs((1, "1", "a, input"))))
    rows = [(1, "9", "a, input")] * 25 + [(2, "nine", "a, input")]
    with pytest.raises(InvoiceError, match=r"line 27, field amount_value: 'nine'"):
        import_path(store, state, put(tmp_path / "b.csv", costs(*rows)), now_ns=NOW_NS + 1)
    assert by_day(read(store)) == {1: 1}
    assert store.sql_rows("SELECT count() AS n FROM invoice_lines") == [{"n": 1}]
    assert len(InvoiceState(state).imports("default", deleted=True)) == 1


def test_an_empty_day_replaces_what_was_charged_before(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    import_path(store, state, put(tmp_path / "a.csv", costs((18, "5", "a, input"))))
    start = int(datetime(2026, 11, 18, tzinfo=UTC).timestamp())
    empty = HEADER + f"{start},{start + 86_400},,,,\n"
    import_path(store, state, put(tmp_path / "b.csv", empty), now_ns=NOW_NS + 1)
    assert read(store) == []


def test_days_are_final_once_their_month_has_settled(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    path = put(tmp_path / "a.csv", costs((18, "1", "a, input")))

    late_ns = NOW_NS + 40 * DAY_NS
    os.utime(path, ns=(NOW_NS, NOW_NS))  # exported in November, imported in December
    [open_] = import_path(store, state, path, now_ns=late_ns)
    assert [one.is_final for one in read(store)] == [False]
    delete_import(store, state, "default", open_.row.import_id, "me", late_ns + 1)
    os.utime(path, ns=(late_ns, late_ns))
    import_path(store, state, path, now_ns=late_ns + 2)
    assert [one.is_final for one in read(store)] == [True]


def test_a_mapping_helps_old_imports_and_is_taken_back_whole(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    text = costs((1, "1", "gpt-9, odd thing"), (1, "2", "gpt-9, odd thing 2"))
    [outcome] = import_path(store, state, put(tmp_path / "a.csv", text))
    assert outcome.row.unmapped_count == 2
    waiting = read_unmapped(store, "default", FIRST, LAST, rules_of(state, "default"))
    assert [(one.text, f"{one.amount_usd:f}"[:1]) for one in waiting] == [
        ("gpt-9, odd thing 2", "2"), ("gpt-9, odd thing", "1"),
    ]  # fmt: skip
    target = {"token_class": "output", "model": "gpt-9", "service_tier": "Default"}
    row = mapped(state, "line", "GPT-9,  odd thing*", target)
    found = read(store, rules=rules_of(state, "default"))
    assert {(x.token_class, x.model, x.service_tier) for x in found} == {
        (TokenClass.OUTPUT, "gpt-9", "")
    }
    assert read_unmapped(store, "default", FIRST, LAST, rules_of(state, "default")) == []
    # The longer text wins, whatever came first.
    mapped(state, "line", "gpt-9, odd thing 2", {"token_class": "tool", "factor": "1000"})
    found = read(store, rules=rules_of(state, "default"))
    assert sorted(x.token_class.value for x in found) == ["output", "tool"]
    InvoiceState(state).remove_mapping("default", row.id, "you", NOW_NS + 5)
    found = read(store, rules=rules_of(state, "default"))
    assert sorted(x.token_class.value for x in found) == ["tool", "unmapped"]
    history = InvoiceState(state).mappings("default", removed=True)
    assert [(one.created_by, one.removed_by) for one in history] == [("me", "you"), ("me", "")]
    with pytest.raises(ConfigError, match="says the same"):
        mapped(state, "line", "gpt-9, odd thing 2", {"token_class": "tool", "factor": "1000"})


def test_a_scope_of_another_project_counts_there_and_only_there(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    import_path(store, state, put(tmp_path / "a.csv", costs((1, "5", "a, input"))))
    import_path(store, state, SAMPLES / "openai_costs.json")
    mapped(state, "scope", "proj_a", {"project": "search"})
    mapped(state, "scope", "proj_demoSearch", {"dimension": "team=core"})
    here = read(store, rules=rules_of(state, "default"))
    there = read(store, "search", rules=rules_of(state, "search"))
    assert {x.scope for x in here} == {"proj_demoSearch"}
    assert {x.extra["dimension"] for x in here} == {"team=core"}
    assert by_day(there) == {1: 5}
    assert read(store, "third", rules=rules_of(state, "third")) == []


def test_lines_of_one_project_are_not_read_in_another(store: Store, state: sa.Engine) -> None:
    import_path(store, state, SAMPLES / "openai_costs.json", project="a")
    import_path(store, state, SAMPLES / "anthropic_cost_report.json", project="b")
    assert {x.provider for x in read(store, "a")} == {"openai"}
    assert {x.provider for x in read(store, "b")} == {"anthropic"}
    assert list(current_lines(store, "a", FIRST, LAST, "anthropic")) == []
    with pytest.raises(InvoiceError):
        delete_import(store, state, "a", InvoiceState(state).imports("b")[0].import_id, "me", 1)


def test_an_exchange_rate_given_later_counts_for_old_imports(
    store: Store, state: sa.Engine
) -> None:
    [outcome] = import_path(store, state, SAMPLES / "deepseek_cost-2026-11.csv")
    assert (outcome.row.unconverted_count, read(store)[0].amount_usd) == (1, None)
    with PriceState(state).change("me", NOW_NS) as change:
        since = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 10**9
        change.add(ExchangeRateRow("CNY", Decimal("0.14"), since))
    [line] = read(store, rules=rules_of(state, "default"))
    assert line.amount_usd == Decimal("18.9") * Decimal("0.14")


def test_a_dry_run_reads_everything_and_writes_nothing(store: Store, state: sa.Engine) -> None:
    [delivery] = find(SAMPLES / "openai_costs.json").deliveries
    outcome = import_delivery(
        store, state, delivery, Asked("default", "me", is_dry_run=True), NOW_NS
    )
    assert (outcome.state, outcome.row.line_count) == ("checked", 5)
    assert store.sql_rows("SELECT count() AS n FROM invoice_lines") == [{"n": 0}]
    assert InvoiceState(state).imports("default", deleted=True) == []


def test_parts_of_a_delivery_add_up_and_other_files_of_a_folder_stand_alone(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    header, *rows = (SAMPLES / "bedrock_cur2.csv").read_text().splitlines()
    folder = tmp_path / "export"
    folder.mkdir()
    for number, part in enumerate((rows[:2], rows[2:], rows[2:])):  # the last one is a copy
        put(folder / f"cur-{number}.csv", "\n".join([header, *part]))
    put(folder / "costs.csv", costs((1, "5", "a, input")))
    put(folder / "Manifest.json", '{"files": 3}')
    outcomes = import_path(store, state, folder)
    assert sorted(one.row.line_count for one in outcomes) == [1, 4]
    assert len(find(folder).left_out) == 1
    assert charged(read(store)) == {"USD": Decimal("5") + Decimal("0.3370653")}


def test_a_table_of_anybody_is_read_as_its_mapping_says(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    text = "Date;Model;Kind;Tokens;Cost\n2026-11-02;m-1;Use;1.5;250\n;;Total;1.5;250\n"
    path = put(tmp_path / "acme.csv", text)
    import_path(store, state, path, mapping=GENERIC, account="team-a")
    [line] = read(store)
    assert (line.provider, line.model, line.quantity, line.unit, line.amount, line.currency) == (
        "acme", "m-1", Decimal(1_500), "tokens", Decimal("2.5"), "EUR",
    )  # fmt: skip
    [told] = sources(store, "default", FIRST, LAST)
    assert told.source == "generic@acme:cost/team-a"


VENDORS = """
columns: {day: Date, provider: Vendor, model: Model, quantity: Units, amount: Cost}
constants: {currency: USD, unit: tokens, token_class: output}
"""


def vendors(*rows: tuple[str, str]) -> str:
    """A table of charges of 2 November: vendor and amount."""
    lines = (f"2026-11-02,{vendor},m-1,1000,{amount}\n" for vendor, amount in rows)
    return "Date,Vendor,Model,Units,Cost\n" + "".join(lines)


@pytest.mark.parametrize("vendor", ["acme:eu", "acme/eu", "acme:cost", "50% off", "a%2fb", "@"])
def test_a_provider_of_any_name_is_read_back_as_it_was_imported(
    store: Store, state: sa.Engine, tmp_path: Path, vendor: str
) -> None:
    path = put(tmp_path / "a.csv", vendors((vendor, "10.50"), (vendor, "5.25"), ("acme", "1")))
    import_path(store, state, path, mapping=VENDORS, account="team/a:b")
    told = sources(store, "default", FIRST, LAST)
    assert {one.provider for one in told} == {vendor, "acme"}
    assert {(one.dataset, one.account) for one in told} == {(Dataset.COST, "team/a:b")}
    lines = list(current_lines(store, "default", FIRST, LAST, vendor))
    assert [line.amount for line in lines] == [Decimal("10.50"), Decimal("5.25")]


@given(
    st.sampled_from(sorted(REPORTS.values(), key=lambda one: one.name)),
    st.text("ab:/@% é\n2F5", max_size=8) | st.text(max_size=4),
    st.text("ab:/@% é\n2F5", max_size=8),
    st.sampled_from(Dataset),
)
def test_the_text_of_a_source_is_read_back_as_the_same_source(
    report: Report, provider: str, account: str, dataset: Dataset
) -> None:
    one = Source(report, report.provider or provider, report.dataset or dataset, account)
    assert Source.parse(one.text) == one
    if not set(provider) & set("%/:"):
        assert one.text == one.earlier_text, "what was stored is still called the same"


@pytest.mark.parametrize(
    ("earlier", "today"),
    [
        ("generic@acme:eu:cost", "generic@acme%3Aeu:cost"),
        ("generic@acme/eu:cost/team-a", "generic@acme%2Feu:cost/team-a"),
        ("focus@acme: eu/org-1", "focus@acme%3A eu/org-1"),
        ("focus@acme/eu/org-1", "focus@acme%2Feu/org-1"),
    ],
)
def test_what_an_earlier_version_imported_counts_until_the_day_is_imported_again(
    store: Store, earlier: str, today: str
) -> None:
    acme = charge(TokenClass.OUTPUT, "1000", "15.75", provider="acme")
    bill(store, acme, source=earlier)
    assert charged(read(store)) == {"USD": Decimal("15.75")}
    bill(store, replace(acme, amount=Decimal("16")), source=today)
    assert charged(read(store)) == {"USD": Decimal("16")}


def test_a_charge_without_a_provider_is_refused_with_its_place(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    path = put(tmp_path / "a.csv", vendors(("acme", "1"), ("", "10.50")))
    with pytest.raises(InvoiceError, match=r"a\.csv, line 3, field Vendor: '' names no provider"):
        import_path(store, state, path, mapping=VENDORS)
    assert charged(read(store)) == {}


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ("columns: {when: Date}", "names a field 'when'"),
        ("columns: {day: Date, amount: Cost}\nconstants: {provider: x}", "must say their currency"),
        ("columns: {day: Date}\nconstants: {provider: x}", "amounts or of quantities"),
        ("colums: {}", "has no key 'colums'"),
        (GENERIC.replace("Date", "Datum"), "'Datum', which the file lacks"),
        ("[1", "no YAML"),
        (GENERIC + "dataset: bills", "dataset is usage, cost or invoice"),
    ],
)
def test_a_mapping_that_cannot_be_says_what_is_wrong(
    store: Store, state: sa.Engine, tmp_path: Path, mapping: str, expected: str
) -> None:
    path = put(tmp_path / "acme.csv", "Date;Model;Kind;Tokens;Cost\n2026-11-02;m-1;Use;1.5;250\n")
    with pytest.raises(InvoiceError, match=expected):
        import_path(store, state, path, mapping=mapping)


def test_text_of_an_invoice_is_kept_and_shown_as_it_stands(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    evil = "=HYPERLINK('http://x'); DROP TABLE invoice_lines; -- \\' é 🜚"
    import_path(store, state, put(tmp_path / "a.csv", costs((1, "1", evil))))
    assert [x.description for x in read(store)] == [evil]


def test_another_version_of_a_table_in_a_folder_is_no_part_of_it(
    store: Store, state: sa.Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    for name in ("focus_1_2_llm_cost.csv", "focus_1_4_cost_and_usage.csv"):
        put(folder / name, (SAMPLES / name).read_text())
    for name in ("notes.txt", "list.csv"):
        put(folder / name, "a,b\n1,2\n")
    first, second = import_path(store, state, folder)
    assert (first.row.format, second.row.format) == ("focus", "focus")
    assert charged(read(store)) == second.row.amounts
    assert find(folder).left_out == ["of no format we know: list.csv, notes.txt."]
