"""Embeddings that two instrumentations record, one of them as a call of a model."""

from __future__ import annotations

from typing import Any

import pytest

from spanledger_analytics.calls import derive_calls
from tests.analytics.made import llm, only, span

EMBEDDED: dict[str, Any] = {"request_model": "amazon.titan-embed-text-v2:0"}


def test_a_call_around_its_own_embedding_is_that_embedding() -> None:
    views = [
        llm("1", usage=(14_156, None), scope_name="outer", **EMBEDDED),
        span("2", "1", role="embedding", usage=(14_156, None), at=1, lasts=98, **EMBEDDED),
    ]
    call = only(derive_calls(views))
    assert (call.kind, call.tokens.input, len(call.sources)) == ("embedding", 14_156, 2)


@pytest.mark.parametrize(
    "outer",
    [
        {"usage": (14_156, 7)},
        {"usage": (14_157, None)},
        {"usage": (None, None)},
        {"request_model": "gpt-4o"},
    ],
)
def test_an_embedding_made_during_another_call_is_its_own(outer: dict[str, Any]) -> None:
    said: dict[str, Any] = {"usage": (14_156, None), **EMBEDDED, **outer}
    views = [
        llm("1", **said),
        span("2", "1", role="embedding", usage=(14_156, None), at=1, lasts=98, **EMBEDDED),
    ]
    assert [call.kind for call in derive_calls(views)] == ["llm", "embedding"]
