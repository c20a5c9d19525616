"""LiteLLM and its proxy, in the modes and callbacks they have: what was called, and for how much.

Spans are as 1.106.2 wrote them. Expected are the provider's own counts and model.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.decoded import row


def litellm(**said: object) -> dict[str, Any]:
    return row({key.replace("__", "."): value for key, value in said.items()}, scope="litellm")


def models(made: dict[str, Any]) -> tuple[str, str]:
    return made["request_model"], made["response_model"]


def proxied(
    called: str, *, provider: str, asked: str, answered: str = "", group: str | None = None
) -> tuple[str, str]:
    """Return the models of a call: asked and answered as the span says, ``called`` on the wire."""
    said = {"litellm__model_group": group} if group else {}
    made = litellm(
        gen_ai__operation__name="chat",
        gen_ai__provider__name=provider,
        gen_ai__request__model=asked,
        gen_ai__response__model=answered,
        litellm__provider__model=called,
        **said,
    )
    return models(made)


@pytest.mark.parametrize(
    ("answered", "expected"),
    [("claude", ""), ("", ""), ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929")],
)
def test_the_alias_of_a_proxy_is_no_model(answered: str, expected: str) -> None:
    called = "anthropic/claude-sonnet-4-5"
    v2 = proxied(called, provider="anthropic", asked="claude", answered=answered)
    assert v2 == ("claude-sonnet-4-5", expected)
    default = proxied(
        called,
        provider="anthropic",
        asked="claude-sonnet-4-5",
        answered=answered,
        group="claude",
    )
    assert default == ("claude-sonnet-4-5", expected)


def test_an_alias_that_is_the_models_name_stays() -> None:
    said = {"asked": "gpt-5-mini", "answered": "gpt-5-mini"}
    assert proxied("openai/gpt-5-mini", provider="openai", **said) == ("gpt-5-mini", "gpt-5-mini")


@pytest.mark.parametrize(
    ("called", "provider"),
    [
        ("azure/prod-eu", "azure"),
        ("bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/x", "bedrock"),
    ],
)
def test_an_alias_tells_more_than_the_name_of_a_deployment(called: str, provider: str) -> None:
    said = {"asked": "gpt-4o", "answered": "gpt-4o"}
    assert proxied(called, provider=provider, **said) == ("gpt-4o", "gpt-4o")
    unknown = proxied(called, provider=provider, asked="main", answered="main")
    assert unknown == (called.partition("/")[2], "")


def test_a_slash_in_a_models_own_name_is_no_maker() -> None:
    name = "meta-llama/Llama-3.3-70B"
    assert proxied(name, provider="together_ai", asked=name, answered=name) == (name, name)
