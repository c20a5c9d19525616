"""vLLM and SGLang: the inference server's own view of a call, below its client's span.

https://docs.vllm.ai/en/latest/examples/online_serving/opentelemetry.html
"""

from __future__ import annotations

from spanledger_collector.decode.values import seconds
from spanledger_collector.dialects.base import Dialect, Draft, sources
from spanledger_collector.dialects.otel_genai import COLUMNS

_SGLANG = "sglang"


def _interpret(draft: Draft) -> None:
    row = draft.row
    scope = str(row["scope_name"])
    is_sglang = scope.startswith(_SGLANG) or any(
        key.startswith(_SGLANG) for key in draft.attributes
    )
    row["provider"] = _SGLANG if is_sglang else "vllm"
    # Spans of single phases (queue, prefill, decode) tell no tokens.
    if row["input_tokens"] is not None or row["output_tokens"] is not None:
        row["role"] = "server"


INFERENCE_SERVER = Dialect(
    name="inference_server",
    scopes=("vllm", _SGLANG),
    markers=frozenset(
        {
            "gen_ai.latency.time_in_queue",
            "gen_ai.latency.time_in_model_prefill",
            "gen_ai.latency.time_in_model_decode",
            "gen_ai.latency.time_in_model_inference",
        }
    ),
    columns={
        **COLUMNS,
        **sources("ttft_ns", seconds, "gen_ai.latency.time_to_first_token"),
        **sources("time_in_queue_ns", seconds, "gen_ai.latency.time_in_queue"),
        **sources("prefill_ns", seconds, "gen_ai.latency.time_in_model_prefill"),
        **sources("decode_ns", seconds, "gen_ai.latency.time_in_model_decode"),
    },
    interpret=_interpret,
)
