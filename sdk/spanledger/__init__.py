"""OpenTelemetry for agents: what they did, what it cost, and guards that stop a runaway.

::

    import spanledger

    spanledger.init()

Everything here works with any OTLP backend. Names are loaded when they are first used: importing
the package costs next to nothing, OpenTelemetry included.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spanledger._attributes import (
    DIMENSION_PREFIX,
    INPUT_HASHES,
    OUTPUT_HASHES,
    PENDING,
    STEP_KIND,
    STREAM_CHUNKS,
    STREAM_END,
    STREAM_GAP_MAX_S,
    STREAM_GAP_MEAN_S,
    TASK_ID,
    TASK_OUTCOME,
    TASK_SCORE,
    TOOL_CALL_SIGNATURE,
    TOOL_COST_USD,
    TOOL_ERROR_EVIDENCE,
    TOOL_RESULT_SIGNATURE,
    TRAJECTORY_ID,
    WAIT_FOR,
    WAIT_REASON,
    WEB_SEARCHES,
)
from spanledger._version import __version__

if TYPE_CHECKING:
    from spanledger._accounts import Account, Accounts
    from spanledger._budget import Budget, BudgetEvent, BudgetUse, budget
    from spanledger._calls import LlmCall, llm_call
    from spanledger._cli import instrument_worker
    from spanledger._context import dimensions, session
    from spanledger._doctor import Diagnosis, doctor
    from spanledger._errors import (
        BudgetExceeded,
        LimitReached,
        LoopDetected,
        SpanledgerError,
        TokenError,
    )
    from spanledger._init import flush, init
    from spanledger._loop_guard import LoopEvent, LoopGuard, loop_guard
    from spanledger._loops import LoopLimits
    from spanledger._steps import Step, agent, feedback, outcome, task, tool, workflow
    from spanledger._trajectory import extract, inject, pause, resume
    from spanledger._usage import Usage
    from spanledger._work import Work

_HOMES = {
    "_accounts": ("Account", "Accounts"),
    "_budget": ("Budget", "BudgetEvent", "BudgetUse", "budget"),
    "_cli": ("instrument_worker",),
    "_calls": ("LlmCall", "llm_call"),
    "_context": ("dimensions", "session"),
    "_doctor": ("Diagnosis", "doctor"),
    "_errors": (
        *("BudgetExceeded", "LimitReached", "LoopDetected", "SpanledgerError", "TokenError"),
    ),
    "_init": ("flush", "init"),
    "_loop_guard": ("LoopEvent", "LoopGuard", "loop_guard"),
    "_loops": ("LoopLimits",),
    "_steps": ("Step", "agent", "feedback", "outcome", "task", "tool", "workflow"),
    "_trajectory": ("extract", "inject", "pause", "resume"),
    "_usage": ("Usage",),
    "_work": ("Work",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Account",
    "Accounts",
    "Budget",
    "BudgetEvent",
    "BudgetExceeded",
    "BudgetUse",
    "DIMENSION_PREFIX",
    "Diagnosis",
    "INPUT_HASHES",
    "LimitReached",
    "LlmCall",
    "LoopDetected",
    "LoopEvent",
    "LoopGuard",
    "LoopLimits",
    "OUTPUT_HASHES",
    "PENDING",
    "STEP_KIND",
    "STREAM_CHUNKS",
    "STREAM_END",
    "STREAM_GAP_MAX_S",
    "STREAM_GAP_MEAN_S",
    "SpanledgerError",
    "Step",
    "TASK_ID",
    "TASK_OUTCOME",
    "TASK_SCORE",
    "TOOL_CALL_SIGNATURE",
    "TOOL_COST_USD",
    "TOOL_ERROR_EVIDENCE",
    "TOOL_RESULT_SIGNATURE",
    "TRAJECTORY_ID",
    "TokenError",
    "Usage",
    "WAIT_FOR",
    "WAIT_REASON",
    "WEB_SEARCHES",
    "Work",
    "__version__",
    "agent",
    "budget",
    "dimensions",
    "doctor",
    "extract",
    "feedback",
    "flush",
    "init",
    "inject",
    "instrument_worker",
    "llm_call",
    "loop_guard",
    "outcome",
    "pause",
    "resume",
    "session",
    "task",
    "tool",
    "workflow",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found  # asked for once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
