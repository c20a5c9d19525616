"""Several instrumentations of one library, turned on by the program itself: each call counts once.

``init`` turns on one for each library; these programs do what it would not, as programs do that
have grown, or that use two vendors' kits.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from spanledger_storage.engine import Engine
from tests.sdk.real.programs import Program, Stage, assert_billed_once, stage

pytestmark = pytest.mark.endurance  # which installs the clients

_TURN_ON = """
import os
from importlib.metadata import entry_points
import spanledger

found = {entry.module: entry for entry in entry_points(group="opentelemetry_instrumentor")}
spanledger.init(instrument=False)
for module in os.environ["TURN_ON"].split(","):
    found[module].load()().instrument()
"""
_OPENAI = (
    _TURN_ON
    + """
import openai

client = openai.OpenAI(max_retries=0)
said = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Paris?"}]}
function = {"name": "weather", "parameters": {"properties": {"city": {"type": "string"}}}}
with spanledger.agent("concierge"):
    client.chat.completions.create(**said)
    client.chat.completions.create(**said, tools=[{"type": "function", "function": function}])
    for chunk in client.chat.completions.create(
        **said, stream=True, stream_options={"include_usage": True}
    ):
        pass
    client.embeddings.create(model="text-embedding-3-small", input="Paris")
"""
)
_ANTHROPIC = (
    _TURN_ON
    + """
import anthropic

client = anthropic.Anthropic(max_retries=0)
said = {"max_tokens": 500, "messages": [{"role": "user", "content": "Paris?"}]}
with spanledger.agent("concierge"):
    client.messages.create(model="claude-sonnet-4-5", **said)
    for event in client.messages.create(model="claude-sonnet-4-5", stream=True, **said):
        pass
"""
)
_LIMITED = (
    _TURN_ON
    + """
import anthropic

client = anthropic.Anthropic(max_retries=0)
said = {"max_tokens": 500, "messages": [{"role": "user", "content": "Paris?"}]}
said["model"] = "claude-sonnet-4-5"
with spanledger.agent("concierge"), spanledger.budget(llm_calls=3, mode="raise") as running:
    client.messages.create(**said)
    for event in client.messages.create(stream=True, **said):
        pass
    with client.messages.stream(**said) as events:
        for event in events:
            pass
    assert running.use().llm_calls == 3, running.use()
    try:
        client.messages.create(**said)
    except spanledger.BudgetExceeded:
        pass
    else:
        raise SystemExit("a fourth call was let pass")
"""
)
_LANGCHAIN = (
    _TURN_ON
    + """
from langchain_openai import ChatOpenAI

with spanledger.agent("concierge"):
    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)
    model.invoke("Paris?")
    for chunk in ChatOpenAI(model="gpt-4o-mini", stream_usage=True).stream("Rome?"):
        pass
"""
)
_FAMILIES = {
    "official": "opentelemetry.instrumentation.genai",
    "openinference": "openinference.instrumentation",
    "openllmetry": "opentelemetry.instrumentation",
}
_CASES = [
    ("openai", _OPENAI, "openinference"),
    ("openai", _OPENAI, "openllmetry"),
    ("openai", _OPENAI, "official openinference"),
    ("openai", _OPENAI, "openllmetry openinference"),
    ("openai", _OPENAI, "official openllmetry openinference"),
    ("anthropic", _ANTHROPIC, "official"),
    ("anthropic", _ANTHROPIC, "official openinference"),
    ("langchain", _LANGCHAIN, "official"),
    ("langchain", _LANGCHAIN, "openinference official"),
    ("langchain", _LANGCHAIN, "openllmetry openinference"),
]


def _modules(library: str, families: str) -> list[str]:
    """Of LangChain's programs, both its own instrumentation and OpenAI's are on."""
    libraries = ["langchain", "openai"] if library == "langchain" else [library]
    return [f"{_FAMILIES[family]}.{one}" for family in families.split() for one in libraries]


@pytest.fixture(scope="module")
def on_stage(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(engine, tmp_path_factory.mktemp("doubles")) as made:
        yield made


def _missing(library: str, families: str) -> list[str]:
    here = {entry.module for entry in entry_points(group="opentelemetry_instrumentor")}
    return [module for module in _modules(library, families) if module not in here]


@pytest.mark.parametrize(
    ("library", "code", "families"), _CASES, ids=lambda value: value if len(value) < 50 else ""
)
def test_a_call_seen_by_several_is_one_entry(
    on_stage: Stage, tmp_path: Path, library: str, code: str, families: str
) -> None:
    if missing := _missing(library, families):
        pytest.skip(f"{', '.join(missing)} is not installed")
    file = tmp_path / "program.py"
    file.write_text(code)
    turned_on = {"TURN_ON": ",".join(_modules(library, families))}
    one = on_stage.run(Program(f"{library} {families}", file, turned_on))
    assert one.code == 0, one.errors
    assert len(one.bill) >= 2
    # OpenLLMetry alone does not tell it of streams.
    assert_billed_once(one, has_reasoning=families != "openllmetry")
    assert {entry["agent_name"] for entry in one.calls} == {"concierge"}


@pytest.mark.parametrize(
    "families",
    ["official", "openllmetry", "openllmetry openinference", "official openllmetry openinference"],
)
def test_budgets_of_the_process_count_a_call_seen_by_several_once(
    on_stage: Stage, tmp_path: Path, families: str
) -> None:
    """The client's own spans lie beside OpenLLMetry's, and inside those of the others.

    OpenInference's, alone, swallow what would stop the call.
    """
    if missing := _missing("anthropic", families):
        pytest.skip(f"{', '.join(missing)} is not installed")
    file = tmp_path / "program.py"
    file.write_text(_LIMITED)
    turned_on = {"TURN_ON": ",".join(_modules("anthropic", families))}
    one = on_stage.run(Program(f"limited {families}", file, turned_on))
    assert one.code == 0, one.errors
    assert len(one.bill) == 3
