"""The programs of the recipes, run as their readers would: every call in the ledger, once, exact.

The text that runs is the text of the page. Real clients of providers and frameworks talk to model
servers of ours; real instrumentations record them; the real collector stores what they send.
"""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from spanledger_storage.engine import Engine
from tests.ports import free_port
from tests.sdk.real.programs import Beside, Program, Stage, assert_billed_once, stage
from tests.sdk.real.recipes import ALL

pytestmark = pytest.mark.endurance  # which installs the clients


@dataclass(frozen=True)
class Expected:
    """What a recipe must leave behind.

    ``needs``: modules without which it cannot run. ``agents``: of the entries, by name. ``tools``:
    calls of tools by name. ``instrument``: the libraries whose instrumentations the page installs;
    here those of all pages are. ``pauses``: agents that waited for a human. ``traces``: how many,
    where processes have to go on with each other's.
    """

    needs: tuple[str, ...]
    calls: int
    agents: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    session: str = "chat-7"
    instrument: str = ""
    pauses: int = 0
    traces: int = 0


_WEATHER = ("weather",)
EXPECTED = {
    "openai": Expected(("openai",), 3, ("", "concierge", "concierge"), instrument="openai"),
    "anthropic": Expected(("anthropic",), 2, ("concierge",) * 2, instrument="anthropic"),
    "google-genai": Expected(("google.genai",), 2, ("concierge",) * 2, instrument="google_genai"),
    "any-client": Expected((), 1, ("concierge",), ("search",)),
    "langgraph": Expected(
        ("langgraph", "langchain_openai"),
        2,
        ("", ""),
        _WEATHER,
        "trip-42",
        "langchain,openai",
        pauses=1,
    ),
    "openai-agents": Expected(
        ("agents",), 2, ("concierge",) * 2, _WEATHER, instrument="openai,openai_agents"
    ),
    "pydantic-ai": Expected(("pydantic_ai",), 2, ("concierge",) * 2, _WEATHER),
    "agno": Expected(("agno",), 2, ("concierge",) * 2, _WEATHER, instrument="agno,openai"),
    "bedrock": Expected(("boto3",), 1, ("concierge",), instrument="bedrock"),
    "mcp": Expected(("mcp",), 0, (), _WEATHER * 2, traces=1),
    "celery": Expected(("celery",), 1, ("planner",), (), "trip-42", "openai", traces=1),
    "temporal": Expected(("temporalio",), 1, ("planner",), (), "trip-42", "openai", traces=1),
}


@pytest.fixture(scope="module")
def on_stage(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(engine, tmp_path_factory.mktemp("recipes")) as made:
        yield made


def program(name: str, folder: Path) -> Program:
    """The program of a page, with the instrumentations that the page installs."""
    file = folder / "trips.py"
    file.write_text(next(recipe.code for recipe in ALL if recipe.name == name))
    variables = {"SPANLEDGER_INSTRUMENT": EXPECTED[name].instrument or "none"}
    beside: Beside | None = None
    if name == "celery":
        variables["CELERY_BROKER_URL"] = f"sqla+sqlite:///{folder}/broker.db"
        variables["CELERY_RESULT_BACKEND"] = f"db+sqlite:///{folder}/results.db"
        worker = "-A trips worker --pool solo --loglevel INFO"
        beside = Beside((sys.executable, "-m", "celery", *worker.split()), "ready.")
    elif name == "temporal":
        port = str(free_port())
        variables["TEMPORAL_ADDRESS"] = f"127.0.0.1:{port}"
        server = str(Path(sys.executable).parent / "temporal")
        options = f"server start-dev --headless --log-level error --port {port}"
        beside = Beside((server, *options.split()), port)
    return Program(name, file, variables, beside)


def _missing(name: str) -> list[str]:
    return [one for one in EXPECTED[name].needs if importlib.util.find_spec(one) is None]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_bill_is_in_the_ledger(on_stage: Stage, tmp_path: Path, name: str) -> None:
    if missing := _missing(name):
        pytest.skip(f"{', '.join(missing)} is not installed")
    expected = EXPECTED[name]
    one = on_stage.run(program(name, tmp_path))
    assert one.code == 0, one.errors
    assert len(one.bill) == expected.calls
    assert_billed_once(one)
    assert sorted(entry["agent_name"] for entry in one.calls) == sorted(expected.agents)
    assert {entry["session_id"] for entry in one.entries} <= {expected.session}
    assert Counter(span["tool_name"] for span in one.spans_of("tool")) == Counter(expected.tools)
    of_note = [span for span in one.spans if span["role"] not in ("other", "server")]
    assert [span["name"] for span in of_note if span["status"] == "error"] == []
    assert sum("spanledger.pause" in span["events.name"] for span in one.spans) == expected.pauses
    assert expected.traces in (0, len({span["trace_id"] for span in one.spans}))
    assert "Traceback" not in one.errors
