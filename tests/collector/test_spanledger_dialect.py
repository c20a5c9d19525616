"""What the SDK says in place of content, and of spans that have only started."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from spanledger import (
    INPUT_HASHES,
    OUTPUT_HASHES,
    STEP_KIND,
    TOOL_CALL_SIGNATURE,
    TOOL_COST_USD,
    TOOL_ERROR_EVIDENCE,
    TOOL_RESULT_SIGNATURE,
)
from spanledger_collector.decode.bulk import decode as bulk
from spanledger_collector.dialects import REGISTRY
from spanledger_collector.dialects.base import Dialect
from tests.decoded import NOW_NS, decode, span

HASHES = ["00" * 15 + f"{n:02x}" for n in range(3)]
TOOL: dict[str, object] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "search",
    TOOL_CALL_SIGNATURE: 2**63 - 1,
    TOOL_RESULT_SIGNATURE: 7,
    TOOL_COST_USD: "0.005",
}


@pytest.fixture(params=["span by span", "at once"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = request.param == "at once"
    monkeypatch.setattr(bulk, "FEWEST_SPANS", 0 if at_once else 2**40)
    monkeypatch.setattr(bulk, "LEAST_SHARE", 0.0 if at_once else 1.0)


def row(attributes: dict[str, object], scope: str) -> dict[str, Any]:
    [made] = decode(span(attributes), scope=scope).spans.to_pylist()
    return made


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("scope", ["spanledger", "spanledger.pending"])
def test_signatures_and_prices_of_tools(scope: str) -> None:
    made = row(TOOL, scope)
    assert (made["role"], made["tool_name"]) == ("tool", "search")
    assert (made["call_sig"], made["result_sig"]) == (2**63 - 1, 7)
    assert str(made["reported_cost_usd"]) == "0.005000000000"


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(
    ("scope", "more"),
    [
        ("my-go-agent", {}),
        ("", {}),
        ("openinference.instrumentation.langchain", {"openinference.span.kind": "TOOL"}),
        ("pydantic-ai", {"operation.cost": 9.5}),
        ("spanledger", {"operation.cost": 9.5}),
        ("langfuse-sdk", {"langfuse.observation.type": "tool"}),
    ],
)
@pytest.mark.parametrize(("told", "usd"), [("0.25", "0.25"), (0.1, "0.1"), (2, "2")])
def test_what_a_tool_says_it_cost_is_read_whoever_made_its_span(
    scope: str, more: dict[str, object], told: object, usd: str
) -> None:
    made = row({**TOOL, TOOL_COST_USD: told, **more}, scope)
    assert (made["role"], made["reported_cost_usd"]) == ("tool", Decimal(usd))


@pytest.mark.parametrize("dialect", REGISTRY, ids=lambda one: one.name)
def test_every_dialect_reads_what_a_tool_says_it_cost(dialect: Dialect) -> None:
    column, rank, _ = dialect.columns[TOOL_COST_USD]
    others = [place for name, place, _ in dialect.columns.values() if name == column]
    assert (column, others.count(rank), min(others)) == ("reported_cost_usd", 1, rank)


@pytest.mark.usefixtures("_way")
def test_a_tool_that_cost_nothing_is_told_from_one_that_says_nothing() -> None:
    assert row({**TOOL, TOOL_COST_USD: "0"}, "spanledger")["reported_cost_usd"] == 0
    free = {**TOOL, "operation.cost": 0.0}
    del free[TOOL_COST_USD]
    assert row(free, "spanledger")["reported_cost_usd"] is None


@pytest.mark.usefixtures("_way")
def test_content_that_came_is_signed_here() -> None:
    made = row({**TOOL, "gen_ai.tool.call.arguments": "{}"}, "spanledger")
    assert made["call_sig"] not in (0, 2**63 - 1)
    assert made["result_sig"] == 7


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(
    ("said", "evidence"),
    [
        ({}, ""),
        ({"gen_ai.tool.call.result": '{"ok": false}'}, "payload"),
        ({"gen_ai.tool.call.result": "Error: no such city"}, "suspected"),
        ({TOOL_ERROR_EVIDENCE: "payload"}, "payload"),
        ({TOOL_ERROR_EVIDENCE: "a secret"}, ""),
        ({TOOL_ERROR_EVIDENCE: "payload", "error.type": "Timeout"}, "declared"),
        ({TOOL_ERROR_EVIDENCE: "payload", "gen_ai.tool.call.result": "3 flights"}, "payload"),
    ],
)
def test_how_an_error_of_a_tool_is_known(said: dict[str, object], evidence: str) -> None:
    made = row({**TOOL, **said}, "spanledger")
    assert made["tool_evidence"] == evidence
    assert made["tool_outcome"] == ("error" if evidence == "declared" else "ok")


@pytest.mark.usefixtures("_way")
def test_calls_of_models_have_no_evidence() -> None:
    call: dict[str, object] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.tool.call.result": '{"ok": false}',
    }
    assert row(call, "spanledger")["tool_evidence"] == ""


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("signature", [-1, 0, 2**62 * 1.5, "7", True])
def test_what_is_no_signature_is_none(signature: object) -> None:
    assert row({**TOOL, TOOL_RESULT_SIGNATURE: signature}, "spanledger")["result_sig"] == 0


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("scope", ["spanledger", "opentelemetry.instrumentation.genai.openai"])
def test_hashes_of_messages_of_any_instrumentation(scope: str) -> None:
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    made = row({**call, INPUT_HASHES: HASHES[:2], OUTPUT_HASHES: HASHES[2:]}, scope)
    assert [one.hex() for one in made["input_messages"]] == HASHES[:2]
    assert [one.hex() for one in made["output_messages"]] == HASHES[2:]
    assert INPUT_HASHES not in dict(made["attributes"])


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("hashes", [["00"], ["zz" * 16], "00" * 16, [1], []])
def test_what_is_no_hash_stays_an_attribute(hashes: object) -> None:
    made = row({"gen_ai.operation.name": "chat", INPUT_HASHES: hashes}, "spanledger")
    assert made["input_messages"] == []
    assert INPUT_HASHES in dict(made["attributes"])


@pytest.mark.usefixtures("_way")
def test_a_span_that_has_only_started_is_older_than_its_end() -> None:
    started = row({STEP_KIND: "task"}, "spanledger.pending")
    ended = row({STEP_KIND: "task"}, "spanledger")
    assert (started["flags"], ended["flags"]) == (["pending"], [])
    assert (started["version"], ended["version"]) == (1, NOW_NS)
    assert started["role"] == ended["role"] == "workflow"
