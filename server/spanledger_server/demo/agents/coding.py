"""A coding agent in a repository: long tool loops, failing tests, large cached prompts."""

from spanledger_server.demo.agents.research import SONNET
from spanledger_server.demo.plan import Failure, Model, Scope
from spanledger_server.demo.spec import Agent, Tool

OPUS = Model("anthropic", "claude-opus-4-5", "claude-opus-4-5-20251101", 55, cache="explicit")

CODING = Agent(
    name="coding-agent",
    flow="assistant",
    service="repo-agent",
    version="0.9.4",
    team="platform",
    share=0.05,
    models=((SONNET, 0.6), (OPUS, 0.4)),
    framework=Scope("opentelemetry.instrumentation.genai.langchain", "1.3b0", "genai"),
    client=Scope("opentelemetry.instrumentation.genai.anthropic", "1.3b0", "genai"),
    turns=(1, 2),
    rounds=(26, 72),
    schema_tokens=9800,
    system_prompt=(
        "You work in a checked-out Python repository. Read before you edit, keep changes small, "
        "run the tests that cover a change right after it, and stop when they pass. Never edit "
        "tests to make them pass. Never touch files outside the repository. When a command fails "
        "twice in the same way, say what you believe is wrong before you try a third time. "
        "Report at the end which files changed and why."
    ),
    tools=(
        Tool(
            name="read_file",
            description="Read a range of lines of a file.",
            arguments={"path": "$path", "start": "$n", "lines": "40"},
            results=(
                "$n: class $symbol:\n    def __init__(self, ledger, clock):\n        "
                "self._ledger = ledger\n        self._clock = clock\n        self._open = {}\n\n "
                "   def apply(self, event):\n        row = self._open.pop(event.key, None)\n     "
                "   if row is None:\n            raise UnknownKey(event.key)\n        return "
                "row.close(self._clock.now())",
                "$n: def load_$word(path, *, strict=True):\n    with open(path, 'rb') as "
                "handle:\n        header = handle.read(16)\n        if header[:4] != MAGIC:\n    "
                "        raise FormatError(path)\n        size = int.from_bytes(header[8:12], "
                "'little')\n        return $symbol.parse(handle.read(size), strict=strict)",
            ),
            duration_s=(0.01, 0.06),
        ),
        Tool(
            name="search_code",
            description="Search the repository with a regular expression.",
            arguments={"pattern": "$symbol\\($word", "path": "src/"},
            results=(
                "$path:$n: return $symbol($word, clock=clock)\n$path:$n: assert isinstance(row, "
                "$symbol)\ntests/test_$word.py:$n: from billing import $symbol\n$n matches in $n "
                "files",
            ),
            duration_s=(0.05, 0.4),
        ),
        Tool(
            name="edit_file",
            description="Replace a passage of a file.",
            arguments={
                "path": "$path",
                "find": "row = self._open.pop(event.key, None)",
                "replace": "row = self._open.get((event.key, event.$word))",
            },
            results=("1 passage replaced in $path, lines $n to $n.",),
            failures=(Failure("EditError", "the passage occurs 0 times in the file"),),
            failure_share=0.08,
            duration_s=(0.01, 0.05),
        ),
        Tool(
            name="run_tests",
            description="Run the tests of a path with pytest.",
            arguments={"target": "tests/test_$word.py", "timeout_s": "120"},
            results=(
                "tests/test_$word.py ...F..\nE       AssertionError: assert $n == $n\nE        + "
                " where $n = $symbol(...).total\ntests/test_$word.py:$n: AssertionError\n1 "
                "failed, $n passed in $n.31s",
                "tests/test_$word.py ........\n$n passed in $n.12s",
                "tests/test_$word.py E\nE   ImportError: cannot import name '$symbol' from "
                "'billing.$word'\n1 error in 0.$n s",
            ),
            failures=(
                Failure("TimeoutExpired", "pytest did not end within 120 s"),
                Failure("CalledProcessError", "pytest exited with status 2"),
            ),
            failure_share=0.12,
            duration_s=(1.2, 14.0),
        ),
        Tool(
            name="run_command",
            description="Run a shell command in the repository.",
            arguments={"command": "ruff check $path && mypy $path"},
            results=(
                "All checks passed!\nSuccess: no issues found in 1 source file",
                '$path:$n:9: error: Argument 1 to "$symbol" has incompatible type "str"; expected '
                '"int"  [arg-type]\nFound 1 error in 1 file',
            ),
            failures=(Failure("CalledProcessError", "command exited with status 1"),),
            failure_share=0.07,
            duration_s=(0.6, 5.0),
        ),
    ),
    openings=(
        "$issue. Find the cause, fix it and add a regression test.",
        "CI is red since yesterday: $issue. Please repair it without touching the public "
        "interface.",
        "Refactor the module around this problem so that it cannot come back: $issue.",
    ),
    followups=("Good. Now do the same for the other code path, and update the changelog.",),
    thoughts=(
        "The failure comes from $path: the key is looked up before it is normalised.",
        "Next I check who else calls $symbol.",
        "That test still fails, so the order of the two writes matters. I will read it again.",
        "The edit is in; running the tests that cover it.",
        "mypy is right here: $symbol expects an integer number of minor units.",
    ),
    answers=(
        "Done. The cause: $symbol dropped the second event of a pair when both arrived within "
        "one tick. Changed files: $path (key now includes the sequence), tests/test_$word.py "
        "(regression test). All $n tests pass, ruff and mypy are clean.",
        "Fixed in $path. I kept the public interface, and the new test fails without the change. "
        "One thing I did not touch: load_$word has the same pattern, which deserves its own "
        "change.",
    ),
    slots={
        "issue": (
            "Invoices of 31 March are booked twice",
            "Export crashes on accounts without a currency",
            "The nightly import loses the last row of a file",
            "Retries create duplicate webhooks",
            "Rounding differs between the preview and the PDF",
        ),
    },
    fresh={
        "path": (
            "src/billing/ledger.py",
            "src/billing/exports.py",
            "src/billing/importer.py",
            "src/billing/rounding.py",
            "src/billing/webhooks.py",
            "src/billing/periods.py",
        ),
        "symbol": (
            "LedgerRow",
            "ExportJob",
            "PeriodKey",
            "WebhookQueue",
            "MinorUnits",
            "ImportFile",
        ),
        "word": ("ledger", "export", "periods", "webhooks", "rounding", "importer"),
    },
    outcomes={"completed": 0.7, "failed": 0.18, "abandoned": 0.12},
    task_prefix="ISSUE",
    user_prefix="dev",
    users=22,
    stream_share=1.0,
    max_tokens=8192,
)
