"""Requests on inference workers: when they were in the model, in which phase, how weighty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from spanledger_analytics.entries import Entry
from spanledger_analytics.spans import SpanKey

PREFILL, DECODE, WHOLE = 0, 1, 2
"""Phases: reading the input, writing the output, and both where nobody tells them apart."""

LATENCIES, TOKENS, TIME = "gpu_latencies", "gpu_tokens", "gpu_time"
"""How a request's share is known: values of ``ledger.usage_source`` for entries of kind gpu."""

UNIT = 1_000_000  # weight of a request that is in the model
INPUT_WORK, OUTPUT_WORK = 2, 5
"""Work of an input and of an output token, where no latencies tell.

An output token is 2.5 input tokens, as OpenCost's fallback has it:
https://github.com/opencost/opencost/blob/develop/docs/inference-cost.md
"""


class Phase(NamedTuple):
    """A time in the model, half open, UTC nanoseconds; ``weight`` holds at each moment of it."""

    start_ns: int
    end_ns: int
    phase: int
    weight: int


class Request(NamedTuple):
    """One request as its worker served it.

    ``key`` is the span that tells of it; ``call`` the ledger's entry of the same call (None: the
    ledger has none). ``uncached`` input tokens were computed, ``cached`` read from the prefix
    cache; None: unknown. ``queue_ns``, ``prefill_ns`` and ``decode_ns`` as the server tells.
    ``is_kept``: it was deleted, and the ledger kept what it cost.
    """

    key: SpanKey
    worker: str
    start_ns: int
    end_ns: int
    queue_ns: int | None = None
    prefill_ns: int | None = None
    decode_ns: int | None = None
    uncached: int | None = None
    cached: int | None = None
    output: int | None = None
    model: str = ""
    engine: str = ""
    call: Entry | None = None
    is_kept: bool = False

    @property
    def is_priced(self) -> bool:
        """Whether its call is paid by a price per token already."""
        return self.call is not None and self.call.price_status == "priced"

    @property
    def has_tokens(self) -> bool:
        """Whether any token count is known."""
        return self.uncached is not None or self.output is not None

    @property
    def work(self) -> int:
        """Its work in half input tokens."""
        return INPUT_WORK * (self.uncached or 0) + OUTPUT_WORK * (self.output or 0)

    @property
    def input_work(self) -> int:
        """The part of ``work`` that is input."""
        return INPUT_WORK * (self.uncached or 0)


class Timed(NamedTuple):
    """A request with its phases and the method they are known by."""

    request: Request
    phases: tuple[Phase, ...]
    method: str


def timed(requests: Iterable[Request]) -> list[Timed]:
    """Return requests with their phases, sorted by start and span.

    1. Where the server tells prefill or decode time, a request counts with weight one from the
       end of its queue time to the end of decoding, at most to the end of its span.
    2. Else it counts all the time of its span, weighted by its tokens per second against the
       mean of such requests on its worker.
    3. Without tokens it counts all that time with weight one.

    Requests that took no time are left out.
    """
    ordered = sorted(requests, key=lambda r: (r.start_ns, r.end_ns, r.key))
    found: list[Timed] = []
    by_tokens: defaultdict[str, list[Request]] = defaultdict(list)
    for request in ordered:
        phases = _told_phases(request)
        if phases:
            found.append(Timed(request, phases, LATENCIES))
        elif request.end_ns <= request.start_ns:
            continue
        elif request.has_tokens and request.work:
            by_tokens[request.worker].append(request)
        else:
            phase = Phase(request.start_ns, request.end_ns, WHOLE, UNIT)
            found.append(Timed(request, (phase,), TIME))
    for of_worker in by_tokens.values():
        found += _weighed(of_worker)
    found.sort(key=lambda t: (t.request.start_ns, t.request.end_ns, t.request.key))
    return found


def _told_phases(request: Request) -> tuple[Phase, ...]:
    if request.prefill_ns is None and request.decode_ns is None:
        return ()
    prefill, decode = request.prefill_ns or 0, request.decode_ns or 0
    lasted = request.end_ns - request.start_ns
    queue = max(0, lasted - prefill - decode) if request.queue_ns is None else request.queue_ns
    scheduled = min(request.start_ns + queue, request.end_ns)
    first_token = min(scheduled + prefill, request.end_ns)
    last_token = min(first_token + decode, request.end_ns)
    phases = (
        Phase(scheduled, first_token, PREFILL, UNIT),
        Phase(first_token, last_token, DECODE, UNIT),
    )
    return tuple(phase for phase in phases if phase.end_ns > phase.start_ns)


def _weighed(requests: Sequence[Request]) -> list[Timed]:
    lasted = sum(r.end_ns - r.start_ns for r in requests)
    work = sum(r.work for r in requests)
    found: list[Timed] = []
    for r in requests:
        weight = max(1, UNIT * r.work * lasted // ((r.end_ns - r.start_ns) * work))
        found.append(Timed(r, (Phase(r.start_ns, r.end_ns, WHOLE, weight),), TOKENS))
    return found
