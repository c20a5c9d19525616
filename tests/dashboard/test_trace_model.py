"""What the browser computes of a trace: the tree, its sums, runs, paths and what is shown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from spanledger_dashboard.trace.data import Row
from spanledger_dashboard.trace.payload import pack
from tests.dashboard.trace_rows import S, call, in_browser, needs_node, span, span_id, tool, trace

pytestmark = needs_node
AGENT: dict[str, Any] = {"name": "invoke_agent", "role": "agent", "model": ""}


def searches(first: int, number: int, parent: int = 1) -> list[Row]:
    return [tool(n, parent, n, n, n, duration_ns=S // 2) for n in range(first, first + number)]


def test_the_tree_is_built_and_circles_of_parents_are_opened() -> None:
    spans = [
        span(1, status="ok"), span(2, 1, 1), span(3, 1, 2, status="error"), span(4, 2, 3),
        span(0xAA, 0xBB, 4), span(0xBB, 0xAA, 5),
    ]  # fmt: skip
    tree = in_browser(
        pack(trace(spans)),
        f"""{{order: [...m.order], depth: [...m.depth], errors: m.errors[0], roots: m.roots,
        closed: [...m.visible(new Set([1]), new Set()).rows],
        found: m.search("chat").length, id: m.search("{span_id(3)}"), none: m.search("nothing"),
        at: m.find("{span_id(0xBB)}"), nowhere: m.find("zz"),
        all: m.findAll(["{span_id(4)}", "x"])}}""",
    )
    assert tree["order"] == [0, 1, 3, 2, 4, 5]
    assert tree["depth"] == [0, 1, 1, 2, 0, 1]
    assert tree["roots"] == [0, 4]
    assert tree["errors"] == 1
    assert tree["closed"] == [0, 1, 2, 4, 5]
    assert (tree["found"], tree["id"], tree["none"]) == (6, [2], [])
    assert (tree["at"], tree["nowhere"], tree["all"]) == (5, -1, [3])


def test_costs_roll_up_exact_to_the_picodollar() -> None:
    # Beyond 2^53 picodollars floats are no longer whole: about nine thousand dollars.
    costs = {2: "9007.199254740993", 3: "0.000000000001", 4: "12345.678901234567", 6: "0.1"}
    spans = [
        span(1, **AGENT),
        span(2, 1, 1),
        span(3, 1, 2),
        span(4, 3, 3),
        span(5, 1, 4),
        span(6, 5, 5),
    ]
    sums = in_browser(
        pack(trace(spans, *[call(n, c) for n, c in costs.items()], call(5, None))),
        "{total: [0,1,2,3,4,5].map((s) => m.total(s)), own: [0,2,4].map((s) => m.own(s)),"
        "input: [...m.input], calls: [...m.calls], unpriced: m.unpriced[0],"
        "text: exactUsd(m.total(0))}",
    )

    def pico(*numbers: int) -> str:
        return str(int(sum(Decimal(costs[n]) for n in numbers) * 10**12))

    assert sums["total"] == [pico(2, 3, 4, 6), pico(2), pico(3, 4), pico(4), pico(6), pico(6)]
    assert sums["own"] == [None, pico(3), None]
    assert sums["input"] == [500, 100, 200, 100, 200, 100]
    assert sums["calls"] == [5, 1, 2, 1, 2, 1]
    assert sums["unpriced"] == 1
    assert sums["text"] == "$21,352.978155975561"


def test_a_merged_call_and_a_sum_an_agent_reports_are_not_added() -> None:
    spans = [
        span(1, **AGENT, input_tokens=100, output_tokens=20),
        span(2, 1, 1, input_tokens=100), span(3, 2, 1.1, input_tokens=100),
    ]  # fmt: skip
    made = trace(spans, call(2, "0.5", merged_span_ids=[span_id(3)], sources=2))
    shown = in_browser(
        pack(made),
        "[0, 1, 2].map((s) => [costShown(m, figures(m, s), false).text,"
        "tokensShown(m, figures(m, s), false).text, tokensShown(m, figures(m, s), true).text])",
    )
    assert shown == [
        ["Σ $0.500", "100 / 20", "100 / 20"],
        ["$0.500", "100 / 20", "100 / 20"],
        ["counted once", "", ""],
    ]


def test_siblings_that_look_alike_are_one_row_until_opened() -> None:
    spans = [
        span(1, **AGENT, duration_ns=40 * S), span(2, 1, 1), *searches(3, 6),
        span(9, 1, 9), *searches(10, 4), *[span(n, 12, n) for n in (20, 21)],
    ]  # fmt: skip
    seen = in_browser(
        pack(trace(spans, call(4, "0.25"), call(5, "0.5"))),
        """(() => {
          const o = new Outline(m);
          const shut = [...o.rows];
          const first = o.indexOf(3);
          const run = shut[2];
          const figure = figures(m, run);
          o.uncover(5);
          const open = [[...o.rows], [...o.levels], o.indexOf(5), o.above(4)];
          o.toggle(run);
          return {shut, first, open, again: o.rows.length, times: figure.times,
                  cost: costShown(m, figure, false).text, length: figure.duration};
        })()""",
    )
    count = len(spans)
    assert seen["shut"] == [0, 1, count, 8, 9, 10, 11, 13, 14, 12]  # four are too few
    assert seen["first"] == 2
    assert seen["open"][0][:9] == [0, 1, count, 2, 3, 4, 5, 6, 7]
    assert seen["open"][1][:4] == [0, 1, 1, 2]
    assert seen["open"][2:] == [6, 2]
    assert seen["again"] == len(seen["shut"])
    assert (seen["times"], seen["cost"], seen["length"]) == (6, "Σ $0.750", 5.5 * S)


def test_another_name_or_another_shape_ends_a_run() -> None:
    spans = [span(1, **AGENT), *searches(2, 3), tool(5, 1, 5, 0, 0, name="write"), *searches(6, 4)]
    spans.append(span(20, 8, 8.1))
    assert in_browser(pack(trace(spans)), "m.runs.length") == []


def test_filters_leave_what_leads_to_a_span() -> None:
    spans = [
        span(1, **AGENT), span(2, 1, 1), span(3, 2, 2), span(4, 1, 3),
        span(5, 4, 4, status="error"), *searches(10, 6),
    ]  # fmt: skip
    seen = in_browser(
        pack(trace(spans)),
        """(() => {
          const o = new Outline(m);
          o.toggle(3);
          o.setFilter("errors");
          const errors = [[...o.rows], [...o.rows].map((r) => o.isWanted(r))];
          o.setFilter("marks");
          const kept = o.filter;
          o.setFilter("errors");
          o.uncover(2);
          return {errors, kept, after: o.filter, rows: [...o.rows]};
        })()""",
    )
    assert seen["errors"] == [[0, 3, 4], [False, False, True]]
    assert (seen["kept"], seen["after"]) == ("all", "all")  # nothing is marked; then a span it hid
    assert seen["rows"] == [0, 1, 2, 3, len(spans)]  # the fourth is closed again, the run, too


def test_the_critical_path_is_what_the_end_waited_for() -> None:
    # 1 from 0 to 10; in it 2 (1..4) beside 3 (2..6), then 4 (7..9) with 5 (7.5..12, outlasting it).
    spans = [
        span(1, **AGENT, duration_ns=10 * S), span(2, 1, 1, duration_ns=3 * S),
        span(3, 1, 2, duration_ns=4 * S), span(4, 1, 7, duration_ns=2 * S),
        span(5, 4, 7.5, duration_ns=int(4.5 * S)),
    ]  # fmt: skip
    path = in_browser(
        pack(trace(spans)),
        "(() => { const p = criticalPath(m);"
        "return {own: [...p.own], parts: [...p.segments].map(([s, l]) => [s, l])}; })()",
    )
    assert [ns / S for ns in path["own"]] == [4, 0, 4, 0.5, 1.5]
    assert sum(path["own"]) == 10 * S
    assert dict(path["parts"])[0] == [[9 * S, 10 * S], [6 * S, 7 * S], [0, 2 * S]]


def test_what_outlasts_its_root_still_ends_the_trace() -> None:
    spans = [span(1, **AGENT, duration_ns=2 * S), span(2, at=5, duration_ns=S)]
    assert in_browser(pack(trace(spans)), "[...criticalPath(m).own]") == [2 * S, S]


def test_the_dearest_come_first_and_free_ones_not_at_all() -> None:
    spans = [span(n, at=n) for n in range(1, 6)]
    costs = {1: "0.000000000001", 2: "0", 3: "0.5", 5: "0.500000000001"}
    dearest = in_browser(pack(trace(spans, *[call(n, c) for n, c in costs.items()])), "m.dearest()")
    assert dearest == [4, 2, 0]


def test_marks_are_read_by_span_and_counted_below() -> None:
    given = {span_id(2): [{"kind": "budget", "text": "Over budget."}]}
    spans = [
        span(1, **AGENT),
        span(2, 1, 1, link_trace_ids=["cd" * 16], link_span_ids=[span_id(7)]),
    ]
    seen = in_browser(
        pack(trace(spans), marks=given),
        "{none: m.marks(0), both: m.marks(1).map((k) => k.label), noted: m.noted(),"
        "below: m.marked[0]}",
    )
    assert seen == {"none": [], "both": ["budget", "link"], "noted": [1], "below": 1}


def test_what_is_open_is_found_again_when_more_spans_have_arrived() -> None:
    late = [span(2, 1, 1), span(3, 2, 2), *searches(10, 6)]
    before, after = (
        pack(trace([span(1, **AGENT), *more, *late])).hex() for more in ([], [span(9, 1, 0.5)])
    )
    kept = in_browser(
        bytes.fromhex(after),
        f"""(() => {{
          const old = openBlock(Uint8Array.from(Buffer.from("{before}", "hex")));
          const parts = unpack(old.body);
          const o = new Outline(new TraceModel(parts.header, parts.columns));
          o.toggle(1);
          o.uncover(4);
          const p = new Outline(m);
          p.recall(o.remember());
          return [[...o.closed].length, [...p.closed], p.rows.length];
        }})()""",
    )
    assert kept == [1, [2], 1 + 1 + 1 + 1 + 6]


def test_a_large_payload_is_deflated_and_read_all_the_same() -> None:
    spans = [span(n, n // 2 or "", n / 10) for n in range(1, 4001)]
    payload = pack(trace(spans))
    assert b'"is_deflated":true' in payload[:200]
    assert in_browser(payload, "[m.count, m.size[0], m.id(3999)]") == [4000, 4000, span_id(4000)]


def test_a_mark_that_all_of_a_run_bear_is_the_run_s_own() -> None:
    loop = [tool(n, 1, n, 7, 8) for n in range(2, 8)]
    given = {span_id(9): [{"kind": "budget", "text": "Over budget."}]}
    spans = [span(1, **AGENT, duration_ns=90 * S), *loop]
    other = [tool(n, 1, n, n, n, name="write") for n in range(8, 14)]
    labels = in_browser(
        pack(trace([*spans, *other]), marks=given),
        "[0, 1].map((run) => figures(m, m.count + run).marks.map((mark) => mark.label))",
    )
    assert labels == [["loop ×6"], []]
