"""Calls over LiteLLM in the ledger: priced once, as the provider counted them."""

from __future__ import annotations

from decimal import Decimal

from spanledger_analytics.job import LedgerJob
from spanledger_collector.decode.decode import Body
from spanledger_collector.decode.decode_batch import decode_batch
from spanledger_collector.store.store_process import store_rows
from spanledger_storage.store import Store
from tests.decoded import NOW_NS, span
from tests.marks import Marks
from tests.otlp import request

ROOT, RAW = b"\1" * 8, b"\2" * 8
# Of 27 860 tokens 1 358 were audio, 9 726 were cached, 358 of these audio; output with thoughts.
GEMINI = {
    "promptTokenCount": 27_860,
    "candidatesTokenCount": 6_690,
    "thoughtsTokenCount": 2_696,
    "cachedContentTokenCount": 9_726,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 26_502},
        {"modality": "AUDIO", "tokenCount": 1_358},
    ],
    "cacheTokensDetails": [
        {"modality": "TEXT", "tokenCount": 9_368},
        {"modality": "AUDIO", "tokenCount": 358},
    ],
}
# LiteLLM takes what was cached from each kind, and does not say how much that was.
TOLD = {
    "prompt_tokens": 27_860,
    "completion_tokens": 9_386,
    "prompt_tokens_details": {
        "cached_tokens": 9_726,
        "text_tokens": 17_134,
        "audio_tokens": 1_000,
    },
    "cache_read_input_tokens": 9_726,
}


def test_cached_audio_is_priced_as_geminis_own_usage_tells(store: Store) -> None:
    call = {
        "gen_ai.operation.name": "acompletion",
        "gen_ai.system": "gemini",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.response.id": "gem-1",
        "metadata.usage_object": repr(TOLD),
    }
    raw = {"llm.gemini.usageMetadata": repr(GEMINI), "llm.gemini.responseId": "gem-1"}
    spans = (
        span(call, name="litellm_request", span_id=ROOT),
        span(raw, name="raw_gen_ai_request", span_id=RAW, parent_span_id=ROOT),
    )
    body = Body("default", request(*spans, scope="litellm").SerializeToString(), NOW_NS)
    store_rows(store, decode_batch([body], "f", NOW_NS), "f")
    LedgerJob(store, lambda: NOW_NS, Marks()).run_once()
    [entry] = store.sql_rows(
        "SELECT input_tokens AS input, audio_input_tokens AS audio, flags,"
        " toString(total_cost_usd) AS usd FROM ledger_current"
    )
    assert (entry["input"], entry["audio"], entry["flags"]) == (27_860, 1_358, [])
    # 0.30, audio 1.00, cached 0.03, cached audio 0.10, output 2.50 USD per million tokens.
    text, audio = (26_502 - 9_368) * Decimal("0.3"), (1_358 - 358) * 1
    cached = 9_368 * Decimal("0.03") + 358 * Decimal("0.1")
    usd = (text + audio + cached + (6_690 + 2_696) * Decimal("2.5")) / 10**6
    assert Decimal(str(entry["usd"])) == usd
