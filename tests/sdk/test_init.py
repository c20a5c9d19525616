"""`init`: reuses what is there, sends nothing under pytest, turns on one instrumentation each."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from spanledger import _doctor, _init
from spanledger._settings import content_mode, instrumented, switch
from tests.instance import environment
from tests.sdk.receiver import receiving


def run(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**environment(), **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


_AGENT = "with spanledger.agent('a'): pass"


def test_nothing_is_sent_under_pytest_unless_asked() -> None:
    with receiving() as receiver:
        code = f"import spanledger; spanledger.init(instrument=False)\n{_AGENT}\n"
        code += "print(spanledger.doctor())"
        assert "pytest runs" in run(code, SPANLEDGER_ENDPOINT=receiver.url)
        assert receiver.spans == []
        run(code, SPANLEDGER_ENDPOINT=receiver.url, SPANLEDGER_SEND_UNDER_PYTEST="1")
        assert receiver.names == ["invoke_agent a"]


_OF_AN_INSTRUMENTATION = """
import spanledger
from opentelemetry import trace
spanledger.init(instrument=False)
tracer = trace.get_tracer("of.an.instrumentation")
asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
def calls():
    for _ in range(5):
        with tracer.start_as_current_span("chat", attributes=asked) as span:
            span.set_attribute("gen_ai.usage.input_tokens", 10)
calls()
with spanledger.budget(llm_calls=2, tokens=1000, mode="raise") as running:
    try:
        calls()
    except spanledger.BudgetExceeded:
        print(running.use().llm_calls, running.use().tokens)
spanledger.flush()
"""


@pytest.mark.parametrize(
    ("sampler", "sent"), [("always_off", 0), ("traceidratio", 0), ("always_on", 7)]
)
def test_sampling_decides_what_is_sent_and_not_what_guards_see(sampler: str, sent: int) -> None:
    chosen = {"OTEL_TRACES_SAMPLER": sampler}
    if sampler == "traceidratio":
        chosen["OTEL_TRACES_SAMPLER_ARG"] = "0.0"
    with receiving() as receiver:
        asked = {"SPANLEDGER_ENDPOINT": receiver.url, "SPANLEDGER_SEND_UNDER_PYTEST": "1"}
        assert run(_OF_AN_INSTRUMENTATION, **asked, **chosen) == "2 20"
        assert len(receiver.spans) == sent


def test_the_doctor_says_whether_the_endpoint_answers_and_takes_the_key() -> None:
    code = "import spanledger; spanledger.init(instrument=False)\nprint(spanledger.doctor())"
    asked = {"SPANLEDGER_API_KEY": "a-key", "SPANLEDGER_SEND_UNDER_PYTEST": "1"}
    with receiving() as receiver:
        asked["SPANLEDGER_ENDPOINT"] = receiver.url
        assert f"Spans go to {receiver.url}, which answers." in run(code, **asked)
        assert receiver.headers[0]["authorization"] == "Bearer a-key"
        receiver.status = 401
        assert f"Problem: {receiver.url} refuses the key: it answers 401" in run(code, **asked)
        receiver.stop()
        assert "does not answer" in run(code, **asked)


def test_the_doctor_says_what_records_itself_and_what_nobody_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have = {"pydantic_ai": ["pydantic-ai-slim"], "strands": ["strands-agents"], "agno": ["agno"]}
    monkeypatch.setattr(_doctor, "packages_distributions", lambda: have)
    monkeypatch.setattr(_doctor, "installed", list)
    monkeypatch.setattr(_doctor, "sys", SimpleNamespace(modules={}))
    assert _doctor.doctor().libraries() == [
        "  pydantic_ai records itself, once Agent.instrument_all() was called",
        "  strands records itself",
        "  agno is not captured; pip install openinference-instrumentation-agno",
    ]


def test_what_an_instrumentation_records_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    have = {module: [module] for module in _doctor._CAPTURABLE}
    monkeypatch.setattr(_doctor, "packages_distributions", lambda: have)
    on = [(_init.Instrumentation(library, "other", library), None) for library in _init._LIBRARIES]
    monkeypatch.setattr(_doctor, "installed", lambda: on)
    assert _doctor.doctor().missing == ()


def test_variables_of_opentelemetry_hold() -> None:
    code = f"import spanledger; spanledger.init(instrument=False)\nspanledger.init()\n{_AGENT}"
    with receiving() as receiver:
        run(
            code,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=acme",
            OTEL_SERVICE_NAME="my-agent",
            SPANLEDGER_SEND_UNDER_PYTEST="true",
        )
        assert receiver.names == ["invoke_agent a"]
        assert receiver.headers[0]["x-tenant"] == "acme"
        run(
            code,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_TRACES_EXPORTER="none",
            SPANLEDGER_SEND_UNDER_PYTEST="true",
        )
        run(code, SPANLEDGER_ENDPOINT=receiver.url, SPANLEDGER_DISABLED="true")
        assert len(receiver.spans) == 1


_PROVIDER = f"""
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
mine, exporter = TracerProvider(), InMemorySpanExporter()
mine.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(mine)
import spanledger
spanledger.init(instrument=False)
assert trace.get_tracer_provider() is mine
with spanledger.session("s"):
    {_AGENT}
span, = exporter.get_finished_spans()
print(span.name, span.attributes["session.id"], spanledger.doctor().endpoint)
"""


def test_a_provider_that_is_there_stays_and_gets_an_exporter_only_when_one_is_named() -> None:
    asked = {"SPANLEDGER_SEND_UNDER_PYTEST": "true"}
    assert run(_PROVIDER, **asked) == "invoke_agent a s"
    with receiving() as receiver:
        told = run(_PROVIDER, SPANLEDGER_ENDPOINT=receiver.url, **asked)
        assert told == f"invoke_agent a s {receiver.url}"
        assert receiver.names == ["invoke_agent a"]


def test_redaction_sees_every_text_and_what_it_cannot_do_is_not_sent() -> None:
    code = "\n".join(
        [
            "import spanledger",
            "def redact(key, text):",
            "    if text == 'bad': raise ValueError",
            "    return None if key.endswith('call.result') else text.replace('secret', '***')",
            "spanledger.init(instrument=False, content='full', redact=redact)",
            "@spanledger.tool",
            "def search(q): return q",
            "search('a secret'); search('bad')",
            "try:",
            "    with spanledger.agent('x'): raise KeyError('my secret')",
            "except KeyError: pass",
        ]
    )
    with receiving() as receiver:
        run(code, SPANLEDGER_ENDPOINT=receiver.url, SPANLEDGER_SEND_UNDER_PYTEST="true")
    assert receiver.names == ["execute_tool search", "invoke_agent x"]
    assert "secret" not in str(receiver.spans)
    assert "***" in str(receiver.spans[0])
    assert "call.result" not in str(receiver.spans[0])
    assert receiver.spans[1].status.message == "KeyError: 'my ***'"


def test_run_starts_a_program_with_tracing_on() -> None:
    code = f"import sys; sys.argv = ['spanledger', 'run', '--', sys.executable, '-c', {_AGENT!r}]\n"
    code = code.replace("with spanledger", "import spanledger\\nwith spanledger")
    code += "from spanledger._cli import main; main()"
    asked = {"SPANLEDGER_SEND_UNDER_PYTEST": "true", "SPANLEDGER_INSTRUMENT": "false"}
    with receiving() as receiver:
        run(code, SPANLEDGER_ENDPOINT=receiver.url, **asked)
        assert receiver.names == ["invoke_agent a"]


class Instrumentor:
    """What an entry point gives; remembers whether it was turned on."""

    on: bool = False
    starts_on: bool = False

    def __init__(self) -> None:
        self.is_instrumented_by_opentelemetry = self.starts_on

    def instrument(self, tracer_provider: Any) -> None:
        type(self).on = self.is_instrumented_by_opentelemetry = True


def made() -> type[Instrumentor]:
    """A class of its own, which remembers for itself."""

    class Made(Instrumentor): ...

    return Made


class Failing(Instrumentor):
    def instrument(self, tracer_provider: Any) -> None:
        raise RuntimeError("wrong version")


def entry(value: str, made: type[Instrumentor]) -> EntryPoint:
    class Entry(EntryPoint):
        def load(self) -> Any:
            return made

    return Entry(value.rpartition(".")[2], f"{value}:X", "opentelemetry_instrumentor")


OFFICIAL = "opentelemetry.instrumentation.genai.openai"
INFERENCE = "openinference.instrumentation.openai"
OPENLLMETRY = "opentelemetry.instrumentation.openai"


def turned_on(
    monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint, wanted: tuple[str, ...] | None = None
) -> dict[str, str]:
    monkeypatch.setattr(_init, "entry_points", lambda group: list(entries))
    found = _init.turn_on(wanted, None)
    return {one.distribution: one.state for one in found}


def test_of_instrumentations_of_one_library_one_is_kept_and_the_log_says_which(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kinds = [made() for _ in range(4)]
    values = [OPENLLMETRY, INFERENCE, OFFICIAL, "opentelemetry.instrumentation.requests"]
    entries = [entry(value, kind) for value, kind in zip(values, kinds, strict=True)]
    with caplog.at_level(logging.INFO, "spanledger"):
        states = turned_on(monkeypatch, *entries)
    assert states == {f"{OFFICIAL}:X": "on", f"{INFERENCE}:X": "off", f"{OPENLLMETRY}:X": "off"}
    assert [kind.on for kind in kinds] == [False, False, True, False]
    assert [record.message for record in caplog.records] == [
        f"spanledger: openai: keeping {OFFICIAL}:X, not {other}:X, which records the same calls"
        for other in (INFERENCE, OPENLLMETRY)
    ]


def test_when_the_best_fails_the_next_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    good = made()
    entries = [entry(OFFICIAL, Failing), entry(INFERENCE, good)]
    states = turned_on(monkeypatch, *entries)
    assert states == {f"{OFFICIAL}:X": "failed", f"{INFERENCE}:X": "on"}


def test_what_the_program_turned_on_stays_and_keeps_the_others_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = [made() for _ in range(2)]
    entries = [entry(OFFICIAL, kinds[0]), entry(INFERENCE, kinds[1])]
    monkeypatch.setitem(sys.modules, INFERENCE, ModuleType(INFERENCE))
    kinds[1].starts_on = True
    states = turned_on(monkeypatch, *entries)
    assert states == {f"{OFFICIAL}:X": "off", f"{INFERENCE}:X": "already on"}
    assert [kind.on for kind in kinds] == [False, False]


def test_only_libraries_asked_for_and_not_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = made()
    assert turned_on(monkeypatch, entry(OFFICIAL, kind), wanted=("anthropic",)) == {
        f"{OFFICIAL}:X": "off"
    }
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "openai")
    assert turned_on(monkeypatch, entry(OFFICIAL, kind)) == {f"{OFFICIAL}:X": "off"}
    assert not kind.on


def test_settings_that_mean_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="none, hashes, full"):
        content_mode("some")
    monkeypatch.setenv("X", "perhaps")
    with pytest.raises(ValueError, match="true or false"):
        switch("X", False)
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    assert content_mode(None) == "full"
    monkeypatch.setenv("SPANLEDGER_INSTRUMENT", "OpenAI, anthropic")
    assert instrumented(None) == ("openai", "anthropic")
    assert instrumented(False) == ()
