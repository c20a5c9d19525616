"""The page for people: is it well, how much came, what waits."""

from __future__ import annotations

import html
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from spanledger import __version__
from spanledger_collector.telemetry import Telemetry

_REFRESH_S = 5
_STYLE = """
:root { color-scheme: light dark; --line: #d5d8dd; --weak: #5b6470; --good: #177245;
  --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --line: #3a4048; --weak: #a2abb6; --good: #63c08d;
  --bad: #ff8a80; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; font-weight: normal; padding: .3rem 0;
  border-bottom: 1px solid var(--line); }
th { color: var(--weak); min-width: 9rem; padding-right: 1rem; vertical-align: top; }
td { overflow-wrap: anywhere; text-align: right; font-variant-numeric: tabular-nums; }
meter { width: 100%; height: 1rem; }
footer { color: var(--weak); margin-top: 2rem; font-size: .875rem; }
"""


class StatusPage:
    """Renders the figures of a collector for a browser, without assets from elsewhere."""

    def __init__(
        self,
        telemetry: Telemetry,
        problems: Callable[[], list[str]],
        last_errors: Callable[[], list[str]],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args: the figures; what keeps it from being ready; what storing stumbles over now."""
        self._telemetry = telemetry
        self._problems = problems
        self._last_errors = last_errors
        self._now_s = now_s
        self._started_s = now_s()

    def render(self) -> str:
        """Return the page."""
        problems = self._problems()
        figures = self._figures()
        waiting = _waiting(figures, self._last_errors())
        up_s = self._now_s() - self._started_s
        if problems:
            state = '<p class="bad">Not ready</p><ul>' + "".join(
                f"<li>{html.escape(text)}</li>" for text in problems
            )
            state += "</ul>"
        else:
            state = '<p class="good">Ready: telemetry is taken and stored.</p>'
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8">'
            f'<meta http-equiv="refresh" content="{_REFRESH_S}">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>Spanledger collector</title><style>{_STYLE}</style>"
            f"<h1>Spanledger collector</h1>{state}"
            f"<h2>Since the start, {duration(up_s)} ago</h2>{_table(_received(figures, up_s))}"
            f"<h2>Waiting for the store</h2>{_budget(figures)}{_table(waiting)}"
            f"<footer>Version {__version__}. Read anew every {_REFRESH_S} s; the same figures for "
            'programs: <a href="/metrics">/metrics</a>.</footer>'
        )

    def _figures(self) -> Mapping[str, float]:
        """Return every figure, all its labels together."""
        figures = defaultdict[str, float](float)
        for family in self._telemetry.registry.collect():
            for sample in family.samples:
                figures[sample.name.removeprefix("spanledger_collector_")] += sample.value
        return figures


def _received(figures: Mapping[str, float], up_s: float) -> list[tuple[str, str]]:
    accepted = figures["accepted_items_total"]
    answers = figures["ack_seconds_count"] or 1
    return [
        ("Requests received", f"{figures['received_requests_total']:,.0f}"),
        ("Bytes received", size(figures["received_bytes_total"])),
        ("Spans, log records and data points taken", f"{accepted:,.0f}"),
        ("The same per second, on average", f"{accepted / max(up_s, 1):,.1f} /s"),
        ("Items left out of requests", f"{figures['rejected_items_total']:,.0f}"),
        ("Requests refused", f"{figures['refused_requests_total']:,.0f}"),
        (
            "Answer to a request, on average",
            f"{1000 * figures['ack_seconds_sum'] / answers:,.1f} ms",
        ),
        ("Items stored", f"{figures['stored_items_total']:,.0f}"),
        ("Requests in memory now", size(figures["inflight_bytes"])),
    ]


def _waiting(figures: Mapping[str, float], errors: Sequence[str]) -> list[tuple[str, str]]:
    return [
        ("Requests", f"{figures['spool_requests']:,.0f}"),
        ("Items", f"{figures['spool_items']:,.0f}"),
        ("Age of the oldest", duration(figures["spool_oldest_seconds"])),
        ("Dead letters since the start", f"{figures['dead_letters_total']:,.0f}"),
        ("Trouble with the store now", "; ".join(errors) or "none"),
    ]


def _budget(figures: Mapping[str, float]) -> str:
    ratio, limit = min(1.0, figures["spool_used_ratio"]), figures["spool_limit_bytes"]
    label = f"{size(ratio * limit)} of {size(limit)} on disk ({100 * ratio:.1f} %)"
    return (
        f'<p>{label}</p><meter value="{ratio:.4f}" high="0.8" max="1" aria-label="{label}"></meter>'
    )


def _table(rows: Sequence[tuple[str, str]]) -> str:
    cells = (f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in rows)
    return f"<table>{''.join(cells)}</table>"


def size(count: float) -> str:
    """Return bytes with a unit."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def duration(seconds: float) -> str:
    """Return a time span in its two largest units."""
    days, rest = divmod(int(seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((i for i, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])
